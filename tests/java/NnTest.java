package org.jt;

import static org.junit.jupiter.api.Assertions.*;

import java.lang.reflect.Constructor;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jt.nn.*;
import org.jt.optim.*;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Every layer row, by the vectors that all languages share, and every optimiser row. */
class NnTest {
  private static final class Case {
    String kind, text;
    Fields fields = new Fields();
    Map<String, String> given = new LinkedHashMap<>();
    boolean training;
    final List<String[]> lines = new ArrayList<>();
  }

  private static List<Case> cases() throws Exception {
    List<Case> out = new ArrayList<>();
    for (String line : Vectors.lines("nn/vectors.txt")) {
      String[] words = line.split(" ");
      if (!words[0].equals("case")) {
        if (!out.isEmpty()) out.get(out.size() - 1).lines.add(words);
        continue;
      }
      Case c = new Case();
      c.kind = words[1];
      c.text = line;
      c.training = words[2].equals("train");
      for (int i = 3; i < words.length; i++) {
        String[] pair = words[i].split("=", 2);
        c.given.put(pair[0], pair[1]);
        put(c.fields, pair[0], pair[1]);
      }
      out.add(c);
    }
    return out;
  }

  private static void put(Fields fields, String name, String text) {
    if (text.equals("none") && name.equals("momentum")) fields.put(name, Double.NaN);
    else if (text.matches("-?\\d+")) fields.put(name, Long.parseLong(text));
    else if (text.startsWith("[")) fields.put(name, Vectors.shape(text));
    else if (text.matches("-?[\\d.]+(e-?\\d+)?")) fields.put(name, Double.parseDouble(text));
    else fields.put(name, text);
  }

  private static void expect(String what, Tensor got, String[] words) {
    assertNotNull(got, what);
    assertArrayEquals(Vectors.shape(words[2]), got.shape(), what);
    double[] values = got.toDoubles();
    for (int i = 0; i < values.length; i++) {
      double want = Vectors.number(words[3 + i]);
      assertTrue(Math.abs(values[i] - want) <= 1e-7 * (1 + Math.abs(want)) || values[i] == want || (values[i] != values[i] && want != want), what + ", element " + i + ": " + values[i] + ", not " + want);
    }
  }

  private static Tensor f64(String[] words) {
    double[] data = new double[words.length - 3];
    for (int i = 0; i < data.length; i++) data[i] = Vectors.number(words[3 + i]);
    return Tensor.of(data, Vectors.shape(words[2]).length == 0 ? new long[0] : Vectors.shape(words[2]));
  }

  private static void run(Case c, Layer layer) {
    layer.training(c.training);
    Map<Integer, Tensor> in = new HashMap<>();
    List<String[]> outs = new ArrayList<>(), grads = new ArrayList<>(), after = new ArrayList<>();
    List<Tensor> dys = new ArrayList<>();
    for (String[] words : c.lines) {
      switch (words[0]) {
        case "set": {
          Tensor x = f64(words);
          try (Tensor old = layer.getOrNull(words[1])) {
            if (old != null) old.assign(x.cast(old.dtype()));
            else layer.set(words[1], x);
          }
          break;
        }
        case "in": in.put(Integer.parseInt(words[1]), f64(words).requiresGrad(true)); break;
        case "int": in.put(Integer.parseInt(words[1]), f64(words).cast(DType.I64)); break;
        case "out": outs.add(words); break;
        case "dy": dys.add(f64(words)); break;
        case "grad": grads.add(words); break;
        case "after": after.add(words); break;
        default: fail(words[0]);
      }
    }
    Tensor[] inputs = new Tensor[in.keySet().stream().mapToInt(i -> i + 1).max().orElse(0)];
    in.forEach((i, x) -> inputs[i] = x);
    Tensor[] results = layer.run(outs.size(), inputs);
    for (String[] words : outs) expect(c.text + " out " + words[1], results[Integer.parseInt(words[1])], words);
    if (!grads.isEmpty()) {
      List<Tensor> wrt = new ArrayList<>();
      for (String[] words : grads) wrt.add(words[1].matches("\\d+") ? inputs[Integer.parseInt(words[1])] : layer.get(words[1]));
      Tensor total = null;
      for (int i = 0; i < dys.size(); i++) {
        Tensor part = results[i].mul(dys.get(i)).sum();
        total = total == null ? part : total.add(part);
      }
      Tensor[] got = layer.context().grad(total, wrt, null, false, true);
      for (int i = 0; i < got.length; i++) expect(c.text + " grad " + grads.get(i)[1], got[i], grads.get(i));
    }
    for (String[] words : after) expect(c.text + " after " + words[1], layer.get(words[1]), words);
  }

