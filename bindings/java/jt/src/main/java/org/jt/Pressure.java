package org.jt;

/**
 * Native memory is invisible to the collector: a program that closes nothing allocates so little of Java's memory that it
 * would never run. So the bytes that an engine holds, and the tensors of a context, are looked at now and then, and once they
 * are twice the least there was since the latest collection, it is asked for. The least, as what was found is given back by
 * other threads, or when the context's own thread comes by: right after a collection much of it is still there.
 */
final class Pressure {
  static final long LEAST_BYTES = Long.getLong("jt.gc.bytes", 256L << 20);
  static final long LEAST_TENSORS = Integer.getInteger("jt.gc.tensors", 1 << 17);
  private final long enough;
  private long least;

  /** @param enough below which nothing is done */
  Pressure(long enough) {
    this.enough = enough;
  }

  /** Whether it collected, as there is so much now. */
  boolean look(long now) {
    synchronized (this) {
      least = Math.min(least, now);
      if (now < enough || now / 2 < least) return false;
      least = Long.MAX_VALUE;
    }
    collect();
    return true;
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
