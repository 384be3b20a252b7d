package org.jt;

/** The count that a tensor holds, for when the tensor is collected without having been closed. */
final class TensorRef extends Gone {
  final Registry registry;
  long handle;
  int slot;

  TensorRef(Tensor tensor, long handle, Registry registry) {
    super(tensor);
    this.handle = handle;
    this.registry = registry;
  }

  @Override
  void gone() {
    if (release()) registry.later(this);
  }

  /** Whether there was anything to release. */
  boolean release() {
    long h = handle;
    if (h == 0) return false;
    handle = 0;
    Native.tensor_release(h);
    return true;
  }
}
