package org.jt;

import static org.junit.jupiter.api.Assertions.*;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.jt.nn.Linear;
import org.jt.optim.SGD;
import org.junit.jupiter.api.Test;

/** A context for each thread, a context for several in turn, tensors of other threads. */
class ThreadsTest {
  private static <T> T elsewhere(Callable<T> body) throws Exception {
    AtomicReference<T> out = new AtomicReference<>();
    AtomicReference<Throwable> thrown = new AtomicReference<>();
    Thread t = new Thread(() -> {
      try {
        out.set(body.call());
      } catch (Throwable e) {
        thrown.set(e);
      }
    }, "elsewhere");
    t.start();
    t.join();
    if (thrown.get() instanceof Exception) throw (Exception) thrown.get();
    if (thrown.get() != null) throw new AssertionError(thrown.get());
    return out.get();
  }

  private static double trained(long seed) {
    Context.current().seed(seed);
    Linear layer = new Linear(3, 1);
    Tensor x = Tensor.randn(16, 3), y = x.sum(new long[] {1}, true);
    SGD sgd = new SGD(layer.parameters(), 0.1);
    double loss = 0;
    for (int i = 0; i < 30; i++) {
      try (Scope s = new Scope()) {
        Tensor l = layer.forward(x).mseLoss(y);
        sgd.step(l);
        loss = l.toDouble();
      }
    }
    return loss;
  }

  @Test
  void eightThreadsTrainAtOnce() throws Exception {
    double[] alone = new double[8];
    for (int i = 0; i < 8; i++) alone[i] = trained(i);
    ExecutorService pool = Executors.newFixedThreadPool(8);
    List<Future<Double>> all = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      long seed = i;
      all.add(pool.submit(() -> trained(seed)));
    }
    for (int i = 0; i < 8; i++) assertEquals(alone[i], all.get(i).get(60, TimeUnit.SECONDS));
    pool.shutdown();
  }

  @Test
  void aContextIsPassedOn() throws Exception {
    Context c = new Context(Engine.standard());
    Context before = Context.current();
    c.attach().seed(1);
    Tensor x = Tensor.of(new float[] {1, 2}).add(1); // pending
    BusyException e = assertThrows(BusyException.class, () -> elsewhere(() -> c.seed(2)));
    assertTrue(e.getMessage().startsWith("seed: ") && e.getMessage().contains("'elsewhere'"), e.getMessage());
    assertThrows(WrongContextException.class, () -> elsewhere(() -> x.mul(2)));
    c.detach();
    float[] got = elsewhere(() -> {
      Tensor y = x.mul(2); // its context belongs to nobody: it is this thread's now
      assertSame(c, y.context());
      float[] out = y.toFloats();
      c.detach();
      return out;
    });
    assertArrayEquals(new float[] {4, 6}, got);
    assertSame(c, x.mul(3).context());
    elsewhere(() -> {
      assertThrows(BusyException.class, c::attach);
      return null;
    });
    before.attach();
    x.close();
    c.close();
  }

  @Test
  void theContextOfAThreadThatEndedIsFree() throws Exception {
    Tensor x = elsewhere(() -> Tensor.of(new float[] {1, 2}).add(1));
    assertArrayEquals(new float[] {2, 3}, x.toFloats());
    x.close();
  }

  @Test
  void evaluatedTensorsOfOtherThreadsAreOperands() throws Exception {
    Tensor w = Tensor.of(new float[] {1, 2}).mul(2).eval();
    float[] got = elsewhere(() -> w.add(Tensor.ones(2)).toFloats());
    assertArrayEquals(new float[] {3, 5}, got);
    elsewhere(() -> {
      w.close(); // is closed when its own thread comes by
      return null;
    });
    Tensor.ones(1).close();
    assertTrue(w.isClosed());
  }

  /** A gradient that Java computes makes calls of its own inside the call that pins an operand. */
  @Test
  void operandsStayWhileACallbackMakesCalls() throws Exception {
    Tensor w = Tensor.of(new float[] {2, 3}).mul(1).eval();
    double[] got = elsewhere(() -> {
      Tensor x = Tensor.of(new float[] {1, 1}).requiresGrad(true);
      Tensor y = new CoreTest.Cube().apply(DType.F32, x.shape(), x);
      return Context.current().grad(y, List.of(x), w, false, false)[0].toDoubles(); // dy is of another context
    });
    assertArrayEquals(new double[] {6, 9}, got);
  }

  /** Threads use what another closes at that moment: they get it, or an exception; the memory stays as long as they need it. */
  @Test
  void closingWhileOthersUse() throws Exception {
    AtomicReference<Tensor> shared = new AtomicReference<>(Tensor.ones(1000).eval());
    AtomicLong used = new AtomicLong(), refused = new AtomicLong();
    boolean[] ends = {false};
    List<Thread> threads = new ArrayList<>();
    AtomicReference<Throwable> wrong = new AtomicReference<>();
    for (int i = 0; i < 3; i++) {
      Thread t = new Thread(() -> {
        try {
          while (!ends[0]) {
            try (Scope s = new Scope()) {
              Tensor y = shared.get().add(1);
              if (used.incrementAndGet() % 64 == 0) assertEquals(2000, y.sum().toDouble());
            } catch (ArgumentException | BusyException e) { // closed, or its context is in use at that moment
              refused.incrementAndGet();
            }
            Thread.onSpinWait();
            synchronized (ends) {
              if (ends[0]) return;
            }
          }
        } catch (Throwable e) {
          wrong.set(e);
        }
      });
      t.start();
      threads.add(t);
    }
    long end = System.nanoTime() + 2_000_000_000L;
    while (System.nanoTime() < end) {
      try {
        Tensor old = shared.getAndSet(Tensor.ones(1000).eval());
        old.close();
      } catch (BusyException e) { // another thread looks at a tensor of this one's context
        refused.incrementAndGet();
      }
    }
    synchronized (ends) {
      ends[0] = true;
    }
    for (Thread t : threads) t.join();
    assertNull(wrong.get(), () -> wrong.get().toString());
    assertTrue(used.get() > 100, used + " used, " + refused + " refused");
  }

  @Test
  void layersAndOptimisersSayWhoseTheyAre() throws Exception {
    Linear layer = new Linear(2, 2);
    SGD sgd = new SGD(layer.parameters());
    Tensor x = Tensor.ones(1, 2).eval();
    assertThrows(BusyException.class, () -> elsewhere(() -> layer.forward(x)));
    assertThrows(BusyException.class, () -> elsewhere(layer::parameters));
    assertThrows(BusyException.class, () -> elsewhere(() -> sgd.lr(1)));
    elsewhere(() -> {
      layer.close();
      return null;
    });
    Tensor.ones(1).close();
    assertThrows(ArgumentException.class, () -> layer.forward(x));
    layer.close();
  }
}
