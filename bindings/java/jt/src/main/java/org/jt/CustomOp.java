package org.jt;

import java.util.List;

/**
 * An op made of functions of Java. It is lazy like any other: {@link #apply} records it, {@link #forward} runs when a value
 * is needed, on the thread that evaluates.
 */
public abstract class CustomOp {
  /** For subclasses. */
  protected CustomOp() {}

  /**
   * Computes the outputs. It must not use the context that evaluates it.
   * @param call inputs and outputs
   */
  protected abstract void forward(CustomCall call);

  /**
   * Whether there is a gradient: whether backward is overridden.
   * @return false
   */
  protected boolean hasGradient() {
    return false;
  }

  /**
   * Records the gradients of the inputs.
   * @param gradient what comes, and where they go
   */
  protected void backward(CustomGradient gradient) {
    throw new UnsupportedOperationException("no gradient");
  }

  /**
   * What messages and graphs call it.
   * @return the simple name of the class
   */
  protected String name() {
    String name = getClass().getSimpleName();
    return name.isEmpty() ? "custom" : name;
  }

  /**
   * Records it for one result.
   * @param dtype the result's
   * @param shape the result's
   * @param inputs operands
   * @return the result
   */
  public final Tensor apply(DType dtype, long[] shape, Tensor... inputs) {
    return apply(List.of(new Type(dtype, shape)), inputs)[0];
  }

  /**
   * Records it.
   * @param results their types
   * @param inputs operands
   * @return the results
   */
  public final Tensor[] apply(List<Type> results, Tensor... inputs) {
    Context c = inputs == null || inputs.length == 0 ? Context.current() : Context.of(inputs[0]);
    if (results == null) throw JtException.argument("custom: results is null");
    long[] out = new long[results.size()];
    try {
      Native.custom(c.handle("custom"), Text.utf8(name(), "custom", "name"), this, hasGradient(), Type.flat(results), c.useAll(inputs, "custom", "inputs"), out);
      return c.wrapAll(out);
    } finally {
      c.done();
      java.lang.ref.Reference.reachabilityFence(inputs);
    }
  }

  /** Dtype and shape of a result. */
  public static final class Type {
    private final DType dtype;
    private final long[] shape;

    /**
     * A type.
     * @param dtype of the elements
     * @param shape extents
     */
    public Type(DType dtype, long... shape) {
      if (dtype == null || shape == null) throw JtException.argument("custom: " + (dtype == null ? "dtype" : "shape") + " is null");
      this.dtype = dtype;
      this.shape = shape.clone();
    }

    static long[] flat(List<Type> types) {
      int n = 0, at = 0;
      for (Type t : types) {
        if (t == null) throw JtException.argument("custom: a type is null");
        n += 2 + t.shape.length;
      }
      long[] out = new long[n];
      for (Type t : types) {
        out[at++] = t.dtype.code;
        out[at++] = t.shape.length;
        for (long d : t.shape) out[at++] = d;
      }
      return out;
    }
  }
}
