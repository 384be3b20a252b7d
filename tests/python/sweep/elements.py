"""elements: element-wise functions: every dtype, edge values, shapes, views, pairs of dtypes, numbers of Python."""
import itertools

import numpy as np

from compare import Bound
from table import Case, NAMES, rows
from values import DTYPES, FLOATS, INTEGERS, Operand, VIEWS, edges, filled, is_float, ordinary

EXACT, LIBRARY, COMPOSED = Bound(), Bound(ulp=4), Bound(ulp=6, relative=2e-7)
# name: operands, PyTorch's expression (None: none), NumPy's, how exact
TABLE = {
    "neg": (1, "-x", "np.negative(x)", EXACT),
    "abs": (1, "torch.abs(x)", "np.abs(x)", EXACT),
    "sign": (1, "torch.sign(x)", "np.sign(x)", EXACT),
    "square": (1, "torch.square(x)", "np.square(x)", EXACT),
    "reciprocal": (1, "torch.reciprocal(x)", "1 / x", EXACT),
    "exp": (1, "torch.exp(x)", "np.exp(x)", LIBRARY),
    "exp2": (1, "torch.exp2(x)", "np.exp2(x)", LIBRARY),
    "expm1": (1, "torch.expm1(x)", "np.expm1(x)", LIBRARY),
    "log": (1, "torch.log(x)", "np.log(x)", LIBRARY),
    "log2": (1, "torch.log2(x)", "np.log2(x)", LIBRARY),
    "log10": (1, "torch.log10(x)", "np.log10(x)", LIBRARY),
    "log1p": (1, "torch.log1p(x)", "np.log1p(x)", LIBRARY),
    "sqrt": (1, "torch.sqrt(x)", "np.sqrt(x)", EXACT),
    "rsqrt": (1, "torch.rsqrt(x)", "1 / np.sqrt(x)", LIBRARY),
    "cbrt": (1, None, "np.cbrt(x)", LIBRARY),
    "sin": (1, "torch.sin(x)", "np.sin(x)", LIBRARY),
    "cos": (1, "torch.cos(x)", "np.cos(x)", LIBRARY),
    "tan": (1, "torch.tan(x)", "np.tan(x)", LIBRARY),
    "asin": (1, "torch.asin(x)", "np.arcsin(x)", LIBRARY),
    "acos": (1, "torch.acos(x)", "np.arccos(x)", LIBRARY),
    "atan": (1, "torch.atan(x)", "np.arctan(x)", LIBRARY),
    "sinh": (1, "torch.sinh(x)", "np.sinh(x)", LIBRARY),
    "cosh": (1, "torch.cosh(x)", "np.cosh(x)", LIBRARY),
    "tanh": (1, "torch.tanh(x)", "np.tanh(x)", LIBRARY),
    "asinh": (1, "torch.asinh(x)", "np.arcsinh(x)", LIBRARY),
    "acosh": (1, "torch.acosh(x)", "np.arccosh(x)", LIBRARY),
    "atanh": (1, "torch.atanh(x)", "np.arctanh(x)", LIBRARY),
    "erf": (1, "torch.erf(x)", None, LIBRARY),
    "sigmoid": (1, "torch.sigmoid(x)", "1 / (1 + np.exp(-x))", LIBRARY),
    "relu": (1, "torch.relu(x)", "np.where(x < 0, x * 0, x)", Bound(zero_sign=False)),
    "floor": (1, "torch.floor(x)", "np.floor(x)", EXACT),
    "ceil": (1, "torch.ceil(x)", "np.ceil(x)", EXACT),
    "round": (1, "torch.round(x)", "np.rint(x)", EXACT),
    "trunc": (1, "torch.trunc(x)", "np.trunc(x)", EXACT),
    "isnan": (1, "torch.isnan(x)", "np.isnan(x)", EXACT),
    "isinf": (1, "torch.isinf(x)", "np.isinf(x)", EXACT),
    "isfinite": (1, "torch.isfinite(x)", "np.isfinite(x)", EXACT),
    "logical_not": (1, "torch.logical_not(x)", "np.logical_not(x)", EXACT),
    "bitwise_not": (1, "torch.bitwise_not(x)", "np.bitwise_not(x)", EXACT),
    "add": (2, "x + y", "x + y", EXACT),
    "sub": (2, "x - y", "x - y", EXACT),
    "mul": (2, "x * y", "x * y", EXACT),
    "div": (2, "x / y", "x / y", EXACT),
    "floor_div": (2, "torch.floor_divide(x, y)", "np.floor_divide(x, y)", EXACT),
    "mod": (2, "torch.remainder(x, y)", "np.mod(x, y)", EXACT),
    "pow": (2, "torch.pow(x, y)", "np.power(x, y)", LIBRARY),
    "maximum": (2, "torch.maximum(x, y)", "np.maximum(x, y)", Bound(zero_sign=False)),
    "minimum": (2, "torch.minimum(x, y)", "np.minimum(x, y)", Bound(zero_sign=False)),
    "atan2": (2, "torch.atan2(x, y)", "np.arctan2(x, y)", LIBRARY),
    "hypot": (2, "torch.hypot(x, y)", "np.hypot(x, y)", LIBRARY),
    "logaddexp": (2, "torch.logaddexp(x, y)", "np.logaddexp(x, y)", COMPOSED),
    "xlogy": (2, "torch.xlogy(x, y)", None, Bound(ulp=6, relative=2e-7, zero_sign=False)),
    "fmod": (2, "torch.fmod(x, y)", "np.fmod(x, y)", EXACT),
    "isclose": (2, "torch.isclose(x, y)", "np.isclose(x, y)", EXACT),
    "nan_to_num": (1, "torch.nan_to_num(x)", "np.nan_to_num(x)", EXACT),
    "lerp": (3, "torch.lerp(x, y, w)", None, Bound(ulp=6, relative=2e-7, zero_sign=False)),
    "copysign": (2, "torch.copysign(x, y)", "np.copysign(x, y)", EXACT),
    "equal": (2, "torch.eq(x, y)", "np.equal(x, y)", EXACT),
    "not_equal": (2, "torch.ne(x, y)", "np.not_equal(x, y)", EXACT),
    "less": (2, "torch.lt(x, y)", "np.less(x, y)", EXACT),
    "less_equal": (2, "torch.le(x, y)", "np.less_equal(x, y)", EXACT),
    "greater": (2, "torch.gt(x, y)", "np.greater(x, y)", EXACT),
    "greater_equal": (2, "torch.ge(x, y)", "np.greater_equal(x, y)", EXACT),
    "logical_and": (2, "torch.logical_and(x, y)", "np.logical_and(x, y)", EXACT),
    "logical_or": (2, "torch.logical_or(x, y)", "np.logical_or(x, y)", EXACT),
    "logical_xor": (2, "torch.logical_xor(x, y)", "np.logical_xor(x, y)", EXACT),
    "bitwise_and": (2, "torch.bitwise_and(x, y)", "np.bitwise_and(x, y)", EXACT),
    "bitwise_or": (2, "torch.bitwise_or(x, y)", "np.bitwise_or(x, y)", EXACT),
    "bitwise_xor": (2, "torch.bitwise_xor(x, y)", "np.bitwise_xor(x, y)", EXACT),
    "shift_left": (2, "torch.bitwise_left_shift(x, y)", "np.left_shift(x, y)", EXACT),
    "shift_right": (2, "torch.bitwise_right_shift(x, y)", "np.right_shift(x, y)", EXACT),
    "where": (3, "torch.where(x != 0, y, w)", "np.where(x != 0, y, w)", EXACT),
    "clamp": (3, "torch.clamp(x, y, w)", "np.minimum(np.maximum(x, y), w)", Bound(zero_sign=False)),
    "fma": (3, "torch.addcmul(w, x, y)", None, Bound(ulp=1)),
    # Composite functions of one operand.
    "gelu": (1, "F.gelu(x)", None, COMPOSED),
    "silu": (1, "F.silu(x)", None, COMPOSED),
    "softplus": (1, "F.softplus(x)", None, COMPOSED),
    "gelu_tanh": (1, "F.gelu(x, approximate='tanh')", None, COMPOSED),
    "leaky_relu": (1, "F.leaky_relu(x)", None, COMPOSED),
    "elu": (1, "F.elu(x)", None, COMPOSED),
    "celu": (1, "F.celu(x)", None, COMPOSED),
    "selu": (1, "F.selu(x)", None, COMPOSED),
    "hardtanh": (1, "F.hardtanh(x)", None, COMPOSED),
    "hardsigmoid": (1, "F.hardsigmoid(x)", None, COMPOSED),
    "hardswish": (1, "F.hardswish(x)", None, COMPOSED),
    "mish": (1, "F.mish(x)", None, COMPOSED),
    "log_sigmoid": (1, "F.logsigmoid(x)", None, COMPOSED),
}
HAS_OPTION = {
    "leaky_relu": ("slope", ["0.2", "-0.5", "0"], "F.leaky_relu(x, {})"),
    "elu": ("alpha", ["0.5", "2"], "F.elu(x, {})"),
    "celu": ("alpha", ["0.5", "2"], "F.celu(x, {})"),
    "gelu": ("approximate", ["'tanh'", "'none'"], "F.gelu(x, approximate={})"),
    "softplus": ("beta", ["0.5, threshold=2.0", "3.0, threshold=20.0"], "F.softplus(x, {})"),
}
OPERATORS = {"__add__": "x + y", "__sub__": "x - y", "__mul__": "x * y", "__truediv__": "x / y", "__floordiv__": "x // y", "__mod__": "x % y",
             "__pow__": "x ** y", "__and__": "x & y", "__or__": "x | y", "__xor__": "x ^ y", "__lshift__": "x << y", "__rshift__": "x >> y",
             "__lt__": "x < y", "__le__": "x <= y", "__gt__": "x > y", "__ge__": "x >= y", "__eq__": "x == y", "__ne__": "x != y"}
