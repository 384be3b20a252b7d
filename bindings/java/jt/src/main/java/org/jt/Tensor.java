package org.jt;

import java.lang.ref.Reference;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.DoubleBuffer;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.nio.LongBuffer;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A lazy value: dtype and shape are known at once, elements exist after an evaluation, which reading them asks for. Elements
 * lie row-major, the last axis innermost.
 *
 * <p>A tensor holds native memory until it is closed, by hand, by a {@link Scope}, or by the collector. It is immutable but
 * for {@link #assign} and {@link #writable}.
 */
public final class Tensor extends TensorOps implements AutoCloseable {
  /** Handles of tensors that were closed while a call of another thread used them: the end of the last such call releases them. */
  private static final Map<Tensor, Long> DEFERRED = new ConcurrentHashMap<>();

  final Context context;
  long handle;
  /** What closes it if nobody else does: a Scope, or a TensorRef. */
  Object owner;
  int slot;
  private int pins;

  Tensor(Context context, long handle) {
    this.context = context;
    this.handle = handle;
    Scope s = context.scope;
    if (s != null) s.add(this);
    else owner = context.registry.add(this, handle, context);
  }

  // ---- lifetime

  /** Gives the value back; again does nothing. Any thread. */
  @Override
  public void close() {
    context.close(this);
  }

  @Override
  void closeOwn() {
    long h = handle;
    if (h == 0) return;
    handle = 0;
    Object by = owner;
    if (by instanceof TensorRef) context.registry.remove((TensorRef) by);
    else ((Scope) by).remove(this);
    // Nobody pins it from here on; where there is one context only, nobody ever did.
    if (Context.mayBePinned() && isPinned(h)) return;
    Native.tensor_release(h);
  }

  /** Whether a call of another thread uses the handle: then the end of that call releases it. */
  private synchronized boolean isPinned(long h) {
    if (pins == 0) return false;
    DEFERRED.put(this, h);
    return true;
  }

  /** For a call in another context: the handle, which stays until unpin; 0 if it is closed. */
  synchronized long pin() {
    if (handle != 0) pins++;
    return handle;
  }

  synchronized void unpin() {
    if (--pins > 0 || handle != 0) return;
    Long h = DEFERRED.remove(this);
    if (h != null) Native.tensor_release(h);
  }

  /**
   * Whether it is closed.
   * @return whether
   */
  public boolean isClosed() {
    return handle == 0;
  }

  /**
   * The context it belongs to.
   * @return the context
   */
  public Context context() {
    return context;
  }

  // ---- facts

  private interface Question {
    long ask(long handle);
  }

  private long ask(String op, Question question) {
    Context c = Context.of(this);
    try {
      return question.ask(c.use(this, op, "x"));
    } finally {
      c.done();
      Reference.reachabilityFence(this);
    }
  }

  /**
   * The dtype.
   * @return the dtype
   */
  public DType dtype() {
    return DType.of((int) ask("dtype", Native::tensor_dtype));
  }

  /**
   * The number of axes.
   * @return the rank
   */
  public int rank() {
    return (int) ask("rank", Native::tensor_ndim);
  }

  /**
   * The extent of an axis.
   * @param axis counted from 0, or from -1 at the end
   * @return the extent
   */
  public long dim(int axis) {
    long n = ask("dim", h -> Native.tensor_dim(h, axis));
    if (n < 0) throw JtException.argument("dim: axis " + axis + " of rank " + rank());
    return n;
  }

  /**
   * The extents.
   * @return a new array
   */
  public long[] shape() {
    long[] out = new long[rank()];
    for (int i = 0; i < out.length; i++) out[i] = dim(i);
    return out;
  }

  /**
   * The number of elements.
   * @return the number
   */
  public long count() {
    return ask("count", Native::tensor_count);
  }

  /**
   * Whether the elements exist.
   * @return whether
   */
  public boolean isReady() {
    return ask("isReady", h -> Native.tensor_is_ready(h) ? 1 : 0) != 0;
  }

  /**
   * Where it is computed, or lies.
   * @return the name of a device
   */
  public String device() {
    return context().engine().devices().get((int) ask("device", Native::tensor_device));
  }

  /**
   * The same value on another device, copied there when it is needed.
   * @param device its name
   * @return a tensor
   */
  public Tensor to(String device) {
    Context c = Context.of(this);
    try {
      return c.wrap(Native.tensor_to(c.handle("to"), c.use(this, "to", "x"), c.engine.device(device)));
    } finally {
      c.done();
      Reference.reachabilityFence(this);
    }
  }

  // ---- making

  private static Tensor ofArray(Object array, char kind, int length, DType dtype, long[] shape) {
    Context c = Context.current();
    if (shape == null) throw JtException.argument("of: shape is null");
    if (array == null) throw JtException.argument("of: data is null");
    if (dtype == null) throw JtException.argument("of: dtype is null");
    long[] dims = shape.length == 0 && length != 1 ? new long[] {length} : shape;
    long count = 1;
    for (long d : dims) count = d < 0 || (d != 0 && count > Long.MAX_VALUE / d) ? -1 : count * d;
    if (count != length) throw JtException.of(-3, 0, "of: " + length + " elements of data for shape " + Arrays.toString(dims), null);
    return c.wrap(Native.from_array(c.handle("of"), array, kind, dtype.code, dims));
  }

  private static Tensor ofWords(Object array, char kind, int length, int size, DType dtype, long[] shape) {
    if (dtype != null && dtype.size() != size) throw JtException.of(-4, 0, "of: " + dtype + " from elements of " + size + " bytes", null);
    return ofArray(array, kind, length, dtype, shape);
  }

  /**
   * f32 from an array.
   * @param data row-major
   * @param shape extents; none: one axis, or none for one element
   * @return a tensor
   */
  public static Tensor of(float[] data, long... shape) {
    return ofArray(data, 'F', data == null ? 0 : data.length, DType.F32, shape);
  }

  /**
   * f64 from an array.
   * @param data row-major
   * @param shape extents; none: one axis, or none for one element
   * @return a tensor
   */
  public static Tensor of(double[] data, long... shape) {
    return ofArray(data, 'D', data == null ? 0 : data.length, DType.F64, shape);
  }

  /**
   * i32 from an array.
   * @param data row-major
   * @param shape extents; none: one axis, or none for one element
   * @return a tensor
   */
  public static Tensor of(int[] data, long... shape) {
    return ofArray(data, 'I', data == null ? 0 : data.length, DType.I32, shape);
  }

  /**
   * i64 from an array.
   * @param data row-major
   * @param shape extents; none: one axis, or none for one element
   * @return a tensor
   */
  public static Tensor of(long[] data, long... shape) {
    return ofArray(data, 'J', data == null ? 0 : data.length, DType.I64, shape);
  }

  /**
   * bool from an array.
   * @param data row-major
   * @param shape extents; none: one axis, or none for one element
   * @return a tensor
   */
  public static Tensor of(boolean[] data, long... shape) {
    return ofArray(data, 'Z', data == null ? 0 : data.length, DType.BOOL, shape);
  }

  /**
   * A dtype of one byte.
   * @param data row-major
   * @param dtype i8, u8 or bool
   * @param shape extents
   * @return a tensor
   */
  public static Tensor of(byte[] data, DType dtype, long... shape) {
    return ofWords(data, 'B', data == null ? 0 : data.length, 1, dtype, shape);
  }

  /**
   * A dtype of two bytes.
   * @param data row-major
   * @param dtype i16, u16, f16 or bf16
   * @param shape extents
   * @return a tensor
   */
  public static Tensor of(short[] data, DType dtype, long... shape) {
    return ofWords(data, 'S', data == null ? 0 : data.length, 2, dtype, shape);
  }

  /**
   * One number as f32, without axes.
   * @param value the number
   * @return a tensor
   */
  public static Tensor of(double value) {
    return of(value, DType.F32);
  }

  /**
   * One number, without axes.
   * @param value the number
   * @param dtype its dtype
   * @return a tensor
   */
  public static Tensor of(double value, DType dtype) {
    Context c = Context.current();
    return c.wrap(Native.scalar(c.handle("of"), value, DType.code(dtype, "of", "dtype")));
  }

  /**
   * Any dtype from a buffer, whose bytes from position to limit are the elements in the host's order. A direct buffer is not
   * copied: it belongs to the tensor as long as that lives, and must not change.
   * @param data the elements
   * @param dtype what they are
   * @param shape extents
   * @return a tensor
   */
  public static Tensor of(ByteBuffer data, DType dtype, long... shape) {
    if (data == null) throw JtException.argument("of: data is null");
    Context c = Context.current();
    int code = DType.code(dtype, "of", "dtype");
    ByteBuffer buffer = data;
    if (!data.isDirect()) {
      buffer = ByteBuffer.allocateDirect(data.remaining()).order(ByteOrder.nativeOrder()).put(data.duplicate());
      buffer.flip();
    }
    return c.wrap(Native.from_buffer(c.handle("of"), buffer, buffer.position(), buffer.remaining(), code, shape));
  }

  /**
   * f32 from a buffer, from its position to its limit; a direct one in the host's order is not copied.
   * @param data the elements
   * @param shape extents
   * @return a tensor
   */
  public static Tensor of(FloatBuffer data, long... shape) {
    if (data == null) throw JtException.argument("of: data is null");
    if (shape == null) throw JtException.argument("of: shape is null");
    long[] dims = shape.length == 0 && data.remaining() != 1 ? new long[] {data.remaining()} : shape;
    if (data.isDirect() && data.order() == ByteOrder.nativeOrder()) {
      Context c = Context.current();
      return c.wrap(Native.from_buffer(c.handle("of"), data, data.position() * 4L, data.remaining() * 4L, DType.F32.code, dims));
    }
    float[] copy = new float[data.remaining()];
    data.duplicate().get(copy);
    return of(copy, dims);
  }

  /**
   * Zeros.
   * @param dtype their dtype
   * @param shape extents
   * @return a tensor
   */
  public static Tensor zeros(DType dtype, long... shape) {
    Context c = Context.current();
    return c.wrap(Native.zeros(c.handle("zeros"), shape, DType.code(dtype, "zeros", "dtype")));
  }

  /**
   * Zeros of f32.
   * @param shape extents
   * @return a tensor
   */
  public static Tensor zeros(long... shape) {
    return zeros(DType.F32, shape);
  }

  /**
   * Ones.
   * @param dtype their dtype
   * @param shape extents
   * @return a tensor
   */
  public static Tensor ones(DType dtype, long... shape) {
    Context c = Context.current();
    return c.wrap(Native.ones(c.handle("ones"), shape, DType.code(dtype, "ones", "dtype")));
  }

  /**
   * Ones of f32.
   * @param shape extents
   * @return a tensor
   */
  public static Tensor ones(long... shape) {
    return ones(DType.F32, shape);
  }

  /**
   * One value everywhere.
   * @param value the value
   * @param dtype its dtype
   * @param shape extents
   * @return a tensor
   */
  public static Tensor full(double value, DType dtype, long... shape) {
    return Ops.full(shape, value, dtype);
  }

  /**
   * 0, 1, .. n - 1 as i64.
   * @param n how many
   * @return a tensor
   */
  public static Tensor arange(long n) {
    return Ops.iota(new long[] {n}, 0, DType.I64);
  }

  /**
   * Uniform in [low, high), f32, from the context's random state.
   * @param low from
   * @param high to
   * @param shape extents
   * @return a tensor
   */
  public static Tensor uniform(double low, double high, long... shape) {
    return uniform(low, high, DType.F32, shape);
  }

  /**
   * Uniform in [low, high), from the context's random state.
   * @param low from
   * @param high to
   * @param dtype a float dtype
   * @param shape extents
   * @return a tensor
   */
  public static Tensor uniform(double low, double high, DType dtype, long... shape) {
    Context c = Context.current();
    return c.wrap(Native.random_uniform(c.handle("uniform"), shape, low, high, DType.code(dtype, "uniform", "dtype")));
  }

  /**
   * Standard normal, f32, from the context's random state.
   * @param shape extents
   * @return a tensor
   */
  public static Tensor randn(long... shape) {
    return normal(0, 1, DType.F32, shape);
  }

  /**
   * Normal, from the context's random state.
   * @param mean its mean
   * @param deviation its deviation
   * @param dtype a float dtype
   * @param shape extents
   * @return a tensor
   */
  public static Tensor normal(double mean, double deviation, DType dtype, long... shape) {
    Context c = Context.current();
    return c.wrap(Native.random_normal(c.handle("normal"), shape, mean, deviation, DType.code(dtype, "normal", "dtype")));
  }

  /**
   * Initial values.
   * @param kind zeros, ones, uniform, normal, he_normal, he_uniform, xavier_normal, xavier_uniform or lecun_normal
   * @param dtype a float dtype
   * @param shape extents [out, in, window..]
   * @return a tensor
   */
  public static Tensor init(String kind, DType dtype, long... shape) {
    Context c = Context.current();
    return c.wrap(Native.init(c.handle("init"), Text.utf8(kind, "init", "kind"), shape, DType.code(dtype, "init", "dtype")));
  }

  /** A number to go with this tensor: of its dtype if that can hold it, else f32. */
  Tensor number(double value) {
    DType t = dtype();
    boolean fits = t.isFloat() || (t.isInteger() && value == Math.rint(value));
    Context c = Context.of(this);
    return c.wrap(Native.scalar(c.handle("number"), value, (fits ? t : DType.F32).code));
  }

  // ---- reading

  private void read(Object array, char kind, int length, DType dtype, String op) {
    Context c = Context.of(this);
    try {
      Native.to_array(c.handle(op), c.use(this, op, "x"), array, kind);
    } finally {
      c.done();
      Reference.reachabilityFence(this);
    }
    c.engine.look();
  }

  private int length(String op) {
    long n = ask(op, Native::tensor_count);
    if (n > Integer.MAX_VALUE - 8) throw JtException.argument(op + ": " + n + " elements are more than an array can hold");
    return (int) n;
  }

  private interface Reader<T> {
    T of(Tensor x);
  }

  /** Read as another dtype than its own. */
  private <T> T converted(DType dtype, Reader<T> reader) {
    try (Tensor x = cast(dtype)) {
      return reader.of(x);
    }
  }

  /**
   * The elements as floats, converted if need be.
   * @return a new array, row-major
   */
  public float[] toFloats() {
    if (dtype() != DType.F32) return converted(DType.F32, Tensor::toFloats);
    float[] out = new float[length("toFloats")];
    read(out, 'F', out.length, DType.F32, "toFloats");
    return out;
  }

  /**
   * The elements as doubles, converted if need be.
   * @return a new array, row-major
   */
  public double[] toDoubles() {
    if (dtype() != DType.F64) return converted(DType.F64, Tensor::toDoubles);
    double[] out = new double[length("toDoubles")];
    read(out, 'D', out.length, DType.F64, "toDoubles");
    return out;
  }

  /**
   * The elements as ints, converted if need be.
   * @return a new array, row-major
   */
  public int[] toInts() {
    if (dtype() != DType.I32) return converted(DType.I32, Tensor::toInts);
    int[] out = new int[length("toInts")];
    read(out, 'I', out.length, DType.I32, "toInts");
    return out;
  }

  /**
   * The elements as longs, converted if need be.
   * @return a new array, row-major
   */
  public long[] toLongs() {
    if (dtype() != DType.I64) return converted(DType.I64, Tensor::toLongs);
    long[] out = new long[length("toLongs")];
    read(out, 'J', out.length, DType.I64, "toLongs");
    return out;
  }

  /**
   * The elements as truths, converted if need be.
   * @return a new array, row-major
   */
  public boolean[] toBooleans() {
    if (dtype() != DType.BOOL) return converted(DType.BOOL, Tensor::toBooleans);
    boolean[] out = new boolean[length("toBooleans")];
    read(out, 'Z', out.length, DType.BOOL, "toBooleans");
    return out;
  }

  /**
   * The elements' bytes, in the host's order.
   * @return a new array
   */
  public byte[] toBytes() {
    ByteBuffer from = buffer();
    byte[] out = new byte[from.remaining()];
    from.get(out);
    return out;
  }

  private ByteBuffer mapped(boolean writes, String op) {
    long n = ask(op, Native::tensor_count) * dtype().size();
    if (n > Integer.MAX_VALUE) throw JtException.argument(op + ": " + n + " bytes are more than a buffer can hold");
    Context c = Context.of(this);
    ByteBuffer out;
    try {
      out = Mapping.of(c.handle(op), c.use(this, op, "x"), writes);
    } finally {
      c.done();
      Reference.reachabilityFence(this);
    }
    c.engine.look();
    return writes ? out : out.asReadOnlyBuffer().order(ByteOrder.nativeOrder());
  }

  /**
   * The elements where they lie: evaluated, not copied, and kept as long as the buffer.
   * @return a read-only direct buffer
   */
  public ByteBuffer buffer() {
    return mapped(false, "buffer");
  }

  /**
   * As {@link #buffer}, for f32.
   * @return a read-only direct buffer
   */
  public FloatBuffer floats() {
    expect(DType.F32, "floats");
    return buffer().asFloatBuffer();
  }

  /**
   * As {@link #buffer}, for f64.
   * @return a read-only direct buffer
   */
  public DoubleBuffer doubles() {
    expect(DType.F64, "doubles");
    return buffer().asDoubleBuffer();
  }

  /**
   * As {@link #buffer}, for i32.
   * @return a read-only direct buffer
   */
  public IntBuffer ints() {
    expect(DType.I32, "ints");
    return buffer().asIntBuffer();
  }

  /**
   * As {@link #buffer}, for i64.
   * @return a read-only direct buffer
   */
  public LongBuffer longs() {
    expect(DType.I64, "longs");
    return buffer().asLongBuffer();
  }

  /** The elements where they lie, to be written: an assignment, which what was recorded before does not see.
   * @return a direct buffer */
  public ByteBuffer writable() {
    return mapped(true, "writable");
  }

  private void expect(DType dtype, String op) {
    DType own = dtype();
    if (own != dtype) throw JtException.of(-4, 0, op + ": the tensor is " + own + ", not " + dtype, null);
  }

  /**
   * The one element.
   * @return it as a double
   */
  public double toDouble() {
    Context c = Context.of(this);
    try {
      return Double.longBitsToDouble(Native.tensor_item_f64(c.handle("toDouble"), c.use(this, "toDouble", "x")));
    } finally {
      c.done();
      Reference.reachabilityFence(this);
    }
  }

  /**
   * The one element.
   * @return it as a long; a float is truncated
   */
  public long toLong() {
    Context c = Context.of(this);
    try {
      return Native.tensor_item_i64(c.handle("toLong"), c.use(this, "toLong", "x"));
    } finally {
      c.done();
      Reference.reachabilityFence(this);
    }
  }

  /**
   * Evaluates it.
   * @return this
   */
  public Tensor eval() {
    Context.of(this).eval(this);
    return this;
  }

  // ---- assignment and gradients

  /**
   * Makes this handle stand for the value of src, converted to this dtype; what was recorded before keeps the old value.
   * @param src of this shape
   * @return this
   */
  public Tensor assign(Tensor src) {
    Context c = Context.of(this);
    try {
      Native.tensor_assign(c.handle("assign"), c.use(this, "assign", "x"), c.use(src, "assign", "src"));
    } finally {
      c.done();
      Reference.reachabilityFence(this);
      Reference.reachabilityFence(src);
    }
    return this;
  }

  /**
   * Says that gradients are wanted for it, or not.
   * @param on whether
   * @return this
   */
  public Tensor requiresGrad(boolean on) {
    Context c = Context.of(this);
    try {
      Native.tensor_set_requires_grad(c.handle("requiresGrad"), c.use(this, "requiresGrad", "x"), on);
    } finally {
      c.done();
      Reference.reachabilityFence(this);
    }
    return this;
  }

  /**
   * Whether gradients are wanted for it.
   * @return whether
   */
  public boolean requiresGrad() {
    return ask("requiresGrad", h -> Native.tensor_requires_grad(h) ? 1 : 0) != 0;
  }

  /** Adds the gradient of this one element to those of the tensors that require one. */
  public void backward() {
    Context c = Context.of(this);
    try {
      Native.backward(c.handle("backward"), c.use(this, "backward", "x"), 0);
    } finally {
      c.done();
      Reference.reachabilityFence(this);
    }
  }

  /**
   * The gradient that backward has gathered.
   * @return it, or null
   */
  public Tensor grad() {
    Context c = Context.of(this);
    try {
      long h = Native.tensor_gradient(c.handle("grad"), c.use(this, "grad", "x"));
      return h == 0 ? null : c.wrap(h);
    } finally {
      c.done();
      Reference.reachabilityFence(this);
    }
  }

  /**
   * Forgets the gradient that backward has gathered.
   * @return this
   */
  public Tensor zeroGrad() {
    Context c = Context.of(this);
    try {
      Native.zero_grad(c.handle("zeroGrad"), new long[] {c.use(this, "zeroGrad", "x")});
    } finally {
      c.done();
      Reference.reachabilityFence(this);
    }
    return this;
  }

  // ---- parts

  /**
   * Row i along the first axis, which goes.
   * @param i from 0, or from -1 at the end
   * @return a tensor
   */
  public Tensor at(long i) {
    long n = dim(0);
    if (i < -n || i >= n) throw JtException.argument("at: " + i + " of " + n + " rows");
    try (Tensor row = rows(i < 0 ? i + n : i, (i < 0 ? i + n : i) + 1)) {
      return row.reshape(Arrays.copyOfRange(shape(), 1, rank()));
    }
  }

  /**
   * Rows from..to along the first axis.
   * @param from the first
   * @param to behind the last
   * @return a tensor
   */
  public Tensor rows(long from, long to) {
    long[] starts = new long[rank()], stops = shape(), steps = new long[starts.length];
    if (starts.length == 0 || from < 0 || to < from || to > stops[0])
      throw JtException.argument("rows: " + from + ".." + to + " of " + Arrays.toString(stops));
    Arrays.fill(steps, 1);
    starts[0] = from;
    stops[0] = to;
    return slice(starts, stops, steps);
  }

  /** Dtype, shape and, of up to 16 elements, the values; evaluates nothing that is not evaluated. */
  @Override
  public String toString() {
    if (isClosed()) return "Tensor(closed)";
    StringBuilder out = new StringBuilder(dtype() + Arrays.toString(shape()).replace(" ", ""));
    if (context.isOwn() && isReady() && count() <= 16)
      out.append(' ').append(dtype().isFloat() ? Arrays.toString(toDoubles()) : Arrays.toString(toLongs()));
    return out.toString();
  }
}
