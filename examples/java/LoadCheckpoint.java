import java.nio.file.Path;
import java.util.Map;
import org.jt.*;
import org.jt.io.Safetensors;
import org.jt.nn.*;

/**
 * Loads LeNet's weights from a checkpoint that any language made (examples/c/train_digits --checkpoint FILE) and uses them.
 *
 * <p>usage: java LoadCheckpoint.java FILE
 */
public class LoadCheckpoint {
  public static void main(String[] args) {
    Path file = Path.of(args[0]);
    for (Map.Entry<String, Tensor> e : Safetensors.load(file).entrySet()) System.out.println(e.getKey() + " " + e.getValue());

    Sequential net = new Sequential()
        .add("conv1", new Conv2d(1, 20, 5)).add("pool1", new MaxPool2d(2)).add("conv2", new Conv2d(20, 50, 5)).add("pool2", new MaxPool2d(2))
        .add("flat", new Flatten()).add("fc1", new Linear(800, 500)).add("relu", new ReLU()).add("fc2", new Linear(500, 10));
    net.load(file).training(false);
    Tensor scores = Context.current().noGrad(() -> net.forward(Tensor.full(0.5, DType.F32, 1, 1, 28, 28)).softmax(1));
    System.out.printf("digit %d, sure to %.0f %%%n", scores.argmax(1).toLong(), 100 * scores.max().toDouble());
  }
}
