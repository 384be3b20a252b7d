"""shapes: reductions, movement, indexing: what reads elements in another order, on every dtype, axis, option and edge extent."""
import numpy as np

import jt
from compare import Bound
from table import Case, product, rows
from values import DTYPES, FLOATS, Operand, VIEWS, edges, filled, is_float, ordinary, rounded

EXACT = Bound(zero_sign=False)
SUMS = Bound(ulp=8, relative=1e-6, zero_sign=False)
HALVES = Bound(ulp=1, relative=1e-6, zero_sign=False)


def sums(dtype):
    return HALVES if dtype in ("float16", "bfloat16") else Bound(ulp=8, relative=1e-14, zero_sign=False) if dtype == "float64" else SUMS


def special_vectors(dtype):
    """Vectors in which one or two special values lie among ordinary ones."""
    plain = ordinary(dtype, 6, 3)
    yield plain
    if not is_float(dtype):
        yield edges(dtype)
        return
    info = {"float16": 6e-8, "bfloat16": 9.2e-41, "float32": 1e-45, "float64": 5e-324}[dtype]
    top = {"float16": 65504, "bfloat16": 3.3895314e38, "float32": 3.4028235e38, "float64": 1.7976931348623157e308}[dtype]
    for inserted in ([np.nan], [np.inf], [-np.inf], [np.inf, -np.inf], [np.nan, np.inf], [0.0, -0.0], [0.0], [0.0, 0.0], [top], [top, -top], [top, top],
                     [info], [300.0, 300.0]):
        out = plain.copy()
        out[2:2 + len(inserted)] = np.array(inserted, plain.dtype)
        yield out
    yield rounded(np.full(6, 0.3), dtype)
    yield np.full(4, np.nan, plain.dtype)
    yield np.full(4, -np.inf, plain.dtype)


# name: (PyTorch over {axes}, NumPy, bound, options beside axes and keepdims)
REDUCTIONS = {
    "sum": ("torch.sum(x, dim={axes}, keepdim={keep})", "np.sum(x, axis={axes}, keepdims={keep})", sums, {}),
    "prod": ("prod_of(x, {axes}, {keep})", "np.prod(x, axis={axes}, keepdims={keep})", sums, {}),
    "max": ("torch.amax(x, dim={axes}, keepdim={keep})", "np.max(x, axis={axes}, keepdims={keep})", EXACT, {}),
    "min": ("torch.amin(x, dim={axes}, keepdim={keep})", "np.min(x, axis={axes}, keepdims={keep})", EXACT, {}),
    "any": ("torch.any(x, dim={axes}, keepdim={keep})", "np.any(x != 0, axis={axes}, keepdims={keep})", EXACT, {}),
    "all": ("torch.all(x, dim={axes}, keepdim={keep})", "np.all(x != 0, axis={axes}, keepdims={keep})", EXACT, {}),
    "logsumexp": ("torch.logsumexp(x, dim={axes}, keepdim={keep})", None, sums, {}),
    "mean": ("torch.mean(x, dim={axes}, keepdim={keep})", "np.mean(x, axis={axes}, keepdims={keep})", sums, {}),
    "var": ("torch.var(x, dim={axes}, keepdim={keep}, correction={correction})", None, sums, {"correction": ["0", "1", "3"]}),
    "Tensor.std": ("torch.std(x, dim={axes}, keepdim={keep}, correction={correction})", None, sums, {"correction": ["0", "1", "3"]}),
    "Tensor.norm": ("torch.linalg.vector_norm(x, {p}, dim={axes}, keepdim={keep})", None, sums,
                    {"p": ["2", "1", "float('inf')", "-float('inf')", "0", "3", "0.5", "-1"]}),
    "std": ("torch.std(x, dim={axes}, keepdim={keep}, correction={correction})", None, sums, {"correction": ["0", "1", "3"]}),
    "norm": ("torch.linalg.vector_norm(x, {p}, dim={axes}, keepdim={keep})", None, sums,
             {"p": ["2", "1", "float('inf')", "-float('inf')", "0", "3", "0.5", "-1"]}),
    "argmax": ("arg_of(torch.argmax, x, {axes}, {keep})", "arg_of(np.argmax, x, {axes}, {keep})", EXACT, {}),
    "argmin": ("arg_of(torch.argmin, x, {axes}, {keep})", "arg_of(np.argmin, x, {axes}, {keep})", EXACT, {}),
}


def reduction(name, operand, axes, keep, bound, options, jt_axes=None):
    torch, numpy, _, _ = REDUCTIONS[name]
    call = f"x.{name[7:]}(" if name.startswith("Tensor.") else f"jt.{name}(x, "
    parts = [f"{k}={v}" for k, v in options.items()] + [f"axes={axes if jt_axes is None else jt_axes}", f"keepdims={keep}"]
    return Case(name, call + ", ".join(parts) + ")", [operand], torch.format(axes=axes, keep=keep, **options),
                numpy and numpy.format(axes=axes, keep=keep), bound)


