"""Every op row through Python: reference vectors of tests/ops and tests/ir, and finite differences."""
import array
import math
import os
import pathlib
import re
import struct

import pytest

import jt

TESTS = pathlib.Path(__file__).resolve().parents[1]
FORMATS = {"bool": "?", "i8": "b", "i16": "h", "i32": "i", "i64": "q", "u8": "B", "u16": "H", "u32": "I", "u64": "Q", "f16": "e",
           "f32": "f", "f64": "d"}


def bits_of(x):
    data, size = jt._C.to_bytes(x), x.itemsize
    return [int.from_bytes(data[i:i + size], "little") for i in range(0, len(data), size)]


def from_bits(words, dtype, shape):
    size = jt.DType(dtype).itemsize
    return jt._C.from_bytes(b"".join(w.to_bytes(size, "little") for w in words), dtype, shape)


def distance(dtype, a, b):
    """Units in the last place; 0 for two NaNs; infinite where an integer or a zero's sign differs."""
    if a == b:
        return 0
    kind = jt.DType(dtype)
    if not kind.is_floating_point:
        return math.inf
    bits = kind.itemsize * 8
    infinity = {"float16": 0x7C00, "bfloat16": 0x7F80, "float32": 0x7F800000, "float64": 0x7FF0000000000000}[kind]
    sign = 1 << (bits - 1)
    nan_a, nan_b = (a & ~sign) > infinity, (b & ~sign) > infinity
    if nan_a or nan_b:
        return 0 if nan_a and nan_b else math.inf
    ordered = [-(v & ~sign) if v & sign else v for v in (a, b)]
    return max(1, abs(ordered[0] - ordered[1]))


ROWS = [line.split() for line in (TESTS / "ops/vectors.txt").read_text().splitlines() if not line.startswith("#")]


REDUCTIONS = {"sum", "prod", "max", "min", "any", "all", "argmax", "argmin"}


def test_there_are_vectors_for_every_element_row():
    assert len(ROWS) > 900 // 2 and {"add", "cast", "sum", "where"} <= {row[0] for row in ROWS}


