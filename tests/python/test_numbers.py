"""Numbers of Python: one rounding to the dtype, whatever way they take; integers of NumPy as integers."""
import math
import random
from fractions import Fraction

import pytest

import jt

FLOATS = {"float16": (11, -14, 15), "bfloat16": (8, -126, 127), "float32": (24, -126, 127), "float64": (53, -1022, 1023)}
INTEGERS = {"int8": (-2**7, 2**7 - 1), "int16": (-2**15, 2**15 - 1), "int32": (-2**31, 2**31 - 1), "int64": (-2**63, 2**63 - 1),
            "uint8": (0, 2**8 - 1), "uint16": (0, 2**16 - 1), "uint32": (0, 2**32 - 1), "uint64": (0, 2**64 - 1)}


def rounded(value, dtype):
    """A number to the nearest of a float dtype, ties to even, by exact arithmetic."""
    digits, least, most = FLOATS[dtype]
    exact = Fraction(value)
    if exact == 0:
        return math.copysign(0.0, value)
    exponent = math.floor(math.log2(abs(exact))) if isinstance(value, float) else abs(int(value)).bit_length() - 1
    while Fraction(2) ** exponent > abs(exact):
        exponent -= 1
    while Fraction(2) ** (exponent + 1) <= abs(exact):
        exponent += 1
    unit = Fraction(2) ** (max(exponent, least) - digits + 1)
    out = Fraction(round(exact / unit)) * unit  # round() of a Fraction goes to even
    if abs(out) >= Fraction(2) ** (most + 1):
        return math.copysign(math.inf, out)
    return math.copysign(float(out), value)


def hard_numbers():
    source = random.Random(5)
    out = [0.1, -0.1, 1 / 3, math.pi, 1e-8, 65519.99, 65520.0, 3.39e38, 3.4e38, 1e-45, 6e-8, 2.98e-8, 1e300, 0.0, -0.0, 16777217.0]
    for digits in (11, 8, 24):  # beside the middle of two neighbours, by less than a narrower step sees
        for _ in range(20):
            tie = (2 * source.randrange(2**(digits - 1), 2**digits) + 1) * 2.0 ** source.randrange(-digits - 6, 4 - digits)
            out += [tie, tie * (1 + 2**-50), tie * (1 - 2**-50), -tie * (1 + 2**-50)]
    return out


WAYS = {
    "array": lambda v, t: jt.array(v, dtype=t), "list": lambda v, t: jt.array([v], dtype=t), "nested": lambda v, t: jt.array([[v, v]], dtype=t)[0, 1],
    "mixed": lambda v, t: jt.array([1, v], dtype=t)[1], "full": lambda v, t: jt.full((2,), v, dtype=t)[1],
    "full_like": lambda v, t: jt.full_like(jt.zeros((2,), dtype=t), v)[1], "tensor": lambda v, t: jt.Tensor(v, t),
    "add": lambda v, t: jt.zeros((2,), dtype=t)[0] + v if v or math.copysign(1, v) > 0 else -jt.zeros((), dtype=t),
    "mul": lambda v, t: v * jt.ones((2,), dtype=t)[0], "where": lambda v, t: jt.where(jt.array(True), v, jt.zeros((), dtype=t)),
    "maximum": lambda v, t: jt.maximum(jt.full((), -math.inf, dtype=t), v), "minimum": lambda v, t: jt.minimum(v, jt.full((), math.inf, dtype=t)),
    "clamp": lambda v, t: jt.clamp(jt.zeros((1,), dtype=t) - v * 0, v, v), "pad": lambda v, t: jt.pad(jt.zeros((1,), dtype=t), (1,), (0,), value=v)[0],
    "constant": lambda v, t: jt.init.constant((1,), v, t), "constant_": lambda v, t: jt.init.constant_(jt.zeros((1,), dtype=t), v),
    "assign": lambda v, t: jt.zeros((1,), dtype=t).assign([v]), "power": lambda v, t: jt.full((), v, dtype=t) ** 1,
    "slope": lambda v, t: -jt.leaky_relu(-jt.ones((1,), dtype=t), v) if v or math.copysign(1, v) > 0 else -jt.zeros((), dtype=t),
}