SHAPES = [(), (0,), (1,), (7,), (2, 3), (2, 0, 3), (1, 1), (3, 5, 2)]
BROADCASTS = [((3, 1), (1, 4)), ((), (3,)), ((2, 3), (3,)), ((0, 3), (1, 3)), ((1,), (0,)), ((2, 1, 3), (4, 1)), ((), ()), ((5,), (1, 5))]


def halves(bound, dtype):
    """What is computed in f32 and rounded once is off by one place at most."""
    return Bound(min(bound.ulp, 1), bound.relative, bound.zero_sign) if dtype in ("float16", "bfloat16") else bound


def case(name, operands, bound, jt=None, torch="", numpy="", **more):
    n, its_torch, its_numpy, _ = TABLE[name]
    call = jt or f"jt.{name}({', '.join(NAMES[:n])})"
    return Case(name, call, operands, torch or its_torch, numpy or its_numpy, bound, **more)


def edge_operands(n, dtypes):
    lists = [edges(d) for d in dtypes]
    if n == 3:  # not every triple: a third of the values in each place
        lists = [values[i::2] if len(values) > 12 else values for i, values in enumerate(lists)]
    grid = np.array(list(itertools.product(*[range(len(v)) for v in lists])))
    return [Operand(values[grid[:, i]], d) for i, (values, d) in enumerate(zip(lists, dtypes))]