def reduction_cases(name):
    _, _, bound, options = REDUCTIONS[name]
    kinds = [dict(zip(options, [v])) for name_ in options for v in options[name_]] or [{}]

    def bound_of(dtype):
        return bound(dtype) if callable(bound) else bound

    def make(whole):
        first = kinds[:1]
        for dtype in DTYPES:
            for chosen in kinds:
                for vector in special_vectors(dtype):
                    yield reduction(name, Operand(vector, dtype), (0,), False, bound_of(dtype), chosen)
        for dtype in (["float32", "float64", "int32", "uint8", "bool", "float16"] if whole else ["float32"]):
            for shape in [(), (0,), (1,), (7,), (2, 3), (2, 0, 3), (0, 3), (3, 0), (1, 1), (3, 5, 2), (2, 130), (130, 2)]:
                x = filled(ordinary(dtype, 23), shape)
                for axes in sorted({(), tuple(range(len(shape))), *((a,) for a in range(-len(shape), len(shape)))} | ({(0, -1)} if len(shape) > 2 else set())):
                    for keep in (False, True):
                        for chosen in (kinds if whole else first):
                            every = tuple(range(len(shape)))
                            yield reduction(name, Operand(x, dtype), axes or every, keep, bound_of(dtype), chosen, axes)
        for view in VIEWS[1:]:
            yield reduction(name, Operand(filled(ordinary("float32", 23), (3, 4)), "float32", view), (1,), False, bound_of("float32"), kinds[0])
        if name in ("max", "min"):  # with a dim they give places too: composed.py
            yield Case(name, f"x.{name}()", [Operand(filled(ordinary("float32", 23), (3, 4)), "float32")], f"x.{name}()", f"np.{name}(x)", EXACT)
            yield Case(name, f"x.{name}((0, 1))", [Operand(filled(ordinary("float32", 23), (3, 4)), "float32")], f"x.a{name}((0, 1))", f"np.{name}(x, (0, 1))", EXACT)
        elif not name.startswith("Tensor."):
            for text in (f"x.{name}()", f"x.{name}({'2, ' if name == 'norm' else ''}1)", f"x.{name}(dim=1, keepdim=True)", f"x.{name}({'2, ' if name == 'norm' else ''}(0, 1))", f"jt.{name}(x, dim=-1, keepdim=True)"):
                axes = "(0, 1)" if "()" in text or "(0, 1)" in text else "(1,)"
                torch, numpy, _, _ = REDUCTIONS[name]
                more = {"var": {"correction": "1"}, "std": {"correction": "1"}, "norm": {"p": "2"}}.get(name, {})
                keep = "keepdim" in text
                yield Case(name, text, [Operand(filled(ordinary("float32", 23), (3, 4)), "float32")],
                           torch.format(axes=axes, keep=keep, **more), numpy and numpy.format(axes=axes, keep=keep), bound_of("float32"))
        else:
            yield Case(name, f"x.{name[7:]}()", [Operand(filled(ordinary("float32", 23), (3, 4)), "float32")], f"x.{name[7:]}()", None, bound_of("float32"))
    return make


for entry in REDUCTIONS:
    if hasattr(jt, entry) or entry.startswith("Tensor."):
        rows(entry, reduction_cases(entry))

