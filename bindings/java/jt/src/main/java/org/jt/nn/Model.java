package org.jt.nn;

import org.jt.Fields;
import org.jt.Layer;
import org.jt.Tensor;

/**
 * A network of one's own: it names its layers and says what it computes.
 * <pre>{@code
 * final class Net extends Model {
 *   final Linear hidden = add("hidden", new Linear(784, 100)), out = add("out", new Linear(100, 10));
 *   public Tensor forward(Tensor x) {
 *     return out.forward(hidden.forward(x).relu());
 *   }
 * }
 * }</pre>
 */
public abstract class Model extends Layer {
  /** For subclasses. */
  protected Model() {
    super("Module", new Fields());
  }

  /**
   * Names a layer.
   * @param <L> its class
   * @param name without dots
   * @param layer the layer
   * @return layer
   */
  protected final <L extends Layer> L add(String name, L layer) {
    addChild(name, layer);
    return layer;
  }

  /**
   * Names a tensor: a parameter if it requires a gradient, else a buffer.
   * @param name without dots
   * @param x the tensor
   * @return x
   */
  protected final Tensor add(String name, Tensor x) {
    set(name, x);
    return x;
  }

  @Override
  public abstract Tensor forward(Tensor x);
}
