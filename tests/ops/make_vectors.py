#!/usr/bin/env python3
"""Reference vectors of element, cast and reduce rows: make_vectors.py > vectors.txt. Needs mpmath; shares no code with jt.

A line is `op operands -> result bound: cases`; operands and result are dtypes, bound is in units of the last place of the
result. A case is the operands' bits and the result's, as hex; of a reduction, the bits of a 4 x 6 matrix, then the results
over axis 0, axis 1 and both. Exact rows (bound 0) are computed with Python's integers, fractions and IEEE doubles, others
with 60 digits and rounded once.
"""
import math
import random
from fractions import Fraction

import mpmath

mpmath.mp.dps = 60
FLOATS = {"f16": (11, -14, 15), "bf16": (8, -126, 127), "f32": (24, -126, 127), "f64": (53, -1022, 1023)}
BITS = {"bool": 8, "i8": 8, "i16": 16, "i32": 32, "i64": 64, "u8": 8, "u16": 16, "u32": 32, "u64": 64,
        "f16": 16, "bf16": 16, "f32": 32, "f64": 64}
INTS = ["i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64"]
NAN, INF = float("nan"), float("inf")
rng = random.Random()  # seeded for each line by its row and dtype: a new row changes no other line


# ---- numbers and their bits ------------------------------------------------------------------------------------------

def encode_fraction(v, negative, t):
    """Bits of |v| rounded to nearest, halves to even."""
    p, emin, emax = FLOATS[t]
    sign = int(negative) << (BITS[t] - 1)
    if v == 0:
        return sign
    v = abs(v)
    e = v.numerator.bit_length() - v.denominator.bit_length()
    if Fraction(2) ** e > v:
        e -= 1
    e = max(e, emin)
    q = v / Fraction(2) ** (e - p + 1)
    n = q.numerator // q.denominator
    rest = q - n
    n += rest > Fraction(1, 2) or (rest == Fraction(1, 2) and n & 1)
    if n == 1 << p:
        n, e = n >> 1, e + 1
    if e > emax:
        return sign | ((emax - emin + 2) << (p - 1))
    biased = e - emin + 1 if n >> (p - 1) else 0
    return sign | biased << (p - 1) | (n & ((1 << (p - 1)) - 1))


def encode(v, t):
    if t in FLOATS:
        p, emin, emax = FLOATS[t]
        if isinstance(v, mpmath.mpf) and mpmath.isfinite(v):
            sign, man, exp, _ = v._mpf_
            return encode_fraction(Fraction(int(man)) * Fraction(2) ** int(exp), sign, t)
        if isinstance(v, mpmath.mpf):
            v = float(v)
        if isinstance(v, float) and math.isnan(v):
            return (emax - emin + 2) << (p - 1) | 1 << (p - 2)
        if isinstance(v, float) and math.isinf(v):
            return int(v < 0) << (BITS[t] - 1) | (emax - emin + 2) << (p - 1)
        negative = math.copysign(1, v) < 0 if isinstance(v, float) else v < 0
        return encode_fraction(Fraction(v), negative, t)
    if t == "bool":
        return int(bool(v))
    return int(v) & ((1 << BITS[t]) - 1)


def decode(bits, t):
    if t in FLOATS:
        p, emin, emax = FLOATS[t]
        s = -1.0 if bits >> (BITS[t] - 1) else 1.0
        e, f = bits >> (p - 1) & (emax - emin + 2 | 1), bits & ((1 << (p - 1)) - 1)
        e = bits >> (p - 1) & ((1 << (BITS[t] - p)) - 1)
        if e == (1 << (BITS[t] - p)) - 1:
            return NAN if f else s * INF
        return s * math.ldexp(f | (1 << (p - 1) if e else 0), max(e, 1) + emin - p)
    if t[0] == "i" and bits >> (BITS[t] - 1):
        return bits - (1 << BITS[t])
    return bits


def rounded(v, t):
    return decode(encode(v, t), t)