# Movement: the same elements elsewhere. Each text goes through every dtype at one shape; None: as jt's.
#   (name, jt, PyTorch, NumPy, shapes)
MOVES = [
    ("reshape", "jt.reshape(x, (6, -1))", "x.reshape(6, -1)", "x.reshape(6, -1)", [(2, 3, 4)]),
    ("reshape", "jt.reshape(x, shape=[4, 6])", "x.reshape(4, 6)", "x.reshape(4, 6)", [(2, 3, 4)]),
    ("reshape", "x.reshape(-1)", "x.reshape(-1)", "x.reshape(-1)", [(), (0,), (1,), (2, 3, 4), (2, 0, 3)]),
    ("reshape", "x.reshape(())", "x.reshape(())", "x.reshape(())", [(1,), (1, 1)]),
    ("reshape", "x.reshape(0, 7)", "x.reshape(0, 7)", "x.reshape(0, 7)", [(0,), (2, 0, 3)]),
    ("Tensor.view", "x.view(6, 4)", None, "x.reshape(6, 4)", [(2, 3, 4)]),
    ("Tensor.view", "x.view((-1, 4))", None, "x.reshape(-1, 4)", [(2, 3, 4)]),
    ("transpose", "jt.transpose(x)", "x.permute(*range(x.ndim - 1, -1, -1))", "x.T", [(), (3,), (2, 3), (2, 3, 4), (2, 0, 3)]),
    ("transpose", "jt.transpose(x, axes=(2, 0, 1))", "x.permute(2, 0, 1)", "x.transpose(2, 0, 1)", [(2, 3, 4), (0, 3, 1)]),
    ("transpose", "jt.transpose(x, (-1, 0, 1))", "x.permute(-1, 0, 1)", "x.transpose(-1, 0, 1)", [(2, 3, 4)]),
    ("transpose", "x.transpose(2, 0, 1)", "x.permute(2, 0, 1)", "x.transpose(2, 0, 1)", [(2, 3, 4)]),
    ("transpose", "x.transpose(0, 1)", "x.transpose(0, 1)", None, [(2, 3), (1, 3), (0, 3)]),
    ("transpose", "x.transpose(0, 2)", "x.transpose(0, 2)", None, [(2, 3, 4)]),
    ("transpose", "x.transpose(-1, -2)", "x.transpose(-1, -2)", None, [(2, 3, 4), (3, 4)]),
    ("transpose", "jt.transpose(x, 0, 1)", "torch.transpose(x, 0, 1)", None, [(2, 3), (2, 3, 4)]),
    ("transpose", "jt.transpose(x, dim=(1, 0))", "x.permute(1, 0)", "x.T", [(2, 3)]),
    ("Tensor.permute", "x.permute(1, 2, 0)", None, "x.transpose(1, 2, 0)", [(2, 3, 4)]),
    ("Tensor.permute", "x.permute((1, 0, -1))", None, "x.transpose(1, 0, -1)", [(2, 3, 4)]),
    ("Tensor.permute", "x.permute(0, 1)", None, "x", [(2, 3)]),
    ("Tensor.permute", "x.permute(1, 0)", None, "x.T", [(2, 3)]),
    ("ops.transpose", "jt.ops.transpose(x, axes=(1, 0))", "x.permute(1, 0)", "x.T", [(2, 3)]),
    ("Tensor.swapaxes", "x.swapaxes(0, -1)", "x.swapaxes(0, -1)", "x.swapaxes(0, -1)", [(2, 3), (2, 3, 4)]),
    ("Tensor.t", "x.t()", None, "x.T", [(2, 3), (3,), ()]),
    ("Tensor.T", "x.T", "x.t()", "x.T", [(2, 3), (3,)]),
    ("expand", "jt.expand(x, (2, 3, 4))", "x.expand(2, 3, 4)", "np.broadcast_to(x, (2, 3, 4))", [(), (4,), (3, 1), (2, 1, 4), (1, 1, 1)]),
    ("expand", "jt.expand(x, shape=(0, 3))", "x.expand(0, 3)", "np.broadcast_to(x, (0, 3))", [(), (1, 3), (0, 1), (3,)]),
    ("expand", "x.expand(3, -1)", "x.expand(3, -1)", None, [(1, 4), (3, 2)]),
    ("Tensor.broadcast", "x.broadcast((2, 3))", "x.expand(2, 3)", "np.broadcast_to(x, (2, 3))", [(3,), (2, 1)]),
    ("Tensor.broadcast", "x.broadcast(jt.zeros(2, 3))", "x.expand(2, 3)", "np.broadcast_to(x, (2, 3))", [(3,), (1, 1)]),
    ("slice", "jt.slice(x, (1, 0), (3, 4), (1, 2))", "x[1:3, 0:4:2]", "x[1:3, 0:4:2]", [(4, 5)]),
    ("slice", "jt.slice(x, starts=[1, 2], stops=[1, 4], steps=[1, 1])", "x[1:1, 2:4]", "x[1:1, 2:4]", [(4, 5)]),
    ("pad", "jt.pad(x, (1, 0), (2, 3))", "F.pad(x, (0, 3, 1, 2))", "np.pad(x, ((1, 2), (0, 3)))", [(2, 3), (0, 3), (1, 1)]),
    ("pad", "jt.pad(x, before=[0, 1], after=[0, 0], value=2)", "F.pad(x, (1, 0, 0, 0), value=2)", "np.pad(x, ((0, 0), (1, 0)), constant_values=2)", [(2, 3)]),
    ("pad", "jt.pad(x, (1, 1), (0, 2), float('inf')) if x.dtype.is_floating_point else jt.pad(x, (1, 1), (0, 2), 1)",
     "F.pad(x, (1, 2, 1, 0), value=float('inf') if x.dtype.is_floating_point else 1)", None, [(2, 3), (0, 2)]),
    ("pad", "jt.pad(x, (1, 1), (0, 2), float('nan')) if x.dtype.is_floating_point else jt.pad(x, (1, 1), (0, 2), 1)",
     "F.pad(x, (1, 2, 1, 0), value=float('nan') if x.dtype.is_floating_point else 1)", None, [(2, 3), (0, 2)]),
    ("pad", "jt.pad(x, (1, 1), (0, 2), -0.0)", "F.pad(x, (1, 2, 1, 0), value=-0.0)", None, [(2, 3)]),
    ("flip", "jt.flip(x)", "torch.flip(x, tuple(range(x.ndim)))", "np.flip(x)", [(), (3,), (2, 3, 4), (2, 0)]),
    ("flip", "jt.flip(x, axes=(0, -1))", "torch.flip(x, (0, -1))", "np.flip(x, (0, -1))", [(2, 3, 4)]),
    ("flip", "x.flip(1)", "x.flip(1)", "np.flip(x, 1)", [(2, 3)]),
    ("flip", "x.flip(dim=0)", "x.flip(0)", "np.flip(x, 0)", [(2, 3)]),
    ("windows", "jt.windows(x, (2, 3), (1, 2), (2, 1))", "torch.stack([torch.stack([torch.stack([x[i + 2 * a, 2 * j:2 * j + 3] for a in range(2)]) for j in range(2)]) for i in range(2)])",
     "np.stack([np.stack([np.stack([x[i + 2 * a, 2 * j:2 * j + 3] for a in range(2)]) for j in range(2)]) for i in range(2)])", [(4, 6)]),
    ("windows", "jt.windows(x, size=3, stride=2, dilation=1)", "x.unfold(-1, 3, 2)", None, [(7,), (3,), (2, 5)]),
    ("concat", "jt.concat([x, x[:1], x], 0)", "torch.cat([x, x[:1], x], 0)", "np.concatenate([x, x[:1], x], 0)", [(2, 3), (0, 3), (1,)]),
    ("concat", "jt.concat([x, x], axis=-1)", "torch.cat([x, x], -1)", "np.concatenate([x, x], -1)", [(2, 3), (2, 0)]),
    ("concat", "jt.concat((x,), dim=1)", "torch.cat((x,), 1)", "x", [(2, 3)]),
    ("cat", "jt.cat([x, x], 1)", "torch.cat([x, x], 1)", "np.concatenate([x, x], 1)", [(2, 3)]),
    ("concatenate", "jt.concatenate([x, x], 1)", "torch.cat([x, x], 1)", "np.concatenate([x, x], 1)", [(2, 3)]),
    ("stack", "jt.stack([x, x])", "torch.stack([x, x])", "np.stack([x, x])", [(), (0,), (2, 3)]),
    ("stack", "jt.stack([x, x, x], dim=-1)", "torch.stack([x, x, x], -1)", "np.stack([x, x, x], -1)", [(), (2, 3)]),
    ("Tensor.flatten", "x.flatten()", None, "x.reshape(-1)", [(), (0,), (2, 3, 4), (2, 0)]),
    ("Tensor.flatten", "x.flatten(1)", None, "x.reshape(2, -1)", [(2, 3, 4)]),
    ("Tensor.flatten", "x.flatten(start_dim=-2, end_dim=-1)", None, "x.reshape(2, 12)", [(2, 3, 4)]),
    ("Tensor.squeeze", "x.squeeze()", None, "x.squeeze()", [(), (1,), (1, 3, 1), (2, 3)]),
    ("Tensor.squeeze", "x.squeeze(0)", None, None, [(), (1,), (1, 3, 1), (2, 3)]),
    ("Tensor.squeeze", "x.squeeze(-1)", None, None, [(), (1,), (1, 3, 1), (2, 3)]),
    ("Tensor.squeeze", "x.squeeze(dim=(0, 2))", None, None, [(1, 3, 1), (1, 3, 2)]),
    ("Tensor.unsqueeze", "x.unsqueeze(0)", None, "x[None]", [(), (0,), (2, 3)]),
    ("Tensor.unsqueeze", "x.unsqueeze(dim=-1)", None, "x[..., None]", [(), (0,), (2, 3)]),
    ("Tensor.repeat", "x.repeat(2, 3)", None, "np.tile(x, (2, 3))", [(), (3,), (2, 3), (0, 2)]),
    ("Tensor.repeat", "x.repeat((2, 1, 0))", None, "np.tile(x, (2, 1, 0))", [(3,), (2, 3)]),
    ("Tensor.repeat", "x.repeat(1, 2, 1, 2, 2)", None, "np.tile(x, (1, 2, 1, 2, 2))", [(2, 1, 3, 1, 2), (3, 2)]),
    ("Tensor.repeat", "x.repeat(2)", None, "np.tile(x, 2)", [(3,), ()]),
    ("Tensor.split", "x.split(2)", None, None, [(5,), (4, 2), (1,), (0,), (0, 3)]),
    ("Tensor.split", "x.split([1, 0, 2], dim=1)", None, None, [(2, 3)]),
    ("Tensor.split", "x.split(3, -1)", None, None, [(2, 7), (2, 0)]),
    ("Tensor.split", "x.split([0, 0])", None, None, [(0, 3)]),
    ("tril", "jt.tril(x)", "torch.tril(x)", "np.tril(x)", [(3, 4), (2, 4, 3), (0, 3), (1, 1)]),
    ("tril", "x.tril(diagonal=-1)", "torch.tril(x, -1)", "np.tril(x, -1)", [(3, 4)]),
    ("triu", "jt.triu(x)", "torch.triu(x)", "np.triu(x)", [(3, 4), (2, 4, 3), (0, 3), (1, 1)]),
    ("triu", "jt.triu(x, diagonal=2)", "torch.triu(x, 2)", "np.triu(x, 2)", [(3, 4)]),
    ("diagonal", "jt.diagonal(x)", "torch.diagonal(x)", "np.diagonal(x)", [(3, 4), (4, 3, 2), (0, 3)]),
    ("diagonal", "x.diagonal(offset=-1, axis1=-1, axis2=0)", "torch.diagonal(x, -1, -1, 0)", "np.diagonal(x, -1, -1, 0)", [(3, 4), (4, 3, 2)]),
    ("diagonal", "x.diagonal(7)", "torch.diagonal(x, 7)", "np.diagonal(x, 7)", [(3, 4)]),
    ("roll", "jt.roll(x, 3)", "torch.roll(x, 3)", "np.roll(x, 3)", [(5,), (2, 3), (0, 3), ()]),
    ("roll", "jt.roll(x, shifts=(1, -2), axes=(0, -1))", "torch.roll(x, (1, -2), (0, -1))", "np.roll(x, (1, -2), (0, -1))", [(2, 3), (2, 3, 4)]),
    ("roll", "x.roll(-1, dim=1)", "torch.roll(x, -1, 1)", "np.roll(x, -1, 1)", [(2, 3)]),
    ("tile", "jt.tile(x, (2, 3))", "torch.tile(x, (2, 3))", "np.tile(x, (2, 3))", [(), (3,), (2, 3), (0, 2), (1, 2, 2)]),
    ("tile", "jt.tile(x, times=2)", "torch.tile(x, (2,))", "np.tile(x, 2)", [(), (3,)]),
    ("stack", "jt.ops.stack([x, x], axis=1)", "torch.stack([x, x], 1)", "np.stack([x, x], 1)", [(2, 3)]),
    ("ops.stack", "jt.ops.stack([x, x], axis=1)", "torch.stack([x, x], 1)", "np.stack([x, x], 1)", [(2, 3)]),
    ("masked_fill", "jt.masked_fill(x, x == x[0, 0], value=1)", "torch.masked_fill(x, x == x[0, 0], 1)", "np.where(x == x[0, 0], np.ones_like(x), x)", [(2, 3)]),
    ("masked_fill", "x.masked_fill(x[0] == x[0, 0], 0)", "x.masked_fill(x[0] == x[0, 0], 0)", None, [(2, 3)]),
    ("aminmax", "x.aminmax(dim=0, keepdim=True)", "torch.aminmax(x, dim=0, keepdim=True)", None, [(5,), (2, 3)]),
    ("aminmax", "jt.aminmax(x)", "torch.aminmax(x)", None, [(5,), (2, 3)]),
    ("aminmax", "jt.aminmax(x, axes=-1, keepdims=True)", "torch.aminmax(x, dim=-1, keepdim=True)", None, [(2, 3)]),
    ("isclose", "jt.isclose(x, x + 1, rtol=0.1, atol=0.5, equal_nan=True) if x.dtype.is_floating_point else x == x", "torch.isclose(x, x + 1, 0.1, 0.5, True) if x.dtype.is_floating_point else x == x", None, [(5,)]),
    ("nan_to_num", "jt.nan_to_num(x, nan=2, posinf=3, neginf=-4)", "torch.nan_to_num(x, 2, 3, -4)", None, [(5,)]),
    ("split", "jt.split(x, 2)", "torch.split(x, 2)", None, [(5,), (4, 2), (0, 3)]),
    ("split", "jt.split(x, [1, 2], dim=1)", "torch.split(x, [1, 2], dim=1)", None, [(2, 3)]),
    ("split", "jt.ops.split(x, [1, 0, 2], axis=1)", "torch.split(x, [1, 0, 2], 1)", None, [(2, 3)]),
    ("ops.split", "jt.ops.split(x, [1, 0, 2], 1)", "torch.split(x, [1, 0, 2], 1)", None, [(2, 3)]),
    ("ops.split", "jt.ops.split(x, sizes=(2, 1), axis=-1)", "torch.split(x, [2, 1], -1)", None, [(3,)]),
    ("chunk", "jt.chunk(x, 3)", "torch.chunk(x, 3)", None, [(7,), (2, 2)]),
    ("chunk", "jt.chunk(x, 2, dim=1)", "torch.chunk(x, 2, dim=1)", None, [(2, 5)]),
    ("Tensor.chunk", "x.chunk(3)", None, None, [(7,), (2, 2), (6,), (0,)]),
    ("Tensor.chunk", "x.chunk(2, dim=1)", None, None, [(2, 5), (2, 0)]),
    ("Tensor.unbind", "x.unbind()", None, None, [(3,), (2, 3), (0, 2)]),
    ("Tensor.unbind", "x.unbind(dim=-1)", None, None, [(2, 3)]),
    ("Tensor.clone", "x.clone()", None, "x", [(), (0,), (2, 3)]),
    ("Tensor.copy", "x.copy()", "x.clone()", "x", [(), (2, 3)]),
    ("Tensor.__copy__", "__import__('copy').copy(x)", "x.clone()", "x", [(), (2, 3)]),
    ("Tensor.__deepcopy__", "__import__('copy').deepcopy(x.detach())", "x.detach()", "x", [(), (2, 3)]),
    ("Tensor.__reduce__", "__import__('pickle').loads(__import__('pickle').dumps(x.detach()))", "x.detach()", "x", [(), (0, 2), (2, 3)]),
    ("Tensor.detach", "x.detach()", None, "x", [(), (2, 3)]),
    ("stop_grad", "jt.stop_grad(x)", "x.detach()", "x", [(), (2, 3)]),
    ("Tensor.__len__", "len(x)", None, "len(x)", [(3,), (0, 2)]),
    ("Tensor.__iter__", "list(x)", None, "list(x)", [(3,), (2, 3), (0, 2)]),
]


