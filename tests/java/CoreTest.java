package org.jt;

import static org.junit.jupiter.api.Assertions.*;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.jt.data.Batches;
import org.jt.data.Idx;
import org.jt.io.Safetensors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tensors, buffers, lifetimes, exceptions, custom ops, files, interruption. */
class CoreTest {
  @Test
  void valuesGoInAndComeOut() {
    assertArrayEquals(new float[] {1, 2, 3}, Tensor.of(new float[] {1, 2, 3}).toFloats());
    assertArrayEquals(new double[] {1, 2}, Tensor.of(new double[] {1, 2}).toDoubles());
    assertArrayEquals(new int[] {-1, 2}, Tensor.of(new int[] {-1, 2}).toInts());
    assertArrayEquals(new long[] {Long.MIN_VALUE, 2}, Tensor.of(new long[] {Long.MIN_VALUE, 2}).toLongs());
    assertArrayEquals(new boolean[] {true, false}, Tensor.of(new boolean[] {true, false}).toBooleans());
    assertArrayEquals(new byte[] {1, -1}, Tensor.of(new byte[] {1, -1}, DType.U8).toBytes());
    assertArrayEquals(new long[] {1, 255}, Tensor.of(new byte[] {1, -1}, DType.U8).toLongs());
    assertArrayEquals(new long[] {65535}, Tensor.of(new short[] {-1}, DType.U16).toLongs());
    assertEquals(2.5, Tensor.of(2.5).toDouble());
    assertArrayEquals(new long[] {2, 3}, Tensor.of(new float[6], 2, 3).shape());
    assertArrayEquals(new long[] {}, Tensor.of(new float[] {1}, new long[0]).shape());
    assertArrayEquals(new float[0], Tensor.of(new float[0], 2, 0).toFloats());
    assertEquals("f32[2] [1.0, 2.0]", Tensor.of(new float[] {1, 2}).toString());
    assertArrayEquals(new float[] {4, 5, 6}, Tensor.of(new float[] {1, 2, 3, 4, 5, 6}, 2, 3).at(-1).toFloats());
    assertEquals(DType.F32, Tensor.of(new int[] {1}).add(0.5).dtype());
    assertEquals(DType.I32, Tensor.of(new int[] {1}).add(2).dtype());
    assertEquals(DType.F64, Tensor.of(new double[] {1, 2}).add(1).dtype());
    assertArrayEquals(new long[] {0, 1, 2}, Tensor.arange(3).toLongs());
  }

  @Test
  void valuesSayWhereTheyLie() {
    try (Engine engine = Engine.builder().noDiskCache(true).build(); Context c = new Context(engine)) {
      assertEquals(List.of("cpu"), engine.devices());
      Context before = Context.current();
      c.attach();
      assertEquals("cpu", c.device("cpu:0"));
      Tensor x = Tensor.of(new float[] {1, 2});
      assertEquals("cpu", x.to("cpu").device());
      assertArrayEquals(new float[] {1, 2}, x.to("cpu").toFloats());
      assertTrue(assertThrows(NotFoundException.class, () -> x.to("far:0")).getMessage().contains("there are: cpu"));
      before.attach();
    }
  }

  @Test
  void dtypesAreThoseOfC() {
    for (DType t : DType.values()) {
      assertEquals(Text.of(Native.dtype_name(t.code)), t.toString());
      assertEquals(Native.dtype_size(t.code), t.size());
    }
    assertEquals("?", Text.of(Native.dtype_name(DType.values().length + 1)));
  }

  @Test
  void everyStatusHasItsException() {
    Map<String, Class<?>> kinds = Map.of("JT_E_INDEX", IndexException.class, "JT_E_INVALID", ArgumentException.class, "JT_E_SHAPE", ShapeException.class, "JT_E_DTYPE", DTypeException.class, "JT_E_NOMEM", MemoryException.class,
        "JT_E_COMPILE", CompileException.class, "JT_E_UNSUPPORTED", UnsupportedException.class, "JT_E_CANCELLED", CancelledException.class, "JT_E_IO", FileException.class, "JT_E_BUSY", BusyException.class);
    int found = 0;
    for (int code = -1; code >= -20; code--) {
      JtException e = JtException.of(code, 0, "x", null);
      assertEquals(code, e.code());
      Class<?> kind = kinds.get(Text.of(Native.status_name(code)));
      if (kind != null) {
        assertSame(kind, e.getClass());
        found++;
      }
    }
    assertEquals(kinds.size(), found);
  }

