package org.jt;

import java.util.Arrays;

/**
 * Closes, at its end, the tensors that were made in its context meanwhile, but for those that are kept:
 * <pre>{@code
 * try (Scope s = new Scope()) {
 *   Tensor loss = net.forward(x).crossEntropy(y);
 *   adam.step(loss);
 *   return loss.toDouble();
 * }
 * }</pre>
 * Scopes nest. Tensors of a scope cost the collector nothing.
 */
public final class Scope implements AutoCloseable {
  private final Context context;
  private final Scope outer;
  private Tensor[] tensors = new Tensor[16];
  private int count;
  private boolean isClosed;

  /** A scope of the current context. */
  public Scope() {
    context = Context.current();
    context.handle("Scope");
    outer = context.scope;
    context.scope = this;
  }

  void add(Tensor x) {
    if (count == tensors.length) tensors = Arrays.copyOf(tensors, count * 2);
    x.slot = count;
    tensors[count++] = x;
    x.owner = this;
  }

  void remove(Tensor x) {
    Tensor last = tensors[--count];
    tensors[count] = null;
    if (last != x) {
      tensors[x.slot] = last;
      last.slot = x.slot;
    }
  }

  /**
   * Lets a tensor live on, in the scope around this one if there is one.
   * @param x a tensor of this scope; others are left as they are
   * @return x
   */
  public Tensor keep(Tensor x) {
    if (x == null) throw JtException.argument("keep: x is null");
    context.handle("keep");
    if (x.handle == 0) throw JtException.argument("keep: x is closed");
    if (x.owner != this) return x;
    remove(x);
    if (outer != null) outer.add(x);
    else x.owner = context.registry.add(x, x.handle, context);
    return x;
  }

  /** Closes the tensors of this scope, and scopes within it. */
  @Override
  public void close() {
    context.handle("Scope");
    if (isClosed) return;
    while (context.scope != this) context.scope.close();
    isClosed = true;
    context.scope = outer;
    while (count > 0) tensors[count - 1].closeOwn();
  }
}
