package org.jt;

import org.jt.nn.*;
import org.jt.optim.Adam;

/** What tests/languages/lenet_losses.c does, in Java. */
final class LenetLosses {
  private LenetLosses() {}

  public static void main(String[] args) {
    Jt.seed(7);
    Sequential net = new Sequential(new Conv2d(1, 6, 5), new MaxPool2d(2), new Conv2d(6, 16, 5), new MaxPool2d(2), new Flatten(),
        new Linear(256, 120), new ReLU(), new Linear(120, 10));
    Tensor x = Tensor.uniform(0, 1, 32, 1, 28, 28);
    int[] labels = new int[32];
    for (int i = 0; i < 32; i++) labels[i] = i * 7 % 10;
    Tensor y = Tensor.of(labels);
    Adam adam = new Adam(net.parameters(), 0.002);
    for (int i = 0; i < 50; i++) {
      try (Scope s = new Scope()) {
        Tensor loss = net.forward(x).crossEntropy(y);
        adam.step(loss);
        System.out.printf("%016x%n", Double.doubleToRawLongBits(loss.toDouble()));
      }
    }
  }
}
