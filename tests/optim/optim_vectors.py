"""Writes optim_vectors.txt: parameters step by step, by the formulas of PyTorch's documentation (torch.optim.SGD,
RMSprop, Adam, AdamW) and of the Adan paper (arXiv 2208.06677, algorithm 1, with bias correction), in f64.

Each case is a line `kind field=value ...` and then a line per step: the gradients, a colon, the parameters after it.
"""
import sys
import numpy as np

START = np.array([0.5, -1.25, 2.0, -0.125])
STEPS = 6


def gradient(t):
    return np.array([np.sin(1.3 * t + k) * (k + 1) for k in range(4)])


def sgd(lr=0.01, momentum=0, dampening=0, weight_decay=0, nesterov=0):
    p, buffer = START.copy(), None
    while True:
        g = yield p
        g = g + weight_decay * p
        if momentum:
            buffer = g.copy() if buffer is None else momentum * buffer + (1 - dampening) * g
            g = g + momentum * buffer if nesterov else buffer
        p = p - lr * g


def rmsprop(lr=0.01, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=0):
    p, v, mean, buffer = START.copy(), 0, 0, 0
    while True:
        g = yield p
        g = g + weight_decay * p
        v = alpha * v + (1 - alpha) * g**2
        spread = v
        if centered:
            mean = alpha * mean + (1 - alpha) * g
            spread = v - mean**2
        move = g / (np.sqrt(spread) + eps)
        if momentum:
            buffer = momentum * buffer + move
            move = buffer
        p = p - lr * move


def adam(lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0, amsgrad=0, decoupled=False):
    p, m, v, largest, t = START.copy(), 0, 0, 0, 0
    while True:
        g = yield p
        t += 1
        if decoupled:
            p = p - lr * weight_decay * p
        else:
            g = g + weight_decay * p
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        largest = np.maximum(largest, v)
        root = np.sqrt((largest if amsgrad else v)) / np.sqrt(1 - beta2**t)
        p = p - lr / (1 - beta1**t) * m / (root + eps)


def adamw(weight_decay=0.01, **fields):
    return adam(weight_decay=weight_decay, decoupled=True, **fields)


def adan(lr=0.001, beta1=0.98, beta2=0.92, beta3=0.99, eps=1e-8, weight_decay=0):
    p, m, d, n, before, t = START.copy(), 0, 0, 0, None, 0
    while True:
        g = yield p
        t += 1
        change = 0 * g if before is None else g - before
        before = g
        m = beta1 * m + (1 - beta1) * g
        d = beta2 * d + (1 - beta2) * change
        n = beta3 * n + (1 - beta3) * (g + beta2 * change) ** 2
        root = np.sqrt(n) / np.sqrt(1 - beta3**t) + eps
        p = p - (lr / (1 - beta1**t) * m + lr * beta2 / (1 - beta2**t) * d) / root
        p = p / (1 + lr * weight_decay)


CASES = [
    (sgd, {}),
    (sgd, dict(lr=0.1, weight_decay=0.05)),
    (sgd, dict(lr=0.1, momentum=0.9)),
    (sgd, dict(lr=0.1, momentum=0.9, dampening=0.3, weight_decay=0.01)),
    (sgd, dict(lr=0.1, momentum=0.9, nesterov=1)),
    (rmsprop, {}),
    (rmsprop, dict(alpha=0.9, momentum=0.8, centered=1, eps=0.001, weight_decay=0.1)),
    (adam, {}),
    (adam, dict(lr=0.02, beta1=0.8, beta2=0.95, eps=0.001, weight_decay=0.1)),
    (adam, dict(lr=0.02, amsgrad=1, beta2=0.5)),
    (adamw, {}),
    (adamw, dict(lr=0.02, weight_decay=0.2, amsgrad=1, beta2=0.5)),
    (adan, dict(lr=0.01)),
    (adan, dict(lr=0.01, weight_decay=0.3, eps=0.001)),
]


def main(out):
    for rule, fields in CASES:
        out.write(" ".join([rule.__name__] + [f"{k}={v}" for k, v in fields.items()]) + "\n")
        run = rule(**fields)
        next(run)
        for t in range(STEPS):
            g = gradient(t)
            p = run.send(g)
            out.write(" ".join(repr(float(x)) for x in g) + " : " + " ".join(repr(float(x)) for x in p) + "\n")


with open(sys.argv[1] if len(sys.argv) > 1 else "optim_vectors.txt", "w") as file:
    main(file)