  @Test
  void anIndexOutOfRangeNamesOpIndexAndExtent() {
    Tensor x = Tensor.of(new float[] {1, 2, 3}, 3);
    for (long index : new long[] {3, -4, Long.MAX_VALUE}) {
      Tensor picked = x.take(Tensor.of(new long[] {0, index}, 2), 0);
      String text = assertThrows(IndexException.class, picked::toFloats).getMessage();
      assertTrue(text.contains("take") && text.contains(Long.toString(index)) && text.contains("extent of 3"), text);
    }
  }

  @Test
  void exceptionsNameOpAndBothValues() {
    Tensor a = Tensor.ones(2, 3), b = Tensor.ones(4);
    assertEquals("add: shapes do not broadcast: [2,3] and [4]".split(":")[0], assertThrows(ShapeException.class, () -> a.add(b)).getMessage().split(":")[0]);
    String text = assertThrows(ShapeException.class, () -> a.matmul(a)).getMessage();
    assertTrue(text.startsWith("matmul: ") && text.contains("[2,3]"), text);
    assertTrue(assertThrows(DTypeException.class, () -> Tensor.of(new boolean[] {true}).neg()).getMessage().startsWith("neg: "));
    assertTrue(assertThrows(ShapeException.class, () -> a.sum(7)).getMessage().startsWith("sum: "));
    b.close();
    assertEquals("add: y is closed", assertThrows(ArgumentException.class, () -> a.add(b)).getMessage());
    assertEquals("sum: a list of integers is null", assertThrows(ArgumentException.class, () -> a.sum((long[]) null)).getMessage());
    b.close();
    assertTrue(b.isClosed());
  }

  @Test
  void buffersShowTheElementsWhereTheyLie() {
    Tensor x = Tensor.of(new float[] {1, 2, 3}).mul(2);
    FloatBuffer f = x.floats();
    assertTrue(f.isDirect() && f.isReadOnly());
    x.close();
    for (int i = 0; i < 3; i++) {
      System.gc();
      Tensor.ones(3).add(i).eval().close();
    }
    assertEquals(2, f.get(0));
    assertEquals(6, f.get(2));
    assertThrows(DTypeException.class, () -> Tensor.of(new int[] {1}).floats());
    Tensor y = Tensor.of(new float[] {1, 2});
    Tensor before = y.add(10);
    ByteBuffer w = y.writable();
    w.putFloat(0, 7);
    assertArrayEquals(new float[] {7, 2}, y.add(0).toFloats());
    assertArrayEquals(new float[] {11, 12}, before.toFloats());
  }

  @Test
  void directBuffersAreNotCopied() {
    ByteBuffer data = ByteBuffer.allocateDirect(12).order(ByteOrder.nativeOrder());
    data.putFloat(0, 1).putFloat(4, 2).putFloat(8, 3).position(4);
    Tensor x = Tensor.of(data, DType.F32, 2);
    data.putFloat(4, 5); // not allowed to a program: here it tells that the memory is the same
    assertArrayEquals(new float[] {5, 3}, x.toFloats());
    FloatBuffer floats = data.duplicate().order(ByteOrder.nativeOrder()).clear().asFloatBuffer().position(1);
    Tensor y = Tensor.of(floats);
    floats.put(2, 9);
    assertArrayEquals(new float[] {5, 9}, y.toFloats());
    assertArrayEquals(new float[] {2, 3}, Tensor.of(FloatBuffer.wrap(new float[] {1, 2, 3}).position(1)).toFloats());
    assertThrows(ArgumentException.class, () -> Tensor.of(data, DType.F32, 3));
  }

  @Test
  void scopesCloseWhatTheyDoNotKeep() {
    Tensor outside = Tensor.ones(2), kept, lost, inner;
    try (Scope s = new Scope()) {
      lost = outside.add(1);
      kept = s.keep(lost.add(1));
      try (Scope t = new Scope()) {
        inner = t.keep(lost.add(5));
        lost.mul(2).close();
      }
      assertFalse(inner.isClosed());
      assertFalse(lost.isClosed());
    }
    assertTrue(lost.isClosed() && inner.isClosed());
    assertFalse(outside.isClosed() || kept.isClosed());
    assertArrayEquals(new float[] {3, 3}, kept.toFloats());
  }

