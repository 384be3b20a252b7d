package org.jt;

import static org.junit.jupiter.api.Assertions.*;

import java.lang.reflect.Array;
import java.lang.reflect.Constructor;
import java.lang.reflect.Executable;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jt.data.Batches;
import org.jt.nn.Linear;
import org.jt.nn.Sequential;
import org.jt.optim.SGD;
import org.junit.jupiter.api.Test;

/**
 * Every public method and constructor, with every argument in turn null, closed, of another dtype or shape, huge, negative:
 * a result or an exception that says what is wrong; never the end of the program (the test runs under -Xcheck:jni).
 */
class MisuseTest {
  private static final Set<String> LEFT_OUT = Set.of("wait", "notify", "notifyAll", "getClass", "hashCode", "equals", "toString", "valueOf", "values", "main", "compareTo", "describeConstable", "getDeclaringClass", "ordinal", "name");
  private int calls, refusals;

  private static List<Class<?>> classes() throws Exception {
    Path root = Path.of(System.getProperty("jt.classes"));
    try (Stream<Path> files = Files.walk(root)) {
      List<Class<?>> out = new ArrayList<>();
      for (Path f : files.filter(p -> p.toString().endsWith(".class") && !p.toString().contains("-info")).sorted().collect(Collectors.toList())) {
        Class<?> c = Class.forName(root.relativize(f).toString().replace('/', '.').replace(".class", ""));
        if (Modifier.isPublic(c.getModifiers()) && !Throwable.class.isAssignableFrom(c)) out.add(c);
      }
      return out;
    }
  }

  private static Tensor f32() {
    return Tensor.of(new float[] {1, 2, 3, 4}, 2, 2);
  }

  private static Tensor closed() {
    Tensor x = f32();
    x.close();
    return x;
  }

  /** A usable value of a type. */
  private static Object good(Class<?> t) {
    if (t == Tensor.class || t == TensorOps.class) return f32();
    if (t == long.class) return 1L;
    if (t == int.class) return 0;
    if (t == double.class) return 0.5;
    if (t == boolean.class) return true;
    if (t == char.class) return 'g';
    if (t == String.class || t == Object.class) return "x";
    if (t == DType.class) return DType.F32;
    if (t == long[].class) return new long[] {1};
    if (t == Tensor[].class) return new Tensor[] {f32()};
    if (t == Layer[].class) return new Layer[] {new Linear(2, 2)};
    if (t == Layer.class || Layer.class.isAssignableFrom(t)) return new Linear(2, 2);
    if (t == Fields.class) return new Fields();
    if (t == List.class) return List.of(f32());
    if (t == Map.class) return Map.of("a", f32());
    if (t == Path.class) return Path.of("/nowhere/at/all");
    if (t == Context.class) return Context.current();
    if (t == Engine.class) return Engine.standard();
    if (t == ByteBuffer.class) return ByteBuffer.allocateDirect(16);
    if (t == FloatBuffer.class) return FloatBuffer.wrap(new float[4]);
    if (t == Context.Listener.class) return null;
    if (t == java.util.function.Supplier.class) return (java.util.function.Supplier<Object>) () -> 1;
    if (t.isArray()) return t.getComponentType().isPrimitive() ? Array.newInstance(t.getComponentType(), 1) : t == String[].class ? new String[] {"x"} : Array.newInstance(t.getComponentType(), 0);
    throw new AssertionError("no value for " + t);
  }

  private static Object good(java.lang.reflect.Type generic, Class<?> t) {
    boolean isTypes = generic.toString().contains("CustomOp$Type");
    return isTypes ? List.of(new CustomOp.Type(DType.F32, 2)) : good(t);
  }

