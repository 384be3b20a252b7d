package org.jt;

/** Dtypes do not fit the op. */
public final class DTypeException extends JtException {
  private static final long serialVersionUID = 1;

  DTypeException(int code, long nativeCode, String message, Throwable cause) {
    super(code, nativeCode, message, cause);
  }
}