def computed(t):
    return "f64" if t == "f64" else "f32"


# ---- rows ------------------------------------------------------------------------------------------------------------

def div(x, y):
    if y == 0 or math.isnan(x) or math.isnan(y):
        return NAN if x == 0 or x != x or y != y else math.copysign(INF, x) * math.copysign(1, y)
    return x / y


def mul(x, y):
    return x * y


def fmod(x, y, t):
    if y == 0 or math.isinf(x) or x != x or y != y:
        return NAN
    r = math.fmod(x, y)
    return rounded(r + y, t) if r != 0 and (r < 0) != (y < 0) else (r if r else math.copysign(0.0, y))


def floor_div(x, y, t):
    """NumPy's: from the remainder, which is exact, so that 1 // 0.1 is 9; step by step in t."""
    if y == 0 or x != x or y != y:
        return div(x, y)
    if math.isinf(x):
        return NAN
    r = math.fmod(x, y)
    q = rounded(rounded(x - r, t) / y, t)
    if r and (r < 0) != (y < 0):
        q = rounded(q - 1, t)
    if q == 0 or not math.isfinite(q):
        return q if q else math.copysign(0.0, div(x, y))
    n = float(math.floor(q))
    return rounded(n + 1, t) if q - n > 0.5 else n


def pick(x, y, keep_y):
    return NAN if isinstance(x, float) and (x != x or y != y) else y if keep_y else x


def ipow(x, y):
    if y < 0:
        return x ** (-y % 2) if abs(x) == 1 else 0
    return pow(x, y, 1 << 64) if x >= 0 else (-1) ** (y % 2) * pow(-x, y, 1 << 64)


def whole(f):
    return lambda x, t: x if not isinstance(x, float) or not math.isfinite(x) else math.copysign(float(f(x)), x)


def isqrt(x, t):
    return NAN if x < 0 or x != x else math.sqrt(x)


