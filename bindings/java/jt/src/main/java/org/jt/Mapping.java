package org.jt;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Elements shown as a buffer: they stay where they are until the buffer, and every view of it, is collected. */
final class Mapping extends Gone {
  private final long mapping;

  private Mapping(ByteBuffer buffer, long mapping) {
    super(buffer);
    this.mapping = mapping;
    keep();
  }

  static ByteBuffer of(long context, long tensor, boolean writes) {
    long mapping = Native.map(context, tensor, writes);
    ByteBuffer out = (ByteBuffer) Native.buffer_of(mapping);
    new Mapping(out, mapping);
    return out.order(ByteOrder.nativeOrder());
  }

  @Override
  void gone() {
    Native.unmap(mapping);
  }
}