  @Test
  void gradients() {
    Tensor x = Tensor.of(new float[] {1, 2, 3}).requiresGrad(true);
    assertTrue(x.requiresGrad());
    assertNull(x.grad());
    x.square().sum().backward();
    assertArrayEquals(new float[] {2, 4, 6}, x.grad().toFloats());
    x.zeroGrad();
    assertNull(x.grad());
    Tensor[] g = Context.current().grad(x.square().mul(x).sum(), List.of(x), null, true, false); // 3 x^2, then 6 x
    assertArrayEquals(new float[] {3, 12, 27}, g[0].toFloats());
    assertArrayEquals(new float[] {6, 12, 18}, Context.current().grad(g[0].sum(), List.of(x))[0].toFloats());
    Tensor free = Context.current().noGrad(() -> x.mul(2));
    assertThrows(ArgumentException.class, () -> free.sum().backward());
  }

  @Test
  void seedsRepeat() {
    Jt.seed(3);
    float[] a = Tensor.randn(4).toFloats();
    Jt.seed(3);
    assertArrayEquals(a, Tensor.randn(4).toFloats());
    assertFalse(Arrays.equals(a, Tensor.randn(4).toFloats()));
  }

  // ---- custom ops

  static final class Cube extends CustomOp {
    CustomCall last;

    @Override
    protected void forward(CustomCall c) {
      last = c;
      assertEquals(1, c.inputs());
      assertEquals(DType.F32, c.dtype(0));
      FloatBuffer in = c.input(0).asFloatBuffer(), out = c.output(0).asFloatBuffer();
      while (in.hasRemaining()) {
        float v = in.get();
        out.put(v * v * v);
      }
    }

    @Override
    protected boolean hasGradient() {
      return true;
    }

    @Override
    protected void backward(CustomGradient g) {
      assertTrue(g.needs(0));
      g.set(0, g.input(0).square().mul(3).mul(g.grad(0)));
    }
  }

  @Test
  void functionsOfJavaAreOps() {
    Cube cube = new Cube();
    Tensor x = Tensor.of(new float[] {1, 2, -3}).requiresGrad(true);
    Tensor y = cube.apply(DType.F32, x.shape(), x);
    Tensor g = Context.current().grad(y.sum(), List.of(x))[0];
    assertArrayEquals(new float[] {3, 12, 27}, g.toFloats());
    assertArrayEquals(new float[] {1, 8, -27}, y.toFloats());
    assertThrows(ArgumentException.class, () -> cube.last.input(0));
    CustomOp wrong = new CustomOp() {
      @Override
      protected void forward(CustomCall c) {
        throw new IllegalStateException("mine");
      }

      @Override
      protected String name() {
        return "wrong";
      }
    };
    Tensor z = wrong.apply(DType.F32, new long[] {1}, x);
    JtException e = assertThrows(JtException.class, z::toFloats);
    assertEquals("mine", e.getCause().getMessage());
    assertTrue(e.getMessage().contains("wrong"), e.getMessage());
    Tensor v = wrong.apply(DType.F32, x.shape(), x);
    assertThrows(JtException.class, () -> Context.current().grad(v.sum(), List.of(x)));
    assertArrayEquals(new float[] {1, 2, -3}, x.toFloats());
  }

  @Test
  void sourceIsAnOp() {
    Tensor x = Tensor.of(new float[] {1, 2}).requiresGrad(true);
    Tensor y = new Code("for (int64_t i = 0; i < in0_num; i++) out[i] = in0[i] * (float)data_k;")
        .grad("for (int64_t i = 0; i < out0_num; i++) out[i] = dout[i] * (float)data_k;").data("k", 3).name("threefold").apply(DType.F32, x.shape(), x);
    assertArrayEquals(new float[] {3, 6}, y.toFloats());
    assertArrayEquals(new float[] {3, 3}, Context.current().grad(y.sum(), List.of(x))[0].toFloats());
    CompileException e = assertThrows(CompileException.class, () -> new Code("this is no C").apply(DType.F32, new long[] {1}, x).toFloats());
    assertTrue(e.getMessage().contains("code"), e.getMessage());
  }

