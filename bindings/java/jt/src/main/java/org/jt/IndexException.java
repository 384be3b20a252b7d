package org.jt;

/** An index or a label is outside what it counts along. */
public final class IndexException extends JtException {
  private static final long serialVersionUID = 1;

  IndexException(int code, long nativeCode, String message, Throwable cause) {
    super(code, nativeCode, message, cause);
  }
}
