"""tensors: creation, conversion and protocols of tensors; random functions by their range; names without counterparts, with reasons."""
import numpy as np

import jt

from compare import Bound, Difference
from shapes import EXACT
from table import Case, exempt, rows
from values import DTYPES, FLOATS, INTEGERS, Operand, edges, is_float, ordinary

NONE = Operand(np.zeros(1, "float32"), "float32")

# ---- creation: jt, PyTorch, NumPy
CREATION = [
    ("arange", [f"arange({a})" for a in ("5", "0", "-3", "2, 7", "7, 2", "1, 10, 3", "10, 1, -4", "0.0, 1.0, 0.25", "5.0", "2.5", "0, 1, 0.1", "1, 0, -0.3", "np.int64(3)", "np.int32(1), np.int32(4)",
                                         "np.float64(2.5)", "3, dtype=m.float64", "0, 3, dtype=m.int32", "start=1, stop=4, step=2", "2**40, 2**40 + 3", "-2**53 - 1, -2**53 + 1", "0.1, 0.7, 0.1",
                                         "1e6, 1e6 + 1, 0.25", "True, 5")]),
    ("linspace", [f"linspace({a})" for a in ("0, 1, 5", "0.0, 1.0, 11", "1, 0, 3", "0, 1, 1", "0, 1, 0", "0, 0.1, 4, dtype=m.float64", "start=-1, stop=1, steps=7, dtype=m.float64", "0, 10, 4, dtype=m.float16",
                                             "0.1, 0.7, 7, dtype=m.float64", "1e8, 1e8 + 3, 4, dtype=m.float64", "0, 1, np.int64(3)", "-3.3, 9.1, 50, dtype=m.float64", "0, 1e30, 3")]),
    ("zeros", ["zeros(3)", "zeros(2, 3)", "zeros((2, 0))", "zeros(())", "zeros([2, 3], dtype=m.int8)", "zeros(2, dtype=m.bool)", "zeros(np.int64(2), 3)"]),
    ("ones", ["ones(3)", "ones(2, 3)", "ones((2, 0))", "ones(())", "ones([2], dtype=m.bool)", "ones(2, dtype=m.bfloat16)"]),
    ("empty", ["zeros_of(m, empty(3))", "zeros_of(m, empty((2, 0), dtype=m.int64))"]),
    ("full", ["full((2,), 3.0)", "full((2, 0), 1.5)", "full((), 7)", "full((2,), True)", "full((2,), 0.1, dtype=m.float64)", "full((2,), 2**53 + 1)", "full((2,), 3, dtype=m.int8)", "full((2,), float('nan'))",
              "full(shape=(2,), value=-0.0, dtype=m.float64)", "full((1,), 2**63 - 1)", "full((2,), 1e300, dtype=m.float64)"]),
    ("eye", ["eye(3)", "eye(2, 3)", "eye(n=3, m=2, dtype=m.int32)", "eye(0)", "eye(3, dtype=m.bool)"]),
    ("zeros_like", [f"zeros_like({x})" for x in ("m.ones(2, 3)", "m.ones(2, dtype=m.int8)", "m.ones((0,)), dtype=m.float64")]),
    ("ones_like", [f"ones_like({x})" for x in ("m.zeros(2, 3)", "m.zeros(2, dtype=m.int8)", "m.zeros(()), dtype=m.float64")]),
    ("full_like", [f"full_like({x})" for x in ("m.zeros(2, 3), 2.5", "m.zeros(2, dtype=m.int8), 3", "m.zeros((0,)), 1, dtype=m.float64", "m.zeros(2, dtype=m.float64), 0.1", "m.zeros(2, dtype=m.float64), value=1 / 3")]),
]
TORCH_NAMES = [("full(shape=(2,), value=-0.0", "full(size=(2,), fill_value=-0.0"), ("value=1 / 3", "fill_value=1 / 3"), ("start=1, stop=4, step=2", "start=1, end=4, step=2"),
               ("start=-1, stop=1", "start=-1, end=1")]


def creation_cases(name, texts):
    def make(whole):
        for text in texts:
            mine = text.replace(f"{name}(", f"m.{name}(", 1)
            its = mine
            for a, b in TORCH_NAMES:
                its = its.replace(a, b)
            if name == "arange" and "np." in its:
                its = its.replace("np.int64(3)", "3").replace("np.int32(1), np.int32(4)", "1, 4").replace("np.float64(2.5)", "2.5")
            yield Case(name, mine.replace("m.", "jt.") if "jt" not in mine else mine, [NONE], its, None, Bound(ulp=1), gradient=False, wide=False)
    return make