# Exact rows: f(operands.., compute dtype) for floats and integers alike.
UNARY = {
    "neg": lambda x, t: -x,
    "abs": lambda x, t: abs(x),
    "sign": lambda x, t: x if x != x or x == 0 else type(x)((x > 0) - (x < 0)),  # keeps -0, as StableHLO's
    "square": lambda x, t: x * x,
    "reciprocal": lambda x, t: div(1.0, x),
    "sqrt": isqrt,
    "relu": lambda x, t: type(x)(0) if x < 0 else x,
    "floor": whole(math.floor), "ceil": whole(math.ceil), "trunc": whole(math.trunc), "round": whole(round),
    "isnan": lambda x, t: x != x,
    "isinf": lambda x, t: isinstance(x, float) and math.isinf(x),
    "isfinite": lambda x, t: not isinstance(x, float) or math.isfinite(x),
    "logical_not": lambda x, t: not x,
    "bitwise_not": lambda x, t: not x if t == "bool" else ~x,
}
BINARY = {
    "add": lambda x, y, t: x + y, "sub": lambda x, y, t: x - y, "mul": lambda x, y, t: mul(x, y),
    "div": lambda x, y, t: div(x, y),
    "floor_div": lambda x, y, t: floor_div(x, y, computed(t)) if isinstance(x, float) else x // y if y else 0,
    "mod": lambda x, y, t: fmod(x, y, computed(t)) if isinstance(x, float) else x % y if y else 0,
    "maximum": lambda x, y, t: pick(x, y, y > x), "minimum": lambda x, y, t: pick(x, y, y < x),
    "copysign": lambda x, y, t: math.copysign(x, y),
    "equal": lambda x, y, t: x == y, "not_equal": lambda x, y, t: x != y, "less": lambda x, y, t: x < y,
    "less_equal": lambda x, y, t: x <= y, "greater": lambda x, y, t: x > y, "greater_equal": lambda x, y, t: x >= y,
    "logical_and": lambda x, y, t: bool(x) and bool(y), "logical_or": lambda x, y, t: bool(x) or bool(y),
    "logical_xor": lambda x, y, t: bool(x) != bool(y),
    "bitwise_and": lambda x, y, t: x & y, "bitwise_or": lambda x, y, t: x | y, "bitwise_xor": lambda x, y, t: x ^ y,
    "shift_left": lambda x, y, t: x << y, "shift_right": lambda x, y, t: x >> y,
}
# Others: exact to 60 digits; the bounds for f32 and f64; the range that operands are drawn from. Half floats are computed
# as f32: one unit. `ops_test vectors.txt vm measure` prints the largest distance seen.
m = mpmath
INEXACT = {
    "exp": (m.exp, 2, 2, -80, 80), "exp2": (lambda x: m.mpf(2) ** x, 1, 1, -120, 120), "expm1": (m.expm1, 1, 1, -20, 80),
    "log": (m.log, 2, 2, 1e-30, 1e30), "log2": (lambda x: m.log(x, 2), 1, 1, 1e-30, 1e30),
    "log10": (m.log10, 2, 2, 1e-30, 1e30), "log1p": (m.log1p, 1, 1, -0.99, 1e20), "rsqrt": (lambda x: 1 / m.sqrt(x), 1, 1, 1e-30, 1e30),
    "cbrt": (lambda x: m.sign(x) * m.cbrt(abs(x)), 1, 4, -1e20, 1e20), "sin": (m.sin, 2, 2, -100, 100), "cos": (m.cos, 2, 2, -100, 100),
    "tan": (m.tan, 1, 1, -100, 100), "asin": (m.asin, 1, 1, -1, 1), "acos": (m.acos, 1, 1, -1, 1), "atan": (m.atan, 1, 1, -1e9, 1e9),
    "sinh": (m.sinh, 2, 2, -80, 80), "cosh": (m.cosh, 2, 2, -80, 80), "tanh": (m.tanh, 2, 2, -20, 20),
    "asinh": (m.asinh, 2, 2, -1e9, 1e9), "acosh": (m.acosh, 2, 2, 1, 1e9), "atanh": (m.atanh, 2, 2, -0.999, 0.999),
    "erf": (m.erf, 2, 2, -5, 5), "sigmoid": (lambda x: 1 / (1 + m.exp(-x)), 2, 2, -60, 60),
}
INEXACT2 = {
    "pow": (lambda x, y: x ** y, 1, 1, (0.01, 30), (-8, 8)), "atan2": (m.atan2, 1, 1, (-50, 50), (-50, 50)),
    "hypot": (m.hypot, 1, 1, (-1e9, 1e9), (-1e9, 1e9)),
}
NUMBERS = ["f16", "bf16", "f32", "f64"] + INTS
TYPES = {
    "reciprocal": list(FLOATS), "sqrt": list(FLOATS), "div": list(FLOATS), "copysign": list(FLOATS),
    "logical_not": ["bool", "i32", "f32"], "logical_and": ["bool", "i32", "f32"], "logical_or": ["bool", "i32", "f32"],
    "logical_xor": ["bool", "i32", "f32"],
    **{op: ["bool"] + INTS for op in ["bitwise_not", "bitwise_and", "bitwise_or", "bitwise_xor"]},
    "shift_left": INTS, "shift_right": INTS,
    **{op: ["bool"] + NUMBERS for op in ["isnan", "isinf", "isfinite", "maximum", "minimum", "equal", "not_equal", "less",
                                         "less_equal", "greater", "greater_equal"]},
}
BOOLEAN = {"isnan", "isinf", "isfinite", "logical_not", "equal", "not_equal", "less", "less_equal", "greater", "greater_equal",
           "logical_and", "logical_or", "logical_xor"}