def stored(key):
    def way(v, t):
        x = jt.zeros((2, 2), dtype=t)
        x[key(x)] = v
        return x[0, 0]
    return way


WAYS.update({"item": stored(lambda x: (0, 0)), "row": stored(lambda x: 0), "slice": stored(lambda x: slice(None)), "index": stored(lambda x: jt.array([0, 1])),
             "mask": stored(lambda x: x == 0), "bools": stored(lambda x: [True, False])})


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_floats_are_rounded_once(dtype, way):
    if (way == "clamp" and dtype != "float64") or (way == "slope" and jt.DType(dtype).itemsize == 2):
        return  # an infinity times 0; a product, computed in float32
    for value in hard_numbers():
        wanted = rounded(value, dtype)
        got = WAYS[way](value, dtype).item()
        assert got == wanted and (got or math.copysign(1, got) == math.copysign(1, wanted)), (value, got, wanted)


@pytest.mark.parametrize("dtype", FLOATS)
def test_bounds_and_branches(dtype):
    x = jt.array([-1e3, 1e3], dtype=dtype)
    low, high = rounded(0.1, dtype), rounded(0.3, dtype)
    assert jt.clamp(x, 0.1, 0.3).tolist() == x.clamp(0.1, 0.3).tolist() == [low, high]
    assert jt.where(x > 0, x, 0.1).tolist() == [low, 1000] and jt.where(x > 0, 0.1, x).tolist() == [-1000, low] or dtype in ("float16", "bfloat16")
    assert jt.where(x > 0, 0.1, jt.array(0.3, dtype=dtype)).tolist() == [high, low]
    assert (x == 0.1).tolist() == [False, False] and (jt.array([0.1], dtype=dtype) == 0.1).tolist() == [True]


@pytest.mark.parametrize("dtype", FLOATS)
def test_integers_are_rounded_once(dtype):
    source = random.Random(3)
    values = [2**24 + 1, 2**53 + 1, -(2**53) - 1, 2**54 + 2**30 + 1, 2**63 - 1, -2**63, 2**64 - 1]
    values += [(2 * source.randrange(2**23, 2**24) + 1) * 2**38 + delta for _ in range(20) for delta in (-1, 0, 1)]
    values += [(2 * source.randrange(2**7, 2**8) + 1) * 2**54 + delta for _ in range(20) for delta in (-1, 0, 1)]
    for v in values:
        wanted = rounded(v, dtype)
        for name in ("array", "list", "mixed", "full", "item", "index", "mul", "pad"):
            if name == "pad" and dtype != "float64" and abs(v) > 2**53:
                continue  # its value is a double
            assert WAYS[name](v, dtype).item() == wanted, (name, v)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_floats_in_integers(dtype):
    low, high = INTEGERS[dtype]
    for value in (0.0, 1.0, 5.9, 100.0, 16777217.0, 2.0**52 + 1, 2.0**62, -1.9):
        for way in ("array", "list", "full", "item", "index", "mask"):
            if low <= int(value) <= high:
                assert WAYS[way](value, dtype).item() == int(value), (way, value)
            else:
                with pytest.raises(OverflowError):
                    WAYS[way](value, dtype)
    assert jt.array([high, low], dtype=dtype).tolist() == [high, low] and jt.array(float("1e2"), dtype=dtype).item() == 100
    for wrong in (math.nan, math.inf):
        with pytest.raises((ValueError, OverflowError)):
            jt.array([wrong], dtype=dtype)
    assert jt.array([0.5, 0.0, math.nan, 3], dtype="bool").tolist() == [True, False, True, True]


