package org.jt;

/** The device reported an error, or is gone. */
public final class DeviceException extends JtException {
  private static final long serialVersionUID = 1;

  DeviceException(int code, long nativeCode, String message, Throwable cause) {
    super(code, nativeCode, message, cause);
  }
}
