package org.jt.io;

import java.nio.file.Path;
import java.util.Map;
import org.jt.Context;
import org.jt.Tensor;

/** Named tensors in one file, which every language reads. */
public final class Safetensors {
  private Safetensors() {}

  /**
   * Writes them, in the current context.
   * @param path the file, replaced as a whole
   * @param tensors by their names
   */
  public static void save(Path path, Map<String, Tensor> tensors) {
    Context.current().save(path, tensors);
  }

  /**
   * Reads them.
   * @param path the file
   * @return tensors by their names
   */
  public static Map<String, Tensor> load(Path path) {
    return Context.current().load(path);
  }
}