def test_comparisons_with_integers_outside():
    x = jt.array([0, 255], dtype="uint8")
    big, y = 2**70, jt.array([1, 2**62])
    assert (x == 300).tolist() == (x == -1).tolist() == [False] * 2 and (x < 300).tolist() == (x > -1).tolist() == (x != 256).tolist() == [True] * 2
    assert (y < big).tolist() == (y > -big).tolist() == (big > y).tolist() == (y != big).tolist() == [True] * 2 and (y == big).tolist() == [False] * 2
    with pytest.raises(OverflowError):
        x + 300


def test_what_lists_ask_for():
    assert jt.array([True]).dtype == "bool" and jt.array([True, 2]).dtype == "int64" and jt.array([True, 2, 0.5]).dtype == "float32"
    assert jt.array([2**63]).dtype == "uint64" and jt.array([]).dtype == "float32" and jt.array([], dtype="int8").dtype == "int8"
    assert jt.array([2**70, 0.5]).tolist()[1] == 0.5 and jt.array([[], []]).shape == (2, 0)
    with pytest.raises(OverflowError):
        jt.array([2**70])
    with pytest.raises(OverflowError):
        jt.array([-1, 2**63])


def test_numpy_names_int64(np):
    for t in ("int64", "uint64"):
        for made in (jt.ones((2,), dtype=t).numpy(), np.asarray(jt.ones((2,), dtype=t)), jt.ones((2,), dtype=t).numpy(copy=False), jt.ones((2,), dtype=t).data):
            assert made.dtype.char == np.dtype(t).char and made.dtype is np.dtype(t)
    assert jt.array(np.array([1, 2], dtype=np.longlong)).dtype == "int64"


@pytest.mark.parametrize("dtype", sorted(INTEGERS))
def test_numbers_beside_a_tensor_of_integers_are_never_wrapped(dtype):  # nor cut off at the last, nor rounded to a double
    least, most = INTEGERS[dtype]
    x, mask = jt.zeros(1, dtype=dtype), jt.array([True])
    ways = [lambda v: jt.pad(x, [1], [0], v)[:1], lambda v: jt.masked_fill(x, mask, v), lambda v: jt.reindex(x, [1], "i0+5", v)]
    for way in ways:
        for value in (0, 1, 100, least, most if most < 2**53 else 2**53 - 2):
            assert way(value).tolist() == [value]
        for value in (most + 1, least - 1, 2.0**70, -2.0**70, math.nan, math.inf, -math.inf):
            with pytest.raises((jt.DTypeError, OverflowError)):
                way(value).tolist()
        for value in (2**53 + 1, -2**60 - 1, 2**63 - 1):
            with pytest.raises((jt.DTypeError, OverflowError)):
                way(value).tolist()


def test_random_integers_are_those_that_were_asked_for():
    for low, high, dtype in ((0, 300, "int8"), (-1, 5, "uint8"), (0, 70000, "float16"), (0, 3, "bool"), (0, 2**40, "int32")):
        with pytest.raises(jt.DTypeError, match="is not a value of"):
            jt.randint(low, high, (5,), dtype=dtype)
    for n, dtype in ((2050, "float16"), (300, "bfloat16"), (3, "bool")):
        with pytest.raises(jt.DTypeError, match="does not tell"):
            jt.randperm(n, dtype)
    for n, dtype in ((200, "int8"), (257, "uint8")):
        with pytest.raises(OverflowError):
            jt.randperm(n, dtype)
    with pytest.raises(jt.ArgumentError, match="negative"):
        jt.randperm(-1)
    for n, dtype in ((0, "int8"), (1, "int8"), (128, "int8"), (256, "uint8"), (2049, "float16"), (257, "bfloat16"), (2, "bool"), (5000, "int64")):
        assert sorted(jt.randperm(n, dtype).to("int64").tolist()) == list(range(n))
