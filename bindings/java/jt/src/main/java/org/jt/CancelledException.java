package org.jt;

/** An evaluation was ended: its thread was interrupted, or its listener said so. It may be asked for again. */
public final class CancelledException extends JtException {
  private static final long serialVersionUID = 1;

  CancelledException(int code, long nativeCode, String message, Throwable cause) {
    super(code, nativeCode, message, cause);
  }
}
