package org.jt;

/** An operand is an unevaluated tensor of another context. */
public final class WrongContextException extends JtException {
  private static final long serialVersionUID = 1;

  WrongContextException(int code, long nativeCode, String message, Throwable cause) {
    super(code, nativeCode, message, cause);
  }
}
