"""models: trainings of a few steps, on any device: their losses, and the time of a step."""
import time

import jt
from jt import nn


def mlp():
    return nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)), (64, 784)


def lenet(batch=32):
    net = nn.Sequential(nn.Conv(1, 6, 5), nn.MaxPool2d(2), nn.Conv(6, 16, 5), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, 120), nn.ReLU(),
                        nn.Linear(120, 10))
    return net, (batch, 1, 28, 28)


MODELS = {"MLP": mlp, "LeNet": lenet}


class Training:
    """The same seed on every device: random numbers have the same bits."""

    def __init__(self, model, device):
        self.device = device
        with jt.device(device):
            jt.set_global_seed(7)
            self.net, shape = MODELS[model]()
            self.x = jt.uniform(shape, 0, 1)
            self.y = jt.array([i * 7 % 10 for i in range(shape[0])], "int32")
            self.optimizer = jt.optim.Adam(self.net.parameters(), lr=0.002)

    def step(self):
        with jt.device(self.device):
            loss = jt.cross_entropy(self.net(self.x), self.y)
            self.optimizer.step(loss)
            return loss

    def losses(self, steps):
        return [self.step().item() for _ in range(steps)]

    def seconds(self, steps):
        """Of a step, by the clock of the host, once all is compiled."""
        for _ in range(5):
            self.step().item()
        begin = time.perf_counter()
        for _ in range(steps):
            loss = self.step()
        loss.item()
        return (time.perf_counter() - begin) / steps


def torch_seconds(torch, model, steps):
    f = torch.nn
    layers = {"MLP": lambda: f.Sequential(f.Linear(784, 128), f.ReLU(), f.Linear(128, 10)),
              "LeNet": lambda: f.Sequential(f.Conv2d(1, 6, 5), f.MaxPool2d(2), f.Conv2d(6, 16, 5), f.MaxPool2d(2), f.Flatten(),
                                            f.Linear(256, 120), f.ReLU(), f.Linear(120, 10))}
    net = layers[model]().cuda()
    shape = {"MLP": (64, 784), "LeNet": (32, 1, 28, 28)}[model]
    x, y = torch.rand(shape, device="cuda"), torch.arange(shape[0], device="cuda") * 7 % 10
    optimizer = torch.optim.Adam(net.parameters(), lr=0.002)

    def step():
        optimizer.zero_grad()
        loss = f.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    for _ in range(20):
        step()
    torch.cuda.synchronize()
    begin = time.perf_counter()
    for _ in range(steps):
        step()
    torch.cuda.synchronize()
    return (time.perf_counter() - begin) / steps
