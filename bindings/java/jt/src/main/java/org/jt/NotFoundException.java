package org.jt;

/** There is nothing of that name. */
public final class NotFoundException extends JtException {
  private static final long serialVersionUID = 1;

  NotFoundException(int code, long nativeCode, String message, Throwable cause) {
    super(code, nativeCode, message, cause);
  }
}
