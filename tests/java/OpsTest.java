package org.jt;

import static org.junit.jupiter.api.Assertions.*;

import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

/** Every op row, by the vectors that all languages share; and gradients by finite differences. */
class OpsTest {
  private static final Map<String, Method> OPS = Vectors.ops();
  private static final Set<String> called = new TreeSet<>();
  private static final Set<String> REDUCTIONS = Set.of("sum", "prod", "max", "min", "any", "all", "argmax", "argmin");

  private static Object call(String op, Object... args) {
    Method m = OPS.get(op);
    assertNotNull(m, "no function " + op);
    called.add(op);
    return Vectors.call(m, args);
  }

  @Test
  void elementCastAndReduceRows() throws Exception {
    int rows = 0;
    for (String line : Vectors.lines("ops/vectors.txt")) {
      if (line.startsWith("#")) continue;
      String[] words = line.split(" ");
      if (words.length < 6) continue;
      rows++;
      try (Scope s = new Scope()) {
        if (REDUCTIONS.contains(words[0])) reduction(words);
        else element(words);
      }
    }
    assertTrue(rows > 600, rows + " rows");
  }

  private static long[][] cases(String[] words) {
    long[][] out = new long[words.length - 5][];
    for (int i = 5; i < words.length; i++) out[i - 5] = Arrays.stream(words[i].split(",")).mapToLong(w -> Long.parseUnsignedLong(w, 16)).toArray();
    return out;
  }

  private static void element(String[] words) {
    String[] types = words[1].split(",");
    DType result = Vectors.dtype(words[3]);
    long bound = Long.parseLong(words[4].replace(":", ""));
    long[][] cases = cases(words);
    Object[] args = new Object[words[0].equals("cast") ? 2 : types.length];
    for (int k = 0; k < types.length; k++) {
      long[] column = new long[cases.length];
      for (int i = 0; i < cases.length; i++) column[i] = cases[i][k];
      args[k] = Vectors.ofBits(column, Vectors.dtype(types[k]), cases.length);
    }
    if (words[0].equals("cast")) args[1] = result;
    Tensor z = (Tensor) call(Vectors.javaName(words[0]), args);
    assertEquals(result, z.dtype(), words[0]);
    long[] got = Vectors.bits(z);
    for (int i = 0; i < got.length; i++) {
      long want = cases[i][types.length];
      assertTrue(Vectors.distance(result, got[i], want) <= bound, words[0] + " " + words[1] + " case " + i + ": " + Long.toHexString(got[i]) + ", not " + Long.toHexString(want));
    }
  }

  private static void reduction(String[] words) {
    DType result = Vectors.dtype(words[3]);
    long bound = Long.parseLong(words[4].replace(":", ""));
    long[][] cases = cases(words);
    for (int at = 0; at + 35 <= cases.length; at += 35) {
      long[] in = new long[24];
      for (int i = 0; i < 24; i++) in[i] = cases[at + i][0];
      Tensor x = Vectors.ofBits(in, Vectors.dtype(words[1]), 4, 6);
      int from = at + 24;
      for (long[] axes : new long[][] {{0}, {1}, {}}) {
        Tensor z = (Tensor) call(words[0], x, axes, false);
        assertEquals(result, z.dtype(), words[0]);
        for (long got : Vectors.bits(z)) assertTrue(Vectors.distance(result, got, cases[from++][0]) <= bound, words[0] + " " + words[1]);
      }
    }
  }

  // ---- graphs of tests/ir: their text, applied op by op

  private static final Pattern STEP = Pattern.compile("\\s*([%\\w, ]+?) = (\\w+)((?: %\\w+)*)\\s*(?:\\{(.*)\\})?");
  private static final Pattern ATTR = Pattern.compile("(\\w+)=(\\[[^\\]]*\\]|\"[^\"]*\"|[^,]+)");

  private static Object attribute(Class<?> type, String text) {
    if (type == long[].class) return text.equals("[]") ? new long[0] : Arrays.stream(text.substring(1, text.length() - 1).split(",")).mapToLong(w -> Long.parseLong(w.trim())).toArray();
    if (type == String.class) return text.substring(1, text.length() - 1);
    if (type == boolean.class) return text.equals("true");
    if (type == DType.class) return Vectors.dtype(text);
    if (type == double.class) return Vectors.number(text);
    return Long.parseLong(text);
  }

  private static Object fallback(Class<?> type, String text) {
    if (type == long[].class) return new long[0];
    if (type == boolean.class) return text.equals("1");
    return type == String.class ? text : attribute(type, text);
  }

  private static final Map<String, String[]> SIGNATURES = new HashMap<>(); // operands; attributes; results

  static {
    Jt.version();
    for (long i = 0; i < Native.op_count(); i++) SIGNATURES.put(Text.of(Native.op_name(i)), Text.of(Native.op_signature(i)).split(";", -1));
  }