def unary_cases(name):
    n, _, _, bound = TABLE[name]

    def make(whole):
        for dtype in DTYPES:
            types = [("bool" if name == "where" and i == 0 else dtype) for i in range(n)]
            yield case(name, edge_operands(n, types), halves(bound, dtype), tags="edges")
        for dtype in (DTYPES if whole else ["float32", "int32"]):
            for shape in SHAPES:
                yield case(name, [Operand(filled(ordinary(dtype, 23, i), shape, i), dtype) for i in range(n)], halves(bound, dtype))
        for view in VIEWS[1:]:
            for dtype in (FLOATS + ["int64", "uint8"] if whole else ["float32"]):
                yield case(name, [Operand(filled(ordinary(dtype, 23, i), (3, 4), i), dtype, view) for i in range(n)], halves(bound, dtype))
        if name in HAS_OPTION:
            option, values, torch = HAS_OPTION[name]
            for value in values:
                for dtype in FLOATS:
                    yield case(name, [Operand(edges(dtype), dtype)], halves(bound, dtype), f"jt.{name}(x, {option}={value})", torch.format(value))
        method = ", ".join(NAMES[1:n])
        yield case(name, [Operand(ordinary("float32", 5, i), "float32") for i in range(n)], bound, f"x.{name}({method})", tags="method")
    return make


