"""mnist: trains LeNet on handwritten digits: a Dataset of one's own, a Module with execute, optimizer.step(loss).

The recipe of examples/c/train_digits.c: the same seed gives the same batches, and the same losses to the bit.
usage: mnist.py [--data DIR] [--epochs 5] [--batch 64] [--lr 0.002] [--seed 1] [--workers 0] [--pictures DIR] ..."""
import argparse
import ctypes
import os
import pathlib

import jt
from jt import nn
from pictures import save_curve, save_digits


def load(folder, name):
    packed = folder / f"{name}.gz"
    return jt.load_idx(packed if packed.exists() else folder / name)


class Digits(jt.dataset.Dataset):
    """Pictures and labels of two IDX files, shuffled with the C library's rand() as the C example does."""

    def __init__(self, folder, kind, batch, workers):
        super().__init__()
        self.pictures = memoryview(load(folder, f"{kind}-images-idx3-ubyte")).cast("B")
        self.labels = load(folder, f"{kind}-labels-idx1-ubyte").tolist()
        self.kept = list(range(len(self.labels)))
        self.set_attrs(total_len=len(self.labels), batch_size=batch, drop_last=kind == "train", num_workers=workers,
                       shuffle=kind == "train")

    def order(self, epoch):
        rand = ctypes.CDLL(None).rand
        for i in range(len(self.kept) - 1, 0, -1) if self.shuffle else ():  # Fisher and Yates
            k = (rand() << 31 ^ rand()) % (i + 1)
            self.kept[i], self.kept[k] = self.kept[k], self.kept[i]
        return self.kept

    def __getitem__(self, i):
        return self.pictures[784 * i:784 * (i + 1)], self.labels[i]

    def collate_batch(self, samples):
        pictures = jt.array(bytearray().join(p for p, _ in samples)).reshape(-1, 1, 28, 28)
        return pictures.float() * (1 / 255), jt.array([label for _, label in samples], "uint8")


class LeNet(jt.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2, self.pool = nn.Conv(1, 20, 5), nn.Conv(20, 50, 5), nn.Pool(2)
        self.fc1, self.fc2 = nn.Linear(800, 500), nn.Linear(500, 10)

    def execute(self, x):
        x = self.pool(self.conv2(self.pool(self.conv1(x))))
        return self.fc2(nn.relu(self.fc1(x.reshape(-1, 800))))


def accuracy(model, digits):
    hits = [(model(x).argmax(1) == y).sum().item() for x, y in digits]
    return 100 * sum(hits) / digits.total_len


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value, text in (("data", os.environ.get("JT_DATA"), "folder with the four IDX files of MNIST (default: $JT_DATA)"),
                              ("epochs", 5, "times through the training pictures"), ("batch", 64, "pictures per step"),
                              ("steps", 0, "stop each epoch after so many steps (0: all)"), ("lr", 2e-3, "Adam's rate at the start"),
                              ("seed", 1, "seed of weights and order"), ("workers", 0, "threads that read ahead"),
                              ("checkpoint", "", "write the weights there (safetensors)"), ("pictures", "", "folder for PNG files")):
        parser.add_argument("--" + name, default=value, type=str if value is None else type(value), help=text)
    o = parser.parse_args()
    if not o.data:
        parser.error("no data: give --data DIR or set JT_DATA; scripts/fetch_mnist fetches MNIST")
    train, test = (Digits(pathlib.Path(o.data), kind, batch, o.workers) for kind, batch in (("train", o.batch), ("t10k", 500)))
    jt.set_global_seed(o.seed)
    ctypes.CDLL(None).srand(o.seed)
    model = LeNet()
    optimizer = jt.optim.Adam(model.parameters(), lr=o.lr)
    per_epoch, losses = min(len(train), o.steps or len(train)), []
    for epoch in range(o.epochs):
        model.train()
        bar = jt.progress(range(per_epoch), f"epoch {epoch + 1}")
        for _, (x, y) in zip(bar, train):
            loss = jt.cross_entropy(model(x), y)
            optimizer.lr = jt.optim.cosine(o.lr, 0, len(losses), per_epoch * o.epochs)
            optimizer.step(loss)
            losses.append(loss.item())
            bar.set_postfix(loss=losses[-1])
        print(f"test accuracy {accuracy(model.eval(), test):.2f} %", flush=True)
        if o.checkpoint:
            model.save(o.checkpoint)
    if o.pictures:
        folder = pathlib.Path(o.pictures)
        folder.mkdir(parents=True, exist_ok=True)
        save_curve(folder / "loss.png", losses)
        x, y = (first[:100] for first in next(iter(test)))
        save_digits(folder / "digits.png", (x[:, 0] * 255).round().int().tolist(), model(x).argmax(1).tolist(), y.tolist())


if __name__ == "__main__":
    main()
