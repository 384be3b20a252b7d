#!/usr/bin/python3
"""Writes vectors.txt: blocks of one row each, inputs, and the results that NumPy gives.

A case is `case NAME`, the block's text, then a line per value: `in` or `out`, dtype, shape, values.
`out` may carry `~BOUND`: the greatest difference, relative to 1 + |value|; without it bits must agree.
Run: ./make_vectors.py > vectors.txt
"""
import numpy as np

rng = np.random.default_rng(20240501)
NAMES = {"bool": "bool", "int8": "i8", "int16": "i16", "int32": "i32", "int64": "i64", "uint8": "u8", "uint16": "u16",
         "uint32": "u32", "uint64": "u64", "float16": "f16", "float32": "f32", "float64": "f64"}


def number(v):
    if isinstance(v, np.floating):
        return np.format_float_scientific(v, unique=True, trim="-", exp_digits=1) if np.isfinite(v) else str(v)
    return str(int(v))


def line(kind, a, bound=""):
    shape = ",".join(map(str, a.shape))
    print(f"{kind} {NAMES[a.dtype.name]}[{shape}] {bound}".rstrip(), *[number(v) for v in a.ravel()])


def case(name, body, inputs, outputs, bound=None, results=1, before=""):
    print("case", name)
    params = ", ".join(f"%{i}: {NAMES[a.dtype.name]}[{','.join(map(str, a.shape))}]" for i, a in enumerate(inputs))
    print(f"block({params}) {{")
    if before:
        print("  " + before)
    names = ", ".join(f"%r{i}" for i in range(results))
    print(f"  {names} = {body}")
    print(f"  return {names}\n}}")
    for a in inputs:
        line("in", a)
    for a in outputs:
        a = np.asarray(a)
        line("out", a, f"~{bound}" if bound and a.dtype.kind == "f" else "")


def floats(*shape, dtype=np.float32):
    return rng.uniform(-4, 4, shape).astype(dtype)


def ints(*shape, lo=-9, hi=10, dtype=np.int32):
    return rng.integers(lo, hi, shape).astype(dtype)


