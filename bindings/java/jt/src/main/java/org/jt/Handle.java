package org.jt;

import java.util.function.LongConsumer;

/** A native object of a context that is made rarely: a layer, an optimiser. */
abstract class Handle extends Closes implements AutoCloseable {
  private static final class Ref extends Gone {
    private final LongConsumer release;
    private long handle;

    Ref(Object object, long handle, LongConsumer release) {
      super(object);
      this.handle = handle;
      this.release = release;
      keep();
    }

    @Override
    void gone() {
      long h = handle;
      handle = 0;
      if (h != 0) release.accept(h);
    }
  }

  final Context context;
  private final Ref ref;

  Handle(Context context, long handle, LongConsumer release) {
    this.context = context;
    ref = new Ref(this, handle, release);
  }

  /** For a call by the context's thread. */
  final long get(Context c, String op) {
    if (c != context) throw JtException.of(-17, 0, op + ": it belongs to another context", null);
    if (ref.handle == 0) throw JtException.argument(op + ": it is closed");
    return ref.handle;
  }

  /**
   * The context it belongs to.
   * @return the context
   */
  public final Context context() {
    return context;
  }

  /** Gives it back; again does nothing. Any thread. */
  @Override
  public final void close() {
    context.close(this);
  }

  @Override
  final void closeOwn() {
    ref.gone();
    ref.forget();
  }
}
