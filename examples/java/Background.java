import java.util.concurrent.CompletableFuture;
import org.jt.*;
import org.jt.nn.*;

/**
 * A thread in the background compiles a network while the main thread goes on: kernels belong to the engine, which all
 * threads share, so that the main thread's first use of the network finds them.
 */
public class Background {
  static Layer network() {
    return new Sequential(new Conv2d(3, 8, 3), new SiLU(), new GroupNorm(2, 8), new Flatten(), new Linear(8 * 30 * 30, 10), new Softmax());
  }

  static double run(Layer net) {
    try (Scope s = new Scope()) {
      long begin = System.nanoTime();
      Context.current().noGrad(() -> net.forward(Tensor.ones(1, 3, 32, 32))).eval();
      return (System.nanoTime() - begin) / 1e6;
    }
  }

  public static void main(String[] args) {
    Engine engine = Engine.standard();
    CompletableFuture<Double> warmed = CompletableFuture.supplyAsync(() -> {
      try (Layer net = network()) { // in this thread's own context
        return run(net);
      }
    });
    long frames = 0;
    Tensor frame = Tensor.ones(64, 64).eval();
    while (!warmed.isDone()) {
      try (Scope s = new Scope()) {
        frame.mul(0.5).add(1).sum().toDouble();
      }
      frames++;
    }
    long compiled = engine.stats().kernelsCompiled() + engine.stats().kernelsFromDisk();
    Layer net = network();
    double first = run(net);
    long more = engine.stats().kernelsCompiled() + engine.stats().kernelsFromDisk() - compiled;
    System.out.printf("background: %.1f ms; meanwhile %d frames; then the main thread's first run: %.1f ms, %d kernels compiled%n", warmed.join(), frames, first, more);
  }
}
