package org.jt;

/** A file could not be read or written, or its content is damaged. */
public final class FileException extends JtException {
  private static final long serialVersionUID = 1;

  FileException(int code, long nativeCode, String message, Throwable cause) {
    super(code, nativeCode, message, cause);
  }
}