@pytest.mark.parametrize("op", sorted({row[0] for row in ROWS}))
def test_element_cast_and_reduce_rows(op):
    assert any(row[5:] for row in ROWS if row[0] == op)
    for _, types, _, result, bound, *cases in (row for row in ROWS if row[0] == op):
        types, bound = types.split(","), int(bound.rstrip(":"))
        cases = [[int(word, 16) for word in case.split(",")] for case in cases]
        if not cases or not cases[0]:
            continue
        if op in REDUCTIONS:  # 24 elements [4,6], then over axis 0, over axis 1, over both
            words = [case[0] for case in cases]
            for at in range(0, len(words) // 35 * 35, 35):
                x = from_bits(words[at:at + 24], types[0], (4, 6))
                for axes, begin, end in ((0, 24, 30), (1, 30, 34), ((), 34, 35)):
                    got = getattr(jt.ops, op)(x, axes)
                    assert got.dtype is jt.DType(result)
                    for bits, want in zip(bits_of(got), words[at + begin:at + end]):
                        assert distance(result, bits, want) <= bound, (op, types, axes)
            continue
        operands = [from_bits([case[i] for case in cases], t, (len(cases),)) for i, t in enumerate(types)]
        got = operands[0].cast(result) if op == "cast" else getattr(jt.ops, op)(*operands)
        assert got.dtype is jt.DType(result)
        for i, bits in enumerate(bits_of(got)):
            assert distance(result, bits, cases[i][-1]) <= bound, (op, types, cases[i])


# ---- graphs of tests/ir: their text, applied op by op

def parsed_value(words):
    dtype, shape = re.fullmatch(r"(\w+)\[(.*)\]", words[0]).groups()
    shape = tuple(int(n) for n in shape.split(",")) if shape else ()
    bound = 0.0
    if len(words) > 1 and words[1].startswith("~"):
        bound, words = float(words[1][1:]), words[1:]
    numbers = [float(w) if dtype[0] in "fb" and dtype != "bool" else int(w) for w in words[1:]]
    if dtype == "bf16":
        return jt.array(numbers, "f32").reshape(shape).cast("bf16"), bound
    data = struct.pack(f"<{len(numbers)}{FORMATS[dtype]}", *numbers)
    return jt._C.from_bytes(data, dtype, shape), bound


def parsed_attr(text):
    if text.startswith("["):
        return [int(n) for n in text[1:-1].split(",")] if text != "[]" else []
    if text.startswith('"'):
        return text[1:-1]
    if text in ("inf", "-inf"):
        return float(text)
    if text in ("true", "false"):
        return text == "true"
    return float(text) if re.fullmatch(r"-?[\d.]+(e[+-]?\d+)?", text) and "." in text else int(text) if re.fullmatch(r"-?\d+", text) else text


# What these rows give outside of an extent, which is an error unless nothing is checked.
OUTSIDE = {"take", "scatter_add", "scatter set", "scatter add", "scatter mul", "scatter max", "scatter min", "embedding", "one_hot", "nll"}
IS_CHECKED = os.environ.get("JT_CHECK") != "0"


def cases():
    blocks = re.split(r"^case ", (TESTS / "ir/data/vectors.txt").read_text(), flags=re.M)[1:]
    return [(block.splitlines()[0], block.splitlines()[1:]) for block in blocks]


def run_case(lines):
    values, inputs, wanted, results, constants = {}, [], [], [], []
    steps = []
    for line in lines:
        words = line.split()
        if not words:
            continue
        if words[0] == "in":
            inputs.append(parsed_value(words[1:])[0])
        elif words[0] == "out":
            wanted.append(parsed_value(words[1:]))
        elif words[0] == "return":
            results = [w.rstrip(",") for w in words[1:]]
        elif " = " in line:
            steps.append(line)
    values.update({f"%{i}": x for i, x in enumerate(inputs)})
    for line in steps:
        match = re.fullmatch(r"\s*([%\w, ]+?) = (\w+)((?: %\w+)*)\s*(?:\{(.*)\})?", line)
        if not match:
            return None
        names, op, operands, attrs = match.groups()
        pairs = re.findall(r'(\w+)=(\[[^\]]*\]|"[^"]*"|[^,]+)', attrs or "")
        operands = [values[name] for name in operands.split()]
        function = getattr(jt.ops, op, None)
        if function is None:
            return None
        keywords = {name: parsed_attr(value) for name, value in pairs}
        out = function(operands, **keywords) if op in ("concat", "stack") else function(*operands, **keywords)
        values.update(zip([n.strip() for n in names.split(",")], out if isinstance(out, tuple) else [out]))
    return [values[name] for name in results], wanted


@pytest.mark.parametrize("name, lines", cases(), ids=[name for name, _ in cases()])
def test_graphs(name, lines):
    done = run_case(lines)
    if done is None:
        pytest.skip("more than ops applied to values")
    if name in OUTSIDE and IS_CHECKED:
        with pytest.raises(jt.errors.IndexRangeError):
            [got.tolist() for got in done[0]]
        return
    assert len(done[0]) == len(done[1]) > 0
    for got, (want, bound) in zip(*done):
        assert got.dtype is want.dtype and got.shape == want.shape
        if not bound:
            assert jt._C.to_bytes(got) == jt._C.to_bytes(want) or got.dtype.is_floating_point and all(
                a == b or (a != a and b != b) for a, b in zip(got.reshape(-1).tolist(), want.reshape(-1).tolist()))
        for a, b in zip(got.double().reshape(-1).tolist(), want.double().reshape(-1).tolist()):
            assert (a != a and b != b) or abs(a - b) <= (bound or 1e-12) * (1 + abs(b)) or a == b


def test_most_graphs_are_applied():
    assert sum(run_case(lines) is not None for _, lines in cases()) >= 0.7 * len(cases())


# ---- gradients

UNARY = {"exp": (-1, 1), "log": (0.5, 2), "sqrt": (0.5, 2), "tanh": (-1, 1), "sin": (-1, 1), "sigmoid": (-2, 2), "erf": (-1, 1),
         "gelu": (-1, 1), "silu": (-1, 1), "softplus": (-1, 1), "square": (-2, 2), "reciprocal": (0.5, 2), "rsqrt": (0.5, 2)}
COMPOSED = {
    "matmul": (lambda x, y: x @ y, (3, 4), (4, 2)), "broadcast": (lambda x, y: x * y + x / y, (2, 1, 3), (4, 1)),
    "softmax": (lambda x, y: jt.softmax(x, 1) * y, (3, 4), (3, 4)), "sum": (lambda x, y: x.sum(0) * y, (3, 4), (4,)),
    "index": (lambda x, y: x[1:, ::-1] * y, (3, 4), (2, 4)), "concat": (lambda x, y: jt.concat([x, y], 0) ** 2, (2, 3), (1, 3)),
    "conv2d": (lambda x, y: jt.conv2d(x, y, padding=1), (1, 2, 4, 4), (3, 2, 3, 3)), "norm": (lambda x, y: x.norm() * y, (4,), (2,)),
    "max_pool2d": (lambda x, y: jt.max_pool2d(x, 2, 2)[0] * y, (1, 1, 4, 4), (2, 2)), "var": (lambda x, y: x.var(1) * y, (3, 4), (3,))}


def check_gradient(function, inputs):
    weights = jt.randn(*function(*inputs).shape, dtype="float64")
    analytic = jt.grad((function(*inputs) * weights).sum(), list(inputs))
    for x, g in zip(inputs, analytic):
        flat, slopes = x.reshape(-1).tolist(), g.reshape(-1).tolist()
        for i in range(len(flat)):
            ends = []
            for step in (1e-5, -1e-5):
                moved = jt._C.from_bytes(struct.pack(f"<{len(flat)}d", *(flat[:i] + [flat[i] + step] + flat[i + 1:])), "float64", x.shape)
                ends.append((function(*[moved if y is x else y for y in inputs]) * weights).sum().item())
            assert (ends[0] - ends[1]) / 2e-5 == pytest.approx(slopes[i], rel=1e-5, abs=1e-7)


def parameter(shape, low=0.5, high=1.5):
    return jt.uniform(shape, low, high, "float64").requires_grad_()


@pytest.mark.parametrize("op", UNARY)
def test_gradients_of_unary_rows(op):
    check_gradient(getattr(jt.ops, op), [parameter((5,), *UNARY[op])])


@pytest.mark.parametrize("name", COMPOSED)
def test_gradients_of_compositions(name):
    function, *shapes = COMPOSED[name]
    check_gradient(function, [parameter(shape) for shape in shapes])


# ---- gradients at the edges of domains: PyTorch's, see tests/grad/make_edges.py

EDGES = [line.split() for line in (TESTS / "grad/edges.txt").read_text().splitlines()]


def vector(word):
    dtype, data = word[:-1].split("[")
    return jt.array(array.array("d", [float(v) for v in data.split(",") if v])).to({"": "float64", "i64": "int64", "bool": "bool"}[dtype])


@pytest.mark.parametrize("op", sorted({words[0] for words in EDGES}))
def test_gradients_at_edges(op):
    for words in (words for words in EDGES if words[0] == op):
        attrs = dict(pair.split("=") for word in words if word[0] == "{" for pair in word[1:-1].split(","))
        operands = [vector(word) for word in words[1:words.index(":")] if word[0] != "{"]
        real = [x for x in operands if x.dtype is jt.float64]
        for x in real:
            x.requires_grad = True
        z = getattr(jt.ops, op)(*operands, **{k: int(v) if v.lstrip("-").isdigit() else float(v) for k, v in attrs.items()})
        ramp = jt.arange(1, z.size + 1).double().reshape(z.shape)
        for got, want in zip(jt.grad((z * ramp).sum(), real), words[words.index(":") + 1:]):
            for a, b in zip(got.tolist(), vector(want).tolist()):
                assert (a != a and b != b) or a == pytest.approx(b, rel=1e-9, abs=0), " ".join(words)