for entry, texts in CREATION:
    rows(entry, creation_cases(entry, texts))
rows("iota", lambda whole: iter([Case("iota", "jt.iota((3, 4), 1)", [NONE], "torch.arange(4).expand(3, 4)", None, EXACT, False, False),
                                 Case("iota", "jt.iota(shape=(3, 2), axis=0, dtype='float32')", [NONE], "torch.arange(3.0)[:, None].expand(3, 2)", None, EXACT, False, False),
                                 Case("iota", "jt.iota((2, 0), dim=-1)", [NONE], "torch.zeros((2, 0), dtype=torch.int64)", None, EXACT, False, False)]))
rows("ops.full", lambda whole: iter([Case("ops.full", "jt.ops.full((2,), 0.1, 'float64')", [NONE], "torch.full((2,), 0.1, dtype=torch.float64)", None, Bound(), False, False),
                                     Case("ops.full", "jt.ops.full(shape=(0,), value=1, dtype='int8')", [NONE], "torch.full((0,), 1, dtype=torch.int8)", None, Bound(), False, False)]))

ARRAYS = ["[1, 2, 3]", "[1.5, -2.0]", "[[1, 2], [3, 4]]", "[True, False]", "[]", "[[], []]", "3", "2.5", "True", "[1, 2.5]", "[True, 2]", "(1, 2)", "range(4)", "[0.1, 1 / 3], dtype=m.float64",
          "[2**62 + 1, -2**63]", "[1e300], dtype=m.float64", "[float('nan'), float('inf')]", "[0.1], dtype=m.float16", "[[0.1, 0.2]], dtype=m.bfloat16", "0.1, dtype=m.float64", "[1, 0, 2], dtype=m.bool",
          "[1.9, -1.9], dtype=m.int64", "[16777217], dtype=m.float64", "np.arange(3)", "np.array(2.5)", "np.array([[1, 2]], 'int8')", "np.arange(6.0).reshape(2, 3).T", "np.arange(6)[::2]", "np.float32(1.5)",
          "[np.float32(1.5), np.float32(2)]", "np.zeros((0, 3))", "np.array([True, False])", "np.arange(4, dtype='uint8'), dtype=m.float32", "[np.arange(2), np.arange(2)]", "np.array([1.5], 'float16')",
          "[9007199254740993.0], dtype=m.int64", "[16777217.0], dtype=m.int64", "[0.1, 2], dtype=m.float64", "np.arange(6.0)[::-1]", "[3, 2**53 + 1]"]
for entry in ("array", "tensor", "asarray"):
    rows(entry, lambda whole, e=entry: (Case(e, f"jt.{e}({t})".replace("m.", "jt."), [NONE], f"as_torch({t})".replace("m.", "torch."), None, Bound(), False, False)
                                        for t in (ARRAYS if e == "array" else ARRAYS[:4])))

# ---- conversions to Python and NumPy: every value comes back
for entry, text, expected in (("Tensor.numpy", "x.numpy()", "x"), ("Tensor.fetch_sync", "x.fetch_sync()", "x"), ("Tensor.data", "x.data", "x"), ("Tensor.__array__", "np.asarray(x)", "x"),
                              ("Tensor.tolist", "np.array(x.tolist())", "np.array(x.tolist())"), ("Tensor.sync", "x.sync()", "x"), ("from_dlpack", "jt.from_dlpack(np.array(x.numpy()))", "x"),
                              ("Tensor.__dlpack__", "np.from_dlpack(x)", "x"), ("Tensor.numpy", "x.numpy(copy=False)", "x")):
    rows(entry, lambda whole, e=entry, t=text, w=expected: (
        Case(e, t, [Operand(edges(d) if n else np.zeros((2, 0), edges(d).dtype), d)], None, w, Bound(zero_sign=False), False)
        for d in DTYPES if not (d == "bfloat16" and e in ("Tensor.data", "from_dlpack", "Tensor.__dlpack__"))
        and not (d == "bool" and "dlpack" in e and np.lib.NumpyVersion(np.__version__) < "1.25.0") for n in (True, False) if n or e != "Tensor.tolist"))
