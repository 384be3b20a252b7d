package org.jt;

/** What went wrong in jt: the message begins with the op, then says the fact and both values. Subclasses tell the kinds apart. */
public class JtException extends RuntimeException {
  private static final long serialVersionUID = 1;

  /** @serial the code of jt_status */
  private final int code;

  /** @serial errno or a driver's code */
  private final long nativeCode;

  JtException(int code, long nativeCode, String message, Throwable cause) {
    super(message, cause);
    this.code = code;
    this.nativeCode = nativeCode;
  }

  /**
   * The code of jt_status: negative.
   * @return the code
   */
  public int code() {
    return code;
  }

  /**
   * What the system or a driver said: errno, 0 if nothing.
   * @return the number
   */
  public long nativeCode() {
    return nativeCode;
  }

  static JtException of(int code, long nativeCode, String message, Throwable cause) {
    switch (code) {
      case -2: return new ArgumentException(code, nativeCode, message, cause);
      case -3: return new ShapeException(code, nativeCode, message, cause);
      case -4: return new DTypeException(code, nativeCode, message, cause);
      case -5: return new MemoryException(code, nativeCode, message, cause);
      case -6:
      case -7: return new DeviceException(code, nativeCode, message, cause);
      case -8: return new CompileException(code, nativeCode, message, cause);
      case -9: return new UnsupportedException(code, nativeCode, message, cause);
      case -10: return new CancelledException(code, nativeCode, message, cause);
      case -12: return new FileException(code, nativeCode, message, cause);
      case -14: return new BusyException(code, nativeCode, message, cause);
      case -16: return new NotFoundException(code, nativeCode, message, cause);
      case -17: return new WrongContextException(code, nativeCode, message, cause);
      case -20: return new IndexException(code, nativeCode, message, cause);
      default: return new JtException(code, nativeCode, message, cause);
    }
  }

  static ArgumentException argument(String message) {
    return new ArgumentException(-2, 0, message, null);
  }
}
