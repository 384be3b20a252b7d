package org.jt;

/** Element types. All are stored; element-wise ops compute in f32, f64, i32, i64 or u64 and round or wrap to their own. */
public enum DType {
  /** Truth, one byte: 0 or 1. */ BOOL(1, 1),
  /** Integer of 8 bits. */ I8(2, 1),
  /** Integer of 16 bits. */ I16(3, 2),
  /** Integer of 32 bits. */ I32(4, 4),
  /** Integer of 64 bits. */ I64(5, 8),
  /** Unsigned integer of 8 bits. */ U8(6, 1),
  /** Unsigned integer of 16 bits. */ U16(7, 2),
  /** Unsigned integer of 32 bits. */ U32(8, 4),
  /** Unsigned integer of 64 bits. */ U64(9, 8),
  /** IEEE 754 binary16. */ F16(10, 2),
  /** bfloat16. */ BF16(11, 2),
  /** Java's float. */ F32(12, 4),
  /** Java's double. */ F64(13, 8);

  private static final DType[] ALL = values();
  final int code;
  private final int size;

  DType(int code, int size) {
    this.code = code;
    this.size = size;
  }

  /**
   * Bytes of one element.
   * @return the number
   */
  public int size() {
    return size;
  }

  /**
   * Whether it is f16, bf16, f32 or f64.
   * @return whether
   */
  public boolean isFloat() {
    return code >= 10;
  }

  /**
   * Whether it is an integer type; bool is none.
   * @return whether
   */
  public boolean isInteger() {
    return code > 1 && code < 10;
  }

  static DType of(int code) {
    if (code < 1 || code > ALL.length) throw new JtException(-19, 0, "dtype: there is no dtype " + code, null);
    return ALL[code - 1];
  }

  static int code(DType dtype, String op, String name) {
    if (dtype == null) throw JtException.argument(op + ": " + name + " is null");
    return dtype.code;
  }

  /** The name that messages use: "f32". */
  @Override
  public String toString() {
    return name().toLowerCase(java.util.Locale.ROOT);
  }
}
