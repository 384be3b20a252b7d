package org.jt;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * An op of C source, compiled when it first runs:
 * <pre>{@code
 * Tensor z = new Code("for (int64_t i = 0; i < in0_num; i++) out[i] = in0[i] * data_k;")
 *     .grad("for (int64_t i = 0; i < out0_num; i++) out[i] = dout[i] * data_k;")
 *     .data("k", 3)
 *     .apply(DType.F32, x.shape(), x);
 * }</pre>
 * What the source may use stands in jt_custom.h.
 */
public final class Code {
  private final String source;
  private String header = "";
  private String name = "code";
  private final List<String> grads = new ArrayList<>();
  private final Map<String, Double> data = new LinkedHashMap<>();

  /**
   * An op.
   * @param source C99 statements
   */
  public Code(String source) {
    if (source == null) throw JtException.argument("code: source is null");
    this.source = source;
  }

  /**
   * What messages call it.
   * @param name the name
   * @return this
   */
  public Code name(String name) {
    if (name == null) throw JtException.argument("code: name is null");
    this.name = name;
    return this;
  }

  /**
   * C text before the function.
   * @param header types, helper functions
   * @return this
   */
  public Code header(String header) {
    if (header == null) throw JtException.argument("code: header is null");
    this.header = header;
    return this;
  }

  /**
   * The gradients' sources, by input.
   * @param sources C99 statements; null: that input has none
   * @return this
   */
  public Code grad(String... sources) {
    if (sources == null) throw JtException.argument("code: sources is null");
    grads.clear();
    for (String s : sources) grads.add(s == null ? "" : s);
    return this;
  }

  /**
   * A number that the source calls data_name.
   * @param name a C identifier
   * @param value its value
   * @return this
   */
  public Code data(String name, double value) {
    if (name == null) throw JtException.argument("code: name is null");
    data.put(name, value);
    return this;
  }

  /**
   * Records it for one result.
   * @param dtype the result's
   * @param shape the result's
   * @param inputs operands
   * @return the result
   */
  public Tensor apply(DType dtype, long[] shape, Tensor... inputs) {
    return apply(List.of(new CustomOp.Type(dtype, shape)), inputs)[0];
  }

  /**
   * Records it.
   * @param results their types
   * @param inputs operands
   * @return the results
   */
  public Tensor[] apply(List<CustomOp.Type> results, Tensor... inputs) {
    Context c = inputs == null || inputs.length == 0 ? Context.current() : Context.of(inputs[0]);
    if (results == null) throw JtException.argument("code: results is null");
    if (data.size() > 64) throw JtException.argument("code: " + data.size() + " numbers; at most 64");
    long[] out = new long[results.size()], bits = new long[data.size()];
    int at = 0;
    for (double value : data.values()) bits[at++] = Double.doubleToRawLongBits(value);
    try {
      Native.code(c.handle("code"), Text.utf8(name, "code", "name"), Text.utf8(source, "code", "source"), Text.utf8(header, "code", "header"),
          Text.joined(grads, "code", "sources"), Text.joined(new ArrayList<>(data.keySet()), "code", "data"), bits, CustomOp.Type.flat(results),
          c.useAll(inputs, "code", "inputs"), out);
      return c.wrapAll(out);
    } finally {
      c.done();
      java.lang.ref.Reference.reachabilityFence(inputs);
    }
  }
}