  /** Values that may be wrong. */
  private static List<Object> bad(java.lang.reflect.Type generic, Class<?> t) {
    if (!generic.toString().contains("CustomOp$Type")) return bad(t);
    return Arrays.asList(null, List.of(), Arrays.asList((Object) null), List.of(new CustomOp.Type(DType.F32, Long.MAX_VALUE, 2)), List.of(new CustomOp.Type(DType.F32, -1)),
        List.of(new CustomOp.Type(DType.F32, new long[100])), Collections.nCopies(300, new CustomOp.Type(DType.F32, 2)));
  }

  private static List<Object> bad(Class<?> t) {
    if (t == long.class) return List.of(0L, -1L, 1000L, Long.MAX_VALUE, Long.MIN_VALUE, 1L << 40);
    if (t == int.class) return List.of(-1, 1000, Integer.MAX_VALUE, Integer.MIN_VALUE);
    if (t == double.class) return List.of(-1.0, Double.NaN, Double.POSITIVE_INFINITY, -1e300);
    if (t == boolean.class) return List.of(false);
    if (t == char.class) return List.of('\0', '?', '\uffff');
    List<Object> out = new ArrayList<>();
    out.add(null);
    if (t == Tensor.class) Collections.addAll(out, closed(), Tensor.of(new boolean[] {true, false}), Tensor.of(new int[] {-5, 1 << 30}, 2), Tensor.zeros(DType.F16, 3, 0, 2), Tensor.of(1.0), Tensor.zeros(1L << 40), Tensor.ones(1, 1, 1, 1, 1, 1, 1, 2));
    if (t == long[].class) Collections.addAll(out, new long[0], new long[] {-1}, new long[] {Long.MAX_VALUE, Long.MAX_VALUE}, new long[] {Long.MIN_VALUE}, new long[100], new long[] {0, 0, 0}, new long[] {1L << 40, 1L << 40});
    if (t == Tensor[].class) Collections.addAll(out, new Tensor[0], new Tensor[] {null}, new Tensor[] {f32(), closed()}, new Tensor[300]);
    if (t == String.class) Collections.addAll(out, "", "\0", "no such thing", "ä\uD83D\uDE00", "i0 +", "x".repeat(100000));
    if (t == List.class) Collections.addAll(out, List.of(), List.of(closed()), Arrays.asList((Object) null));
    if (t == Map.class) Collections.addAll(out, Map.of(), Map.of("", closed()), Collections.singletonMap("a", null), Map.of("a\0b", f32()));
    if (t == Path.class) Collections.addAll(out, Path.of(""), Path.of("/"), Path.of("/proc/self/mem"));
    if (t == Fields.class) Collections.addAll(out, new Fields().put("no_such_field", 1L), new Fields().put("p", Double.NaN).put("dtype", DType.I32));
    if (t == Layer[].class) Collections.addAll(out, new Layer[0], new Layer[] {null});
    if (t == ByteBuffer.class) Collections.addAll(out, ByteBuffer.allocate(3), ByteBuffer.allocateDirect(0));
    if (t.isArray() && t.getComponentType().isPrimitive() && t != long[].class) out.add(Array.newInstance(t.getComponentType(), 0));
    return out;
  }

  /** Something to call a method on, fresh for each call; null where there is none. */
  private static Object receiver(Class<?> c) {
    if (c == Tensor.class || c == TensorOps.class) return f32();
    if (c == Context.class) return new Context(Engine.standard());
    if (c == Engine.class) return Engine.builder().build();
    if (c == Engine.Builder.class) return Engine.builder();
    if (c == Stats.class) return Engine.standard().stats();
    if (c == Scope.class) return new Scope();
    if (c == Fields.class) return new Fields();
    if (c == Layer.class) return new Layer("ReLU", new Fields());
    if (c == Optimizer.class) return new SGD(List.of(Tensor.ones(2)));
    if (c == Sequential.class) return new Sequential(new Linear(2, 2));
    if (c == Code.class) return new Code("out[0] = 1;");
    if (c == Batches.class) return new Batches(1, f32());
    if (c == DType.class) return DType.F32;
    if (CustomOp.class.isAssignableFrom(c)) return new CoreTest.Cube();
    return null;
  }