PLAIN = [("Tensor.shape", "x.shape", "x.shape"), ("Tensor.ndim", "x.ndim", "x.ndim"), ("Tensor.size", "x.size", "x.size"), ("Tensor.nbytes", "x.nbytes", "x.astype('float32').nbytes"), ("Tensor.itemsize", "x.itemsize", "4"),
         ("Tensor.numel", "x.numel()", "x.size"), ("Tensor.dim", "x.dim()", "x.ndim"), ("Tensor.dtype", "str(x.dtype) == 'float32'", "True"), ("Tensor.is_ready", "x.sync().is_ready", "True"),
         ("Tensor.mark_dynamic", "x.mark_dynamic(*range(x.ndim)) + 1", "x + 1"), ("Tensor.name_dim", "(x.name_dim(0, jt.Dim('N', 0, 64)) if x.ndim else x) + 1", "x + 1"),
         ("Tensor.requires_grad", "x.requires_grad", "False"), ("Tensor.is_stop_grad", "x.is_stop_grad()", "True"), ("Tensor.requires_grad_", "x.requires_grad_().requires_grad", "True"),
         ("Tensor.requires_grad_", "x.requires_grad_(value=False).requires_grad", "False"), ("Tensor.start_grad", "x.start_grad().requires_grad", "True"), ("Tensor.stop_grad", "x.start_grad().stop_grad().requires_grad", "False"),
         ("Tensor.__hash__", "hash(x) == hash(x)", "True")]
for entry, text, expected in PLAIN:
    rows(entry, lambda whole, e=entry, t=text, w=expected: (Case(e, t, [Operand(np.zeros(s, "float32"), "float32")], None, w, Bound(), False) for s in ((), (0,), (2, 3), (2, 0, 3))))
SCALARS = [("Tensor.item", "x.item()", "x.item()"), ("Tensor.__float__", "float(x)", "float(x)"), ("Tensor.__bool__", "bool(x)", "bool(x)"), ("Tensor.__int__", "int(x)", "int(x)"), ("Tensor.__index__", "[10, 20, 30, 40][x]", "[10, 20, 30, 40][x]"),
           ("Tensor.__round__", "round(x)", "np.rint(x)"), ("Tensor.__round__", "round(x, 1)", "np.round(x, 1)"), ("Tensor.__round__", "round(x, digits)" if False else "x.__round__(digits=2)", "np.round(x, 2)"),
           ("Tensor.__divmod__", "divmod(x, 2)", "divmod(x, 2)"), ("Tensor.__rdivmod__", "divmod(7, x)", "divmod(7, x)")]


def scalar_cases(entry, text, expected):
    def make(whole):
        for dtype in DTYPES:
            if entry == "Tensor.__index__" and (is_float(dtype) or dtype == "bool"):
                continue
            for value in ordinary(dtype, 4, 3) if entry != "Tensor.__index__" else np.array([1, 2, 3]):
                if entry == "Tensor.__rdivmod__" and value == 0 or dtype == "bool" and "div" in entry:
                    continue
                bound = Bound(ulp=4, zero_sign=False) if "round" in entry else Bound(zero_sign=False)
                yield Case(entry, text, [Operand(np.array(value).astype(ordinary(dtype, 1).dtype), dtype)], None, expected, bound, False)
    return make


for entry in SCALARS:
    rows(entry[0], scalar_cases(*entry))

# ---- in place: what x then is
for entry, statement in (("iadd", "x += y"), ("isub", "x -= y"), ("imul", "x *= y"), ("itruediv", "x /= y"), ("ifloordiv", "x //= y"), ("imod", "x %= y"), ("ipow", "x **= y"), ("iand", "x &= y"), ("ior", "x |= y"),
                         ("ixor", "x ^= y"), ("ilshift", "x <<= y"), ("irshift", "x >>= y"), ("imatmul", "x @= y")):
    rows(f"Tensor.__{entry}__", lambda whole, e=entry, s=statement: (
        Case(f"Tensor.__{e}__", f"stored(x, {s!r}, locals())", [Operand(ordinary(d, 4, i, 1, 3).reshape(2, 2), d) for i in range(2)], f"stored(x, {s!r}, locals())" if e != "imatmul" else None, None,
             Bound(ulp=4), False, tags=s) for d in DTYPES))
