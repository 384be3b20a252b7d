"""run: a case -> its differences: value, shape, dtype, refusal, gradient."""
import numpy as np

import jt
from compare import Bound, Difference, agree
from table import NAMES
from values import is_float, rounded

try:
    import torch
    torch.set_num_threads(1)
    F = torch.nn.functional
except ImportError:
    torch = F = None
MODULES = {"np": np, "jt": jt, "torch": torch, "F": F}
GRADIENT = {"float32": Bound(ulp=16, relative=4e-6, zero_sign=False), "float64": Bound(ulp=16, relative=1e-12, zero_sign=False)}


def evaluate(text, values, module):
    scope = dict(MODULES, m=module)
    scope.update(zip(NAMES, values))
    return eval(compile(text, "case", "eval"), scope)


def listed(result):
    return list(result) if isinstance(result, (tuple, list)) else [result]


def of_jt(x):
    """(array, dtype name) of a tensor or number that jt gave."""
    if isinstance(x, jt.Tensor):
        return np.asarray((x.float() if x.dtype == "bfloat16" else x).numpy()), str(x.dtype)
    return np.asarray(x), None


def of_torch(x):
    if not isinstance(x, torch.Tensor):
        return np.asarray(x), None
    dtype = str(x.dtype).rsplit(".", 1)[-1]
    x = x.detach().resolve_conj()
    return (x.float() if dtype == "bfloat16" else x).numpy(), dtype


def torch_results(case, wide, gradients):
    """(results, gradients or None) of PyTorch; raises what it raises."""
    operands = [o.torch(torch, wide) for o in case.operands]
    wanted = gradients and [x for x in operands if x.dtype.is_floating_point]
    for x in wanted or ():
        x.requires_grad_()
    results = listed(evaluate(case.torch, operands, torch))
    out = [of_torch(r) for r in results]
    first = results[0]
    if not wanted or not isinstance(first, torch.Tensor) or not first.requires_grad or not first.dtype.is_floating_point:
        return out, None
    dy = torch.from_numpy(weights(tuple(first.shape))).to(first.dtype)
    grads = torch.autograd.grad(first, wanted, dy, allow_unused=True)
    return out, [np.zeros(tuple(x.shape)) if g is None else of_torch(g)[0] for x, g in zip(wanted, grads)]


def weights(shape):
    """A gradient of the result that tells its elements apart."""
    return (np.resize(np.array([1.0, -2.0, 0.5, 3.0, -1.25]), int(np.prod(shape, dtype=int))).reshape(shape))


def numpy_results(case, dtypes):
    """NumPy's results, floats in long double."""
    with np.errstate(all="ignore"):
        operands = [o.wide(dtypes[0] or "") for o in case.operands]
        return [np.asarray(r) for r in listed(evaluate(case.numpy, operands, np))]


def short(error):
    return f"{type(error).__name__}: {str(error).splitlines()[0][:150] if str(error) else ''}"


def references(case, dtypes):
    """([(who, arrays)], dtypes of PyTorch's results or None, gradients in float64 and own precision, refusals)."""
    found, own_dtypes, gradients, refusals = [], None, [], []
    want_gradient = case.gradient and all(o.dtype in ("float32", "float64") for o in case.operands if is_float(o.dtype))
    if torch and case.torch:
        for wide in ((True, False) if case.wide and any(is_float(o.dtype) for o in case.operands) else (False,)):
            try:
                results, grads = torch_results(case, wide, want_gradient)
            except (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError) as error:
                refusals.append(("PyTorch", short(error)))
                continue
            found.append(("PyTorch", [a for a, _ in results]))
            if not wide:
                own_dtypes = [d for _, d in results]
            if grads is not None:
                gradients.append(grads)
    if case.numpy:
        try:
            found.append(("NumPy", numpy_results(case, dtypes)))
        except (TypeError, ValueError, IndexError, OverflowError, AttributeError) as error:
            refusals.append(("NumPy", short(error)))
    return found, own_dtypes, gradients, refusals


def elements_of(case, wrong, got, want):
    """Elements that differ, by name, and the operands there where they have the result's extents."""
    out = {"got": got[wrong], "want": np.broadcast_to(want, got.shape)[wrong]}
    for name, operand in zip(NAMES, case.operands):
        try:
            out[name] = np.broadcast_to(operand.array, got.shape)[wrong]
        except ValueError:
            out[name + "_all"] = operand.array
    return out


def shown(elements):
    parts = [f"{name}={elements[name].ravel()[0]!r}".replace("np.", "") for name in NAMES if name in elements]
    return f"{elements['got'].size} differ, first {' '.join(parts)}: {elements['got'].ravel()[0]!r}, expected {elements['want'].ravel()[0]!r}"


def scale_of(case):
    """The largest finite magnitude among operands, for bounds of what sums them."""
    sizes = [np.abs(o.array[np.isfinite(o.array)]).max(initial=0) for o in case.operands if is_float(o.dtype)]
    return float(max(sizes, default=0))


def difference_of_values(case, index, got, dtype, candidates, bound, kind="value"):
    """None, or what no reference agrees with."""
    best = None
    wrong = np.ones(got.shape, bool)
    fitting = [(who, want) for who, want in candidates if want.shape == got.shape]
    if not fitting:
        who, want = candidates[0]
        return Difference(case.name, case.text(), "shape", f"{got.shape}, {who} has {want.shape}")
    for who, want in fitting:
        wrong &= ~agree(got, want, dtype, bound, scale_of(case))
        best = best if best is not None else want
    if not wrong.any():
        return None
    elements = elements_of(case, wrong, got, best)
    return Difference(case.name, case.text(), kind, (f"result {index}: " if index else "") + shown(elements), elements)


