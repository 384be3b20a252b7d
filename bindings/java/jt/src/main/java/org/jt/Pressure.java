package org.jt;

/**
 * Native memory is invisible to the collector: a program that closes nothing allocates so little of Java's memory that it
 * would never run. So the bytes and the number of tensors that are held are looked at now and then, and once they are twice
 * what they were after the latest collection, it is asked for.
 */
final class Pressure {
  private static final long LEAST_BYTES = Long.getLong("jt.gc.bytes", 256L << 20);
  private static final int LEAST_TENSORS = Integer.getInteger("jt.gc.tensors", 1 << 17);
  private static volatile long bytesWanted = LEAST_BYTES;
  private static volatile int tensorsWanted = LEAST_TENSORS;

  private Pressure() {}

  /** Whether it collected: then settle follows, once what was found is taken off the books. */
  static boolean look(Engine engine, int tensors) {
    if (engine.liveBytes() < bytesWanted && tensors < tensorsWanted) return false;
    collect();
    return true;
  }

  static void settle(Engine engine, int tensors) {
    bytesWanted = Math.max(LEAST_BYTES, 2 * engine.liveBytes());
    tensorsWanted = Math.max(LEAST_TENSORS, 2 * tensors);
  }

  /** Collects, and waits until what was found is given back: at most half a second. */
  static synchronized void collect() {
    Object object = new Object();
    boolean[] isDone = {false};
    Gone last = new Gone(object) {
      @Override
      void gone() {
        synchronized (isDone) {
          isDone[0] = true;
          isDone.notifyAll();
        }
      }
    };
    last.keep();
    object = null;
    System.gc();
    long end = System.nanoTime() + 500_000_000L;
    boolean interrupted = false;
    synchronized (isDone) {
      while (!isDone[0] && System.nanoTime() < end) {
        try {
          isDone.wait(10);
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
    }
    if (interrupted) Thread.currentThread().interrupt();
  }
}
