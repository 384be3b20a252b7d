package org.jt;

/** Not offered by this build, backend or op. */
public final class UnsupportedException extends JtException {
  private static final long serialVersionUID = 1;

  UnsupportedException(int code, long nativeCode, String message, Throwable cause) {
    super(code, nativeCode, message, cause);
  }
}
