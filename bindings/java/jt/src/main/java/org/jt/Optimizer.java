package org.jt;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Updates parameters by their gradients. The classes of {@code org.jt.optim} are one kind each. */
public class Optimizer extends Handle {
  private final int params;

  /**
   * The optimiser of a kind.
   * @param kind a name of the table: sgd, adam, ..
   * @param fields its fields by name
   * @param params tensors of float dtypes; one that requires no gradient stays as it is
   */
  public Optimizer(String kind, Fields fields, List<Tensor> params) {
    super(contextOf(params), create(kind, fields, params), Native::optimizer_release);
    this.params = params.size();
  }

  private static Context contextOf(List<Tensor> params) {
    if (params == null) throw JtException.argument("Optimizer: params is null");
    return params.isEmpty() ? Context.current() : Context.of(params.get(0));
  }

  private static long create(String kind, Fields fields, List<Tensor> params) {
    if (fields == null) throw JtException.argument("Optimizer: fields is null");
    Context c = contextOf(params);
    Tensor[] list = params.toArray(new Tensor[0]);
    try {
      return Native.optimizer_create(c.handle("Optimizer"), Text.utf8(kind, "Optimizer", "kind"), fields.encoded(), c.useAll(list, "Optimizer", "params"));
    } finally {
      c.done();
      java.lang.ref.Reference.reachabilityFence(list);
    }
  }

  /** Records the gradients of a loss of one element and one update of every parameter it depends on, and runs it.
   * @param loss keeps its value */
  public final void step(Tensor loss) {
    try {
      Native.optimizer_step(context.handle("step"), get(context, "step"), context.use(loss, "step", "loss"));
    } finally {
      context.done();
      java.lang.ref.Reference.reachabilityFence(loss);
      java.lang.ref.Reference.reachabilityFence(this);
    }
    context.engine.look();
  }

  /**
   * The same with gradients of one's own.
   * @param grads in the order of the parameters; null leaves one as it is
   */
  public final void step(Tensor[] grads) {
    if (grads == null || grads.length != params) throw JtException.argument("step: " + (grads == null ? "grads is null" : grads.length + " gradients for " + params + " parameters"));
    long[] handles = new long[grads.length];
    try {
      for (int i = 0; i < handles.length; i++) handles[i] = context.useOptional(grads[i], "step", "grads");
      Native.optimizer_step_grads(context.handle("step"), get(context, "step"), handles);
    } finally {
      context.done();
      java.lang.ref.Reference.reachabilityFence(grads);
      java.lang.ref.Reference.reachabilityFence(this);
    }
    context.engine.look();
  }

  /**
   * Sets the learning rate of the next steps.
   * @param lr at least 0
   * @return this
   */
  public final Optimizer lr(double lr) {
    Native.optimizer_set_lr(context.handle("lr"), get(context, "lr"), lr);
    return this;
  }

  /**
   * The learning rate.
   * @return it
   */
  public final double lr() {
    return Double.longBitsToDouble(Native.optimizer_lr(context.handle("lr"), get(context, "lr")));
  }

  /**
   * Its state by names, for a checkpoint; assigning to the tensors restores it.
   * @return handles on them
   */
  public final Map<String, Tensor> state() {
    long c = context.handle("state"), h = get(context, "state");
    Map<String, Tensor> out = new LinkedHashMap<>();
    for (long i = 0, n = Native.optimizer_state_count(h); i < n; i++)
      out.put(Text.of(Native.optimizer_state_name(c, h, i)), context.wrap(Native.optimizer_state(c, h, i)));
    return out;
  }
}