  // ---- evaluation

  /** So many kernels that it would take a minute. */
  private static Tensor longWork() {
    Tensor x = Tensor.uniform(0, 0.01, 512, 512);
    for (int i = 0; i < 20000; i++) x = x.matmul(x);
    return x;
  }

  @Test
  void anInterruptEndsALongEvaluation() throws Exception {
    Throwable[] thrown = {null};
    boolean[] stays = {false};
    Thread worker = new Thread(() -> {
      Tensor x = longWork();
      try {
        x.eval();
      } catch (Throwable e) {
        thrown[0] = e;
        stays[0] = Thread.interrupted();
      }
      x.close();
    });
    worker.start();
    Thread.sleep(300);
    worker.interrupt();
    worker.join(60000);
    assertFalse(worker.isAlive());
    assertSame(CancelledException.class, thrown[0] == null ? null : thrown[0].getClass());
    assertTrue(stays[0]);
  }

  @Test
  void aListenerLooksOn() {
    Context c = Context.current();
    int[] calls = {0};
    c.listen((compiled, toCompile) -> ++calls[0] > 0);
    Tensor.ones(3).add(2.5).exp().sum().toDouble();
    assertTrue(calls[0] > 0);
    c.listen((compiled, toCompile) -> false);
    Tensor x = Tensor.ones(5).add(2.25).exp().sum();
    assertThrows(CancelledException.class, x::toDouble);
    c.listen((compiled, toCompile) -> {
      throw new IllegalStateException("mine");
    });
    assertEquals("mine", assertThrows(CancelledException.class, x::toDouble).getCause().getMessage());
    c.listen(null);
    assertEquals(5 * Math.exp(3.25), x.toDouble(), 1e-3);
  }

  @Test
  void logLinesGoToTheLogger() {
    List<String> lines = new ArrayList<>();
    Logger logger = Logger.getLogger("org.jt");
    Handler handler = new Handler() {
      @Override
      public void publish(LogRecord record) {
        synchronized (lines) {
          lines.add(record.getMessage());
        }
      }

      @Override
      public void flush() {}

      @Override
      public void close() {}
    };
    logger.setLevel(Level.ALL);
    logger.setUseParentHandlers(false);
    logger.addHandler(handler);
    try (Engine engine = Engine.builder().logLevel(5).noDiskCache(true).build(); Context c = new Context(engine)) {
      Context before = Context.current();
      c.attach();
      Tensor.of(new float[] {1, 2}).tan().add(0.123).eval();
      assertTrue(engine.stats().evaluations() > 0);
      assertTrue(engine.statsText().length() > 0);
      before.attach();
    } finally {
      logger.removeHandler(handler);
    }
    synchronized (lines) {
      assertFalse(lines.isEmpty());
    }
  }

  @Test
  void graphsAreShown() {
    Tensor x = Tensor.ones(3).add(1);
    assertTrue(Context.current().graph('g', x).contains("add"));
    assertThrows(ArgumentException.class, () -> Context.current().graph('?', x));
  }

  // ---- files

  @Test
  void filesAreWrittenAndRead(@TempDir Path folder) throws Exception {
    Map<String, Tensor> all = new LinkedHashMap<>();
    all.put("ä.weight", Tensor.of(new float[] {1, 2}, 1, 2));
    all.put("\uD83D\uDE00", Tensor.of(new long[] {5}));
    Path file = folder.resolve("Größe.safetensors");
    Safetensors.save(file, all);
    Map<String, Tensor> back = Safetensors.load(file);
    assertEquals(all.keySet(), back.keySet());
    assertArrayEquals(new float[] {1, 2}, back.get("ä.weight").toFloats());
    assertThrows(FileException.class, () -> Safetensors.load(folder.resolve("none")));
    Files.write(file, new byte[] {1, 2, 3});
    assertThrows(FileException.class, () -> Safetensors.load(file));
    Files.write(folder.resolve("a-idx1"), new byte[] {0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9});
    assertArrayEquals(new long[] {7, 8, 9}, Idx.load(folder.resolve("a-idx1")).toLongs());
  }

