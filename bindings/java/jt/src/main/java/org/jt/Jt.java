package org.jt;

/** What concerns the library as a whole. */
public final class Jt {
  private Jt() {}

  /**
   * The version of the native library.
   * @return "0.1.0"
   */
  public static String version() {
    return Text.of(Native.version());
  }

  /**
   * Native bytes in values that the default engine's tensors hold.
   * @return bytes
   */
  public static long nativeBytes() {
    return Engine.standard().liveBytes();
  }

  /**
   * Seeds the current context.
   * @param seed any number
   */
  public static void seed(long seed) {
    Context.current().seed(seed);
  }

  /**
   * The file that the natives were loaded from.
   * @return its path, or a name that the system found
   */
  public static String library() {
    return Library.from();
  }
}
