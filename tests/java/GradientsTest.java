package org.jt;

import static org.junit.jupiter.api.Assertions.*;

import java.util.List;
import java.util.function.Function;
import org.junit.jupiter.api.Test;

/** Gradients of 40 ops and compositions against finite differences, in f64. */
class GradientsTest {
  private static Tensor drawn(double low, double high, long... shape) {
    return Tensor.uniform(low, high, DType.F64, shape).eval().requiresGrad(true);
  }

  private static int checked;

  private static void check(String name, Function<Tensor[], Tensor> f, Tensor... inputs) {
    try (Scope s = new Scope()) {
      Tensor y = f.apply(inputs), weights = Tensor.uniform(0.5, 1.5, DType.F64, y.shape()).eval();
      Tensor[] got = Context.current().grad(y.mul(weights).sum(), List.of(inputs));
      for (int k = 0; k < inputs.length; k++) {
        double[] data = inputs[k].toDoubles(), slopes = got[k].toDoubles();
        for (int i = 0; i < data.length; i++) {
          double[] ends = new double[2];
          for (int side = 0; side < 2; side++) {
            double[] moved = data.clone();
            moved[i] += side == 0 ? 1e-5 : -1e-5;
            Tensor[] args = inputs.clone();
            args[k] = Tensor.of(moved, inputs[k].shape());
            ends[side] = f.apply(args).mul(weights).sum().toDouble();
          }
          double want = (ends[0] - ends[1]) / 2e-5;
          assertEquals(want, slopes[i], 1e-5 * Math.abs(want) + 1e-7, name + ", input " + k + ", element " + i);
        }
      }
    }
    checked++;
  }

  private static void unary(String name, double low, double high) {
    check(name, x -> (Tensor) Vectors.call(Vectors.ops().get(Vectors.javaName(name)), (Object) x[0]), drawn(low, high, 5));
  }

  @Test
  void fortyOfThem() {
    Context.current().seed(5);
    String[] names = {"exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "rsqrt", "cbrt", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "atanh", "erf", "sigmoid", "square", "reciprocal", "silu", "mish", "selu"};
    for (String name : names) unary(name, 0.2, 0.9);
    check("gelu", x -> x[0].gelu(), drawn(0.2, 0.9, 5));
    check("softplus", x -> x[0].softplus(), drawn(0.2, 0.9, 5));
    check("add, mul", x -> x[0].mul(x[1]).add(x[0].div(x[1])), drawn(0.5, 1.5, 2, 1, 3), drawn(0.5, 1.5, 4, 1));
    check("matmul", x -> x[0].matmul(x[1]), drawn(-1, 1, 3, 4), drawn(-1, 1, 4, 2));
    check("softmax", x -> x[0].softmax(1), drawn(-1, 1, 3, 4));
    check("log_softmax", x -> x[0].logSoftmax(), drawn(-1, 1, 3, 4));
    check("sum", x -> x[0].sum(0).square(), drawn(-1, 1, 3, 4));
    check("mean", x -> x[0].mean(1).square(), drawn(-1, 1, 3, 4));
    check("var", x -> x[0].var(1), drawn(-1, 1, 3, 4));
    check("max", x -> x[0].max(1), drawn(-1, 1, 3, 4));
    check("concat", x -> Ops.concat(x, 0).square(), drawn(-1, 1, 2, 3), drawn(-1, 1, 1, 3));
    check("conv2d", x -> x[0].conv2d(x[1], new long[] {1, 1}, new long[] {1, 1, 1, 1}), drawn(-1, 1, 1, 2, 4, 4), drawn(-1, 1, 3, 2, 3, 3));
    check("max_pool2d", x -> x[0].maxPool2d(new long[] {2, 2}, new long[] {2, 2})[0].square(), drawn(-1, 1, 1, 1, 4, 4));
    check("transpose", x -> x[0].transpose(1, 0).square(), drawn(-1, 1, 3, 4));
    check("take", x -> x[0].take(Tensor.of(new long[] {2, 0, 2}), 0).square(), drawn(-1, 1, 3, 2));
    check("slice", x -> x[0].rows(1, 3).square(), drawn(-1, 1, 3, 4));
    assertTrue(checked >= 40, checked + " checked");
  }
}
