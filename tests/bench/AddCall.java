import org.jt.*;

/** Bench row 20: ns of an addition of four elements that is built and given back, per call: by hand, and in a scope. */
public class AddCall {
  private static Tensor a, b;

  private static void closed(int n) {
    for (int i = 0; i < n; i++) a.add(b).close();
  }

  private static void scoped(int n) {
    for (int i = 0; i < n; i += 100) {
      try (Scope s = new Scope()) {
        for (int k = 0; k < 100; k++) a.add(b).close();
      }
    }
  }

  private interface Loop {
    void run(int n);
  }

  private static double nanoseconds(Loop loop) {
    double best = Double.MAX_VALUE;
    for (int run = 0; run < 500; run++) {
      long begin = System.nanoTime();
      loop.run(10000);
      best = Math.min(best, (System.nanoTime() - begin) / 10000.0);
    }
    return best;
  }

  public static void main(String[] args) {
    a = Tensor.ones(4).eval();
    b = Tensor.ones(4).eval();
    System.out.printf(java.util.Locale.ROOT, "%.1f %.1f%n", nanoseconds(AddCall::closed), nanoseconds(AddCall::scoped));
  }
}
