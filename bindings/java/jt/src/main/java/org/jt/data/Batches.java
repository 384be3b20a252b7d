package org.jt.data;

import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Random;
import org.jt.Tensor;

/**
 * Rows of tensors of one length, batch by batch: each batch is an array with the same rows of every tensor.
 * <pre>{@code
 * for (Tensor[] batch : new Batches(64, images, labels).shuffle(1)) { .. batch[0], batch[1] .. }
 * }</pre>
 * Iterating again is the next epoch, with another order. The tensors of a batch are the caller's to close.
 */
public final class Batches implements Iterable<Tensor[]> {
  private final Tensor[] parts;
  private final long[] order;
  private final int batch;
  private Random random;
  private boolean dropLast;

  /**
   * Batches in order.
   * @param batch rows a batch
   * @param parts tensors with as many rows each
   */
  public Batches(int batch, Tensor... parts) {
    if (batch < 1) throw new IllegalArgumentException("Batches: " + batch + " rows a batch");
    if (parts == null || parts.length == 0) throw new IllegalArgumentException("Batches: no tensors");
    for (Tensor part : parts) if (part == null) throw new IllegalArgumentException("Batches: a tensor is null");
    long n = parts[0].dim(0);
    if (n > Integer.MAX_VALUE - 8) throw new IllegalArgumentException("Batches: " + n + " rows");
    for (Tensor part : parts)
      if (part.dim(0) != n) throw new IllegalArgumentException("Batches: lengths differ: " + n + " and " + part.dim(0));
    this.batch = batch;
    this.parts = parts.clone();
    order = new long[(int) n];
    for (int i = 0; i < order.length; i++) order[i] = i;
  }

  /**
   * A new order for each epoch.
   * @param seed of the orders
   * @return this
   */
  public Batches shuffle(long seed) {
    random = new Random(seed);
    return this;
  }

  /**
   * Leaves out the last batch if it is not full.
   * @param on whether
   * @return this
   */
  public Batches dropLast(boolean on) {
    dropLast = on;
    return this;
  }

  /**
   * How many batches an epoch has.
   * @return the number
   */
  public int size() {
    return dropLast ? order.length / batch : (order.length + batch - 1) / batch;
  }

  @Override
  public Iterator<Tensor[]> iterator() {
    for (int i = order.length - 1; random != null && i > 0; i--) {
      int k = random.nextInt(i + 1);
      long row = order[i];
      order[i] = order[k];
      order[k] = row;
    }
    long[] rows = order.clone();
    return new Iterator<Tensor[]>() {
      private int at;

      @Override
      public boolean hasNext() {
        return at < size();
      }

      @Override
      public Tensor[] next() {
        if (!hasNext()) throw new NoSuchElementException();
        int from = at++ * batch;
        Tensor[] out = new Tensor[parts.length];
        try (Tensor picked = Tensor.of(java.util.Arrays.copyOfRange(rows, from, Math.min(rows.length, from + batch)))) {
          for (int i = 0; i < out.length; i++) out[i] = parts[i].take(picked, 0);
        }
        return out;
      }
    };
  }
}