def broadcast_cases(name):
    n, _, _, bound = TABLE[name]

    def make(whole):
        for shapes in BROADCASTS:
            shapes = (shapes + ((1,) if n == 3 else ()))[:n]
            for dtype in (["float32", "float64", "int32", "bool"] if whole else ["float32"]):
                yield case(name, [Operand(filled(ordinary(dtype, 23, i), s, i), dtype) for i, s in enumerate(shapes)], bound)
        pairs = list(itertools.product(DTYPES, DTYPES)) if whole else [("float16", "bfloat16"), ("int32", "float16"), ("uint8", "int8"),
                                                                        ("bool", "int32"), ("float32", "float64"), ("int64", "uint64")]
        for a, b in pairs:
            if a != b:
                types = [a, b] if n == 2 else ["bool" if name == "where" else a, a, b]
                operands = [Operand(ordinary(t, 6, i), t) for i, t in enumerate(types)]
                yield case(name, operands, halves(bound, np.result_type(1.0) if not is_float(a) else a), tags="mixed")
        if n == 2:
            for dtype in DTYPES:
                for number in ("2", "-3", "0", "2.5", "True", "float('inf')"):
                    x = Operand(ordinary(dtype, 6, 1), dtype)
                    for text in (f"(x, {number})", f"({number}, x)"):
                        torch, numpy = TABLE[name][1:3]
                        torch = None if torch is None else swapped(torch, number, text)
                        yield case(name, [x], halves(bound, dtype), f"jt.{name}{text}", torch, None if numpy is None else swapped(numpy, number, text),
                                   tags="number")
    return make


def swapped(expression, number, text):
    """The expression in x and y with a number for one of them."""
    import re
    first, second = (("x", number) if text.startswith("(x") else (number, "x"))
    return re.sub(r"\b([xy])\b", lambda found: first if found[0] == "x" else second, expression)


def operator_cases(name):
    expression = OPERATORS[name]

    def make(whole):
        for dtype in DTYPES:
            yield Case("Tensor." + name, expression, [Operand(ordinary(dtype, 9, i), dtype) for i in range(2)], expression, expression,
                       halves(Bound(ulp=4) if name == "__pow__" else EXACT, dtype))
        for number in ("2", "2.5", "True"):
            for dtype in DTYPES:
                text = expression.replace("y", number)
                yield Case("Tensor." + name, text, [Operand(ordinary(dtype, 9), dtype)], text, text,
                           halves(Bound(ulp=4) if name == "__pow__" else EXACT, dtype), tags="number")
    return make


def reversed_cases(name):
    expression = OPERATORS["__" + name[3:]]

    def make(whole):
        for number in ("2", "2.5", "True"):
            for dtype in DTYPES:
                text = expression.replace("x", number).replace("y", "x")
                yield Case("Tensor." + name, text, [Operand(ordinary(dtype, 9), dtype)], text, text,
                           halves(Bound(ulp=4) if "pow" in name else EXACT, dtype), tags="number")
    return make


for entry, (operands, *_) in TABLE.items():
    rows(entry, unary_cases(entry), *([broadcast_cases(entry)] if operands > 1 else []))
for entry in OPERATORS:
    rows("Tensor." + entry, operator_cases(entry))
for entry in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor", "lshift", "rshift"):
    rows(f"Tensor.__r{entry}__", reversed_cases(f"__r{entry}__"))


def singles(whole):
    for dtype in DTYPES:
        for name, text in (("__neg__", "-x"), ("__pos__", "+x"), ("__abs__", "abs(x)"), ("__invert__", "~x")):
            yield Case("Tensor." + name, text, [Operand(edges(dtype), dtype)], text, text)


for entry in ("__neg__", "__pos__", "__abs__", "__invert__"):
    rows("Tensor." + entry, lambda whole, entry=entry: (c for c in singles(whole) if c.name == "Tensor." + entry))
