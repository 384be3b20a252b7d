package org.jt;

/** Learning rates by step; the same numbers in every language. */
public final class Schedules {
  private Schedules() {}

  /**
   * Half a cosine from lr to lrEnd.
   * @param lr the rate at first
   * @param lrEnd from {@code steps} on
   * @param step which
   * @param steps of how many
   * @return the rate
   */
  public static double cosine(double lr, double lrEnd, long step, long steps) {
    return Native.schedule_cosine(lr, lrEnd, step, steps);
  }

  /**
   * lr times factor for every {@code every} steps done.
   * @param lr the rate at first
   * @param factor what it is multiplied by
   * @param step which
   * @param every how often
   * @return the rate
   */
  public static double step(double lr, double factor, long step, long every) {
    return Native.schedule_step(lr, factor, step, every);
  }

  /**
   * Rises linearly to lr.
   * @param lr the rate in the end
   * @param step which
   * @param warmup after how many
   * @return the rate
   */
  public static double warmup(double lr, long step, long warmup) {
    return Native.schedule_warmup(lr, step, warmup);
  }
}