  @Test
  void everyLayerRowByItsVectors() throws Exception {
    Set<String> kinds = new HashSet<>();
    for (Case c : cases()) {
      c.fields.put("dtype", DType.F64);
      try (Scope s = new Scope(); Layer layer = new Layer(c.kind, c.fields)) {
        run(c, layer);
      }
      kinds.add(c.kind);
    }
    Set<String> missing = new HashSet<>();
    for (long i = 0; i < Native.layer_count(); i++) missing.add(Text.of(Native.layer_name(i)));
    missing.removeAll(kinds);
    missing.removeAll(Set.of("Module", "Sequential"));
    missing.removeIf(kind -> kind.startsWith("Drop")); // chance: no vectors
    missing.remove("RMSNorm"); // the vectors' PyTorch has none
    assertEquals(Set.of(), missing);
    double[] got = new RMSNorm(2).forward(Tensor.of(new float[] {3, 4})).toDoubles(); // root of the mean of squares: sqrt(12.5)
    assertArrayEquals(new double[] {3 / Math.sqrt(12.5), 4 / Math.sqrt(12.5)}, got, 1e-6);
  }

  /** The first case of a kind, through its typed class and builder. */
  @Test
  void everyClassIsBuiltAndRun() throws Exception {
    Set<String> kinds = new HashSet<>();
    Map<String, Case> first = new LinkedHashMap<>();
    for (Case c : cases()) first.putIfAbsent(c.kind, c);
    for (long i = 0; i < Native.layer_count(); i++) {
      String kind = Text.of(Native.layer_name(i));
      if (kind.equals("Module") || kind.equals("Sequential")) continue;
      Class<?> type = Class.forName("org.jt.nn." + kind);
      try (Scope s = new Scope()) {
        Case c = first.get(kind);
        if (c == null) {
          boolean isChance = kind.startsWith("Drop");
          Layer plain = (Layer) (isChance ? type.getConstructor().newInstance() : type.getConstructor(long[].class).newInstance(new long[] {3}));
          long[] shape = kind.endsWith("3d") ? new long[] {2, 3, 4, 4, 3} : kind.endsWith("2d") ? new long[] {2, 3, 4, 3} : new long[] {2, 3, 3};
          assertArrayEquals(shape, plain.training(false).forward(Tensor.ones(shape)).shape());
        } else {
          built(type, c);
        }
      }
      kinds.add(kind);
    }
    assertTrue(kinds.size() > 70, kinds.size() + " classes");
  }

  private static void built(Class<?> type, Case c) throws Exception {
    Method begins = null;
    for (Method m : type.getMethods()) if (m.getName().equals("builder")) begins = m;
    String[] fields = fieldsOf(c.kind);
    Class<?>[] types = begins.getParameterTypes();
    Object[] args = new Object[types.length];
    int at = 0;
    for (String field : fields) if (!field.contains("=") && at < args.length && !field.contains(":tensor")) args[at] = parsed(types[at++], c.given.get(field.split(":")[0]));
    Object builder = begins.invoke(null, args);
    for (String field : fields) {
      String name = field.split(":")[0];
      if (!field.contains("=") || field.contains(":tensor")) continue;
      for (Method m : builder.getClass().getMethods())
        if (m.getName().equals(Vectors.javaName(name)) && c.given.containsKey(name)) m.invoke(builder, parsed(m.getParameterTypes()[0], c.given.get(name)));
    }
    builder.getClass().getMethod("dtype", DType.class).invoke(builder, DType.F64);
    try (Layer layer = (Layer) builder.getClass().getMethod("build").invoke(builder)) {
      assertSame(type, layer.getClass());
      run(c, layer);
    }
  }