def differences_of(case):
    operands = [o.jt(jt) for o in case.operands]
    try:
        results = [of_jt(r) for r in listed(evaluate(case.jt, operands, jt))]
        refusal = None
    except (jt.Error, TypeError, ValueError, IndexError, OverflowError, NotImplementedError, AttributeError) as error:
        results, refusal = [], short(error)
    except Exception as error:
        return [Difference(case.name, case.text(), "crash", short(error))]
    dtypes = [d for _, d in results] or [None]
    found, own_dtypes, gradients, refusals = references(case, dtypes)
    if refusal:
        who = " and ".join(sorted({w for w, _ in found}))
        return [Difference(case.name, case.text(), "refused", f"{refusal} ({who} computes it)")] if found else []
    if not found:
        return []
    out = []
    counts = {len(arrays) for _, arrays in found}
    if len(results) not in counts:
        return [Difference(case.name, case.text(), "shape", f"{len(results)} results, not {sorted(counts)}")]
    if own_dtypes and case.dtype_of == "torch":
        for i, (mine, theirs) in enumerate(zip(dtypes, own_dtypes)):
            if theirs and mine and mine != theirs:
                out.append(Difference(case.name, case.text(), "dtype", f"{mine}, PyTorch has {theirs}"))
    for i, (got, dtype) in enumerate(results):
        candidates = [(who, arrays[i]) for who, arrays in found if i < len(arrays)]
        if dtype is None:
            dtype = "float64" if got.dtype.kind == "f" else str(got.dtype)
        d = candidates and difference_of_values(case, i, got, dtype, candidates, case.bound)
        if d:
            out.append(d)
    if gradients and not out and results:
        out.extend(gradient_differences(case, gradients))
    return out


def gradient_differences(case, gradients):
    operands = [o.jt(jt) for o in case.operands]
    wanted = [(i, x) for i, x in enumerate(operands) if is_float(str(x.dtype))]
    for _, x in wanted:
        x.requires_grad = True
    try:
        first = listed(evaluate(case.jt, operands, jt))[0]
        dy = jt.array(weights(first.shape)).reshape(first.shape).to(first.dtype)
        grads = jt.grad(first, [x for _, x in wanted], dy, allow_unused=True)
    except (jt.Error, TypeError, ValueError) as error:
        return [Difference(case.name, case.text(), "gradient", "refused: " + short(error))]
    out = []
    for at, ((i, x), g) in enumerate(zip(wanted, grads)):
        got, dtype = of_jt(g)
        candidates = [("PyTorch", own[at]) for own in gradients]
        d = difference_of_values(case, 0, got, dtype, candidates, GRADIENT[dtype], "gradient")
        if d:
            d.detail = f"of {NAMES[i]}: {d.detail}"
            if d.elements:
                d.elements["of"] = np.full(d.elements["got"].shape, NAMES[i])
            out.append(d)
    return out


# ---- what expressions of the tables may call

def prod_of(x, axes, keep):
    """torch.prod takes one axis; integers and bool widen there as here."""
    for axis in sorted({a % x.ndim for a in axes}, reverse=True) if x.ndim else ():
        x = x.prod(axis, keepdim=keep)
    return x.prod() if x.ndim == 0 else x


def arg_of(function, x, axes, keep):
    """argmax over several axes: over them flattened, row-major."""
    ndim = x.ndim
    axes = sorted({a % ndim for a in axes}) if ndim else []
    others = [a for a in range(ndim) if a not in axes]
    shape = tuple(x.shape)
    moved = x.permute(*others, *axes) if torch and isinstance(x, torch.Tensor) else np.transpose(x, others + axes)
    out = function(moved.reshape([shape[a] for a in others] + [int(np.prod([shape[a] for a in axes], dtype=int))]), -1)
    return out.reshape([1 if a in axes else shape[a] for a in range(ndim)]) if keep else out


def stored(x, statement, scope):
    """What x is after a statement that assigns to it."""
    names = {name: scope[name] for name in NAMES if name in scope}
    is_torch = torch is not None and isinstance(x, torch.Tensor)
    names["x"] = x.clone() if is_torch or isinstance(x, jt.Tensor) else x.copy()
    exec(statement, dict(MODULES), names)
    return names["x"]


MODULES.update(prod_of=prod_of, arg_of=arg_of, stored=stored)


def grad_of(function, x, dy):
    """The gradient of a function at x."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        return torch.autograd.grad(function(x), x, dy)[0]


MODULES.update(grad_of=grad_of)


def with_grad(x, function):
    """A function of x, which requires a gradient."""
    x.requires_grad = True
    return function(x)


def grad_after(x, times, **options):
    """What x.grad is after some calls of backward."""
    for _ in range(times):
        y = (x * x).sum()
        y.backward(**options)
    return x.grad


def zeros_of(module, x):
    """Zeros in place of elements that are of no interest."""
    return module.zeros_like(x)


def as_torch(data, dtype=None):
    """torch.tensor, for arrays with strides that it does not take, too."""
    if isinstance(data, list) and data and isinstance(data[0], np.ndarray):
        data = np.array(data)
    data = np.ascontiguousarray(data) if isinstance(data, np.ndarray) and data.ndim else data
    return torch.tensor(data if not isinstance(data, range) else list(data), dtype=dtype)


MODULES.update(with_grad=with_grad, grad_after=grad_after, zeros_of=zeros_of, as_torch=as_torch)
