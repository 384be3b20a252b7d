package org.jt;

/** Numbers of an {@link Engine}, at one moment. */
public final class Stats {
  private final long[] numbers;

  Stats(long[] numbers) {
    this.numbers = numbers;
  }

  /**
   * Bytes in values that someone holds.
   * @return bytes
   */
  public long liveBytes() {
    return numbers[0];
  }

  /**
   * The most that was.
   * @return bytes
   */
  public long peakBytes() {
    return numbers[1];
  }

  /**
   * Kept for reuse.
   * @return bytes
   */
  public long cachedBytes() {
    return numbers[2];
  }

  /**
   * The most that may be; 0: any.
   * @return bytes
   */
  public long limitBytes() {
    return numbers[4];
  }

  /**
   * Evaluations that ran something.
   * @return how many
   */
  public long evaluations() {
    return numbers[5];
  }

  /**
   * Graphs taken through the compiler.
   * @return how many
   */
  public long plansMade() {
    return numbers[6];
  }

  /**
   * Kernels compiled by this process.
   * @return how many
   */
  public long kernelsCompiled() {
    return numbers[7];
  }

  /**
   * Kernels found on disk.
   * @return how many
   */
  public long kernelsFromDisk() {
    return numbers[8];
  }

  /**
   * Kernels run.
   * @return how many
   */
  public long launches() {
    return numbers[9];
  }

  /**
   * Time spent compiling.
   * @return nanoseconds
   */
  public long compileNanos() {
    return numbers[10];
  }

  /**
   * Time spent running, where it is measured.
   * @return nanoseconds
   */
  public long runNanos() {
    return numbers[11];
  }
}
