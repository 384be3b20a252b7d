package org.jt.nn;

import org.jt.Fields;
import org.jt.Layer;

/** Layers one after the other. */
public final class Sequential extends Layer {
  /**
   * Layers named 0, 1, ..
   * @param layers in their order
   */
  public Sequential(Layer... layers) {
    super("Sequential", new Fields());
    if (layers == null) throw new IllegalArgumentException("Sequential: layers is null");
    for (int i = 0; i < layers.length; i++) addChild(Integer.toString(i), layers[i]);
  }

  /**
   * Adds a layer behind the others, or in place of the one of that name.
   * @param name without dots
   * @param layer the layer
   * @return this
   */
  public Sequential add(String name, Layer layer) {
    addChild(name, layer);
    return this;
  }
}
