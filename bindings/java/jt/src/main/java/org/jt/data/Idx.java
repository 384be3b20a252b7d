package org.jt.data;

import java.nio.file.Files;
import java.nio.file.Path;
import org.jt.Context;
import org.jt.Tensor;

/** Files of the MNIST family. */
public final class Idx {
  private Idx() {}

  /**
   * Reads a file, plain or gzip.
   * @param path the file; where it is not there, one with .gz behind its name is taken
   * @return a tensor of the dtype and shape that it states
   */
  public static Tensor load(Path path) {
    Path packed = path == null ? null : path.resolveSibling(path.getFileName() + ".gz");
    return Context.current().loadIdx(path != null && !Files.exists(path) && Files.exists(packed) ? packed : path);
  }
}