def move_cases(entry, bound_of=lambda dtype: EXACT):
    name, jt, torch, numpy, shapes = entry

    def make(whole):
        for shape in shapes:
            for dtype in (DTYPES if whole and shape == shapes[0] else ["float32", "int64"]):
                yield Case(name, jt, [Operand(filled(ordinary(dtype, 23), shape), dtype)], torch or jt, numpy, bound_of(dtype))
        shape = shapes[-1]
        for view in VIEWS[1:] if len(shape) else ():
            yield Case(name, jt, [Operand(filled(ordinary("float32", 23), shape), "float32", view)], torch or jt, numpy, bound_of("float32"))
        yield Case(name, jt, [Operand(filled(edges("float16"), shape), "float16")], torch or jt, numpy, bound_of("float16"))
    return make


for entry in MOVES:
    rows(entry[0], move_cases(entry))

# The same of what is computed: within as much as sums may be off.
COMPUTED = [
    ("var_mean", "[a if x.dtype.is_floating_point else 0 for a in x.var_mean(dim=0, keepdim=True)]",
     "[a if x.dtype.is_floating_point else 0 for a in torch.var_mean(x.float() if not x.dtype.is_floating_point else x, 0, keepdim=True)]", None, [(3, 4)]),
    ("var_mean", "[a if x.dtype.is_floating_point else 0 for a in jt.var_mean(x, axes=1, keepdims=True, correction=0)]",
     "[a if x.dtype.is_floating_point else 0 for a in torch.var_mean(x.float() if not x.dtype.is_floating_point else x, 1, keepdim=True, correction=0)]", None, [(2, 4)]),
]
for entry in COMPUTED:
    rows(entry[0], move_cases(entry, sums))

