package org.jt;

/** An argument is null, closed, out of range or of the wrong kind. */
public final class ArgumentException extends JtException {
  private static final long serialVersionUID = 1;

  ArgumentException(int code, long nativeCode, String message, Throwable cause) {
    super(code, nativeCode, message, cause);
  }
}