  private static String[] fieldsOf(String kind) {
    for (long i = 0; i < Native.layer_count(); i++) if (Text.of(Native.layer_name(i)).equals(kind)) return Text.of(Native.layer_fields(i)).split(" +");
    throw new AssertionError(kind);
  }

  private static Object parsed(Class<?> type, String text) {
    assertNotNull(text);
    if (type == long[].class) return text.startsWith("[") ? Vectors.shape(text) : new long[] {Long.parseLong(text)};
    if (text.equals("none") && type == double.class) return Double.NaN;
    if (type == boolean.class) return text.equals("1") || text.equals("true");
    if (type == double.class) return Double.parseDouble(text);
    return type == String.class ? text : (Object) Long.parseLong(text);
  }

  @Test
  void everyOptimiserRowLearns() throws Exception {
    for (Class<?> type : List.of(SGD.class, RMSprop.class, Adam.class, AdamW.class, Adan.class)) {
      try (Scope s = new Scope()) {
        Tensor w = Tensor.of(new float[] {3, -2}).requiresGrad(true);
        Constructor<?> make = type.getConstructor(List.class, double.class);
        try (Optimizer o = (Optimizer) make.newInstance(List.of(w), 0.1)) {
          assertEquals(0.1, o.lr());
          double before = w.square().sum().toDouble();
          for (int i = 0; i < 20; i++) o.step(w.square().sum());
          assertTrue(w.square().sum().toDouble() < before, type.getName());
          o.step(new Tensor[] {null});
          o.lr(0.2);
          assertEquals(0.2, o.lr());
          for (Tensor t : o.state().values()) assertFalse(t.isClosed());
        }
      }
    }
    Tensor w = Tensor.of(new float[] {1}).requiresGrad(true);
    SGD sgd = SGD.builder(List.of(w)).lr(0.5).momentum(0.5).nesterov(true).build();
    sgd.step(w.square().sum()); // v = 2, w -= 0.5 * (2 + 0.5 * 2)
    assertEquals(-0.5, w.toDouble(), 1e-6);
    assertTrue(sgd.state().keySet().stream().anyMatch(name -> name.contains("0")));
  }

  /** A model of one's own. */
  static final class Net extends Model {
    final Linear hidden = add("hidden", new Linear(3, 4));
    final Linear out = add("out", new Linear(4, 2));
    final Tensor scale = add("scale", Tensor.ones(1).requiresGrad(true));

    @Override
    public Tensor forward(Tensor x) {
      return out.forward(hidden.forward(x).relu()).mul(get("scale"));
    }
  }

  @Test
  void modelsAreSavedAndLoaded(@TempDir Path folder) {
    Net a = new Net(), b = new Net();
    Path file = folder.resolve("zwei Räder.safetensors");
    assertEquals(List.of("scale", "hidden.weight", "hidden.bias", "out.weight", "out.bias"), new ArrayList<>(a.state().keySet()));
    assertEquals(5, a.parameters().size());
    a.save(file);
    b.load(file);
    Tensor x = Tensor.randn(5, 3);
    assertArrayEquals(a.forward(x).toFloats(), b.forward(x).toFloats());
    assertTrue(Files.exists(file));
    assertSame(a.hidden, a.children().get("hidden"));
    NotFoundException none = assertThrows(NotFoundException.class, () -> new Linear(3, 4).load(file));
    assertTrue(none.getMessage().contains("scale"), none.getMessage());
    assertThrows(FileException.class, () -> b.load(folder.resolve("none")));
  }

  @Test
  void fieldsAreToldAndChecked() {
    Dropout d = new Dropout();
    Tensor x = Tensor.ones(1000);
    d.tell(new Fields().put("p", 0.0));
    assertEquals(1000, d.forward(x).sum().toDouble());
    ArgumentException e = assertThrows(ArgumentException.class, () -> Dropout.builder().p(2).build());
    assertTrue(e.getMessage().contains("p") && e.getMessage().contains("2"), e.getMessage());
    assertThrows(ArgumentException.class, () -> new Layer("Linear", new Fields()));
    assertThrows(NotFoundException.class, () -> new Layer("Lineal", new Fields()));
  }
}