  private static Tensor[] step(String op, Tensor[] operands, String attrs) {
    Map<String, String> given = new HashMap<>();
    for (Matcher m = ATTR.matcher(attrs == null ? "" : attrs); m.find(); ) given.put(m.group(1), m.group(2));
    String[] signature = SIGNATURES.get(op);
    Method method = OPS.get(Vectors.javaName(op));
    Class<?>[] types = method.getParameterTypes();
    Object[] args = new Object[types.length];
    int at = 0;
    if (types.length > 0 && types[0] == Tensor[].class) args[at++] = operands;
    else for (; at < types.length && types[at] == Tensor.class; at++) args[at] = at < operands.length ? operands[at] : null;
    String[] names = signature.length > 1 ? signature[1].trim().split(" +") : new String[0];
    for (int i = 0; at < types.length; at++, i++) {
      String name = names[i].split(":")[0], text = names[i].contains("=") ? names[i].substring(names[i].indexOf('=') + 1) : "";
      args[at] = given.containsKey(name) ? attribute(types[at], given.get(name)) : fallback(types[at], text);
    }
    return Vectors.results(call(Vectors.javaName(op), args)).toArray(new Tensor[0]);
  }

  @Test
  void graphs() throws Exception {
    int applied = 0, all = 0;
    List<String> lines = Vectors.lines("ir/data/vectors.txt");
    for (int from = 0; from < lines.size(); ) {
      int to = from + 1;
      while (to < lines.size() && !lines.get(to).startsWith("case ")) to++;
      if (lines.get(from).startsWith("case ")) {
        all++;
        try (Scope s = new Scope()) {
          if (graph(lines.subList(from, to))) applied++;
        }
      }
      from = to;
    }
    assertTrue(applied > 0.7 * all, applied + " of " + all);
  }

  private static boolean graph(List<String> lines) {
    Map<String, Tensor> values = new HashMap<>();
    List<String> steps = new ArrayList<>(), wanted = new ArrayList<>(), results = new ArrayList<>();
    int inputs = 0;
    for (String line : lines) {
      String[] words = line.trim().split(" +");
      if (words[0].equals("in")) values.put("%" + inputs++, value(words, 1));
      else if (words[0].equals("out")) wanted.add(line);
      else if (words[0].equals("return")) for (String w : Arrays.asList(words).subList(1, words.length)) results.add(w.replace(",", ""));
      else if (line.contains(" = ") && !line.startsWith("case")) steps.add(line);
    }
    for (String line : steps) {
      Matcher m = STEP.matcher(line);
      if (!m.matches() || !SIGNATURES.containsKey(m.group(2))) return false;
      String[] names = m.group(3).trim().isEmpty() ? new String[0] : m.group(3).trim().split(" ");
      Tensor[] operands = new Tensor[names.length];
      for (int i = 0; i < names.length; i++) operands[i] = values.get(names[i]);
      Tensor[] out = step(m.group(2), operands, m.group(4));
      String[] made = m.group(1).split(",");
      for (int i = 0; i < made.length; i++) values.put(made[i].trim(), out[i]);
    }
    assertEquals(wanted.size(), results.size(), lines.get(0));
    for (int i = 0; i < wanted.size(); i++) compare(lines.get(0), values.get(results.get(i)), wanted.get(i).trim().split(" +"));
    return true;
  }

  private static Tensor value(String[] words, int at) {
    int from = words.length > at + 1 && words[at + 1].startsWith("~") ? at + 2 : at + 1;
    return Vectors.ofNumbers(words, from, Vectors.dtype(words[at].substring(0, words[at].indexOf('['))), Vectors.shape(words[at]));
  }

  /** Cases with an index outside of its extent: what rows give for it stands in the vectors, and is had where nothing is checked. */
  private static final Set<String> OUTSIDE = Set.of("take", "scatter_add", "scatter set", "scatter add", "scatter mul", "scatter max", "scatter min", "embedding", "one_hot", "nll");

  private static void compare(String name, Tensor got, String[] words) {
    if (OUTSIDE.contains(name.substring("case ".length())) && !"0".equals(System.getenv("JT_CHECK"))) {
      assertThrows(IndexException.class, got::eval, name);
      return;
    }
    double bound = words.length > 2 && words[2].startsWith("~") ? Double.parseDouble(words[2].substring(1)) : 0;
    Tensor want = value(words, 1);
    assertEquals(want.dtype(), got.dtype(), name);
    assertArrayEquals(want.shape(), got.shape(), name);
    double[] a = got.toDoubles(), b = want.toDoubles();
    for (int i = 0; i < a.length; i++) {
      boolean same = a[i] == b[i] || (a[i] != a[i] && b[i] != b[i]) || Math.abs(a[i] - b[i]) <= (bound == 0 ? 1e-12 : bound) * (1 + Math.abs(b[i]));
      assertTrue(same, name + " element " + i + ": " + a[i] + ", not " + b[i]);
    }
    if (bound == 0 && !want.dtype().isFloat()) assertArrayEquals(Vectors.bits(want), Vectors.bits(got), name);
  }

  @AfterAll
  static void everyRowWasCalled() {
    Set<String> missing = new TreeSet<>(OPS.keySet());
    missing.removeAll(called);
    assertEquals(Set.of(), missing);
    assertEquals(Native.op_count(), OPS.size());
  }
}
