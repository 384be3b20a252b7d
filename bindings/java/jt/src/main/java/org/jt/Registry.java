package org.jt;

import java.util.Arrays;
import java.util.concurrent.ConcurrentLinkedQueue;

/**
 * The open tensors of a context that no scope closes. The context's thread alone looks at it, without locks; what other
 * threads close, and what was collected, waits in a queue until that thread comes by.
 */
final class Registry {
  private final ConcurrentLinkedQueue<Object> later = new ConcurrentLinkedQueue<>();
  private final Pressure pressure = new Pressure(Pressure.LEAST_TENSORS);
  private TensorRef[] slots = new TensorRef[64];
  private int count;
  private int added;
  private volatile boolean hasLater;

  TensorRef add(Tensor tensor, long handle, Context context) {
    TensorRef ref = new TensorRef(tensor, handle, this);
    if (count == slots.length) slots = Arrays.copyOf(slots, count * 2);
    ref.slot = count;
    slots[count++] = ref;
    if ((++added & 255) == 0 && (pressure.look(count) | context.engine.look())) drain(context);
    return ref;
  }

  void remove(TensorRef ref) {
    int at = --count, slot = ref.slot;
    ref.handle = 0;
    if (slot == at) return; // the slot keeps what says nothing any more, until the next tensor takes it
    TensorRef last = slots[at];
    slots[slot] = last;
    last.slot = slot;
    slots[at] = null;
  }

  /** By any thread: a TensorRef to be removed, or what a context closes. */
  void later(Object what) {
    later.add(what);
    hasLater = true;
  }

  boolean hasLater() {
    return hasLater;
  }

  void drain(Context context) {
    hasLater = false;
    for (Object what; (what = later.poll()) != null; ) {
      if (what instanceof TensorRef) remove((TensorRef) what);
      else context.closeOwn((Closes) what);
    }
  }

  /** After the context and so all of its tensors are gone. */
  void releaseAll() {
    for (int i = 0; i < count; i++) slots[i].release();
  }
}
