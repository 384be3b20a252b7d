package org.jt;

/** The context belongs to another thread at the moment. */
public final class BusyException extends JtException {
  private static final long serialVersionUID = 1;

  BusyException(int code, long nativeCode, String message, Throwable cause) {
    super(code, nativeCode, message, cause);
  }
}
