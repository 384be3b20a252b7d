package org.jt;

import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** What the tests of several files need: the repository's vectors, tensors of bits, ops by name. */
final class Vectors {
  static final Path TESTS = Paths.get(System.getProperty("jt.tests"));

  private Vectors() {}

  static List<String> lines(String file) throws IOException {
    return Files.readAllLines(TESTS.resolve(file));
  }

  static DType dtype(String name) {
    return DType.valueOf(name.toUpperCase(java.util.Locale.ROOT));
  }

  static long[] shape(String text) {
    String inner = text.substring(text.indexOf('[') + 1, text.indexOf(']'));
    return inner.isEmpty() ? new long[0] : Arrays.stream(inner.split(",")).mapToLong(Long::parseLong).toArray();
  }

  static Tensor ofBits(long[] words, DType dtype, long... shape) {
    ByteBuffer data = ByteBuffer.allocateDirect(words.length * dtype.size()).order(ByteOrder.nativeOrder());
    for (long w : words) {
      switch (dtype.size()) {
        case 1: data.put((byte) w); break;
        case 2: data.putShort((short) w); break;
        case 4: data.putInt((int) w); break;
        default: data.putLong(w);
      }
    }
    data.flip();
    return Tensor.of(data, dtype, shape);
  }

  static long[] bits(Tensor x) {
    ByteBuffer data = x.buffer();
    int size = x.dtype().size();
    long[] out = new long[data.remaining() / size];
    for (int i = 0; i < out.length; i++)
      out[i] = size == 1 ? data.get() & 0xff : size == 2 ? data.getShort() & 0xffff : size == 4 ? data.getInt() & 0xffffffffL : data.getLong();
    return out;
  }

  /** Numbers as a tensor of any dtype. */
  static Tensor ofNumbers(String[] words, int from, DType dtype, long... shape) {
    if (dtype.isFloat()) {
      double[] data = new double[words.length - from];
      for (int i = 0; i < data.length; i++) data[i] = number(words[from + i]);
      return Tensor.of(data, shape.length == 0 && data.length == 1 ? shape : shape.length == 0 ? new long[] {data.length} : shape).cast(dtype);
    }
    long[] data = new long[words.length - from];
    for (int i = 0; i < data.length; i++) data[i] = words[from + i].equals("true") ? 1 : words[from + i].equals("false") ? 0 : Long.parseUnsignedLong(words[from + i].replace("-", "")) * (words[from + i].startsWith("-") ? -1 : 1);
    return Tensor.of(data, shape).cast(dtype);
  }

  static double number(String word) {
    switch (word) {
      case "inf": return Double.POSITIVE_INFINITY;
      case "-inf": return Double.NEGATIVE_INFINITY;
      case "nan": return Double.NaN;
      case "-nan": return Double.NaN;
      default: return Double.parseDouble(word);
    }
  }

  /** Units in the last place; 0 for two NaNs; as many as can be where an integer differs. */
  static long distance(DType t, long a, long b) {
    if (a == b) return 0;
    if (!t.isFloat()) return Long.MAX_VALUE;
    long sign = 1L << (t.size() * 8 - 1), infinity = t == DType.F16 ? 0x7c00 : t == DType.BF16 ? 0x7f80 : t == DType.F32 ? 0x7f800000L : 0x7ff0000000000000L;
    boolean nanA = (a & ~sign) > infinity, nanB = (b & ~sign) > infinity;
    if (nanA || nanB) return nanA && nanB ? 0 : Long.MAX_VALUE;
    return Math.max(1, Math.abs(((a & sign) != 0 ? -(a & ~sign) : a) - ((b & sign) != 0 ? -(b & ~sign) : b)));
  }

  static String javaName(String op) {
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < op.length(); i++)
      if (op.charAt(i) == '_' && i > 0 && i + 1 < op.length()) out.append(Character.toUpperCase(op.charAt(++i)));
      else out.append(op.charAt(i));
    return out.toString();
  }

  /** Every function of Ops by its Java name. */
  static Map<String, Method> ops() {
    Map<String, Method> out = new TreeMap<>();
    for (Method m : Ops.class.getDeclaredMethods()) if (java.lang.reflect.Modifier.isPublic(m.getModifiers())) out.put(m.getName(), m);
    return out;
  }

  static Object call(Method op, Object... args) {
    try {
      return op.invoke(null, args);
    } catch (InvocationTargetException e) {
      throw (RuntimeException) e.getCause();
    } catch (IllegalAccessException e) {
      throw new AssertionError(e);
    }
  }

  static List<Tensor> results(Object result) {
    List<Tensor> out = new ArrayList<>();
    if (result instanceof Tensor) out.add((Tensor) result);
    else out.addAll(Arrays.asList((Tensor[]) result));
    return out;
  }
}
