"""rows: ops that are measured: how many bytes or operations each takes at least, and the part of the ceiling that it is to reach.

`run` is one function of tensors, of jt and of PyTorch alike; `f` is its nn.functional.
"""
MEGA = 1 << 20


def row(name, shape, run, others=(), bytes_of=None, flops=None, floor=None, small=None, dtype="float32", bound=2e-6):
    """`shape` of the first operand when it is measured, `small` when its values are compared with the CPU's, within `bound`; `others`
    are the shapes of more operands as functions of that; bytes_of and flops are of the number of its elements."""
    return dict(name=name, shape=shape, run=run, others=others, bytes_of=bytes_of, flops=flops, floor=floor, small=small, dtype=dtype,
                bound=bound)


def rows():
    out = []
    for dtype, size in (("float32", 4), ("bfloat16", 2)):
        for elements in (MEGA // 4, 16 * MEGA, 512 * MEGA):
            out.append(row("x * 2 + 1", (elements,), lambda f, x: x * 2 + 1, bytes_of=lambda n, s=size: 2 * n * s,
                           floor=0.9 if elements > MEGA else None, small=(4099,), dtype=dtype, bound=0))
    out.append(row("gelu", (256 * MEGA,), lambda f, x: f.gelu(x), bytes_of=lambda n: 8 * n, floor=0.9, small=(4099,)))
    out.append(row("sum of all", (512 * MEGA,), lambda f, x: x.sum(), bytes_of=lambda n: 4 * n, floor=0.85, small=(70001,), bound=0))
    out.append(row("sum of columns", (65536, 4096), lambda f, x: x.sum(0), bytes_of=lambda n: 4 * n, floor=0.74, small=(300, 77), bound=0))
    for columns in (256, 1024, 4096, 32768):
        out.append(row("softmax of rows", (256 * MEGA // columns, columns), lambda f, x: f.softmax(x, -1), bytes_of=lambda n: 8 * n,
                       floor=0.84, small=(5, columns // 8)))
    out.append(row("layer norm of rows", (65536, 4096), lambda f, x: f.layer_norm(x, x.shape[-1:]), bytes_of=lambda n: 8 * n, floor=0.84,
                   small=(5, 512)))
    out.append(row("transposed + 1", (16384, 16384), lambda f, x: x.t() + 1, bytes_of=lambda n: 8 * n, floor=0.74, small=(65, 33), bound=0))
    square = (lambda s: s,)
    for n in (256, 1024, 4096):
        out.append(row("product", (n, n), lambda f, a, b: a @ b, square, flops=lambda n: 2 * n**1.5, floor=0.7 if n == 4096 else None,
                       small=(33, 33)))
    for n in (1024, 4096, 8192):
        out.append(row("product", (n, n), lambda f, a, b: a @ b, square, flops=lambda n: 2 * n**1.5, small=(33, 33), dtype="bfloat16",
                       bound=2e-2))
    for channels, extent in ((64, 56), (256, 14)):
        out.append(row("convolution 3x3", (64, channels, extent, extent), lambda f, x, w: f.conv2d(x, w, padding=1),
                       (lambda s: (s[1], s[1], 3, 3),), flops=lambda n, c=channels: 2 * 9 * c * n, small=(2, 3, 9, 8)))
    return out
