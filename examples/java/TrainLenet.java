import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import org.jt.*;
import org.jt.data.*;
import org.jt.nn.*;
import org.jt.optim.*;

/**
 * Trains LeNet on handwritten digits: the network of examples/c/train_digits.c, with the same names in its checkpoints.
 *
 * <p>usage: java TrainLenet.java [--data DIR] [--epochs 2] [--batch 64] [--steps 0] [--lr 0.002] [--seed 1] [--checkpoint FILE]
 * DIR holds the four IDX files of MNIST, plain or .gz (scripts/fetch_mnist); without it digits are drawn.
 */
public class TrainLenet {
  static Sequential lenet() {
    return new Sequential()
        .add("conv1", new Conv2d(1, 20, 5)).add("pool1", new MaxPool2d(2))
        .add("conv2", new Conv2d(20, 50, 5)).add("pool2", new MaxPool2d(2))
        .add("flat", new Flatten()).add("fc1", new Linear(800, 500)).add("relu", new ReLU()).add("fc2", new Linear(500, 10));
  }

  /** [n,28,28] u8 as [n,1,28,28] f32 in 0..1. */
  static Tensor pictures(Tensor bytes) {
    return bytes.cast(DType.F32).mul(1.0 / 255).reshape(-1, 1, 28, 28);
  }

  static double accuracy(Layer net, Tensor images, Tensor labels) {
    long right = 0;
    for (Tensor[] batch : new Batches(500, images, labels)) {
      try (Scope s = new Scope(); Tensor x = batch[0]; Tensor y = batch[1]) {
        right += net.forward(pictures(x)).argmax(1).equal(y).sum().toLong();
      }
    }
    return 100.0 * right / labels.count();
  }

  public static void main(String[] args) {
    Map<String, String> options = new HashMap<>(Map.of("--epochs", "2", "--batch", "64", "--steps", "0", "--lr", "0.002", "--seed", "1"));
    for (int i = 0; i + 1 < args.length; i += 2) options.put(args[i], args[i + 1]);
    int epochs = Integer.parseInt(options.get("--epochs")), batch = Integer.parseInt(options.get("--batch"));
    long seed = Long.parseLong(options.get("--seed"));
    double rate = Double.parseDouble(options.get("--lr"));
    Jt.seed(seed);
    Tensor[] train = digits(options.get("--data"), "train", 4000, seed), test = digits(options.get("--data"), "t10k", 1000, seed + 1);

    Sequential net = lenet();
    Adam adam = new Adam(net.parameters(), rate);
    Batches batches = new Batches(batch, train).shuffle(seed).dropLast(true);
    int steps = Integer.parseInt(options.get("--steps"));
    long perEpoch = steps > 0 ? Math.min(steps, batches.size()) : batches.size(), step = 0;
    for (int epoch = 1; epoch <= epochs; epoch++) {
      long begin = System.nanoTime();
      double shown = 0;
      int at = 0;
      for (Tensor[] rows : batches) {
        try (Scope s = new Scope(); Tensor x = rows[0]; Tensor y = rows[1]) {
          Tensor loss = net.forward(pictures(x)).crossEntropy(y);
          adam.lr(Schedules.cosine(rate, 0, step++, perEpoch * epochs)).step(loss);
          shown = at == 0 ? loss.toDouble() : 0.95 * shown + 0.05 * loss.toDouble();
        }
        if (++at % 20 == 0 || at == perEpoch)
          System.out.printf("\repoch %d/%d  %d/%d  loss %.4f  %.0f images/s ", epoch, epochs, at, perEpoch, shown, at * batch / ((System.nanoTime() - begin) / 1e9));
        if (at == perEpoch) break;
      }
      System.out.printf("%ntest accuracy %.2f %%%n", accuracy(net, test[0], test[1]));
      if (options.containsKey("--checkpoint")) net.save(Path.of(options.get("--checkpoint")));
    }
  }

  static Tensor[] digits(String folder, String kind, int count, long seed) {
    if (folder == null) return drawn(count, new Random(seed));
    return new Tensor[] {Idx.load(Path.of(folder, kind + "-images-idx3-ubyte")), Idx.load(Path.of(folder, kind + "-labels-idx1-ubyte"))};
  }

  /** Digits of seven bars, shifted, in noise: something to learn where there is no MNIST. */
  private static Tensor[] drawn(int count, Random random) {
    int[] bars = {0x77, 0x24, 0x5d, 0x6d, 0x2e, 0x6b, 0x7b, 0x25, 0x7f, 0x6f}; // of each digit: top, left, right, middle, left, right, bottom
    int[][] boxes = {{6, 8, 2, 10}, {6, 8, 8, 2}, {6, 16, 8, 2}, {13, 8, 2, 10}, {14, 8, 8, 2}, {14, 16, 8, 2}, {20, 8, 2, 10}}; // y, x, height, width
    byte[] pixels = new byte[count * 784], labels = new byte[count];
    for (int n = 0; n < count; n++) {
      int digit = random.nextInt(10), dy = random.nextInt(7) - 3, dx = random.nextInt(7) - 3;
      labels[n] = (byte) digit;
      for (int i = 0; i < 784; i++) pixels[n * 784 + i] = (byte) random.nextInt(60);
      for (int b = 0; b < 7; b++) {
        if ((bars[digit] >> b & 1) == 0) continue;
        for (int y = 0; y < boxes[b][2]; y++) for (int x = 0; x < boxes[b][3]; x++) pixels[n * 784 + (boxes[b][0] + y + dy) * 28 + boxes[b][1] + x + dx] = (byte) 230;
      }
    }
    return new Tensor[] {Tensor.of(pixels, DType.U8, count, 28, 28), Tensor.of(labels, DType.U8, count)};
  }
}