# Along an axis: through every dtype and its special values.
#   (name, jt, PyTorch, NumPy)
ALONG = [
    ("sort", "jt.sort(x, 0)", "torch.sort(x, dim=0, stable=True)", None),
    ("sort", "jt.sort(x, axis=-1, descending=True)", "torch.sort(x, dim=-1, descending=True, stable=True)", None),
    ("sort", "jt.sort(x, dim=0)[0]", "torch.sort(x, dim=0, stable=True)[0]", "np.sort(x, 0)"),
    ("argsort", "x.argsort(dim=0)", "torch.argsort(x, dim=0, stable=True)", "np.argsort(x, 0, kind='stable')"),
    ("argsort", "jt.argsort(x, 0)", "torch.argsort(x, dim=0, stable=True)", "np.argsort(x, 0, kind='stable')"),
    ("argsort", "jt.argsort(x, axis=-1, descending=True)", "torch.argsort(x, dim=-1, descending=True, stable=True)", None),
    ("topk", "x.topk(1, dim=0)[0]", "torch.sort(x, dim=0, descending=True, stable=True)[0].narrow(0, 0, 1)", None),
    ("topk", "jt.topk(x, k=1, axis=-1, largest=False)[1]", "torch.sort(x, dim=-1, stable=True)[1].narrow(-1, 0, 1)", None),
    ("cummax", "x.cummax(dim=0)", "torch.cummax(x, 0)", None),
    ("cummax", "jt.cummax(x, axis=-1)[0]", "torch.cummax(x, -1)[0]", "np.maximum.accumulate(x, -1)"),
    ("cummin", "x.cummin(dim=0)", "torch.cummin(x, 0)", None),
    ("cummin", "jt.cummin(x, axis=-1)[0]", "torch.cummin(x, -1)[0]", "np.minimum.accumulate(x, -1)"),
    ("cumsum", "x.cumsum(dim=0)", "torch.cumsum(x, 0)", "np.cumsum(x, 0)"),
    ("cumsum", "jt.cumsum(x, axis=-1)", "torch.cumsum(x, -1)", "np.cumsum(x, -1)"),
    ("cumprod", "x.cumprod(dim=0)", "torch.cumprod(x, 0)", "np.cumprod(x, 0)"),
    ("cumprod", "jt.cumprod(x, axis=-1)", "torch.cumprod(x, -1)", "np.cumprod(x, -1)"),
]


