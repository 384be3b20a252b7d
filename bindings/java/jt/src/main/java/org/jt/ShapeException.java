package org.jt;

/** Shapes do not fit the op. */
public final class ShapeException extends JtException {
  private static final long serialVersionUID = 1;

  ShapeException(int code, long nativeCode, String message, Throwable cause) {
    super(code, nativeCode, message, cause);
  }
}
