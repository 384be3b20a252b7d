package org.jt;

import static org.junit.jupiter.api.Assertions.*;

import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** What SWIG made of the headers, held against the headers: what it gets wrong it gets wrong silently. */
class SignaturesTest {
  private static final Pattern PROTOTYPE = Pattern.compile("JT_API\\s+jt_status\\s+jt_(\\w+)\\(([^;]*)\\);");

  private static Map<String, Method> natives() {
    Map<String, Method> out = new HashMap<>();
    for (Method m : NativeJNI.class.getDeclaredMethods()) if (Modifier.isNative(m.getModifiers())) assertNull(out.put(m.getName(), m), "overloaded: " + m);
    return out;
  }

  /** Java's types for the parameters of a prototype of ops, in order. */
  private static List<Class<?>> expected(String params) {
    List<Class<?>> out = new ArrayList<>();
    String[] list = params.replaceAll("\\s+", " ").split(", ");
    for (int i = 0; i < list.length; i++) {
      String p = list[i];
      if (p.startsWith("jt_tensor** ")) { // a result, or a list of them and its length
        i += i + 1 < list.length && list[i + 1].startsWith("size_t ") ? 1 : 0;
        continue;
      }
      if (p.startsWith("const int64_t*") || p.startsWith("jt_tensor* const*")) {
        out.add(long[].class);
        i++; // its length
      } else if (p.startsWith("const char*")) {
        out.add(byte[].class);
        i++;
      } else if (p.startsWith("jt_bool")) out.add(boolean.class);
      else if (p.startsWith("double")) out.add(double.class);
      else if (p.startsWith("jt_dtype")) out.add(int.class);
      else if (p.startsWith("int64_t") || p.startsWith("jt_tensor*") || p.startsWith("jt_context*")) out.add(long.class);
      else fail(p);
    }
    return out;
  }

  /** int64_t is a long, never an int; lists keep their lengths; results return. */
  @Test
  void everyOpHasTheTypesOfItsPrototype() throws Exception {
    Map<String, Method> natives = natives();
    Matcher m = PROTOTYPE.matcher(Files.readString(Vectors.TESTS.resolve("../capi/include/jt/jt_ops.h")));
    int found = 0;
    while (m.find()) {
      if (m.group(1).equals("op_call")) continue;
      Method method = natives.get(m.group(1));
      assertNotNull(method, m.group(1));
      assertEquals(expected(m.group(2)), Arrays.asList(method.getParameterTypes()), m.group(1));
      assertSame(m.group(2).matches("(?s).*jt_tensor\\*\\* (out_|\\w+,\\s+size_t).*") ? long[].class : long.class, method.getReturnType(), m.group(1));
      found++;
    }
    assertEquals(Native.op_count(), found);
  }

  @Test
  void numbersOf64BitsStayWhole() {
    Map<String, Method> natives = natives();
    for (String name : List.of("tensor_dim", "tensor_count", "op_count", "layer_count", "live_bytes", "checkpoint_count", "optimizer_state_count", "tensor_item_i64")) assertSame(long.class, natives.get(name).getReturnType(), name);
    assertEquals(1L << 40, Native.tensor_dim(Tensor.zeros(1L << 40, 0).handle, 0));
    assertEquals(Long.MIN_VALUE, Tensor.of(new long[] {Long.MIN_VALUE}).toLong());
    assertEquals(-3.5, Tensor.of(-3.5).toDouble());
  }

  /** No proxy classes, whose finalize() would outlive a collection by seconds, and which could be closed twice. */
  @Test
  void swigMakesNoClassesOfItsOwn() throws Exception {
    Path generated = Path.of(System.getProperty("jt.generated"));
    try (Stream<Path> files = Files.walk(generated)) {
      List<Path> all = files.filter(f -> f.toString().endsWith(".java")).collect(Collectors.toList());
      for (Path file : all) {
        String text = Files.readString(file);
        assertFalse(file.getFileName().toString().startsWith("SWIGTYPE") || file.getFileName().toString().startsWith("jt_"), file.toString());
        assertFalse(text.contains("finalize()") || text.contains("swigCPtr"), file.toString());
      }
      assertTrue(all.size() > 70);
    }
    for (Class<?> c : List.of(Native.class, NativeJNI.class)) {
      assertFalse(Modifier.isPublic(c.getModifiers()), c.getName());
      for (Method m : c.getDeclaredMethods()) assertFalse(m.getName().equals("tensor_release") && m.getParameterCount() != 1, m.toString());
    }
  }

  /** A null handle is an exception of the library, not the end of the program. */
  @Test
  void noHandleIsRefused() throws Exception {
    for (Method m : Native.class.getDeclaredMethods()) {
      if (List.of("call_count", "call_buffer", "call_dtype", "call_dims", "grad_count", "grad_handle", "grad_needs", "grad_set", "grad_context", "buffer_of").contains(m.getName())) continue; // addresses of calls
      if (!Modifier.isStatic(m.getModifiers()) || m.isSynthetic()) continue;
      Object[] args = new Object[m.getParameterCount()];
      Class<?>[] types = m.getParameterTypes();
      if (Arrays.asList(types).contains(Object.class)) continue; // those take arrays and buffers that their callers have looked at
      for (int i = 0; i < args.length; i++)
        args[i] = types[i] == long.class ? (Object) 0L : types[i] == int.class ? 0 : types[i] == boolean.class ? false : types[i] == double.class ? 0.0 : null;
      try {
        m.invoke(null, args);
      } catch (java.lang.reflect.InvocationTargetException e) {
        assertTrue(e.getCause() instanceof JtException, m + ": " + e.getCause());
        assertFalse(e.getCause().getMessage().isEmpty());
      }
    }
  }
}