  private void call(Executable what, Object on, Object[] args) {
    calls++;
    Context before = Context.current();
    try {
      if (what instanceof Method) ((Method) what).invoke(on, args);
      else ((Constructor<?>) what).newInstance(args);
    } catch (InvocationTargetException e) {
      refusals++;
      check(what, args, e.getCause());
    } catch (ReflectiveOperationException e) {
      throw new AssertionError(what + ": " + e);
    }
    before.attach();
    while (before.scope != null) before.scope.close();
  }

  private static void check(Executable what, Object[] args, Throwable e) {
    String text = what + " " + args.length + ": " + e;
    boolean isKind = e instanceof JtException || e instanceof IllegalArgumentException || e instanceof java.util.NoSuchElementException;
    boolean isNull = e instanceof NullPointerException && Arrays.asList(args).contains(null);
    if (!isKind && !isNull) throw new AssertionError(text, e);
    if (!(e instanceof JtException)) return;
    assertTrue(e.getMessage() != null && e.getMessage().contains(": "), text);
    assertFalse(e.getMessage().contains("defect"), text);
    if (what.getDeclaringClass() != Ops.class) return;
    String op = e.getMessage().substring(0, e.getMessage().indexOf(':')).replace("jt_", "");
    assertEquals(what.getName(), Vectors.javaName(op), text);
  }

  private void sweep(Class<?> c, Executable what) {
    Class<?>[] types = what.getParameterTypes();
    java.lang.reflect.Type[] generics = what.getGenericParameterTypes();
    boolean needsReceiver = what instanceof Method && !Modifier.isStatic(what.getModifiers());
    for (int i = -1; i < types.length; i++) {
      for (Object value : i < 0 ? Arrays.asList((Object) null) : bad(generics[i], types[i])) {
        Object on = needsReceiver ? receiver(c) : null;
        if (needsReceiver && on == null) return;
        Object[] args = new Object[types.length];
        for (int k = 0; k < args.length; k++) args[k] = k == i ? value : good(generics[k], types[k]);
        call(what, on, args);
        if (on instanceof Context && on != Context.current()) ((Context) on).close();
        if (on instanceof Engine) ((Engine) on).close();
      }
    }
  }

  @Test
  void everyMethodRefusesWhatItCannotTake() throws Exception {
    List<Class<?>> all = classes();
    for (Class<?> c : all) {
      for (Method m : c.getDeclaredMethods())
        if (Modifier.isPublic(m.getModifiers()) && !m.isSynthetic() && !LEFT_OUT.contains(m.getName()) && !c.isInterface()) sweep(c, m);
      if (!Modifier.isAbstract(c.getModifiers())) for (Constructor<?> m : c.getConstructors()) sweep(c, m);
    }
    System.out.println(calls + " calls of " + all.size() + " classes, " + refusals + " refused");
    assertTrue(calls > 5000 && refusals > 2000, calls + " calls, " + refusals + " refused");
    assertArrayEquals(new float[] {2, 4, 6, 8}, f32().mul(2).toFloats());
  }

  @Test
  void everyMethodOfAClosedObjectRefuses() throws Exception {
    for (Class<?> c : List.of(Tensor.class, TensorOps.class, Layer.class, Optimizer.class, Context.class, Engine.class)) {
      for (Method m : c.getDeclaredMethods()) {
        if (!Modifier.isPublic(m.getModifiers()) || Modifier.isStatic(m.getModifiers()) || m.isSynthetic() || LEFT_OUT.contains(m.getName())) continue;
        Object on = receiver(c);
        ((AutoCloseable) on).close();
        Object[] args = new Object[m.getParameterCount()];
        for (int k = 0; k < args.length; k++) args[k] = good(m.getGenericParameterTypes()[k], m.getParameterTypes()[k]);
        call(m, on, args);
      }
    }
  }
}
