# %% [markdown]
# # jt in ten cells
# Tensors are lazy: calls record, and the values come when something looks at them.

# %%
import jt
from jt import nn

jt.set_global_seed(0)
x = jt.array([[1.0, 2.0], [3.0, 4.0]])
y = (x @ x + 1).sum(dim=1)
print(y, y.shape, y.dtype)

# %% [markdown]
# Indexing is NumPy's; assignment changes what the name stands for.

# %%
grid = jt.zeros((3, 4))
grid[1][2] = 7
grid[::2, 0] = jt.array([1.0, 2.0])
print(grid)

# %% [markdown]
# Gradients: ask for them, or gather them.

# %%
w = jt.Parameter([2.0, -1.0])
print("d/dw sum(w^3) =", jt.grad((w ** 3).sum(), w))
(w * w).sum().backward()
print("gathered:", w.grad)

# %% [markdown]
# A network is a module with `execute` (or `forward`).


# %%
class Net(jt.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.out = nn.Linear(2, 32), nn.Linear(32, 2)

    def execute(self, x):
        return self.out(nn.relu(self.hidden(x)))


net = Net()
print(net)

# %% [markdown]
# Data come one by one and leave in batches.


# %%
class Ring(jt.dataset.Dataset):
    """Points in a square; the label says whether they lie in a ring."""

    def __init__(self, total):
        super().__init__()
        self.points = jt.uniform((total, 2), -1, 1).tolist()
        self.set_attrs(total_len=total, batch_size=50, shuffle=True, seed=1)

    def __getitem__(self, i):
        a, b = self.points[i]
        return [a, b], int(0.25 < a * a + b * b < 0.75)


# %% [markdown]
# Training: one call makes gradients and the update, and both run as one plan.

# %%
data, optimizer = Ring(2000), jt.optim.Adam(net.parameters(), lr=0.02)
for epoch in range(15):
    for points, labels in data:
        points = jt.stack(points, 1) if isinstance(points, list) else points
        loss = jt.cross_entropy(net(points), labels)
        optimizer.step(loss)
print("last loss", round(loss.item(), 3))

# %%
test = Ring(1000)
hits = sum((net(jt.stack(p, 1)).argmax(1) == label).sum().item() for p, label in test)
print("accuracy", hits / 1000)
assert hits > 900

# %% [markdown]
# What ran, and how long it took.

# %%
with jt.profile_scope() as profile:
    net(jt.rand(100, 2)).sum().sync()
print(profile)