def samples(t, n, lo=-9.0, hi=9.0, special=True):
    if t == "bool":
        return [rng.randrange(2) for _ in range(n)]
    if t in FLOATS:
        p, emin, emax = FLOATS[t]
        edge = [0.0, -0.0, 1.0, -1.0, 0.5, 2.5, -2.5, INF, -INF, NAN, 2.0 ** emin, math.ldexp(1.0, emin - p + 1)] if special else []
        limit = 60000.0 if t == "f16" else INF
        drawn = [rng.uniform(lo, hi) if rng.random() < 0.7 or lo < 0 else math.exp(rng.uniform(math.log(lo), math.log(hi))) for _ in range(n)]
        return [rounded(max(-limit, min(limit, v)), t) for v in (edge + drawn)[:n]]
    bits = BITS[t]
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if t[0] == "i" else (0, (1 << bits) - 1)
    edge = [0, 1, low, high, 3, max(low, -1), max(low, -3)]
    return (edge + [rng.randrange(max(low, -30), 30) if rng.random() < 0.6 else rng.randrange(low, high + 1) for _ in range(n)])[:n]


def line(op, types, result, bound, cases):
    width = [BITS[t] // 4 for t in types + [result]]
    texts = [",".join(f"{b:0{w}x}" for b, w in zip(case, width)) for case in cases]
    print(f"{op} {','.join(types)} -> {result} {bound}: {' '.join(texts)}")


def elements():
    for op, f in UNARY.items():
        for t in TYPES.get(op, NUMBERS):
            rng.seed(f"{op} {t}")
            out = "bool" if op in BOOLEAN else t
            line(op, [t], out, 0, [(encode(x, t), encode(f(x, t), out)) for x in samples(t, 24)])
    for op, f in BINARY.items():
        for t in TYPES.get(op, NUMBERS):
            rng.seed(f"{op} {t}")
            out = "bool" if op in BOOLEAN else t
            xs, ys = samples(t, 36), samples(t, 36)
            rng.shuffle(ys)
            if op.startswith("shift"):
                ys = [rng.randrange(7) for _ in ys]
            line(op, [t, t], out, 0, [(encode(x, t), encode(y, t), encode(f(x, y, t), out)) for x, y in zip(xs, ys)])
    for t in INTS:
        rng.seed(f"pow {t}")
        xs, ys = samples(t, 24), [rng.randrange(-2 if t[0] == "i" else 0, 6) for _ in range(24)]
        line("pow", [t, t], t, 0, [(encode(x, t), encode(y, t), encode(ipow(x, y), t)) for x, y in zip(xs, ys)])
    for op, (f, b32, b64, lo, hi) in INEXACT.items():
        low, high = max(1 if lo > 0 else -3, math.ceil(lo)), min(12, math.floor(hi))  # integers to draw from, if there are any
        for t in list(FLOATS) + (["i32"] if low <= high else []):
            rng.seed(f"{op} {t}")
            out = "f32" if t == "i32" else t
            xs = [rng.randrange(low, high + 1) for _ in range(12)] if t == "i32" else \
                samples(t, 40, lo, hi, False) + [v for v in samples(t, 24, max(lo, -2), min(hi, 2), False)]
            cases = []
            for x in xs:
                if not lo <= x <= hi:
                    continue
                y = f(m.mpf(x))
                if isinstance(y, m.mpc):
                    continue
                cases.append((encode(x, t), encode(y if y != 0 or x == 0 else m.mpf(0), out)))
            line(op, [t], out, {"f32": b32, "f64": b64}.get(out, 1), cases)
    for op, (f, b32, b64, xr, yr) in INEXACT2.items():
        for t in FLOATS:
            rng.seed(f"{op} {t}")
            cases = []
            for x, y in zip(samples(t, 48, *xr, False), samples(t, 48, *yr, False)):
                z = f(m.mpf(x), m.mpf(y))
                if t == "f16" and abs(z) > 60000:
                    continue
                cases.append((encode(x, t), encode(y, t), encode(z, t)))
            line(op, [t, t], t, {"f32": b32, "f64": b64}.get(t, 1), cases)
    for t in ["bool"] + NUMBERS:
        rng.seed(f"where {t}")
        c, xs, ys = samples("bool", 24), samples(t, 24), samples(t, 24)
        rng.shuffle(ys)
        line("where", ["bool", t, t], t, 0, [(b, encode(x, t), encode(y, t), encode(x if b else y, t)) for b, x, y in zip(c, xs, ys)])
    for t in NUMBERS:
        rng.seed(f"clamp {t}")
        xs = samples(t, 24)
        lows, highs = ([float(v) for v in samples("i8", 24)[::-1]] for _ in range(2)) if t in FLOATS else (samples(t, 24)[::-1] for _ in range(2))
        cases = []
        for x, lo, hi in zip(xs, lows, highs):
            z = x if x != x else min(max(x, lo), hi)
            cases.append((encode(x, t), encode(lo, t), encode(hi, t), encode(z, t)))
        line("clamp", [t, t, t], t, 0, cases)
    for t in FLOATS:
        rng.seed(f"fma {t}")
        cases = []
        for x, y, w in zip(samples(t, 30, -9, 9, False), samples(t, 30, -9, 9, False), samples(t, 30, -90, 90, False)):
            z = Fraction(x) * Fraction(y) + Fraction(w)
            cases.append((encode(x, t), encode(y, t), encode(w, t), encode(z, t)))
        line("fma", [t, t, t], t, 0 if BITS[t] > 16 else 1, cases)


def cast(x, to):
    if to in FLOATS or to == "bool":
        return x if to in FLOATS else x != 0
    if isinstance(x, float):
        if x != x:
            return 0
        bits = BITS[to]
        low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if to[0] == "i" else (0, (1 << bits) - 1)
        return low if x <= low else high if x >= high else math.trunc(x)
    return x


def casts():
    for t in BITS:
        for to in BITS:
            if t == to:
                continue
            rng.seed(f"cast {t} {to}")
            xs = samples(t, 24, -300, 300)
            line("cast", [t], to, 0, [(encode(x, t), encode(cast(x, to), to)) for x in xs])


def reductions():
    fold = {
        "sum": sum, "prod": math.prod, "max": max, "min": min, "any": lambda v: any(v), "all": lambda v: all(v),
        "argmax": lambda v: v.index(max(v)), "argmin": lambda v: v.index(min(v)),
    }
    for op, f in fold.items():
        for t in ["bool", "i32", "f32"] if op in ("any", "all") else NUMBERS if op == "prod" else ["bool"] + NUMBERS:
            wide = "i64" if t == "bool" or t[0] == "i" else "u64" if t[0] == "u" else t
            out = {"sum": wide, "prod": wide, "any": "bool", "all": "bool", "argmax": "i64", "argmin": "i64"}.get(op, t)
            rng.seed(f"{op} {t}")
            cases = []
            for _ in range(2):
                if t == "bool" or op in ("any", "all"):
                    x = [rng.randrange(2) for _ in range(24)]
                elif op == "prod":  # powers of two: exact in every order
                    x = [rng.choice([1, 1, 1, 2] + ([-1, -2] if t[0] != "u" else [])) for _ in range(24)]
                elif t in FLOATS:  # eighths: exact in every order
                    x = [rng.randrange(-40, 41) / 8 for _ in range(24)]
                else:
                    x = samples(t, 24)
                    rng.shuffle(x)
                x = [float(v) for v in x] if t in FLOATS else x
                results = [f(x[c::6]) for c in range(6)] + [f(x[6 * r:6 * r + 6]) for r in range(4)] + [f(x)]
                cases += [(encode(v, t),) for v in x] + [(encode(v, out),) for v in results]
            texts = [f"{c[0]:0{BITS[t if i % 35 < 24 else out] // 4}x}" for i, c in enumerate(cases)]
            print(f"{op} {t} -> {out} 0: {' '.join(texts)}")


print("# Made by tests/ops/make_vectors.py; do not edit.")
elements()
casts()
reductions()