def along_cases(name, jt, torch, numpy):
    adds = name in ("cumsum", "cumprod")

    def make(whole):
        for dtype in DTYPES if whole else ["float32", "int64", "uint8", "bool", "float16"]:
            bound = sums(dtype) if adds else EXACT
            for vector in special_vectors(dtype):
                yield Case(name, jt, [Operand(vector, dtype)], torch, numpy, bound, dtype_of="numpy" if adds and not is_float(dtype) else "torch")
            for shape in [(9,), (3, 4), (2, 5, 3), (70, 2), (1, 1)]:
                yield Case(name, jt, [Operand(filled(ordinary(dtype, 23), shape), dtype)], torch, numpy, bound,
                           dtype_of="numpy" if adds and not is_float(dtype) else "torch")
        for view in VIEWS[1:]:
            yield Case(name, jt, [Operand(filled(ordinary("float32", 23), (3, 4)), "float32", view)], torch, numpy, sums("float32") if adds else EXACT)
    return make


for entry in ALONG:
    rows(entry[0], along_cases(*entry))

# Indexing: NumPy's keys, PyTorch's where it has them.
KEYS = ["x[0]", "x[-1]", "x[1, 2]", "x[1:]", "x[:, 1]", "x[::2]", "x[1:3, ::2]", "x[...]", "x[..., 0]", "x[0, ...]", "x[None]", "x[:, None]", "x[..., None]",
        "x[-2:]", "x[:-1, -1]", "x[5:2]", "x[100:]", "x[:-100]", "x[[0, 2]]", "x[[]]", "x[[-1, 0, -1]]", "x[np.array([1, 0])]", "x[[True, False, True, True]]",
        "x[[0, 1], [2, 3]]", "x[[[0, 1], [2, 0]]]", "x[:, [2, 0]]", "x[1, [2, 0]]", "x[[0, 1], 2]", "x[np.int64(1)]", "x[np.int32(1):np.int8(3)]",
        "x[[1, 2], 1:]", "x[1:, [0, 1]]", "x[True]", "x[()]", "x[x > 0]", "x[x[:, 0] > 0]", "x[(x > 0) & (x < 2)]", "x[np.array(2)]", "x[np.array([], dtype=int)]"]
REVERSED = ["x[::-1]", "x[::-2]", "x[:, ::-1]", "x[3:0:-1, 1]", "x[-1:-4:-2]"]
KEYS_3D = ["x[0, :, 1]", "x[:, 0]", "x[..., 1:]", "x[[0, 1], :, [1, 2]]", "x[:, [0, 1], [1, 2]]", "x[0, [0, 1]]", "x[[0, 1], [0, 2], [1, 1]]", "x[:, [[0, 1]]]", "x[1, ..., 0]",
           "x[None, [0, 1]]", "x[[0, 1], None]", "x[:, None, [0, 1]]", "x[[0, 1], 2, [1, 0]]", "x[1:, [0, 1], ::2]", "x[[[0], [1]], :, [1, 2, 0]]", "x[[0, 2], ..., [1, 1]]", "x[[-1], :, [-2]]"]
STORES = ["x[0] = 7", "x[1, 2] = 7", "x[:, 1] = 7", "x[::2] = y[:2]", "x[1:3, ::2] = 3", "x[...] = 5", "x[[0, 2]] = 7", "x[[0, 2]] = y[:2]", "x[:, [2, 0]] = 3",
          "x[[0, 1], [2, 3]] = 9", "x[x > 0] = 0", "x[x[:, 0] > 0] = 1", "x[-1] = y[0]", "x[5:2] = 1", "x[[]] = 1", "x[None, 0] = 3", "x[1] = y[0, :1]", "x[0, [1, 2]] = 4",
          "x[1:, [0, 1]] = 6", "x[np.int64(1)] = 8", "x[..., -1] = y[:, 0]", "x[None, [0, 1]] = y[:2]", "x[0, [1, 2]] = y[0, :2]", "x[1:, [0, 1]] = y[:3, :2]", "x[::2, [3, 1]] = 4", "x[[0, 0]] = 5", "x[()] = 2", "x[True] = 3"]
