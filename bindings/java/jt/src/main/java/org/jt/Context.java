package org.jt;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.lang.ref.WeakReference;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The graph being recorded, with its random state. Every thread has one of its own ({@link #current}); tensors are made in
 * it. A context belongs to one thread at a time; {@link #detach} gives it up, and the next thread that uses it, or one of
 * its tensors, takes it. Tensors of other threads' contexts may be operands once they are evaluated.
 *
 * <p>Tensors may be closed by any thread: what does not belong to the closing thread is closed when its own comes by.
 */
public final class Context implements AutoCloseable {
  /** Looks on while an evaluation runs, on its thread. It must be quick and must not use the context. */
  @FunctionalInterface
  public interface Listener {
    /**
     * Called before each kernel that is compiled, and with 0, 0 between kernels that run.
     * @param compiled how many kernels are compiled
     * @param toCompile of how many
     * @return false ends the evaluation by a {@link CancelledException}
     */
    boolean goesOn(long compiled, long toCompile);
  }

  private static final class Ref extends Gone {
    final Registry registry;
    long handle;
    long listener;

    Ref(Context context, long handle) {
      super(context);
      this.handle = handle;
      registry = context.registry;
      keep();
    }

    @Override
    void gone() {
      registry.releaseAll();
      BY_HANDLE.remove(handle);
      if (handle != 0) Native.context_release(handle);
    }
  }

  private static final VarHandle THREAD;
  private static final ThreadLocal<Context> CURRENT = new ThreadLocal<>();
  private static final Map<Long, WeakReference<Context>> BY_HANDLE = new ConcurrentHashMap<>();

  /** Whether another context than the first was ever made: then a tensor that is closed may be an operand elsewhere. */
  private static volatile boolean several;

  private static boolean one;

  static {
    try {
      THREAD = MethodHandles.lookup().findVarHandle(Context.class, "thread", Thread.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  final Engine engine;
  final Registry registry = new Registry();
  Scope scope;
  private final Ref ref;
  ArrayList<Tensor> pinned; // null: none
  private long handle;
  private Thread thread = Thread.currentThread();

  /**
   * A context of an engine, which belongs to this thread but is not its current one; {@link #attach} makes it that.
   * @param engine what computes
   */
  public Context(Engine engine) {
    if (engine == null) throw JtException.argument("Context: engine is null");
    this.engine = engine;
    synchronized (Context.class) {
      several |= one;
      one = true;
    }
    handle = engine.newContext();
    ref = new Ref(this, handle);
    BY_HANDLE.put(handle, new WeakReference<>(this));
  }

  /** This thread's context: the one it attached, else one of the default engine, made when it is first asked for.
   * @return the context */
  public static Context current() {
    Context c = CURRENT.get();
    if (c != null && c.thread == Thread.currentThread()) return c;
    c = new Context(Engine.standard());
    CURRENT.set(c);
    return c;
  }

  static Context byHandle(long handle) {
    WeakReference<Context> found = BY_HANDLE.get(handle);
    Context c = found == null ? null : found.get();
    if (c == null) throw new JtException(-19, 0, "context: not one of Java's", null);
    return c;
  }

  /** Where an op of x is recorded: in its context if that is this thread's or nobody's, else in the current one. */
  static Context of(Tensor x) {
    if (x == null) return current();
    Context c = x.context;
    return c.thread == Thread.currentThread() || c.tryAttach() ? c : current();
  }

  // ---- threads

  boolean isOwn() {
    return thread == Thread.currentThread();
  }

  private boolean tryAttach() {
    Thread owner = (Thread) THREAD.getVolatile(this);
    if (owner != null && owner.isAlive()) return false;
    return THREAD.compareAndSet(this, owner, Thread.currentThread());
  }

  /**
   * Makes this context the thread's current one and takes it, if it belongs to no other thread that lives.
   * @return this
   */
  public Context attach() {
    handle("attach");
    CURRENT.set(this);
    return this;
  }

  /** Gives the context up, so that another thread may take it by using it, or one of its tensors. */
  public void detach() {
    handle("detach");
    if (scope != null) throw JtException.argument("detach: a scope of the context is open");
    if (registry.hasLater()) registry.drain(this);
    if (CURRENT.get() == this) CURRENT.remove();
    THREAD.setVolatile(this, null);
  }

  /** The handle of a context that {@link #of} or {@link #current} gave: it is this thread's. */
  long open(String op) {
    long h = handle;
    if (h == 0) throw JtException.argument(op + ": the context is closed");
    return h;
  }

  /** The handle, for a call by this thread. */
  long handle(String op) {
    if (thread != Thread.currentThread()) take(op);
    if (handle == 0) throw JtException.argument(op + ": the context is closed");
    return handle;
  }

  private void take(String op) {
    if (tryAttach()) return;
    Thread owner = (Thread) THREAD.getVolatile(this);
    throw JtException.of(-14, 0, op + ": the context belongs to thread '" + (owner == null ? "?" : owner.getName()) + "', this is '" + Thread.currentThread().getName() + "'", null);
  }

  // ---- tensors

  Tensor wrap(long tensor) {
    if (registry.hasLater()) registry.drain(this);
    return new Tensor(this, tensor);
  }

  Tensor[] wrapAll(long[] tensors) {
    Tensor[] out = new Tensor[tensors.length];
    for (int i = 0; i < out.length; i++) out[i] = tensors[i] == 0 ? null : wrap(tensors[i]);
    return out;
  }

  long use(Tensor x, String op, String name) {
    if (x == null) throw JtException.argument(op + ": " + name + " is null");
    if (x.context != this) return useForeign(x, op, name);
    long h = x.handle;
    if (h == 0) throw JtException.argument(op + ": " + name + " is closed");
    return h;
  }

  long useOptional(Tensor x, String op, String name) {
    return x == null ? 0 : use(x, op, name);
  }

  long[] useAll(Tensor[] list, String op, String name) {
    if (list == null) throw JtException.argument(op + ": " + name + " is null");
    long[] out = new long[list.length];
    for (int i = 0; i < out.length; i++) out[i] = use(list[i], op, name);
    return out;
  }

  private long useForeign(Tensor x, String op, String name) {
    long h = x.pin();
    if (h == 0) throw JtException.argument(op + ": " + name + " is closed");
    if (pinned == null) pinned = new ArrayList<>();
    pinned.add(x);
    return h;
  }

  /** After each call: operands of other contexts may be closed again. */
  void done() {
    if (pinned != null) unpin();
  }

  private void unpin() {
    for (Tensor x : pinned) x.unpin();
    pinned = null;
  }

  static boolean mayBePinned() {
    return several;
  }

  void close(Closes what) {
    if (thread == Thread.currentThread()) what.closeOwn();
    else if (tryAttach()) {
      what.closeOwn();
      THREAD.setVolatile(this, null);
    } else registry.later(what);
  }

  void closeOwn(Closes what) {
    what.closeOwn();
  }

  // ---- state

  /** Seeds random values and initial weights: the same seed and the same calls give the same values, in every language.
   * @param seed any number
   * @return this */
  public Context seed(long seed) {
    Native.context_set_seed(handle("seed"), seed);
    return this;
  }

  /** Records gradients from now on, or not.
   * @param on whether
   * @return what it was */
  public boolean gradMode(boolean on) {
    return Native.context_set_grad_mode(handle("gradMode"), on) != 0;
  }

  /** Says on which device runs what is recorded from now on, and where new tensors belong.
   * @param name as Engine.devices gives it
   * @return which it was */
  public String device(String name) {
    return engine.devices().get((int) Native.context_set_device(handle("device"), engine.device(name)));
  }

  /** Runs body without recording gradients.
   * @param <T> what it gives
   * @param body what to run
   * @return what it gave */
  public <T> T noGrad(java.util.function.Supplier<T> body) {
    boolean before = gradMode(false);
    try {
      return body.get();
    } finally {
      gradMode(before);
    }
  }

  /** Sets who looks on while this context evaluates, null: nobody. Interrupting the thread ends an evaluation anyway.
   * @param listener asked between kernels */
  public void listen(Listener listener) {
    long h = handle("listen");
    ref.listener = Native.context_watch(h, listener, ref.listener);
  }

  /** Evaluates everything that is pending. */
  public void sync() {
    Native.sync(handle("sync"));
    engine.look();
  }

  /**
   * Evaluates tensors together.
   * @param tensors what is needed
   */
  public void eval(Tensor... tensors) {
    long h = handle("eval");
    try {
      if (tensors.length != 0) Native.eval(h, useAll(tensors, "eval", "tensors"));
    } finally {
      done();
      java.lang.ref.Reference.reachabilityFence(tensors);
    }
    engine.look();
  }

  /**
   * The engine.
   * @return what computes
   */
  public Engine engine() {
    return engine;
  }

  /** What the compiler makes of what is pending behind tensors, as text.
   * @param stage a letter: g as recorded, s simplified, f fused, m memory, l loops, c code, v for Graphviz
   * @param tensors the roots
   * @return the text */
  public String graph(char stage, Tensor... tensors) {
    long h = handle("graph");
    try {
      return Text.of(Native.graph_text(h, useAll(tensors, "graph", "tensors"), stage));
    } finally {
      done();
      java.lang.ref.Reference.reachabilityFence(tensors);
    }
  }

  // ---- files

  /** Writes named tensors to one safetensors file, which is replaced as a whole or, after an error, left as it was.
   * @param path the file
   * @param tensors by their names */
  public void save(Path path, Map<String, Tensor> tensors) {
    long h = handle("save");
    byte[] file = Text.utf8(path == null ? null : path.toString(), "save", "path");
    if (tensors == null) throw JtException.argument("save: tensors is null");
    Tensor[] list = tensors.values().toArray(new Tensor[0]);
    try {
      Native.checkpoint_save(h, file, Text.joined(new ArrayList<>(tensors.keySet()), "save", "names"), useAll(list, "save", "tensors"));
    } finally {
      done();
      java.lang.ref.Reference.reachabilityFence(list);
    }
  }

  /** Reads a safetensors file, of any language.
   * @param path the file
   * @return its tensors by their names, in the order of the file */
  public Map<String, Tensor> load(Path path) {
    long h = handle("load");
    long file = Native.checkpoint_open(Text.utf8(path == null ? null : path.toString(), "load", "path"));
    try {
      Map<String, Tensor> out = new LinkedHashMap<>();
      for (long i = 0, n = Native.checkpoint_count(file); i < n; i++) {
        byte[] name = Native.checkpoint_name(file, i);
        out.put(Text.of(name), wrap(Native.checkpoint_load(h, file, name)));
      }
      return out;
    } finally {
      Native.checkpoint_release(file);
    }
  }

  /** Reads an IDX file (the MNIST family), plain or gzip.
   * @param path the file
   * @return a tensor of the dtype and shape that it states */
  public Tensor loadIdx(Path path) {
    return wrap(Native.idx_load(handle("loadIdx"), Text.utf8(path == null ? null : path.toString(), "loadIdx", "path")));
  }

  /**
   * The gradients of y, of one element, with respect to inputs.
   * @param y what is differentiated
   * @param inputs with respect to these
   * @return one each
   */
  public Tensor[] grad(Tensor y, List<Tensor> inputs) {
    return grad(y, inputs, null, false, false);
  }

  /**
   * The gradients of y with respect to inputs.
   * @param y what is differentiated
   * @param inputs tensors that require a gradient
   * @param dy the gradient of what comes after y, of its shape; null: ones, and y has one element
   * @param createGraph whether the gradients may be differentiated again
   * @param allowUnused an input that y does not depend on gets zeros instead of an error
   * @return one each
   */
  public Tensor[] grad(Tensor y, List<Tensor> inputs, Tensor dy, boolean createGraph, boolean allowUnused) {
    long h = handle("grad");
    if (inputs == null) throw JtException.argument("grad: inputs is null");
    Tensor[] list = inputs.toArray(new Tensor[0]);
    long[] out = new long[list.length];
    try {
      Native.grad(h, use(y, "grad", "y"), useAll(list, "grad", "inputs"), useOptional(dy, "grad", "dy"), (createGraph ? 2 : 0) | (allowUnused ? 4 : 0), out);
      return wrapAll(out);
    } finally {
      done();
      java.lang.ref.Reference.reachabilityFence(y);
      java.lang.ref.Reference.reachabilityFence(dy);
      java.lang.ref.Reference.reachabilityFence(list);
    }
  }

  /** Gives the context back; its tensors live on until they are closed. */
  @Override
  public void close() {
    if (thread != Thread.currentThread()) take("close");
    if (handle == 0) return;
    if (registry.hasLater()) registry.drain(this);
    long h = handle;
    handle = 0;
    ref.handle = 0;
    BY_HANDLE.remove(h);
    if (CURRENT.get() == this) CURRENT.remove();
    Native.context_release(h);
  }
}
