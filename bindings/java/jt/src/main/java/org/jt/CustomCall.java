package org.jt;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** What a {@link CustomOp} computes with, while it does: buffers over the elements, which end with the call. */
public final class CustomCall {
  private long call;

  CustomCall(long call) {
    this.call = call;
  }

  void end() {
    call = 0;
  }

  private long at(boolean output, int i) {
    if (call == 0) throw JtException.argument("CustomCall: the call is over");
    if (i < 0 || i >= Native.call_count(call, output)) throw JtException.argument("CustomCall: there is no " + (output ? "output " : "input ") + i);
    return call;
  }

  /**
   * The number of inputs.
   * @return the number
   */
  public int inputs() {
    return call == 0 ? 0 : (int) Native.call_count(call, false);
  }

  /**
   * Elements of an input.
   * @param i which
   * @return a read-only buffer, valid during the call
   */
  public ByteBuffer input(int i) {
    return ((ByteBuffer) Native.call_buffer(at(false, i), false, i)).asReadOnlyBuffer().order(ByteOrder.nativeOrder());
  }

  /**
   * Elements of an output, to be written.
   * @param i which
   * @return a buffer, valid during the call
   */
  public ByteBuffer output(int i) {
    return ((ByteBuffer) Native.call_buffer(at(true, i), true, i)).order(ByteOrder.nativeOrder());
  }

  /**
   * Dtype of an input.
   * @param i which
   * @return the dtype
   */
  public DType dtype(int i) {
    return DType.of(Native.call_dtype(at(false, i), false, i));
  }

  /**
   * Extents of an input.
   * @param i which
   * @return a new array
   */
  public long[] shape(int i) {
    return Native.call_dims(at(false, i), false, i);
  }
}