REVERSED_STORES = ["x[::-1] = y", "x[:, ::-2] = 3"]


def store(statement):
    """An assignment as an expression that gives what x then is."""
    return f"stored(x, {statement!r}, locals())"


def key_cases(whole):
    for keys, shape, numpy_only in ((KEYS, (4, 5), False), (REVERSED, (4, 5), True), (KEYS_3D, (3, 4, 3), False)):
        for key in keys:
            for dtype in (["float32", "int64", "bool", "float16", "uint8"] if whole else ["float32"]):
                if dtype == "bool" and ">" in key:
                    continue
                yield Case("Tensor.__getitem__", key, [Operand(filled(ordinary(dtype, 23), shape), dtype)], None if numpy_only else key, key, EXACT)
    for shape in ((0,), (0, 3), (1,), (2, 0)):
        for key in ("x[:]", "x[...]", "x[1:]", "x[None]", "x[[]]", "x[x > 0]"):
            yield Case("Tensor.__getitem__", key, [Operand(np.zeros(shape, "float32"), "float32")], key, key, EXACT)


def store_cases(whole):
    for keys, numpy_only in ((STORES, False), (REVERSED_STORES, True)):
        for text in keys:
            for dtype in (["float32", "int64", "float16", "uint8", "float64"] if whole else ["float32"]):
                operands = [Operand(filled(ordinary(dtype, 23, i), (4, 5)), dtype) for i in range(2)]
                yield Case("Tensor.__setitem__", store(text), operands, None if numpy_only else store(text), store(text), EXACT, tags=text)


rows("Tensor.__getitem__", key_cases)
rows("Tensor.__setitem__", store_cases)

# Indices as operands.
INDEXED = [
    ("take", "jt.take(x, y)", "torch.index_select(x, 0, y)", "np.take(x, y, 0)", (4, 3), [1, 0, 3, 3]),
    ("take", "jt.take(x, y, axis=1)", "torch.index_select(x, 1, y)", "np.take(x, y, 1)", (4, 3), [2, 0]),
    ("take", "jt.take(x, y, axis=-1)", None, "np.take(x, y, -1)", (4, 3), [-1, 0, -3]),
    ("take", "jt.take(x, y, dim=1)", "x[:, y]", "np.take(x, y, 1)", (4, 3), [[2, 0], [1, 1]]),
    ("take", "x.take(y)", None, "np.take(x, y, 0)", (4,), 2),
    ("take", "jt.take(x, y)", None, "np.take(x, y, 0)", (4, 2), []),
    ("slice_at", "jt.slice_at(x, y, 2)", "x[1:3]", "x[1:3]", (4, 3), 1),
    ("slice_at", "jt.slice_at(x, y, 1, axis=1)", "x[:, 2:3]", "x[:, 2:3]", (4, 3), 2),
    ("slice_at", "x.slice_at(y, length=3, dim=-1)", "x", "x", (4, 3), 0),
    ("update_at", "jt.update_at(x, x[:2], y)", "torch.cat([x[:1], x[:2], x[3:]])", "np.concatenate([x[:1], x[:2], x[3:]])", (4, 3), 1),
    ("update_at", "jt.update_at(x, x[:, 2:], y, axis=1)", "torch.cat([x[:, 2:], x[:, 1:]], 1)", "np.concatenate([x[:, 2:], x[:, 1:]], 1)", (4, 3), 0),
    ("update_at", "x.update_at(x[:, :1], y, dim=-1)", "torch.cat([x[:, :2], x[:, :1]], 1)", "np.concatenate([x[:, :2], x[:, :1]], 1)", (4, 3), 2),
    ("gather", "jt.gather(x, y)", "torch.gather(x, 0, y)", "np.take_along_axis(x, y, 0)", (3, 2), [[0, 2], [1, 1]]),
    ("gather", "jt.gather(x, y, axis=1)", "torch.gather(x, 1, y)", "np.take_along_axis(x, y, 1)", (2, 3), [[0, 2, 1, 1], [2, 2, 0, 1]]),
    ("gather", "x.gather(y, dim=-1)", "torch.gather(x, -1, y)", "np.take_along_axis(x, y, -1)", (2, 3), [[0], [2]]),
    ("gather", "jt.gather(x, y, 0)", "torch.gather(x, 0, y)", None, (4,), []),
    ("scatter_add", "jt.scatter_add(x, y, w)", "x.index_add(0, y, w)", None, (4, 3), [1, 0, 1], (3, 3)),
    ("scatter_add", "jt.scatter_add(x, y, w, axis=1)", "x.index_add(1, y, w)", None, (2, 4), [3, 3, 0], (2, 3)),
    ("scatter_add", "jt.scatter_add(x, y, w, dim=-1)", "x.index_add(1, y, w)", None, (2, 4), [], (2, 0)),
    ("scatter", "jt.scatter(x, y, w)", "x.scatter(0, y, w)", None, (3, 2), [[0, 2], [1, 1]], (2, 2)),
    ("scatter", "jt.scatter(x, y, w, axis=1)", "x.scatter(1, y, w)", None, (2, 3), [[0, 2], [2, 1]], (2, 2)),
    ("scatter", "jt.scatter(x, y, w, 1, combine='add')", "x.scatter_add(1, y, w)", None, (2, 3), [[0, 0], [2, 2]], (2, 2)),
    ("scatter", "jt.scatter(x, y, w, dim=1, combine='mul')", "x.scatter_reduce(1, y, w, 'prod')", None, (2, 3), [[0, 0], [2, 1]], (2, 2)),
    ("scatter", "jt.scatter(x, y, w, 1, 'max')", "x.scatter_reduce(1, y, w, 'amax')", None, (2, 3), [[0, 0], [2, 1]], (2, 2)),
    ("scatter", "x.scatter(y, w, 1, 'min')", "x.scatter_reduce(1, y, w, 'amin')", None, (2, 3), [[0, 0], [2, 1]], (2, 2)),
    ("embedding", "jt.embedding(y, x)", "F.embedding(y, x)", "x[y]", (5, 3), [[1, 4], [0, 0]]),
    ("embedding", "jt.embedding(y, x, padding=1)", "F.embedding(y, x, padding_idx=1)", "x[y]", (5, 3), [[1, 4], [0, 1]]),
    ("embedding", "jt.embedding(y, x)", "F.embedding(y, x)", "x[y]", (5, 3), 2),
    ("embedding", "jt.embedding(y, x)", "F.embedding(y, x)", "x[y]", (5, 3), []),
]


