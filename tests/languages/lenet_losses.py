"""lenet_losses: what lenet_losses.c does, in Python."""
import struct

import jt
from jt import nn

jt.set_global_seed(7)
net = nn.Sequential(nn.Conv(1, 6, 5), nn.MaxPool2d(2), nn.Conv(6, 16, 5), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, 120),
                    nn.ReLU(), nn.Linear(120, 10))
x = jt.uniform((32, 1, 28, 28), 0, 1)
y = jt.array([i * 7 % 10 for i in range(32)], "int32")
adam = jt.optim.Adam(net.parameters(), lr=0.002)
for _ in range(50):
    loss = jt.cross_entropy(net(x), y)
    adam.step(loss)
    print(struct.pack(">d", loss.item()).hex())