for entry, text, expected in (("assign", "x.assign(y)", "y"), ("update", "x.update(y * 2)", "y * 2"), ("swap", "x.swap(y)", "y"), ("assign", "x.assign(3)", "np.full(x.shape, 3)")):
    rows("Tensor." + entry, lambda whole, e=entry, t=text, w=expected: (Case("Tensor." + e, t, [Operand(ordinary(d, 4, i), d) for i in range(2)], None, w, Bound(), False) for d in ("float32", "int8", "float64", "uint16")))
for entry, text, torch in (("grad", "jt.grad((x * x).sum(), x)", "2 * x"), ("grad", "jt.grad(x * 3, x, dy=x)", "3 * x"), ("grad", "jt.grad(x.sum(), [x], retain_graph=False, create_graph=False)[0]", "torch.ones_like(x)"),
                           ("grad", "jt.grad(x.sum(), [x, jt.ones(2).requires_grad_()], allow_unused=True)[1]", "torch.zeros(2)"), ("Tensor.grad", "grad_after(x, 1)", "2 * x"), ("Tensor.backward", "grad_after(x, 2)", "4 * x"),
                           ("Tensor.backward", "grad_after(x, 2, retain_graph=True)", "4 * x"), ("Tensor.backward", "grad_after(x, 1, create_graph=True)", "2 * x")):
    rows(entry, lambda whole, e=entry, t=text, w=torch: iter([Case(e, t if "grad_after" in t else t.replace("x", "(x)"), [Operand(ordinary("float32", 5), "float32")], w, None, Bound(), False, False)] if False else
                                                            [Case(e, f"with_grad(x, lambda x: {t})", [Operand(ordinary("float32", 5), "float32")], w, None, Bound(), False, False, tags=t)]))

# ---- random: shape, dtype, range and, roughly, moments
RANDOM = {
    "rand": (["jt.rand(4000, dtype={d!r})", "jt.rand(2, 0, dtype={d!r})", "jt.rand((3,), dtype={d!r})"], (0, 1, True, 0.5, 0.2887)),
    "rand_like": (["jt.rand_like(jt.zeros(4000, dtype={d!r}))", "jt.rand_like(jt.zeros(4000), dtype={d!r})"], (0, 1, True, 0.5, 0.2887)),
    "uniform": (["jt.uniform((4000,), -2, 5, {d!r})", "jt.uniform(shape=(4000,), low=-2, high=5, dtype={d!r})"], (-2, 5, True, 1.5, 2.0207)),
    "init.uniform": (["jt.init.uniform((4000,), -2, 5, {d!r})"], (-2, 5, True, 1.5, 2.0207)),
    "randn": (["jt.randn(4000, dtype={d!r})", "jt.randn((0,), dtype={d!r})"], (-9, 9, False, 0, 1)),
    "randn_like": (["jt.randn_like(jt.zeros(4000, dtype={d!r}))", "jt.randn_like(jt.zeros(4000), dtype={d!r})"], (-9, 9, False, 0, 1)),
    "normal": (["jt.normal((4000,), 2, 0.5, {d!r})", "jt.normal(shape=(4000,), mean=2, std=0.5, dtype={d!r})"], (-3, 7, False, 2, 0.5)),
    "init.gauss": (["jt.init.gauss((4000,), 2, 0.5, {d!r})"], (-3, 7, False, 2, 0.5)),
    "ops.uniform": (["jt.ops.uniform((4000,), 1, 2, 3, {d!r})", "jt.ops.uniform(shape=(4000,), seed=1, stream=2, counter=3, dtype={d!r})"], (0, 1, True, 0.5, 0.2887)),
    "ops.normal": (["jt.ops.normal((4000,), 1, 2, 3, {d!r})", "jt.ops.normal(shape=(4000,), seed=1, stream=2, counter=3, dtype={d!r})"], (-9, 9, False, 0, 1)),
    "randint": (["jt.randint(-3, 8, (4000,), 'int32')", "jt.randint(low=-3, high=8, shape=(4000,), dtype='int64')"], (-3, 8, True, 2, 3.1623)),
    "randperm": (["jt.randperm(4000)", "jt.randperm(n=4000, dtype='float64')"], (0, 4000, True, 1999.5, 1154.7)),
    "random_bits": (["jt.random_bits((4000,), 1, 2, 3)", "jt.random_bits(shape=(4000,), seed=1, stream=2, counter=3)"], (0, 2**32, True, 2**31, 2**32 * 0.2887)),
}


