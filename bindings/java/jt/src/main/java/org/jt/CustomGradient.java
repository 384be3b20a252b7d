package org.jt;

/** What the gradient of a {@link CustomOp} is made of: lazy tensors, with which it records ops. */
public final class CustomGradient {
  private final Context context;
  private long call;

  CustomGradient(Context context, long call) {
    this.context = context;
    this.call = call;
  }

  void end() {
    call = 0;
  }

  private Tensor get(int of, int i) {
    if (call == 0) throw JtException.argument("CustomGradient: the call is over");
    if (i < 0 || i >= Native.grad_count(call, of != 0)) throw JtException.argument("CustomGradient: there is no number " + i);
    long h = Native.grad_handle(call, of, i);
    return h == 0 ? null : context.wrap(h);
  }

  /**
   * An input.
   * @param i which
   * @return a tensor
   */
  public Tensor input(int i) {
    return get(0, i);
  }

  /**
   * An output.
   * @param i which
   * @return a tensor
   */
  public Tensor output(int i) {
    return get(1, i);
  }

  /**
   * The gradient that comes for an output.
   * @param i which
   * @return a tensor; null: zero
   */
  public Tensor grad(int i) {
    return get(2, i);
  }

  /**
   * Whether the gradient of an input is asked for.
   * @param i which
   * @return whether
   */
  public boolean needs(int i) {
    if (call == 0 || i < 0 || i >= Native.grad_count(call, false)) throw JtException.argument("CustomGradient: there is no input " + i);
    return Native.grad_needs(call, i);
  }

  /**
   * Sets the gradient of an input.
   * @param i which
   * @param x of the input's dtype and shape
   */
  public void set(int i, Tensor x) {
    if (call == 0 || i < 0 || i >= Native.grad_count(call, false)) throw JtException.argument("CustomGradient: there is no input " + i);
    try {
      Native.grad_set(call, i, context.use(x, "CustomGradient.set", "x"));
    } finally {
      context.done();
      java.lang.ref.Reference.reachabilityFence(x);
    }
  }
}