def lanes(x):  # the order of program.h, along the last axis
    x = np.asarray(x)
    blocks = []
    for first in range(0, x.shape[-1], 4096):
        b = x[..., first:first + 4096]
        full = np.full(x.shape[:-1] + (-(-b.shape[-1] // 64) * 64,), -0.0, x.dtype)
        full[..., :b.shape[-1]] = b
        acc = full[..., :64].copy()
        for at in range(64, full.shape[-1], 64):
            acc = (acc + full[..., at:at + 64]).astype(x.dtype)
        half = 32
        while half:
            acc = acc[..., :half] + acc[..., half:2 * half]
            half //= 2
        blocks.append((0, acc[..., 0], b.shape[-1] == 4096))
        while len(blocks) > 1 and blocks[-1][2] and blocks[-2][0] == blocks[-1][0]:
            level, value, full_block = blocks.pop()
            blocks[-1] = (level + 1, blocks[-1][1] + value, True)
    value = blocks.pop()[1]
    while blocks:
        value = blocks.pop()[1] + value
    return value


# Reductions.
x = floats(3, 5, 4)
case("sum axes", "sum %0 {axes=[1,-1]}", [x], [lanes(x.reshape(3, 20))])
case("sum outer axis keepdims", "sum %0 {axes=[0], keepdims=true}", [x], [lanes(x.reshape(3, 20).T.copy()).reshape(1, 5, 4)])
x = ints(1, 12400, lo=-2**24, hi=2**24).astype(np.float32)
case("sum long", "sum %0 {axes=[1]}", [x], [lanes(x)])
x = floats(300, dtype=np.float64)
case("sum f64", "sum %0", [x], [lanes(x)])
x = floats(300, dtype=np.float16)
case("sum f16", "sum %0", [x], [lanes(x.astype(np.float32)).astype(np.float16)])
case("sum of nothing", "sum %0 {axes=[1]}", [floats(2, 0)], [np.zeros(2, np.float32)])
case("sum of -0", "sum %0", [np.full(3, -0.0, np.float32)], [np.float32(-0.0)])
x = ints(4, 6, lo=-120, hi=120, dtype=np.int8)
case("sum i8 widens", "sum %0 {axes=[1]}", [x], [x.sum(1, dtype=np.int64)])
x = ints(3, 7, lo=0, hi=2).astype(bool)
case("sum bool counts", "sum %0 {axes=[0]}", [x], [x.sum(0)])
case("any", "any %0 {axes=[1]}", [x], [x.any(1)])
case("all", "all %0 {axes=[0]}", [x], [x.all(0)])
x = rng.uniform(0.5, 2, (3, 9)).astype(np.float32)
case("prod", "prod %0 {axes=[1]}", [x], [x.astype(np.float64).prod(1).astype(np.float32)], 1e-5)
x = ints(3, 30, lo=1, hi=9, dtype=np.int64)
case("prod wraps", "prod %0 {axes=[1]}", [x], [x.prod(1)])
case("prod of nothing", "prod %0", [floats(0)], [np.float32(1)])
x = floats(4, 70)
x[1, 3] = np.nan
x[2, :] = -np.inf
case("max", "max %0 {axes=[1]}", [x], [x.max(1)])
case("min", "min %0 {axes=[1]}", [x], [x.min(1)])
x[0, 5] = x[0, 9] = 9
x[3, 2] = x[3, 60] = -9
case("argmax", "argmax %0 {axes=[1]}", [x], [x.argmax(1)])
case("argmin", "argmin %0 {axes=[1]}", [x], [x.argmin(1)])
x = ints(3, 4, 5, dtype=np.uint8, lo=0, hi=255)
case("argmax over two axes", "argmax %0 {axes=[0,2]}", [x], [x.transpose(1, 0, 2).reshape(4, -1).argmax(1)])
case("max i u8", "max %0", [x], [x.max()])

# Casts.
x = np.array([1.9, -1.9, 300, -300, 3e9, -3e9, 1e19, -1e19, np.nan, np.inf, -np.inf, 0.0, -0.0, 2.5], np.float32)
for name, low, high in (("i8", -128, 127), ("u8", 0, 255), ("i16", -32768, 32767), ("u16", 0, 65535), ("i32", -2**31, 2**31 - 1),
                        ("u32", 0, 2**32 - 1), ("i64", -2**63, 2**63 - 1), ("u64", 0, 2**64 - 1)):
    back = {v: k for k, v in NAMES.items()}[name]
    exact = [0 if v != v else low if v <= low else high if v >= high else int(v) for v in map(float, x)]
    case("cast f32 " + name, f"cast %0 {{dtype={name}}}", [x], [np.array(exact, back)])
case("cast f32 bool", "cast %0 {dtype=bool}", [x], [x != 0])
x = np.concatenate([floats(20) * 3, np.float32([65504, 65519, 65520, 1e-8, 6e-8, 2.98e-8, 1e-5, 2049, 2051, np.nan])]).astype(np.float32)
with np.errstate(over="ignore"):
    case("cast f32 f16", "cast %0 {dtype=f16}", [x], [x.astype(np.float16)])
x = ints(20, lo=-1000, hi=1000, dtype=np.int64)
case("cast i64 i8", "cast %0 {dtype=i8}", [x], [x.astype(np.int8)])
case("cast i64 u64", "cast %0 {dtype=u64}", [x], [x.astype(np.uint64)])
case("cast i64 f32", "cast %0 {dtype=f32}", [x + 2**40], [(x + 2**40).astype(np.float32)])

# Movement.
x = floats(2, 3, 4)
case("reshape", "reshape %0 {shape=[4,-1]}", [x], [x.reshape(4, 6)])
case("transpose", "transpose %0 {axes=[1,2,0]}", [x], [x.transpose(1, 2, 0)])
case("transpose reversed", "transpose %0", [x], [x.T])
y = floats(3, 1)
case("expand", "expand %0 {shape=[2,3,4]}", [y], [np.broadcast_to(y, (2, 3, 4))])
case("expand keeps", "expand %0 {shape=[2,-1,4]}", [y], [np.broadcast_to(y, (2, 3, 4))])
case("slice", "slice %0 {starts=[0,1,-3], stops=[1,3,9], steps=[1,1,2]}", [x], [x[0:1, 1:3, -3:9:2]])
case("slice empty", "slice %0 {starts=[1], stops=[1]}", [x], [x[1:1]])
case("pad", "pad %0 {before=[0,1,2], after=[1,0,0], value=-1.5}", [x], [np.pad(x, ((0, 1), (1, 0), (2, 0)), constant_values=-1.5)])
y = ints(3, lo=0, dtype=np.uint8)
case("pad u8", "pad %0 {before=[1], after=[0], value=254.9}", [y], [np.concatenate([np.array([254], np.uint8), y])])
case("flip", "flip %0 {axes=[-1,0]}", [x], [x[::-1, :, ::-1]])
x = floats(2, 9)
case("windows", "windows %0 {size=[3], stride=[2], dilation=[2]}", [x],
     [np.lib.stride_tricks.sliding_window_view(x, 5, axis=1)[:, ::2, ::2].copy()])
x = floats(2, 5, 6)
case("windows 2d", "windows %0 {size=[2,3], stride=[1,2]}", [x],
     [np.lib.stride_tricks.sliding_window_view(x, (2, 3), axis=(1, 2))[:, :, ::2].copy()])

# Index ops.
a, b, c = floats(2, 3), floats(2, 1), floats(2, 2)
case("concat", "concat %0 %1 %2 {axis=-1}", [a, b, c], [np.concatenate([a, b, c], 1)])
x, v = floats(5, 6), floats(2, 3)
z = x.copy()
z[1:4:2, 0:6:2] = v
case("update", "update %0 %1 {starts=[1,0], steps=[2,2]}", [x, v], [z])
x = floats(4, 3)
index = np.array([[0, -1, 3], [7, -9, 2]])
z = np.where(((index >= -4) & (index < 4))[:, :, None], x[np.clip(index, -4, 3)], np.float32(0))
case("take", "take %0 %1", [x, index], [z])
index = np.array([2, 0, 2], np.int8)
case("take axis 1", "take %0 %1 {axis=1}", [x, index], [x[:, index]])
index = np.array([1, -1, 1, 9])
v = floats(4, 3)
z = x.copy()
for i, row in zip(index, v):
    if i < 4:
        z[i] += row
case("scatter_add", "scatter_add %0 %1 %2", [x, index, v], [z])
x = floats(3, 4)
index = ints(2, 4, lo=-3, hi=3, dtype=np.int64)
case("gather", "gather %0 %1", [x, index], [np.take_along_axis(x, index, 0)])
index = ints(3, 6, lo=-4, hi=4, dtype=np.int32)
case("gather axis 1", "gather %0 %1 {axis=1}", [x, index], [np.take_along_axis(x, index.astype(np.int64), 1)])
index = np.array([[0, 3, 0, 1], [2, 2, -1, 9], [1, 1, 1, 1]])
v = floats(3, 4)
for combine, f in (("set", lambda p, q: q), ("add", np.add), ("mul", np.multiply), ("max", np.maximum), ("min", np.minimum)):
    z = x.copy()
    for i in range(3):
        for j in range(4):
            if index[i, j] < 4:
                z[i, index[i, j]] = f(z[i, index[i, j]], v[i, j])
    case("scatter " + combine, f'scatter %0 %1 %2 {{axis=1, combine="{combine}"}}', [x, index, v], [z])
z = np.full((2, 5), np.float32(-1.5))
for i in range(2):
    for j in range(5):
        p, q = i * 2 + j // 2 - 1, (j - 1) % 4
        if 0 <= p < 3:
            z[i, j] = x[p, q]
case("reindex", 'reindex %0 {shape=[2,5], index="i0*2+i1/2-1,(i1-1)%4", value=-1.5}', [x], [z])
z = np.zeros(5, np.float32)
m = np.full(5, -np.inf, np.float32)
for i in range(3):
    for j in range(4):
        if i + j < 5:
            z[i + j] += x[i, j]
            m[i + j] = max(m[i + j], x[i, j])
case("reindex_reduce add", 'reindex_reduce %0 {shape=[5], index="i0+i1"}', [x], [z])
case("reindex_reduce max", 'reindex_reduce %0 {shape=[5], index="i0+i1", combine="max"}', [x], [m])
k = ints(4, dtype=np.int8)
case("reindex_reduce min i8", 'reindex_reduce %0 {shape=[2], index="i0*0", combine="min"}', [k], [np.array([k.min(), 127], np.int8)])

# Sources.
case("iota", "iota {shape=[2,3], axis=1, dtype=f32}", [], [np.broadcast_to(np.arange(3, dtype=np.float32), (2, 3))])
case("iota u8", "iota {shape=[300], dtype=u8}", [], [np.arange(300).astype(np.uint8)])
case("full", "full {shape=[2,2], value=2.5}", [], [np.full((2, 2), np.float32(2.5))])


def philox(element, counter, key):
    m = 0xFFFFFFFF
    c = [element & m, element >> 32, counter & m, counter >> 32]
    k = [key & m, key >> 32]
    for _ in range(10):
        p, q = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(q >> 32) ^ c[1] ^ k[0], q & m, (p >> 32) ^ c[3] ^ k[1], p & m]
        k = [(k[0] + 0x9E3779B9) & m, (k[1] + 0xBB67AE85) & m]
    return c[0]


# The generator's authors' answers (Random123 kat_vectors: counter and key all 0, and all ones).
assert philox(0, 0, 0) == 0x6627E8D5
assert philox(2**64 - 1, 2**64 - 1, 2**64 - 1) == 0x408F276D
key = 12345 ^ (7 * 0x9E3779B97F4A7C15 % 2**64)
bits = np.array([philox(i, 2**33 + 5, key) for i in range(20)])
key = 12345 ^ ((7 ^ 2**62) * 0x9E3779B97F4A7C15 % 2**64)
more = np.array([philox(i, 2**33 + 5, key) for i in range(20)])
key = 12345 ^ (7 * 0x9E3779B97F4A7C15 % 2**64)
case("random_bits", "random_bits {shape=[4,5], seed=12345, stream=7, counter=8589934597}", [], [bits.reshape(4, 5)])
case("uniform", "uniform {shape=[20], seed=12345, stream=7, counter=8589934597}", [], [((bits >> 8) * 2.0**-24).astype(np.float32)])
case("uniform f16", "uniform {shape=[20], seed=12345, stream=7, counter=8589934597, dtype=f16}", [], [((bits >> 21) * 2.0**-11).astype(np.float16)])
case("uniform f64", "uniform {shape=[20], seed=12345, stream=7, counter=8589934597, dtype=f64}", [],
     [(bits * 2**21 + (more >> 11)) * 2.0**-53])
two = [np.array([philox(i, 9, 5 ^ ((s * 0x9E3779B97F4A7C15) % 2**64)) for i in range(20)]) for s in (6 + 2**63, 7 + 2**63)]
u, v = [((b >> 8) * 2.0**-24) for b in two]
case("normal", "normal {shape=[20], seed=5, stream=3, counter=9}", [],
     [(np.sqrt(np.log(1 - u) * -2) * np.cos(v * 2 * np.pi)).astype(np.float32)], 3e-6)

# Library ops.
a, b = floats(2, 3, 4), floats(2, 4, 5)
case("matmul", "matmul %0 %1", [a, b], [(a.astype(np.float64) @ b).astype(np.float32)], 1e-6)
a, b = ints(3, 4), ints(4, 2)
case("matmul i32", "matmul %0 %1", [a, b], [a @ b])
case("matmul of no products", "matmul %0 %1", [floats(2, 0), floats(0, 3)], [np.zeros((2, 3), np.float32)])


def conv(x, w, stride, padding, dilation, groups):
    t, l, bt, r = padding
    p = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (t, bt), (l, r)))
    o, ig, kh, kw = w.shape
    size = (dilation[0] * (kh - 1) + 1, dilation[1] * (kw - 1) + 1)
    win = np.lib.stride_tricks.sliding_window_view(p, size, axis=(2, 3))[:, :, ::stride[0], ::stride[1], ::dilation[0], ::dilation[1]]
    out = [np.einsum("nchwkl,ockl->nohw", win[:, g * ig:(g + 1) * ig], w[g * o // groups:(g + 1) * o // groups].astype(np.float64))
           for g in range(groups)]
    return np.concatenate(out, 1)


def by_basis(f, like, dz):  # gradient of a linear map: its value on every basis vector, dotted with dz
    out = np.zeros(like.shape)
    for i in range(like.size):
        e = np.zeros(like.size)
        e[i] = 1
        out.flat[i] = (f(e.reshape(like.shape)) * dz).sum()
    return out.astype(np.float32)


def last(a):  # [N,C,H,W] as [N,H,W,C]
    return a.transpose(0, 2, 3, 1).copy()


def shape(a):
    return "shape=[" + ",".join(map(str, a.shape)) + "], "


for name, args, (x, w) in (("", ((1, 1), (0, 0, 0, 0), (1, 1), 1), (floats(2, 3, 5, 4), floats(2, 3, 3, 2))),
                           (" strided", ((2, 1), (1, 0, 2, 1), (1, 2), 1), (floats(1, 2, 6, 5), floats(3, 2, 3, 2))),
                           (" grouped", ((1, 2), (1, 1, 1, 1), (1, 1), 2), (floats(1, 4, 3, 4), floats(6, 2, 2, 2)))):
    s, p, d, g = args
    text = f"stride=[{s[0]},{s[1]}], padding=[{p[0]},{p[1]},{p[2]},{p[3]}], dilation=[{d[0]},{d[1]}], groups={g}"
    z = conv(x, w, *args).astype(np.float32)
    case("conv2d" + name, f"conv2d %0 %1 {{{text}}}", [x, w], [z], 1e-5)
    dz = floats(*z.shape)
    dx, dw = by_basis(lambda e: conv(e, w, *args), x, dz), by_basis(lambda e: conv(x, e, *args), w, dz)
    case("conv2d_grad_x" + name, f"conv2d_grad_x %0 %1 {{{shape(x)}{text}}}", [dz, w], [dx], 1e-5)
    case("conv2d_grad_w" + name, f"conv2d_grad_w %0 %1 {{{shape(w)}{text}}}", [dz, x], [dw], 1e-5)
    name, text = name + " channels_last", text + ", channels_last=true"
    case("conv2d" + name, f"conv2d %0 %1 {{{text}}}", [last(x), w], [last(z)], 1e-5)
    case("conv2d_grad_x" + name, f"conv2d_grad_x %0 %1 {{{shape(last(x))}{text}}}", [last(dz), w], [last(dx)], 1e-5)
    case("conv2d_grad_w" + name, f"conv2d_grad_w %0 %1 {{{shape(w)}{text}}}", [last(dz), last(x)], [dw], 1e-5)

x = floats(2, 2, 5, 4)
x[0, 0, 2, 2] = np.nan
x[1, 1] = 1
p = np.pad(x, ((0, 0), (0, 0), (1, 1), (0, 1)), constant_values=-np.inf)
win = np.lib.stride_tricks.sliding_window_view(p, (3, 2), axis=(2, 3))[:, :, ::2, ::1]
flat = win.reshape(*win.shape[:4], -1)
best = flat.argmax(-1)  # the first maximum, the first NaN
i, j = np.indices(best.shape)[2:]
index = ((i * 2 - 1 + best // 2) * 4 + j + best % 2).astype(np.int32)
text = "size=[3,2], stride=[2,1], padding=[1,0,1,1]"
case("max_pool2d", f"max_pool2d %0 {{{text}}}", [x], [flat.max(-1), index], results=2)
case("max_pool2d channels_last", f"max_pool2d %0 {{{text}, channels_last=true}}", [last(x)], [last(flat.max(-1)), last(index)], results=2)
dz = floats(*best.shape)
dx = np.zeros((2, 2, 20))
for at in np.ndindex(best.shape):
    dx[at[0], at[1], index[at]] += dz[at]
case("max_pool2d_grad", f"max_pool2d_grad %0 %1 {{shape=[2,2,5,4], {text}}}", [dz, index], [dx.reshape(x.shape).astype(np.float32)], 1e-6)
case("max_pool2d_grad channels_last", f"max_pool2d_grad %0 %1 {{shape=[2,5,4,2], {text}, channels_last=true}}", [last(dz), last(index)],
     [last(dx.reshape(x.shape).astype(np.float32))], 1e-6)
x = floats(1, 2, 5, 4)


def avg(x):
    p = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (1, 1), (0, 1)))
    return np.lib.stride_tricks.sliding_window_view(p, (3, 2), axis=(2, 3))[:, :, ::2, ::1].mean((-1, -2))


z = avg(x).astype(np.float32)
case("avg_pool2d", f"avg_pool2d %0 {{{text}}}", [x], [z], 1e-6)
case("avg_pool2d channels_last", f"avg_pool2d %0 {{{text}, channels_last=true}}", [last(x)], [last(z)], 1e-6)
dz = floats(*z.shape)
case("avg_pool2d_grad", f"avg_pool2d_grad %0 {{shape=[1,2,5,4], {text}}}", [dz], [by_basis(avg, x, dz)], 1e-6)
case("avg_pool2d_grad channels_last", f"avg_pool2d_grad %0 {{shape=[1,5,4,2], {text}, channels_last=true}}", [last(dz)],
     [last(by_basis(avg, x, dz))], 1e-6)

# Composite rows.
x = floats(3, 7)
d = x.astype(np.float64)
case("mean", "mean %0 {axes=[1]}", [x], [d.mean(1).astype(np.float32)], 1e-6)
k = ints(3, 4)
case("mean of integers", "mean %0", [k], [np.float32(k.mean())], 1e-6)
h = ints(1, lo=0, dtype=np.float16).repeat(2) + np.float16(0.7)
case("mean of more f16 than f16 can count", "mean %e {axes=[0,1]}", [h.reshape(1, 2)], [h.mean()], before="%e = expand %0 {shape=[40000,2]}")
x16 = floats(2, 5, dtype=np.float16)
e = np.exp(x16.astype(np.float64) - x16.max(1, keepdims=True))
case("softmax f16 is rounded once", "softmax %0", [x16], [(e / e.sum(1, keepdims=True)).astype(np.float16)], 1e-6)
e = np.exp(d - d.max(1, keepdims=True))
soft = e / e.sum(1, keepdims=True)
case("softmax", "softmax %0", [x], [soft.astype(np.float32)], 1e-6)
case("log_softmax", "log_softmax %0 {axis=1}", [x], [np.log(soft).astype(np.float32)], 1e-6)
label = np.array([6, 0, 3], np.int16)
case("cross_entropy", "cross_entropy %0 %1", [x, label], [np.float32(-np.log(soft[range(3), label]).mean())], 1e-6)
y = floats(3, 7)
case("mse_loss", "mse_loss %0 %1", [x, y], [np.float32(((d - y)**2).mean())], 1e-6)
from math import erf
case("gelu", "gelu %0", [x], [(d * (1 + np.vectorize(erf)(d / np.sqrt(2))) / 2).astype(np.float32)], 1e-6)
case("silu", "silu %0", [x], [(d / (1 + np.exp(-d))).astype(np.float32)], 1e-6)
case("softplus", "softplus %0", [x], [np.log1p(np.exp(d)).astype(np.float32)], 1e-6)

# What layers are made of.
x = floats(3, 7)
x[0, 0] = np.nan
d = x.astype(np.float64)
low, high = np.minimum(d, 0), np.maximum(d, 0)
pointwise = {
    "gelu_tanh": ("", d * (1 + np.tanh(np.sqrt(2 / np.pi) * (d + 0.044715 * d**3))) / 2),
    "leaky_relu": ("slope=0.3", high + 0.3 * low),
    "elu": ("alpha=1.5", high + 1.5 * np.expm1(low)),
    "celu": ("alpha=1.5", high + 1.5 * np.expm1(low / 1.5)),
    "selu": ("", 1.0507009873554804934 * (high + 1.6732632423543772848 * np.expm1(low))),
    "hardtanh": ("low=-1.5, high=0.5", np.clip(d, -1.5, 0.5)),
    "hardsigmoid": ("", np.clip(d / 6 + 0.5, 0, 1)),
    "hardswish": ("", d * np.clip(d / 6 + 0.5, 0, 1)),
    "mish": ("", d * np.tanh(np.log1p(np.exp(d)))),
    "log_sigmoid": ("", -np.log1p(np.exp(-d))),
}
for name, (attrs, z) in pointwise.items():
    case(name, f"{name} %0" + (f" {{{attrs}}}" if attrs else ""), [x], [z.astype(np.float32)], 1e-6)
k = ints(2, 3)
case("leaky_relu of integers", "leaky_relu %0 {slope=0.5}", [k], [np.where(k > 0, k, k * 0.5).astype(np.float32)])
big = np.array([88, 1e4, -1e4, np.inf, -np.inf], np.float32)
case("elu of large values", "elu %0", [big], [np.array([88, 1e4, -1, np.inf, -1], np.float32)])
case("mish of large values", "mish %0", [big[:3]], [np.array([88, 1e4, 0], np.float32)], 1e-6)
case("log_sigmoid of large values", "log_sigmoid %0", [big[:3]], [np.array([0, 0, -1e4], np.float32)], 1e-6)
x, w = floats(2, 3, 4), floats(3)
case("prelu", "prelu %0 %1", [x, w], [np.where(x > 0, x, x * w[:, None])])
case("prelu of one weight", "prelu %0 %1", [x, w[:1]], [np.where(x > 0, x, x * w[0])])
bits = np.array([philox(i, 2**33 + 5, key) for i in range(20)]).reshape(4, 5)
x = floats(4, 5)
case("dropout", "dropout %0 {p=0.3, seed=12345, stream=7, counter=8589934597}", [x],
     [np.where(bits < int(0.3 * 2**32), 0, x.astype(np.float64) / 0.7).astype(np.float32)], 1e-6)
case("dropout of everything", "dropout %0 {p=1, seed=1, stream=2, counter=3}", [x], [np.zeros_like(x)])
w = floats(5, 3)
index = np.array([[4, 0], [-1, 9]], np.int16)
z = np.where((index < 5)[..., None], w[np.clip(index, -5, 4)], np.float32(0))
case("embedding", "embedding %0 %1 {padding=0}", [index, w], [z])
case("check_index", "check_index %0 {size=5, negative=true, who=\"rows\"}", [np.array([4, -5, 0], np.int16)], [np.array([4, -5, 0], np.int16)])
case("one_hot", "one_hot %0 {classes=3, dtype=f32}", [np.array([[2, 0], [3, -1]], np.int8)],
     [np.array([[[0, 0, 1], [1, 0, 0]], [[0, 0, 0], [0, 0, 0]]], np.float32)])
case("one_hot of no classes", "one_hot %0 {classes=0}", [np.array([2, 0])], [np.zeros((2, 0), np.int64)])

x = floats(3, 4, 5)
d = x.astype(np.float64)
case("var", "var %0 {axes=[0,2], correction=0}", [x], [d.var((0, 2)).astype(np.float32)], 1e-6)
case("var with correction", "var %0 {axes=[1], keepdims=true, correction=1}", [x],
     [d.var(1, keepdims=True, ddof=1).astype(np.float32)], 1e-6)
case("var of integers", "var %0", [k], [np.float32(k.var(ddof=1))], 1e-6)


def normalised(x, axes, eps):
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)


w, b = floats(4, 5), floats(4, 5)
z = normalised(d, (1, 2), 1e-3)
case("layer_norm", "layer_norm %0 %1 %2 {axes=2, eps=0.001}", [x, w, b], [(z * w + b).astype(np.float32)], 2e-6)
case("layer_norm without bias", "layer_norm %0 %1 {axes=2, eps=0.001}", [x, w], [(z * w).astype(np.float32)], 2e-6)
case("layer_norm alone", "layer_norm %0", [x], [normalised(d, 2, 1e-5).astype(np.float32)], 2e-6)
h = x.astype(np.float16)
case("layer_norm f16 is rounded once", "layer_norm %0 {eps=0.01}", [h],
     [normalised(h.astype(np.float64), 2, 0.01).astype(np.float16)], 1e-3)
rms = d / np.sqrt((d * d).mean(2, keepdims=True) + 1e-6)
case("rms_norm", "rms_norm %0 %1", [x, w[0]], [(rms * w[0]).astype(np.float32)], 2e-6)
w, b = floats(4), floats(4)
z = normalised(d.reshape(3, 2, 10), 2, 1e-5).reshape(3, 4, 5)
case("group_norm", "group_norm %0 %1 %2 {groups=2}", [x, w, b], [(z * w[:, None] + b[:, None]).astype(np.float32)], 2e-6)
case("group_norm of single channels", "group_norm %0 {groups=4}", [x], [normalised(d, 2, 1e-5).astype(np.float32)], 2e-6)
m, v = floats(4), np.abs(floats(4))
z = (d - m[:, None]) / np.sqrt(v[:, None].astype(np.float64) + 0.01)
case("batch_norm", "batch_norm %0 %1 %2 %3 %4 {eps=0.01}", [x, m, v, w, b],
     [(z * w[:, None] + b[:, None]).astype(np.float32)], 2e-6)
case("batch_norm alone", "batch_norm %0 %1 %2 {eps=0.01}", [x, m, v], [z.astype(np.float32)], 2e-6)

label = np.array([[3, 0, 2, 9, -1]] * 3)
z = np.where((label >= 0) & (label < 4), -np.take_along_axis(x, np.clip(label, 0, 3)[:, None], 1)[:, 0], np.float32(-0.0))
case("nll", "nll %0 %1 {reduction=\"none\"}", [x, label], [z])
p, y = rng.uniform(0.05, 0.95, (3, 4)).astype(np.float32), rng.uniform(0, 1, (3, 4)).astype(np.float32)
p[0] = [0, 1, 0, 1]
y[0] = [0, 1, 1, 0]
with np.errstate(divide="ignore"):
    a, c = [np.maximum(np.log(t.astype(np.float64)), -100) for t in (p, 1 - p.astype(np.float64))]
case("bce", "bce %0 %1 {reduction=\"none\"}", [p, y], [-(y * a + (1 - y) * c).astype(np.float32)], 1e-6)
x = floats(3, 4)
x[0, 0], y[0, 0] = 500, 1
d = x.astype(np.float64)
case("bce_with_logits", "bce_with_logits %0 %1 {reduction=\"none\"}", [x, y], [(np.logaddexp(0, d) - d * y).astype(np.float32)], 1e-6)
e = np.abs(d - y)
case("smooth_l1", "smooth_l1 %0 %1 {beta=0.5, reduction=\"none\"}", [x, y], [np.where(e < 0.5, e * e, e - 0.25).astype(np.float32)], 1e-6)
case("smooth_l1 without a curve", "smooth_l1 %0 %1 {beta=0, reduction=\"none\"}", [x, y], [e.astype(np.float32)], 1e-6)
case("huber", "huber %0 %1 {delta=0.5, reduction=\"none\"}", [x, y], [np.where(e < 0.5, e * e / 2, 0.5 * (e - 0.25)).astype(np.float32)], 1e-6)
with np.errstate(divide="ignore", invalid="ignore"):
    z = np.where(y > 0, y * (np.log(y.astype(np.float64)) - d), 0 * d)
case("kl_div", "kl_div %0 %1 {reduction=\"none\"}", [x, y], [z.astype(np.float32)], 1e-6)
case("kl_div of logarithms", "kl_div %0 %1 {log_target=true, reduction=\"none\"}", [x, y], [(np.exp(y.astype(np.float64)) * (y - d)).astype(np.float32)], 1e-6)

# Volumes, window by window, after everything else that draws numbers.
def conv3(x, w, stride, padding, dilation, groups):
    p = np.pad(x.astype(np.float64), ((0, 0), (0, 0), *((padding[i], padding[i + 3]) for i in range(3))))
    o, ig, *k = w.shape
    size = tuple(dilation[i] * (k[i] - 1) + 1 for i in range(3))
    win = np.lib.stride_tricks.sliding_window_view(p, size, axis=(2, 3, 4))
    win = win[:, :, ::stride[0], ::stride[1], ::stride[2], ::dilation[0], ::dilation[1], ::dilation[2]]
    out = [np.einsum("ncdhwijk,ocijk->nodhw", win[:, g * ig:(g + 1) * ig], w[g * o // groups:(g + 1) * o // groups].astype(np.float64))
           for g in range(groups)]
    return np.concatenate(out, 1)


for name, args, (x, w) in (("", ((1, 1, 1), (0,) * 6, (1, 1, 1), 1), (floats(2, 2, 3, 4, 3), floats(3, 2, 2, 3, 2))),
                           (" strided", ((2, 1, 2), (1, 0, 1, 2, 1, 0), (2, 1, 1), 1), (floats(1, 2, 5, 3, 4), floats(2, 2, 2, 2, 3))),
                           (" grouped", ((1, 2, 1), (1, 1, 0, 1, 1, 0), (1, 1, 2), 2), (floats(1, 4, 2, 3, 4), floats(4, 2, 3, 2, 2)))):
    s, p, d, g = args
    text = "stride={}, padding={}, dilation={}, groups={}".format(*(str(list(v)).replace(" ", "") for v in (s, p, d)), g)
    z = conv3(x, w, *args).astype(np.float32)
    case("conv3d" + name, f"conv3d %0 %1 {{{text}}}", [x, w], [z], 1e-5)
    dz = floats(*z.shape)
    case("conv3d_grad_x" + name, f"conv3d_grad_x %0 %1 {{{shape(x)}{text}}}", [dz, w], [by_basis(lambda e: conv3(e, w, *args), x, dz)], 1e-5)

x = floats(1, 2, 5, 4, 3)
text = "size=[3,2,2], stride=[2,1,2], padding=[1,1,0,1,0,1]"
for name, fill, fold in (("max", -np.inf, np.max), ("avg", 0, np.mean)):
    p = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (1, 1), (1, 0), (0, 1)), constant_values=fill)
    win = np.lib.stride_tricks.sliding_window_view(p, (3, 2, 2), axis=(2, 3, 4))[:, :, ::2, ::1, ::2]
    case(name + "_pool3d", f"{name}_pool3d %0 {{{text}}}", [x], [fold(win, axis=(-1, -2, -3)).astype(np.float32)], 1e-6)
    win = np.lib.stride_tricks.sliding_window_view(x.astype(np.float64), (2, 2, 3), axis=(2, 3, 4))[:, :, ::2, ::2, ::3]
    case(name + "_pool3d of neighbours", f"{name}_pool3d %0 {{size=[2,2,3]}}", [x], [fold(win, axis=(-1, -2, -3)).astype(np.float32)], 1e-6)

# Statistics and options of losses, after everything else that draws numbers.
x = floats(3, 4, 5)
d = x.astype(np.float64)
case("std", "std %0 {axes=[0,2]}", [x], [d.std((0, 2), ddof=1).astype(np.float32)], 1e-6)
case("std of f16 is rounded once", "std %0 {correction=0}", [np.float16([300, -300, 500])], [np.float64([300, -300, 500]).std().astype(np.float16)])
for p in ("2", "1", "3", "0.5", "0", "inf", "-inf", "-2"):
    z = {"0": (d != 0).sum(1), "inf": np.abs(d).max(1), "-inf": np.abs(d).min(1)}.get(p)
    if z is None:
        z = (np.abs(d) ** float(p)).sum(1) ** (1 / float(p))
    case("norm " + p, f"norm %0 {{p={p}, axes=[1]}}", [x], [z.astype(np.float32)], 3e-6)
case("norm of f16 does not overflow", "norm %0", [np.float16([300, 400])], [np.float16(500)])
x, label, weight = floats(2, 3, 4), np.array([[0, 2, 1, 1], [2, 2, 0, 1]]), np.float32([1, 0, 3])
d = x.astype(np.float64)
e = np.exp(d - d.max(1, keepdims=True))
logs = np.log(e / e.sum(1, keepdims=True))
counts = weight[label] * (label != 2)
each = -np.take_along_axis(logs, label[:, None], 1)[:, 0] * counts
even = -(logs * weight[:, None]).sum(1) / 3 * (label != 2)
text = "ignore_index=2, label_smoothing=0.1"
case("cross_entropy with options", f"cross_entropy %0 %1 %2 {{{text}}}", [x, label, weight],
     [np.float32((0.9 * each + 0.1 * even).sum() / counts.sum())], 1e-6)
case("cross_entropy of each", f"cross_entropy %0 %1 %2 {{{text}, reduction=\"none\"}}", [x, label, weight], [(0.9 * each + 0.1 * even).astype(np.float32)], 1e-6)
case("nll summed", "nll %0 %1 {reduction=\"sum\"}", [logs.astype(np.float32), label],
     [np.float32(-np.take_along_axis(logs, label[:, None], 1).sum())], 1e-6)
case("mse_loss summed", "mse_loss %0 %1 {reduction=\"sum\"}", [x, x[::-1].copy()], [np.float32(((d - d[::-1])**2).sum())], 1e-6)
case("gelu tanh", "gelu %0 {approximate=\"tanh\"}", [x], [(d * (1 + np.tanh(np.sqrt(2 / np.pi) * (d + 0.044715 * d**3))) / 2).astype(np.float32)], 1e-6)
case("softplus with a threshold", "softplus %0 {beta=2, threshold=3}", [x], [np.where(2 * d > 3, d, np.log1p(np.exp(2 * d)) / 2).astype(np.float32)], 1e-6)

# Rows along an axis.
x = np.float32([[3, 1, np.nan, -0.0, 0, 1, -np.inf], [2, 2, 2, 5, -1, 5, np.nan]])
for turned in (False, True):
    index = np.argsort(x, 1, kind="stable") if not turned else 6 - np.argsort(x[:, ::-1], 1, kind="stable")[:, ::-1]
    text = ", descending=true" if turned else ""
    case("sort" + text, f"sort %0 {{axis=1{text}}}", [x], [np.take_along_axis(x, index, 1), index], results=2)
    case("argsort" + text, f"argsort %0 {{axis=1{text}}}", [x], [index])
    case("topk" + text, f"topk %0 {{k=3, axis=1, largest={str(turned).lower()}}}", [x], [np.take_along_axis(x, index, 1)[:, :3], index[:, :3]], results=2)
for dtype in (np.int8, np.uint64, np.bool_, np.int64):
    x = rng.integers(0, 100, (60, 2, 3)).astype(dtype)
    index = np.argsort(x, 0, kind="stable")
    case(f"sort {np.dtype(dtype).name}", "sort %0 {axis=0}", [x], [np.take_along_axis(x, index, 0), index], results=2)
x = np.float32([[1, 3, 3, -2, np.nan, 7], [0, -0.0, -1, -1, 4, 4]])
for name, worse in (("cummax", np.less), ("cummin", np.greater)):
    z, index = x.copy(), np.zeros(x.shape, np.int64)
    for row in range(2):
        best = 0
        for k in range(6):
            old, new = x[row, best], x[row, k]
            if new != new or (old == old and not worse(new, old)):
                best = k
            z[row, k], index[row, k] = x[row, best], best
    case(name, f"{name} %0 {{axis=1}}", [x], [z, index], results=2)
x = floats(3, 70, 2)
case("cumsum", "cumsum %0 {axis=1}", [x], [np.cumsum(x.astype(np.float64), 1).astype(np.float32)])
case("cumprod", "cumprod %0 {axis=1}", [x[:, :9]], [np.cumprod(x[:, :9].astype(np.float64), 1).astype(np.float32)])
x = ints(4, 5, dtype=np.int64)
case("cumsum i64", "cumsum %0 {axis=0}", [x], [np.cumsum(x, 0)])
case("cumprod i64", "cumprod %0 {axis=-1}", [x], [np.cumprod(x, 1)])
x = floats(2, 5)
case("split", "split %0 {sizes=[2,0,3], axis=1}", [x], [x[:, :2], x[:, 2:2], x[:, 2:]], results=3)

# Pairs, and elements laid out anew.
x, y = floats(3, 1, 4), floats(2, 4)
a, b = x.astype(np.float64), y.astype(np.float64)
for name, z in (("logaddexp", np.logaddexp(a, b)), ("xlogy", a * np.log(np.abs(b))), ("fmod", np.fmod(a, b))):
    case(name, f"{name} %0 %1", [x, np.abs(y) if name == "xlogy" else y], [z.astype(np.float32)], 1e-6)
case("logaddexp of infinities", "logaddexp %0 %1", [np.float32([np.inf, -np.inf, np.inf, 1, 3e38]), np.float32([np.inf, -np.inf, -np.inf, -np.inf, 3e38])],
     [np.float32([np.inf, -np.inf, np.inf, 1, 3e38])])
case("xlogy at zeros", "xlogy %0 %1", [np.float32([0, 0, 0, 0, 2]), np.float32([0, -1, np.nan, np.inf, 0])], [np.float32([0, 0, np.nan, 0, -np.inf])])
case("fmod of numbers that lie apart", "fmod %0 %1", [np.float32([-1e-20, 1e20, -0.0, 5, 5, np.inf]), np.float32([1, 3, 2, -3, np.inf, 2])],
     [np.fmod(np.float32([-1e-20, 1e20, -0.0, 5, 5, np.inf]), np.float32([1, 3, 2, -3, np.inf, 2]))])
case("fmod i32", "fmod %0 %1", [np.int32([7, -7, 7, -7]), np.int32([3, 3, -3, -3])], [np.int32([1, -1, 1, -1])])
w = rng.uniform(-1, 2, (4,)).astype(np.float32)
case("lerp", "lerp %0 %1 %2", [x, y, w], [(a + w * (b - a)).astype(np.float32)], 1e-5)
p, q = np.float32([1, 1, np.inf, np.nan, 1, -np.inf]), np.float32([1.000001, 1.1, np.inf, np.nan, np.inf, np.inf])
case("isclose", "isclose %0 %1", [p, q], [np.isclose(p, q)])
case("isclose equal_nan", "isclose %0 %1 {rtol=0.2, equal_nan=true}", [p, q], [np.isclose(p, q, rtol=0.2, equal_nan=True)])
case("nan_to_num", "nan_to_num %0", [q], [np.nan_to_num(q)])
case("nan_to_num with numbers", "nan_to_num %0 {nan=2, posinf=3, neginf=-4}", [p], [np.nan_to_num(p, nan=2, posinf=3, neginf=-4)])
x = floats(2, 4, 3)
d = x.astype(np.float64)
case("masked_fill", "masked_fill %0 %1 {value=-inf}", [x, np.array([[True], [False], [True], [False]])], [np.where([[True], [False], [True], [False]], -np.inf, x).astype(np.float32)])
case("logsumexp", "logsumexp %0 {axes=[0,2]}", [x], [np.log(np.exp(d).sum((0, 2))).astype(np.float32)], 1e-6)
case("logsumexp far out", "logsumexp %0 {axes=[1], keepdims=true}", [np.float32([[1000, 1000], [-np.inf, -np.inf], [np.inf, 1], [-1000, -2000]])],
     [np.float32([[1000 + np.log(2)], [-np.inf], [np.inf], [-1000]])])
case("logsumexp of nothing", "logsumexp %0 {axes=[1]}", [floats(2, 0)], [np.full(2, -np.inf, np.float32)])
for k in (-1, 0, 2):
    case(f"tril {k}", f"tril %0 {{diagonal={k}}}", [x], [np.tril(x, k)])
    case(f"triu {k}", f"triu %0 {{diagonal={k}}}", [x], [np.triu(x, k)])
    case(f"diagonal {k}", f"diagonal %0 {{offset={k}, axis1=1, axis2=2}}", [x], [np.diagonal(x, k, 1, 2)])
case("diagonal of other axes", "diagonal %0 {offset=-1, axis1=-1, axis2=0}", [x], [np.diagonal(x, -1, -1, 0)])
case("diagonal outside", "diagonal %0 {offset=9}", [x], [np.diagonal(x, 9)])
case("roll", "roll %0 {shifts=[1,-5], axes=[0,2]}", [x], [np.roll(x, (1, -5), (0, 2))])
case("roll of all", "roll %0 {shifts=[7]}", [x], [np.roll(x, 7)])
case("tile", "tile %0 {times=[2,1,3]}", [x], [np.tile(x, (2, 1, 3))])
case("tile with new axes", "tile %0 {times=[2,2]}", [x[0, 0]], [np.tile(x[0, 0], (2, 2))])
case("tile none", "tile %0 {times=[0,1]}", [x[0]], [np.tile(x[0], (0, 1))])
case("stack", "stack %0 %1 {axis=-1}", [x, x[::-1].copy()], [np.stack([x, x[::-1]], -1)])
case("aminmax", "aminmax %0 {axes=[1]}", [x], [x.min(1), x.max(1)], results=2)
case("var_mean", "var_mean %0 {axes=[0,1], correction=0}", [x], [d.var((0, 1)).astype(np.float32), d.mean((0, 1)).astype(np.float32)], 1e-6, results=2)
# Places that are operands.
x, v = floats(5, 4), floats(2, 4)
z = x.copy()
z[3:5] = v
case("slice_at", "slice_at %0 %1 {length=3}", [x, np.array(2)], [x[2:5]])
case("slice_at axis 1", "slice_at %0 %1 {length=2, axis=-1}", [x, np.array(1, np.uint8)], [x[:, 1:3]])
case("slice_at all", "slice_at %0 %1 {length=5}", [x, np.array(0, np.int8)], [x])
case("slice_at none", "slice_at %0 %1 {length=0}", [x, np.array(5)], [x[:0]])
half = floats(3, 2, dtype=np.float16)
case("slice_at halves", "slice_at %0 %1 {length=1, axis=1}", [half, np.array(1, np.int32)], [half[:, 1:]])
case("update_at", "update_at %0 %1 %2", [x, v, np.array(3)], [z])
z = x.copy()
z[:, 1:3] = x[:, :2]
case("update_at axis 1", "update_at %0 %1 %2 {axis=1}", [x, x[:, :2].copy(), np.array(1, np.int16)], [z])
n = ints(6, lo=0, hi=2, dtype=np.bool_)
z = n.copy()
z[0:2] = ~n[:2]
case("update_at bool", "update_at %0 %1 %2", [n, ~n[:2], np.array(0, np.uint64)], [z])