class Drawn:
    """A random function's range and moments."""

    def __init__(self, name, call, dtype, limits):
        self.name, self.call, self.dtype, self.limits = name, call, dtype, limits

    def differences(self):
        import jt
        jt.set_global_seed(11)
        x = eval(self.call, {"jt": jt})
        low, high, half_open, mean, deviation = self.limits
        problems = [] if "{d" not in self.call and self.dtype in str(x.dtype) or self.dtype == "any" else [f"dtype {x.dtype}"]
        values = np.asarray(x.double().numpy())
        if values.size:
            if values.min() < low or values.max() > high or half_open and values.max() == high:
                problems.append(f"values {values.min()} to {values.max()}")
            if values.size > 100 and abs(values.mean() - mean) > 6 * deviation / values.size**0.5 or values.size > 100 and abs(values.std() / deviation - 1) > 0.1:
                problems.append(f"mean {values.mean()}, deviation {values.std()}")
        return [Difference(self.name, self.call, "value", "; ".join(problems))] if problems else []


def random_cases(name):
    texts, limits = RANDOM[name]

    def make(whole):
        for text in texts:
            for dtype in FLOATS if "{d" in text else ["any"]:
                yield Drawn(name, text.format(d=dtype), dtype, limits)
    return make


for entry in RANDOM:
    rows(entry, random_cases(entry))
rows("dropout", lambda whole: iter([Case("dropout", "jt.dropout(x, 0.0, 1, 2, 3)", [Operand(ordinary("float32", 9), "float32")], "F.dropout(x, 0.0)", None, Bound()),
                                    Case("dropout", "jt.dropout(x, p=1.0, seed=1, stream=2, counter=3)", [Operand(ordinary("float32", 9), "float32")], "F.dropout(x, 1.0)", None, Bound(zero_sign=False))]))

# ---- initial values
for entry, text, expected in (("constant", "jt.init.constant((2, 3), 0.25)", "np.full((2, 3), 0.25)"), ("constant", "jt.init.constant(shape=(2,), value=3, dtype='float64')", "np.full(2, 3.0)"),
                              ("constant_", "jt.init.constant_(x, value=2.5)", "np.full(x.shape, 2.5)"), ("zero_", "jt.init.zero_(x)", "np.zeros(x.shape)"), ("one_", "jt.init.one_(x)", "np.ones(x.shape)")):
    rows("init." + entry, lambda whole, e=entry, t=text, w=expected: (Case("init." + e, t, [Operand(ordinary(d, 6).reshape(2, 3), d)], None, w, Bound(), False, dtype_of="") for d in FLOATS))


class Spread:
    """An initialiser's deviation beside PyTorch's formula for a shape [out, in, window]."""

    def __init__(self, name, call, deviation):
        self.name, self.call, self.deviation = name, call, deviation

    def differences(self):
        import jt
        jt.set_global_seed(5)
        x = eval(self.call, {"jt": jt}).double().numpy()
        good = abs(x.std() / self.deviation - 1) < 0.05 and abs(x.mean()) < 6 * self.deviation / x.size**0.5
        return [] if good else [Difference(self.name, self.call, "value", f"mean {x.mean()}, deviation {x.std()}, expected 0 and {self.deviation}")]


SHAPE = "jt.zeros(40, 30, 3, 3)"
FAN_IN, FAN_OUT = 270, 360
for entry, deviation in (("kaiming_normal_", (2 / FAN_IN)**0.5), ("kaiming_uniform_", (2 / FAN_IN)**0.5), ("xavier_normal_", (2 / (FAN_IN + FAN_OUT))**0.5), ("xavier_uniform_", (2 / (FAN_IN + FAN_OUT))**0.5),
                         ("normal_", 1.0), ("gauss_", 1.0)):
    rows("init." + entry, lambda whole, e=entry, s=deviation: iter([Spread("init." + e, f"jt.init.{e}({SHAPE})", s)]))
