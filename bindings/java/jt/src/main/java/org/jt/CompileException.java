package org.jt;

/** A kernel, or C source of the program's own, did not compile. */
public final class CompileException extends JtException {
  private static final long serialVersionUID = 1;

  CompileException(int code, long nativeCode, String message, Throwable cause) {
    super(code, nativeCode, message, cause);
  }
}
