package org.jt;

/** Memory could not be had, or the limit of the engine is reached. */
public final class MemoryException extends JtException {
  private static final long serialVersionUID = 1;

  MemoryException(int code, long nativeCode, String message, Throwable cause) {
    super(code, nativeCode, message, cause);
  }
}
