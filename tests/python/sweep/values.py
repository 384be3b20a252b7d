"""values: operands: dtypes, edge values, shapes and views, as NumPy arrays -> tensors of jt and of PyTorch.

A bfloat16 operand is a float32 array whose values bfloat16 has, since NumPy has no bfloat16."""
import dataclasses

import numpy as np

INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
FLOATS = ["float16", "bfloat16", "float32", "float64"]
DTYPES = ["bool"] + INTEGERS + FLOATS
#           significant bits, exponent of the smallest normal number, of the largest
FORMATS = {"float16": (11, -14, 15), "bfloat16": (8, -126, 127), "float32": (24, -126, 127), "float64": (53, -1022, 1023)}
VIEWS = ["dense", "strided", "transposed", "flipped"]


def is_float(dtype):
    return dtype in FORMATS


def numpy_dtype(dtype):
    return np.dtype("float32" if dtype == "bfloat16" else dtype)


def rounded(values, dtype):
    """Values as the nearest ones of a dtype (halves to even), in the NumPy dtype that holds it."""
    if not is_float(dtype):
        return np.asarray(values).astype(numpy_dtype(dtype))
    bits, lowest, highest = FORMATS[dtype]
    wide = np.asarray(values, np.longdouble)
    with np.errstate(all="ignore"):
        exponent = np.maximum(np.frexp(np.where(np.isfinite(wide), wide, 1))[1] - 1, lowest)
        near = np.ldexp(np.rint(np.ldexp(wide, bits - 1 - exponent)), exponent - bits + 1)
        near = np.where(np.abs(near) >= np.ldexp(np.longdouble(1), highest + 1), np.copysign(np.inf, wide), near)
        return np.where(np.isfinite(wide), near, wide).astype(numpy_dtype(dtype))


def largest(dtype):
    bits, _, highest = FORMATS[dtype]
    return np.ldexp(np.longdouble(2) - np.ldexp(np.longdouble(1), 1 - bits), highest)


def edges(dtype):
    """0, -0, ties, NaN, infinities, denormal and extreme values, and ordinary ones."""
    if dtype == "bool":
        return np.array([False, True])
    if not is_float(dtype):
        info = np.iinfo(dtype)
        wanted = [0, 1, 2, 3, 5, 7, 8, 31, 64, 100, info.max, info.max - 1, info.max // 2 + 1, -1, -2, -3, -7, -100, info.min, info.min + 1,
                  2**24 + 1, 2**53 + 1]
        return np.array(list(dict.fromkeys(v for v in wanted if info.min <= v <= info.max)), dtype)
    bits, lowest, _ = FORMATS[dtype]
    one = np.longdouble(1)
    denormal, normal, top, eps = np.ldexp(one, lowest - bits + 1), np.ldexp(one, lowest), largest(dtype), np.ldexp(one, 1 - bits)
    return rounded(np.array([0, -0.0, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, 2, 3, -3, 0.1, 0.3, -3.7, 10, 100.25, -100.25, np.nan, np.inf, -np.inf,
                             denormal, -denormal, normal, -normal, top, -top, eps, 1 + eps, 1 - eps / 2, np.ldexp(one, bits), np.pi, -np.pi / 2,
                             0.7, -0.9, 1e-3, -1e-4, 6, -6, 16, -16, 20.5, -20.5, 88.75, -104, 1e4], np.longdouble), dtype)


def ordinary(dtype, count, seed=0, low=-2.0, high=3.0):
    """Values without special ones: between low and high, exactly representable in every float dtype."""
    state = np.random.RandomState(1234 + seed)
    if dtype == "bool":
        return state.randint(0, 2, count).astype(bool)
    if is_float(dtype):
        return rounded(np.rint(state.uniform(low, high, count) * 64) / 64, dtype)
    return state.randint(0 if dtype.startswith("u") else max(-9, int(np.floor(low * 3))), 10, count).astype(dtype)


def filled(values, shape, seed=0):
    """A shape filled with values in turn, begun anywhere."""
    count = int(np.prod(shape, dtype=int))
    return np.resize(np.roll(values, -seed), count).reshape(shape) if count else np.zeros(shape, values.dtype)


@dataclasses.dataclass
class Operand:
    """An operand of a case: its values, dtype, and how it lies in memory."""
    array: np.ndarray
    dtype: str
    view: str = "dense"

    def __post_init__(self):
        self.array = np.asarray(self.array)

    def text(self):
        shape = "x".join(map(str, self.array.shape)) or "0-d"
        return f"{self.dtype}[{shape}]" + ("" if self.view == "dense" else "." + self.view)

    def jt(self, jt):
        a = self.array

        def tensor(values):
            out = jt.array(np.ascontiguousarray(values))
            out = out.reshape(values.shape) if out.shape != values.shape else out
            return out.cast("bfloat16") if self.dtype == "bfloat16" else out

        if self.view == "dense" or a.ndim == 0:
            return tensor(a)
        if self.view == "transposed":
            return tensor(a.T).T
        if self.view == "flipped":
            return tensor(a[..., ::-1])[..., ::-1]
        base = np.ones(a.shape[:-1] + (2 * a.shape[-1] + 1,), a.dtype)
        base[..., 1::2] = a
        return tensor(base)[..., 1::2]

    def torch(self, torch, wide):
        out = torch.from_numpy(np.array(self.array))
        if self.dtype == "bfloat16":
            out = out.to(torch.bfloat16)
        return out.to(torch.float64) if wide and is_float(self.dtype) else out

    def wide(self, beside):
        """For NumPy: floats in long double; integers first rounded to `beside` where the result is of that float dtype."""
        a = self.array
        if is_float(self.dtype):
            return a.astype(np.longdouble)
        return rounded(a, beside).astype(np.longdouble) if is_float(beside) else a