def indexed_cases(entry):
    name, jt, torch, numpy, shape, index, *more = entry

    def make(whole):
        for dtype in (DTYPES if whole else ["float32", "int32", "float64"]):
            for kind in (["int64", "int32", "uint8", "int16"] if whole and dtype == "float32" else ["int64"]):
                if kind == "uint8" and np.any(np.asarray(index) < 0):
                    continue
                operands = [Operand(filled(ordinary(dtype, 23), shape), dtype), Operand(np.array(index, kind), kind)]
                operands += [Operand(filled(ordinary(dtype, 23, 5), s), dtype) for s in more]
                its = torch and torch.replace(", y", ", y.long()").replace("(y,", "(y.long(),").replace("[:, y", "[:, y.long()")
                yield Case(name, jt, operands, its, numpy and numpy.replace("x[y]", "x[y.astype(int)]"), sums(dtype) if is_float(dtype) else EXACT)
    return make


for entry in INDEXED:
    rows(entry[0], indexed_cases(entry))

OTHERS = [
    ("one_hot", "jt.one_hot(x, 4)", "F.one_hot(x.long(), 4)", "np.eye(4, dtype=int)[x]", np.array([[1, 3], [0, 2]])),
    ("one_hot", "jt.one_hot(x, classes=3, dtype='float32')", "F.one_hot(x.long(), 3).float()", None, np.array([2, 0])),
    ("one_hot", "jt.one_hot(x, 3)", "F.one_hot(x.long(), 3)", None, np.array(1)),
    ("one_hot", "jt.one_hot(x, 3)", "F.one_hot(x.long(), 3)", None, np.zeros((0,), int)),
    ("update", "jt.update(x, x[:1, :2] * 2, (1, 1))", "torch.cat([x[:1], torch.cat([x[1:2, :1], x[:1, :2] * 2, x[1:2, 3:]], 1), x[2:]])", None, np.arange(15.0).reshape(3, 5)),
    ("update", "jt.update(x, -x[:2, :2], starts=(0, 1), steps=(2, 3))", "stored(x.clone(), 'x[0:3:2, 1:5:3] = -x[:2, :2].clone()', locals())", None, np.arange(15.0).reshape(3, 5)),
    ("reindex", "jt.reindex(x, (3, 2), 'i1, i0')", "x.T", "x.T", np.arange(6.0).reshape(2, 3)),
    ("reindex", "jt.reindex(x, shape=(4,), index='i0 - 1', value=7)", "F.pad(x, (1, 0), value=7)[:4]", None, np.arange(4.0)),
    ("reindex_reduce", "jt.reindex_reduce(x, (3,), 'i0')", "x.sum(1)", "x.sum(1)", np.arange(6.0).reshape(3, 2)),
    ("reindex_reduce", "jt.reindex_reduce(x, shape=(2,), index='i1', combine='max')", "torch.amax(x, 0)", None, np.arange(6.0).reshape(3, 2)),
    ("reindex_reduce", "jt.reindex_reduce(x, (2,), 'i1', 'mul')", "torch.prod(x, 0)", None, np.arange(1.0, 7).reshape(3, 2)),
    ("reindex_reduce", "jt.reindex_reduce(x, (2,), 'i1', combine='min')", "torch.amin(x, 0)", None, np.arange(6.0).reshape(3, 2)),
]
for entry in OTHERS:
    rows(entry[0], lambda whole, e=entry: iter([Case(e[0], e[1], [Operand(e[4].astype(d), d)], e[2], e[3], EXACT)
                                                for d in (("float32", "float64") if e[4].dtype.kind == "f" else ("int64", "int32", "uint8"))][0:]))


def cast_cases(whole):
    for a in DTYPES:
        for b in DTYPES:
            yield Case("cast", f"jt.cast(x, '{b}')", [Operand(edges(a), a)], f"x.to(torch.{b})", None if b == "bfloat16" else f"x.astype('{b}')" if not is_float(b) else None,
                       Bound(), wide=False, tags="edges " + b)
    yield Case("cast", "x.cast(dtype='int32')", [Operand(ordinary("float32", 5), "float32")], "x.int()")


rows("cast", cast_cases)
for entry, other in (("to", "to(m.float64)"), ("astype", "astype('float64')"), ("float", "float()"), ("double", "double()"), ("half", "half()"), ("int", "int()"),
                     ("long", "long()"), ("bool", "bool()")):
    rows("Tensor." + entry, lambda whole, e=entry, o=other: (Case("Tensor." + e, "x." + o, [Operand(ordinary(d, 9), d)], "x." + o.replace("astype('float64')", "double()"), None, Bound())
                                                             for d in DTYPES))