rows("init.gauss_", lambda whole: iter([Spread("init.gauss_", f"jt.init.gauss_({SHAPE}, mean=0.0, std=0.5)", 0.5)]))
rows("init.uniform_", lambda whole: iter([Spread("init.uniform_", f"jt.init.uniform_({SHAPE}, low=-1.0, high=1.0)", 3**-0.5)]))
rows("init.initial", lambda whole: iter([Spread("init.initial", f"jt.init.initial(kind={k!r}, shape=(40, 30, 3, 3), dtype='float64')", s) for k, s in
                                         (("uniform", 3**-0.5), ("normal", 1.0), ("he_normal", (2 / FAN_IN)**0.5), ("he_uniform", (2 / FAN_IN)**0.5), ("lecun_normal", FAN_IN**-0.5))]))

# ---- names that nothing of NumPy or PyTorch stands beside
exempt("an exception", "ArgumentError BusyError CancelledError CompileError DTypeError DeviceError Error FileError InternalError MissingFileError NotFoundError OutOfMemoryError ShapeError TimeOutError UnsupportedError")
exempt("a dtype; every case has one", "DType bfloat16 bool float16 float32 float64 int16 int32 int64 int8 uint16 uint32 uint64 uint8")
exempt("a module; its names are found one by one", "autograd creation dataset dtypes errors flags function functional init io module nn ops optim progress utils control")
exempt("another name of Tensor", "Var")
exempt("a record of a name and a range, see Tensor.name_dim", "Dim")
exempt("the class itself; its members are found one by one", "Tensor Module nn.Module nn.Layer optim.Optimizer")
exempt("casts what is recorded: tests/python/test_amp.py", "amp")
exempt("state of the process, not a value: tests/python/test_life.py", "display_memory_info flag_scope gc graph memory_info profile_scope sync_all set_global_seed set_seed seed manual_seed get_rng_state set_rng_state")
exempt("static graphs: tests/python/test_jit.py", "jit jit.trace jit.load jit.parse jit.save jit.is_tracing jit.Graph jit.Traced")
exempt("files: tests/python/test_exchange.py", "load save load_idx")
exempt("contexts of gradients: the second uses of every function go through them, and tests/python/test_life.py", "no_grad enable_grad set_grad_enabled is_grad_enabled")
exempt("where values lie, and contexts of it: tests/python/test_devices.py", "device devices current_device Tensor.device Tensor.cpu")
exempt("a class to derive from: tests/python/test_training.py", "Function")
exempt("functions that record: tests/python/test_control.py", "cond fori_loop while_loop")
exempt("containers: tests/python/test_nn.py", "ModuleDict nn.ModuleDict ModuleList ParameterList Sequential nn.ModuleList nn.ParameterList nn.Sequential")
exempt("a tensor that requires a gradient: what every gradient here begins with", "Parameter nn.Parameter")
exempt("samples and batches: tests/python/test_dataset.py", "dataset.DataLoader dataset.Dataset dataset.TensorDataset dataset.VarDataset dataset.collate")
exempt("SWIG's object", "Tensor.acquire Tensor.append Tensor.disown Tensor.next Tensor.own Tensor.this Tensor.thisown")
exempt("a label for messages", "Tensor.name")
exempt("text: tests/python/test_tensor.py", "Tensor.__repr__ Tensor.__str__ Tensor.__format__")
exempt("Python's own", "Tensor.__class__ Tensor.__delattr__ Tensor.__delitem__ Tensor.__dict__ Tensor.__dir__ Tensor.__doc__ Tensor.__getattribute__ Tensor.__getstate__ Tensor.__init__ Tensor.__init_subclass__ Tensor.__module__ Tensor.__new__ Tensor.__reduce_ex__ Tensor.__setattr__ Tensor.__sizeof__ Tensor.__slots__ Tensor.__subclasshook__ Tensor.__weakref__ Tensor.__getattr__ Tensor.__firstlineno__ Tensor.__static_attributes__ Tensor.__annotations__")
exempt("what NumPy asks before its operators; tests/python/test_exchange.py", "Tensor.__bytes__ Tensor.__array_priority__ Tensor.__array_ufunc__ Tensor.__dlpack_device__")
if hasattr(jt, "check_index"):
    rows("check_index", lambda whole: (Case("check_index", f"jt.check_index(x, size=5, negative={n}, who='x', ignored={i})", [Operand(np.array([0, 4, -5 if n else 2, i]).astype(d), d)], "x", "x", Bound(), False)
                                       for d in ("int64", "int32", "int8") for n in (False, True) for i in (0, -100, 77)))
