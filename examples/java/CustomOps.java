import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.List;
import org.jt.*;

/** Ops of one's own, with gradients: a function of Java, and C source that jt compiles. */
public class CustomOps {
  /** x where it is positive, else x * slope. */
  static final class Leaky extends CustomOp {
    private final float slope;

    Leaky(float slope) {
      this.slope = slope;
    }

    Tensor of(Tensor x) {
      return apply(DType.F32, x.shape(), x);
    }

    @Override
    protected void forward(CustomCall call) {
      FloatBuffer in = call.input(0).asFloatBuffer(), out = call.output(0).asFloatBuffer();
      while (in.hasRemaining()) {
        float x = in.get();
        out.put(x > 0 ? x : x * slope);
      }
    }

    @Override
    protected boolean hasGradient() {
      return true;
    }

    @Override
    protected void backward(CustomGradient g) {
      Tensor dz = g.grad(0);
      g.set(0, g.input(0).greater(0).where(dz, dz.mul(slope)));
    }
  }

  public static void main(String[] args) {
    Tensor x = Tensor.of(new float[] {-2, -1, 1, 2}).requiresGrad(true);
    Tensor inJava = new Leaky(0.1f).of(x);
    Tensor inC = new Code("for (int64_t i = 0; i < in0_num; i++) out[i] = in0[i] > 0 ? in0[i] : in0[i] * (float)data_slope;")
        .grad("for (int64_t i = 0; i < out0_num; i++) out[i] = in0[i] > 0 ? dout[i] : dout[i] * (float)data_slope;")
        .data("slope", 0.1).name("leaky").apply(DType.F32, x.shape(), x);
    for (Tensor y : List.of(inJava, inC)) {
      Tensor dx = Context.current().grad(y.sum(), List.of(x))[0];
      System.out.println(Arrays.toString(y.toFloats()) + ", gradient " + Arrays.toString(dx.toFloats()));
    }
  }
}
