package org.jt;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;

/** Named values: what a layer or an optimiser is told by the names of its row. */
public final class Fields {
  private final Map<String, Object> values = new LinkedHashMap<>();

  /** No fields yet. */
  public Fields() {}

  private Fields set(String name, Object value) {
    if (name == null || value == null) throw JtException.argument("Fields: " + (name == null ? "a name" : name) + " is null");
    if (name.isEmpty() || name.indexOf('\0') >= 0) throw JtException.argument("Fields: no name: '" + name + "'");
    values.put(name, value);
    return this;
  }

  /**
   * An integer.
   * @param name the field
   * @param value its value
   * @return this
   */
  public Fields put(String name, long value) {
    return set(name, value);
  }

  /**
   * A number.
   * @param name the field
   * @param value its value
   * @return this
   */
  public Fields put(String name, double value) {
    return set(name, value);
  }

  /**
   * Whether.
   * @param name the field
   * @param value its value
   * @return this
   */
  public Fields put(String name, boolean value) {
    return set(name, value ? 1L : 0L);
  }

  /**
   * A list of integers.
   * @param name the field
   * @param value its value
   * @return this
   */
  public Fields put(String name, long[] value) {
    return set(name, value == null ? null : value.clone());
  }

  /**
   * A word.
   * @param name the field
   * @param value its value
   * @return this
   */
  public Fields put(String name, String value) {
    return set(name, value);
  }

  /**
   * A dtype.
   * @param name the field
   * @param value its value
   * @return this
   */
  public Fields put(String name, DType value) {
    return set(name, value == null ? null : (long) value.code);
  }

  /** As src/fields.h reads them. */
  byte[] encoded() {
    int room = 0;
    for (Map.Entry<String, Object> e : values.entrySet())
      room += e.getKey().length() * 3 + 18 + (e.getValue() instanceof long[] ? ((long[]) e.getValue()).length * 8 : e.getValue() instanceof String ? ((String) e.getValue()).length() * 3 : 0);
    ByteBuffer out = ByteBuffer.allocate(room).order(ByteOrder.nativeOrder());
    for (Map.Entry<String, Object> e : values.entrySet()) {
      out.put(e.getKey().getBytes(StandardCharsets.UTF_8)).put((byte) 0);
      encode(out, e.getValue());
    }
    return java.util.Arrays.copyOf(out.array(), out.position());
  }

  private static void encode(ByteBuffer out, Object value) {
    if (value instanceof Long) out.put((byte) 1).putLong((Long) value);
    else if (value instanceof Double) out.put((byte) 2).putDouble((Double) value);
    else if (value instanceof long[]) {
      out.put((byte) 3).putLong(((long[]) value).length);
      for (long word : (long[]) value) out.putLong(word);
    } else {
      byte[] text = ((String) value).getBytes(StandardCharsets.UTF_8);
      out.put((byte) 4).putLong(text.length).put(text);
    }
  }
}
