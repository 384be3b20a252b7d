package org.jt;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A layer with the tensors it keeps, or a container of layers. The classes of {@code org.jt.nn} are one each; this one
 * makes any by its name. Names of tensors are dotted paths, "0.weight", in every language.
 */
public class Layer extends Handle {
  private final String kind;

  /** Layers by name that Java added: containers keep them, so that they are the same objects when they are asked for. */
  private final Map<String, Layer> children = new LinkedHashMap<>();

  /**
   * The layer of a kind, in the current context.
   * @param kind a name of docs/LAYERS.md
   * @param fields its fields by name
   */
  public Layer(String kind, Fields fields) {
    this(Context.current(), kind, fields);
  }

  private Layer(Context context, String kind, Fields fields) {
    super(context, create(context, kind, fields), Native::module_release);
    this.kind = kind;
  }

  private static long create(Context c, String kind, Fields fields) {
    if (fields == null) throw JtException.argument("Layer: fields is null");
    return Native.module_create(c.handle(kind), Text.utf8(kind, "Layer", "kind"), fields.encoded());
  }

  private long own(String op) {
    context.handle(kind + "." + op);
    return get(context, kind + "." + op);
  }

  /**
   * The name of its row.
   * @return the name
   */
  public final String kind() {
    return kind;
  }

  /**
   * Records what the layer computes from one input.
   * @param x the input
   * @return the result
   */
  public Tensor forward(Tensor x) {
    return run(1, x)[0];
  }

  /**
   * Records what it computes.
   * @param results how many results are wanted
   * @param inputs in the order of its row; absent ones are null
   * @return the results
   */
  public final Tensor[] run(int results, Tensor... inputs) {
    if (results < 0 || results > 8) throw JtException.argument(kind + ": " + results + " results");
    if (inputs == null) throw JtException.argument(kind + ": inputs is null");
    long h = own("forward");
    long[] out = new long[results], in = new long[inputs.length];
    try {
      for (int i = 0; i < in.length; i++) in[i] = context.useOptional(inputs[i], kind, "input " + i);
      Native.module_forward(context.handle(kind), h, in, out);
      return context.wrapAll(out);
    } finally {
      context.done();
      java.lang.ref.Reference.reachabilityFence(inputs);
      java.lang.ref.Reference.reachabilityFence(this);
    }
  }

  /**
   * A handle on the tensor at a path: on the layer's own cell, so that an assignment to it is seen by the layer.
   * @param name the path
   * @return a tensor
   */
  public final Tensor get(String name) {
    return context.wrap(Native.module_get(context.handle(kind), own("get"), Text.utf8(name, kind + ".get", "name")));
  }

  /**
   * As get, but for what may be absent.
   * @param name the path
   * @return a tensor, or null
   */
  protected final Tensor getOrNull(String name) {
    try {
      return get(name);
    } catch (NotFoundException e) {
      return null;
    }
  }

  /**
   * Makes a tensor the one at a path.
   * @param name the path
   * @param x of the shape and dtype of what it replaces; null: an optional one is absent again
   * @return this
   */
  public final Layer set(String name, Tensor x) {
    try {
      Native.module_set(context.handle(kind), own("set"), Text.utf8(name, kind + ".set", "name"), context.useOptional(x, kind + ".set", "x"));
    } finally {
      context.done();
      java.lang.ref.Reference.reachabilityFence(x);
    }
    return this;
  }

  /**
   * Gives fields other values, for the forwards to come: dropout's p, a momentum.
   * @param fields by name
   * @return this
   */
  public final Layer tell(Fields fields) {
    if (fields == null) throw JtException.argument(kind + ".tell: fields is null");
    Native.module_set_fields(context.handle(kind), own("tell"), fields.encoded());
    return this;
  }

  /**
   * Puts it and all below it in training mode, as at first, or out of it.
   * @param on whether
   * @return this
   */
  public final Layer training(boolean on) {
    Native.module_set_training(context.handle(kind), own("training"), on);
    return this;
  }

  /**
   * Whether it is in training mode.
   * @return whether
   */
  public final boolean isTraining() {
    return Native.module_is_training(own("isTraining"));
  }

  /**
   * Adds a child to a container.
   * @param name without dots
   * @param child the layer
   */
  protected final void addChild(String name, Layer child) {
    if (child == null) throw JtException.argument(kind + ".add: child is null");
    Native.module_add_child(context.handle(kind), own("add"), Text.utf8(name, kind + ".add", "name"), child.own("add"));
    children.put(name, child);
  }

  /**
   * The children that were added, by name.
   * @return a copy
   */
  public final Map<String, Layer> children() {
    return new LinkedHashMap<>(children);
  }

  /**
   * The parameters of it and of all below it, each once: what an optimiser takes.
   * @return handles on them
   */
  public final List<Tensor> parameters() {
    long h = own("parameters");
    long[] out = new long[(int) Native.module_list(context.handle(kind), h, 1)];
    long n = Native.module_parameters(context.handle(kind), h, out);
    List<Tensor> list = new ArrayList<>();
    for (int i = 0; i < n; i++) list.add(context.wrap(out[i]));
    return list;
  }

  private Map<String, Tensor> listed(int parts) {
    long h = own("state");
    Map<String, Tensor> out = new LinkedHashMap<>();
    for (long i = 0, n = Native.module_list(context.handle(kind), h, parts); i < n; i++) {
      byte[] name = Native.module_listed_name(h, i);
      out.put(Text.of(name), context.wrap(Native.module_get(context.handle(kind), h, name)));
    }
    return out;
  }

  /**
   * Parameters and buffers by their names: what a checkpoint holds.
   * @return handles on them
   */
  public final Map<String, Tensor> state() {
    return listed(3);
  }

  /**
   * Buffers by their names: running statistics.
   * @return handles on them
   */
  public final Map<String, Tensor> buffers() {
    return listed(2);
  }

  /**
   * Writes all parameters and buffers to a safetensors file.
   * @param path the file
   */
  public final void save(Path path) {
    Native.module_save(context.handle(kind), own("save"), Text.utf8(path == null ? null : path.toString(), kind + ".save", "path"));
  }

  /**
   * Takes all parameters and buffers from a safetensors file, of any language; all or, after an error, none.
   * @param path the file
   * @return this
   */
  public final Layer load(Path path) {
    return load(path, false);
  }

  /**
   * As load.
   * @param path the file
   * @param partial passes over names that only one of both has
   * @return this
   */
  public final Layer load(Path path, boolean partial) {
    Native.module_load(context.handle(kind), own("load"), Text.utf8(path == null ? null : path.toString(), kind + ".load", "path"), partial ? 1 : 0);
    return this;
  }
}