  @Test
  void batchesCoverAllRowsOnce() {
    Tensor x = Tensor.arange(10), y = Tensor.arange(10).mul(3);
    Batches batches = new Batches(4, x, y).shuffle(1);
    assertEquals(3, batches.size());
    List<Long> seen = new ArrayList<>(), again = new ArrayList<>();
    for (Tensor[] b : batches) {
      long[] a = b[0].toLongs(), c = b[1].toLongs();
      for (int i = 0; i < a.length; i++) {
        assertEquals(3 * a[i], c[i]);
        seen.add(a[i]);
      }
    }
    for (Tensor[] b : batches) for (long v : b[0].toLongs()) again.add(v);
    assertNotEquals(seen, again);
    seen.sort(null);
    assertEquals(List.of(0L, 1L, 2L, 3L, 4L, 5L, 6L, 7L, 8L, 9L), seen);
    assertEquals(2, batches.dropLast(true).size());
  }

  // ---- the loader

  private static String[] javaSays(Map<String, String> environment, String... arguments) throws Exception {
    List<String> command = new ArrayList<>(List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString()));
    command.addAll(Arrays.asList(arguments));
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().putAll(environment);
    Process p = builder.start();
    String out = new String(p.getInputStream().readAllBytes(), "UTF-8");
    return new String[] {Integer.toString(p.waitFor()), out};
  }

  /** Prints where the natives came from. */
  static final class Where {
    public static void main(String[] args) {
      System.out.println(Jt.library() + "\n" + Tensor.of(new float[] {1, 2}).add(1).sum().toDouble());
    }
  }

  @Test
  void theLoaderTellsWhatItTried(@TempDir Path folder) throws Exception {
    String classes = System.getProperty("jt.classes") + ":" + CoreTest.class.getProtectionDomain().getCodeSource().getLocation().getPath(), jar = System.getProperty("jt.natives");
    String[] none = javaSays(Map.of(), "-Djt.library.path=" + folder, "-Djava.library.path=" + folder, "-cp", classes, "org.jt.CoreTest$Where");
    assertEquals("1", none[0]);
    for (String part : new String[] {"-Djt.library.path: " + folder + "/libjt_java.so: no such file", "org/jt/natives/linux-", "java.library.path: " + folder}) assertTrue(none[1].contains(part), none[1]);
    Map<String, String> cache = Map.of("XDG_CACHE_HOME", folder.resolve("cache").toString());
    String[] first = javaSays(cache, "-cp", classes + ":" + jar, "org.jt.CoreTest$Where"), second = javaSays(cache, "-cp", classes + ":" + jar, "org.jt.CoreTest$Where");
    assertEquals("0", first[0], first[1]);
    assertEquals(first[1], second[1]);
    assertTrue(first[1].startsWith(folder.resolve("cache/jt/jt-").toString()) && first[1].endsWith("\n5.0\n"), first[1]);
    // A cache where nothing can be made: the folder for temporary files.
    Files.write(folder.resolve("file"), new byte[0]);
    String[] third = javaSays(Map.of("XDG_CACHE_HOME", folder.resolve("file").toString(), "JT_CACHE_DIR", "off"), "-Djava.io.tmpdir=" + folder, "-cp", classes + ":" + jar, "org.jt.CoreTest$Where");
    assertTrue(third[1].startsWith(folder.resolve("jt-").toString()), third[1]);
    Path open = Files.createDirectory(folder.resolve("open"));
    Files.setPosixFilePermissions(open, java.nio.file.attribute.PosixFilePermissions.fromString("rwxrwxrwx"));
    String[] refused = javaSays(Map.of("JT_CACHE_DIR", "off"), "-Djt.cache.dir=" + open, "-Djava.io.tmpdir=" + folder.resolve("file"), "-cp", classes + ":" + jar, "org.jt.CoreTest$Where");
    assertTrue(refused[0].equals("1") && refused[1].contains("others may write to " + open), refused[1]);
    String[] path = javaSays(Map.of(), "-Djava.library.path=" + System.getProperty("jt.library.path"), "-cp", classes, "org.jt.CoreTest$Where");
    assertEquals("libjt_java.so\n5.0\n", path[1]);
  }
}
