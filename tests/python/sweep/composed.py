"""composed: functions that the package writes in other ops, under PyTorch's and NumPy's names; and methods in place."""
from compare import Bound
from shapes import EXACT, move_cases, store, sums
from table import Case, exempt, rows
from values import DTYPES, FLOATS, Operand, VIEWS, edges, filled, is_float, ordinary

# Of one operand: what lays elements out anew. As shapes.MOVES: (name, jt, PyTorch, NumPy, shapes)
LAYOUTS = [
    ("movedim", "jt.movedim(x, 0, -1)", "torch.movedim(x, 0, -1)", "np.moveaxis(x, 0, -1)", [(2, 3, 4), (3,), (0, 2)]),
    ("movedim", "x.movedim((0, 1), (-1, 0))", "x.movedim((0, 1), (-1, 0))", "np.moveaxis(x, (0, 1), (-1, 0))", [(2, 3, 4)]),
    ("moveaxis", "jt.moveaxis(x, -1, 0)", "torch.moveaxis(x, -1, 0)", "np.moveaxis(x, -1, 0)", [(2, 3, 4)]),
    ("swapaxes", "jt.swapaxes(x, 0, -1)", "torch.swapaxes(x, 0, -1)", "np.swapaxes(x, 0, -1)", [(2, 3, 4), (2, 0)]),
    ("swapdims", "x.swapdims(0, 1)", "x.swapdims(0, 1)", "np.swapaxes(x, 0, 1)", [(2, 3, 4)]),
    ("ravel", "jt.ravel(x)", "torch.ravel(x)", "np.ravel(x)", [(2, 3), (), (0, 2), (3,)]),
    ("unflatten", "jt.unflatten(x, 0, (2, -1))", "torch.unflatten(x, 0, (2, -1))", "x.reshape((2, -1) + x.shape[1:])", [(6,), (4, 3)]),
    ("unflatten", "x.unflatten(-1, (3, 1))", "x.unflatten(-1, (3, 1))", None, [(2, 3)]),
    ("narrow", "jt.narrow(x, 1, 1, 2)", "torch.narrow(x, 1, 1, 2)", "x[:, 1:3]", [(2, 4), (0, 3)]),
    ("narrow", "x.narrow(0, -2, 1)", "x.narrow(0, -2, 1)", "x[-2:-1]", [(4,), (2, 3)]),
    ("select", "jt.select(x, 1, -1)", "torch.select(x, 1, -1)", "x[:, -1]", [(2, 4), (0, 3)]),
    ("broadcast_to", "jt.broadcast_to(x, (2, 3))", "torch.broadcast_to(x, (2, 3))", "np.broadcast_to(x, (2, 3))", [(3,), (), (2, 1)]),
    ("Tensor.expand_as", "x.expand_as(x[None].expand((2,) + tuple(x.shape)))", None, None, [(3,), (2, 3)]),
    ("Tensor.view_as", "x.view_as(x.reshape(-1))", None, None, [(2, 3)]),
    ("Tensor.reshape_as", "x.reshape_as(x.reshape(-1))", None, None, [(2, 3)]),
    ("fliplr", "jt.fliplr(x)", "torch.fliplr(x)", "np.fliplr(x)", [(2, 3), (2, 3, 2)]),
    ("flipud", "jt.flipud(x)", "torch.flipud(x)", "np.flipud(x)", [(2, 3), (3,)]),
    ("rot90", "jt.rot90(x)", "torch.rot90(x)", "np.rot90(x)", [(2, 3), (2, 3, 2)]),
    ("rot90", "x.rot90(2)", "x.rot90(2)", "np.rot90(x, 2)", [(2, 3)]),
    ("rot90", "jt.rot90(x, -1, (0, -1))", "torch.rot90(x, -1, (0, -1))", "np.rot90(x, -1, (0, -1))", [(2, 3, 4)]),
    ("rot90", "jt.rot90(x, k=8, dims=[1, 0])", "torch.rot90(x, 8, [1, 0])", "np.rot90(x, 8, (1, 0))", [(2, 3)]),
    ("Tensor.mT", "x.mT", None, "np.swapaxes(x, -1, -2)", [(2, 3), (4, 2, 3)]),
    ("atleast_1d", "jt.atleast_1d(x)", "torch.atleast_1d(x)", "np.atleast_1d(x)", [(), (3,), (2, 3)]),
    ("atleast_2d", "jt.atleast_2d(x)", "torch.atleast_2d(x)", "np.atleast_2d(x)", [(), (3,), (2, 3), (2, 1, 2)]),
    ("atleast_3d", "jt.atleast_3d(x)", "torch.atleast_3d(x)", "np.atleast_3d(x)", [(), (3,), (2, 3), (2, 1, 2), (1, 1, 1, 2)]),
    ("hstack", "jt.hstack([x, x])", "torch.hstack([x, x])", "np.hstack([x, x])", [(), (3,), (2, 3)]),
    ("vstack", "jt.vstack((x, x))", "torch.vstack((x, x))", "np.vstack((x, x))", [(), (3,), (2, 3)]),
    ("row_stack", "jt.row_stack([x, x])", "torch.row_stack([x, x])", "np.vstack([x, x])", [(3,)]),
    ("dstack", "jt.dstack([x, x])", "torch.dstack([x, x])", "np.dstack([x, x])", [(), (3,), (2, 3), (2, 3, 1)]),
    ("column_stack", "jt.column_stack([x, x])", "torch.column_stack([x, x])", "np.column_stack([x, x])", [(3,), (2, 3)]),
    ("tensor_split", "jt.tensor_split(x, 3)", "torch.tensor_split(x, 3)", "np.array_split(x, 3)", [(7,), (2, 3)]),
    ("tensor_split", "x.tensor_split([1, -1], 1)", "x.tensor_split([1, -1], 1)", "np.array_split(x, [1, -1], 1)", [(2, 5)]),
    ("tensor_split", "jt.tensor_split(x, (2,), dim=-1)", "torch.tensor_split(x, (2,), -1)", None, [(2, 5)]),
    ("broadcast_tensors", "jt.broadcast_tensors(x, x[:1], x[0])", "torch.broadcast_tensors(x, x[:1], x[0])", "np.broadcast_arrays(x, x[:1], x[0])", [(2, 3)]),
    ("meshgrid", "jt.meshgrid(x, x[:2])", "torch.meshgrid(x, x[:2], indexing='ij')", "np.meshgrid(x, x[:2], indexing='ij')", [(3,)]),
    ("meshgrid", "jt.meshgrid([x[:1], x, x[:2]], indexing='xy')", "torch.meshgrid(x[:1], x, x[:2], indexing='xy')", "np.meshgrid(x[:1], x, x[:2])", [(3,)]),
    ("repeat_interleave", "jt.repeat_interleave(x, 2)", "torch.repeat_interleave(x, 2)", "np.repeat(x, 2)", [(3,), (2, 3)]),
    ("repeat_interleave", "x.repeat_interleave(3, dim=1)", "x.repeat_interleave(3, dim=1)", "np.repeat(x, 3, 1)", [(2, 3), (2, 1, 2)]),
    ("repeat_interleave", "jt.repeat_interleave(x, jt.array([2, 0, 1]), 0)", "torch.repeat_interleave(x, torch.tensor([2, 0, 1]), 0)", "np.repeat(x, [2, 0, 1], 0)", [(3, 2)]),
    ("Tensor.unfold", "x.unfold(0, 2, 1)", None, None, [(5,), (4, 3)]),
    ("Tensor.unfold", "x.unfold(-1, 3, 2)", None, None, [(7,), (2, 5)]),
    ("diag", "jt.diag(x)", "torch.diag(x)", "np.diag(x)", [(3,), (3, 4)]),
    ("diag", "x.diag(-1)", "x.diag(-1)", "np.diag(x, -1)", [(3,), (3, 4)]),
    ("diag_embed", "jt.diag_embed(x)", "torch.diag_embed(x)", None, [(3,), (2, 3)]),
    ("diag_embed", "jt.diag_embed(x, offset=2)", "torch.diag_embed(x, offset=2)", None, [(2, 3)]),
    ("diag_embed", "x.diag_embed(-1, 0, 2)", "x.diag_embed(-1, 0, 2)", None, [(2, 3)]),
    ("diagflat", "jt.diagflat(x, 1)", "torch.diagflat(x, 1)", "np.diagflat(x, 1)", [(2, 3), ()]),
    ("block_diag", "jt.block_diag(x, x[:1], x[0])", "torch.block_diag(x, x[:1], x[0])", None, [(2, 3)]),
    ("gather", "jt.gather(x, 1, jt.argsort(x, 1))", "torch.gather(x, 1, torch.argsort(x, 1, stable=True))", None, [(2, 3)]),
    ("gather", "x.gather(dim=0, index=jt.argsort(x, 0))", "x.gather(0, torch.argsort(x, 0, stable=True))", None, [(2, 3)]),
    ("nonzero", "jt.nonzero(x)", "torch.nonzero(x)", "np.argwhere(x)", [(5,), (2, 3), (0, 2), (2, 1, 3)]),
    ("nonzero", "x.nonzero(as_tuple=True)", "x.nonzero(as_tuple=True)", "np.nonzero(x)", [(2, 3)]),
    ("argwhere", "jt.argwhere(x)", "torch.argwhere(x)", "np.argwhere(x)", [(2, 3)]),
    ("masked_select", "jt.masked_select(x, x == x[0])", "torch.masked_select(x, x == x[0])", "x[x == x[0]]", [(5,), (2, 3)]),
    ("masked_select", "x.masked_select(x[:1] == x[:1])", "x.masked_select(x[:1] == x[:1])", None, [(2, 3)]),
    ("masked_scatter", "jt.masked_scatter(x, x == x[0], x + 1 if x.dtype != 'bool' else ~x)", "torch.masked_scatter(x, x == x[0], x + 1 if x.dtype != torch.bool else ~x)", None, [(2, 3)]),
    ("msort", "jt.msort(x)", "torch.msort(x)", "np.sort(x, 0)", [(5,), (4, 2)]),
    ("unique", "jt.unique(x)", "torch.unique(x)", "np.unique(x)", [(6,), (2, 3), (0,)]),
    ("unique", "x.unique(return_inverse=True, return_counts=True)", "x.unique(return_inverse=True, return_counts=True)", None, [(6,), (2, 3)]),
    ("unique", "jt.unique(x, True, False, True)", "torch.unique(x, True, False, True)", "np.unique(x, return_counts=True)", [(6,)]),
    ("unique_consecutive", "jt.unique_consecutive(x)", "torch.unique_consecutive(x)", None, [(6,), (2, 3)]),
    ("unique_consecutive", "x.unique_consecutive(True, True)", "x.unique_consecutive(True, True)", None, [(6,)]),
    ("amax", "jt.amax(x)", "torch.amax(x)", "np.max(x)", [(5,), (2, 3)]),
    ("amax", "x.amax(dim=-1, keepdim=True)", "x.amax(dim=-1, keepdim=True)", "np.max(x, -1, keepdims=True)", [(2, 3)]),
    ("amin", "jt.amin(x, (0, 1))", "torch.amin(x, (0, 1))", "np.min(x, (0, 1))", [(2, 3), (2, 3, 4)]),
    ("amin", "x.amin(1, True)", "x.amin(1, True)", "np.min(x, 1, keepdims=True)", [(2, 3)]),
    ("max", "x.max(0)", "x.max(0)", None, [(5,), (2, 3), ()]),
    ("max", "jt.max(x, dim=-1, keepdim=True)", "torch.max(x, dim=-1, keepdim=True)", None, [(2, 3)]),
    ("max", "x.max(axis=0)", "x.amax(0)", "np.max(x, axis=0)", [(2, 3)]),
    ("max", "jt.max(x, x[0])", "torch.max(x, x[0])", "np.maximum(x, x[0])", [(2, 3)]),
    ("min", "jt.min(x, dim=0)", "torch.min(x, 0)", None, [(5,), (2, 3)]),
    ("min", "x.min(1, keepdim=True)", "x.min(1, keepdim=True)", None, [(2, 3)]),
    ("count_nonzero", "jt.count_nonzero(x)", "torch.count_nonzero(x)", None, [(5,), (2, 3), ()]),
    ("count_nonzero", "x.count_nonzero(dim=1)", "x.count_nonzero(dim=1)", None, [(2, 3)]),
    ("diff", "jt.diff(x)", "torch.diff(x)", None, [(5,), (2, 3), (1,)]),
    ("diff", "x.diff(2, 0)", "x.diff(2, 0)", None, [(4,), (3, 2)]),
    ("diff", "jt.diff(x, n=1, dim=-2)", "torch.diff(x, 1, -2)", None, [(3, 2)]),
    ("absolute", "jt.absolute(x)", "torch.absolute(x) if x.dtype != torch.bool else x.abs()", None, [(5,)]),
    ("negative", "jt.negative(x)", "torch.negative(x)", None, [(5,)]),
    ("positive", "jt.positive(x)", "torch.positive(x)", None, [(5,)]),
    ("fix", "jt.fix(x)", "torch.fix(x)", None, [(5,)]),
    ("signbit", "jt.signbit(x)", "torch.signbit(x)", None, [(5,)]),
    ("isposinf", "jt.isposinf(x)", "torch.isposinf(x)", None, [(5,)]),
    ("isneginf", "jt.isneginf(x)", "torch.isneginf(x)", None, [(5,)]),
    ("clamp_min", "jt.clamp_min(x, 1)", "torch.clamp_min(x, 1)", None, [(5,)]),
    ("clamp_max", "x.clamp_max(1)", "x.clamp_max(1)", None, [(5,)]),
    ("clamp", "jt.clamp(x, min=0, max=1)", "torch.clamp(x, 0, 1)", None, [(5,)]),
    ("clamp", "x.clamp(max=1)", "x.clamp(max=1)", None, [(5,)]),
    ("clip", "jt.clip(x, 1)", "torch.clip(x, 1)", "np.clip(x, 1, None)", [(5,)]),
    ("Tensor.type", "x.type(m.float64)", None, None, [(2, 3)]),
    ("Tensor.type_as", "x.type_as(x.double())", None, None, [(2, 3)]),
    ("Tensor.bfloat16", "x.bfloat16().float()", None, None, [(3,)]),
    ("Tensor.contiguous", "x.contiguous()", None, "x", [(2, 3)]),
    ("Tensor.stride", "[x.stride(), x.stride(1)]", "[x.contiguous().stride(), x.contiguous().stride(1)]", None, [(2, 3), (2, 3, 4)]),
    ("Tensor.element_size", "x.element_size()", None, None, [(3,)]),
    ("Tensor.nelement", "x.nelement()", None, None, [(2, 3), (0,)]),
    ("Tensor.ndimension", "x.ndimension()", None, None, [(2, 3), ()]),
    ("Tensor.is_floating_point", "x.is_floating_point()", None, None, [(3,)]),
    ("Tensor.is_complex", "x.is_complex()", None, None, [(3,)]),
    ("Tensor.is_contiguous", "x.is_contiguous()", "True", None, [(2, 3)]),
    ("Tensor.is_cuda", "x.is_cuda", None, None, [(3,)]),
    ("Tensor.is_sparse", "x.is_sparse", None, None, [(3,)]),
    ("Tensor.new_zeros", "x.new_zeros(2, 3)", None, None, [(3,)]),
    ("Tensor.new_ones", "x.new_ones((2,), dtype=m.float64)", None, None, [(3,)]),
    ("Tensor.new_full", "x.new_full((2, 1), 1)", None, None, [(3,)]),
    ("Tensor.new_tensor", "x.new_tensor([0, 1])", None, None, [(3,)]),
]
for entry in LAYOUTS:
    rows(entry[0], move_cases(entry))


# Numbers in, numbers out: (name, jt, PyTorch, shapes of x, y, w); None as jt's with torch. On floats and integers, ordinary values.
def number_cases(entry, dtypes, special):
    name, jt, torch, *shapes = entry
    torch = torch or jt.replace("jt.", "torch.")

    def make(whole):
        for dtype in dtypes if whole else dtypes[:2]:
            bound = sums(dtype) if is_float(dtype) else EXACT
            yield Case(name, jt, [Operand(filled(ordinary(dtype, 23, i), s, i), dtype) for i, s in enumerate(shapes)], torch, None, bound)
            if special and is_float(dtype):
                yield Case(name, jt, [Operand(filled(edges(dtype), (50,), 7 * i), dtype) for i, s in enumerate(shapes)], torch, None, bound, tags="edges")
        for view in VIEWS[1:] if len(shapes[0]) else ():
            yield Case(name, jt, [Operand(filled(ordinary("float32", 23, i), s, i), "float32", view) for i, s in enumerate(shapes)], torch, None, sums("float32"))
    return make


PRODUCTS = [
    ("mm", "jt.mm(x, y)", None, (3, 4), (4, 2)), ("mm", "jt.mm(x, y)", None, (0, 4), (4, 2)), ("mm", "x.mm(y)", None, (3, 0), (0, 2)),
    ("bmm", "jt.bmm(x, y)", None, (2, 3, 4), (2, 4, 2)), ("mv", "jt.mv(x, y)", None, (3, 4), (4,)), ("dot", "jt.dot(x, y)", None, (5,), (5,)),
    ("vdot", "x.vdot(y)", None, (5,), (5,)), ("inner", "jt.inner(x, y)", None, (3, 4), (2, 4)), ("inner", "jt.inner(x, y)", None, (), (3,)),
    ("inner", "x.inner(y)", None, (4,), (4,)), ("outer", "jt.outer(x, y)", None, (3,), (2,)), ("ger", "jt.ger(x, y)", None, (3,), (2,)),
    ("addmm", "jt.addmm(x, y, w)", None, (3, 2), (3, 4), (4, 2)), ("addmm", "x.addmm(y, w, beta=2, alpha=3)", None, (2,), (3, 4), (4, 2)),
    ("addmm", "jt.addmm(x, y, w, beta=0)", None, (3, 2), (3, 4), (4, 2)), ("addmv", "jt.addmv(x, y, w, beta=2, alpha=3)", None, (3,), (3, 4), (4,)),
    ("addr", "jt.addr(x, y, w, beta=3, alpha=2)", None, (3, 2), (3,), (2,)), ("baddbmm", "jt.baddbmm(x, y, w, beta=2, alpha=2)", None, (2, 3, 2), (2, 3, 4), (2, 4, 2)),
    ("addbmm", "jt.addbmm(x, y, w, beta=2, alpha=2)", None, (3, 2), (2, 3, 4), (2, 4, 2)), ("kron", "jt.kron(x, y)", None, (2, 3), (4,)),
    ("kron", "x.kron(y)", None, (2,), (2, 1, 3)), ("trace", "jt.trace(x)", None, (3, 4)), ("tensordot", "jt.tensordot(x, y)", None, (2, 3, 4), (3, 4, 2)),
    ("tensordot", "jt.tensordot(x, y, dims=([0, 2], [1, 0]))", None, (2, 3, 4), (4, 2, 3)), ("tensordot", "x.tensordot(y, 0)", "torch.tensordot(x, y, 0)", (2,), (3,)),
    ("matrix_power", "jt.matrix_power(x, 3)", None, (3, 3)), ("matrix_power", "x.matrix_power(0)", None, (2, 3, 3)), ("matrix_power", "jt.matrix_power(x, 6)", None, (2, 2, 2)),
    ("cross", "jt.cross(x, y)", "torch.linalg.cross(x, y)", (4, 3), (4, 3)), ("cross", "x.cross(y, dim=0)", "torch.linalg.cross(x, y, dim=0)", (3, 2), (3, 1)),
    ("einsum", "jt.einsum('ij,jk->ik', x, y)", None, (2, 3), (3, 4)), ("einsum", "jt.einsum('bij,bjk', x, y)", None, (2, 3, 4), (2, 4, 2)),
    ("einsum", "jt.einsum('ii->i', x)", None, (3, 3)), ("einsum", "jt.einsum('ii', x)", None, (3, 3)), ("einsum", "jt.einsum('ij->', x)", None, (3, 2)),
    ("einsum", "jt.einsum('...ij, ...jk -> ...ik', [x, y])", "torch.einsum('...ij,...jk->...ik', [x, y])", (2, 3, 4), (4, 2)), ("einsum", "jt.einsum('i,j->ij', x, y)", None, (3,), (2,)),
    ("einsum", "jt.einsum('ijk,jil->kl', x, y)", None, (2, 3, 4), (3, 2, 2)), ("einsum", "jt.einsum('ij,ij,ij->i', x, y, w)", None, (3, 4), (3, 4), (3, 4)),
    ("einsum", "jt.einsum('bnd,ed,be->bne', x, y, w)", None, (2, 3, 4), (5, 4), (2, 5)), ("einsum", "jt.einsum('ij->ji', x)", None, (2, 3)), ("einsum", "jt.einsum('ba', x)", None, (2, 3)),
    ("einsum", "jt.einsum('i...,i->...', x, y)", None, (3, 2, 4), (3,)), ("einsum", "jt.einsum('ij,jk->ik', x, y)", None, (2, 0), (0, 3)),
]
for entry in PRODUCTS:
    sums_only = entry[0] == "trace" or entry[0] == "einsum" and len(entry) == 4  # of narrow integers, where dtypes differ
    rows(entry[0], number_cases(entry, ["float32", "float64", "float16", "bfloat16"] if sums_only else ["float32", "int64", "float64", "int32"] if entry[0] == "kron" else
                                ["float32", "int64", "float64", "float16", "bfloat16", "int32", "uint8"], False))

ELEMENTS = [
    ("add", "jt.add(x, y, alpha=2)", None, (5,), (5,)), ("sub", "x.sub(y, alpha=-3)", None, (5,), (5,)), ("subtract", "jt.subtract(x, y)", None, (5,), (5,)),
    ("div", "jt.div(x, y, rounding_mode='floor')", None, (5,), (5,)), ("div", "x.div(y, rounding_mode='trunc')", None, (5,), (5,)), ("divide", "jt.divide(x, y)", None, (5,), (5,)),
    ("true_divide", "jt.true_divide(x, y)", None, (5,), (5,)), ("multiply", "jt.multiply(x, y)", None, (5,), (5,)), ("remainder", "jt.remainder(x, y)", None, (5,), (5,)),
    ("floor_divide", "jt.floor_divide(x, y)", None, (5,), (5,)), ("frac", "jt.frac(x)", None, (5,)),
    ("logit", "jt.logit(x)", None, (5,)), ("logit", "x.logit(eps=0.125)", None, (5,)), ("sinc", "jt.sinc(x)", None, (5,)), ("heaviside", "jt.heaviside(x, y)", None, (5,), (5,)),
    ("deg2rad", "jt.deg2rad(x)", None, (5,)), ("rad2deg", "jt.rad2deg(x)", None, (5,)), ("addcmul", "jt.addcmul(x, y, w, value=0.5)", None, (5,), (5,), (5,)),
    ("addcdiv", "x.addcdiv(y, w)", None, (5,), (5,), (5,)), ("fmax", "jt.fmax(x, y)", None, (5,), (5,)), ("fmin", "jt.fmin(x, y)", None, (5,), (5,)),
    ("float_power", "jt.float_power(x, y)", None, (5,), (5,)), ("float_power", "x.float_power(2)", None, (5,)), ("logaddexp2", "jt.logaddexp2(x, y)", None, (5,), (5,)),
    ("ldexp", "jt.ldexp(x, jt.array([0, 1, -2, 3, 4]))", "torch.ldexp(x, torch.tensor([0, 1, -2, 3, 4]))", (5,)),
]
for entry in ELEMENTS:
    integers = entry[0] in ("add", "sub", "subtract", "div", "divide", "true_divide", "multiply", "remainder", "floor_divide", "deg2rad", "rad2deg", "sinc", "fmax", "fmin", "float_power")
    has_edges = entry[0] not in ("add", "sub", "div", "addcmul", "addcdiv", "ldexp", "logaddexp2", "float_power", "remainder", "floor_divide", "logit", "sinc")
    rows(entry[0], number_cases(entry, ["float32", *(["int32"] if integers else []), "float64", "float16", "bfloat16"], has_edges))

NAMES = {"arccos": "acos", "arcsin": "asin", "arctan": "atan", "arccosh": "acosh", "arcsinh": "asinh", "arctanh": "atanh"}
for name in NAMES:
    rows(name, number_cases((name, f"jt.{name}(x)", f"torch.{name}(x)", (5,)), FLOATS, False))
rows("arctan2", number_cases(("arctan2", "jt.arctan2(x, y)", None, (5,), (5,)), FLOATS, False))
for name in ("eq", "ne", "lt", "le", "gt", "ge"):
    rows(name, number_cases((name, f"jt.{name}(x, y)", f"torch.{name}(x, y)", (5,), (5,)), DTYPES[1:], False))
for name in ("bitwise_left_shift", "bitwise_right_shift"):
    rows(name, number_cases((name, f"jt.{name}(x, 2)", f"torch.{name}(x, 2)", (5,)), ["int32", "int64", "uint8"], False))

FOLDS = [
    ("nansum", "jt.nansum(x)", None, (2, 3)), ("nansum", "x.nansum(dim=1, keepdim=True)", None, (2, 3)), ("nanmean", "jt.nanmean(x)", None, (2, 3)),
    ("nanmean", "x.nanmean(0, True)", None, (2, 3)), ("allclose", "jt.allclose(x, x + 1e-7)", None, (2, 3)), ("allclose", "x.allclose(x + 1, rtol=0, atol=2, equal_nan=True)", None, (3,)),
    ("allclose", "jt.allclose(x, y, 0.1)", "torch.allclose(x, y, 0.1)", (3,), (3,)), ("std_mean", "jt.std_mean(x)", "torch.std_mean(x)", (2, 3)),
    ("std_mean", "jt.std_mean(x, 0, 0, True)", "torch.std_mean(x, 0, correction=0, keepdim=True)", (2, 3)), ("dist", "jt.dist(x, y)", None, (2, 3), (2, 3)), ("dist", "x.dist(y, 1)", None, (5,), (5,)),
    ("cdist", "jt.cdist(x, y)", "(x[:, None] - y).norm(dim=-1)", (3, 2), (4, 2)), ("cdist", "jt.cdist(x, y, p=1)", None, (2, 3, 2), (2, 4, 2)),
    ("kthvalue", "jt.kthvalue(x, 2)", None, (5,)), ("kthvalue", "x.kthvalue(1, dim=0, keepdim=True)", None, (5, 2)), ("median", "jt.median(x)", None, (6,)),
    ("median", "x.median()", None, (3, 3)), ("median", "jt.median(x, 1)[0]", "torch.median(x, 1)[0]", (2, 5)), ("median", "x.median(dim=0, keepdim=True).values", None, (4, 2)),
    ("quantile", "jt.quantile(x, 0.3)", None, (7,)), ("quantile", "x.quantile(0.5, dim=1, keepdim=True)", None, (2, 4)),
    ("quantile", "jt.quantile(x, y.abs() / 4, dim=0)", "torch.quantile(x, y.abs() / 4, dim=0)", (5, 2), (3,)), ("quantile", "jt.quantile(x, 0.4, 0, False, interpolation='lower')", "torch.quantile(x, 0.4, 0, False, interpolation='lower')", (6,)),
    ("quantile", "jt.quantile(x, 0.4, interpolation='higher')", None, (6,)), ("quantile", "jt.quantile(x, 0.4, interpolation='midpoint')", None, (6,)), ("quantile", "jt.quantile(x, 0.45, interpolation='nearest')", None, (6,)),
    ("histc", "jt.histc(x, 4, min=-1, max=2)", None, (23,)), ("histc", "x.histc(bins=5)", None, (3, 4)),
]
for entry in FOLDS:
    rows(entry[0], number_cases(entry, ["float32", "float64"], False))
for entry in [
        ("searchsorted", "jt.searchsorted(jt.sort(x)[0], y)", "torch.searchsorted(torch.sort(x)[0], y)", (7,), (2, 3)),
        ("searchsorted", "jt.searchsorted(jt.sort(x)[0], y, right=True)", "torch.searchsorted(torch.sort(x)[0], y, right=True)", (2, 7), (2, 3)),
        ("searchsorted", "jt.searchsorted(jt.sort(x)[0], y, side='right')", "torch.searchsorted(torch.sort(x)[0], y, side='right')", (7,), (3,)),
        ("searchsorted", "jt.searchsorted(jt.sort(x)[0], 1)", "torch.searchsorted(torch.sort(x)[0], 1)", (7,)),
        ("bucketize", "jt.bucketize(y, jt.sort(x)[0])", "torch.bucketize(y, torch.sort(x)[0])", (7,), (2, 3)),
        ("bucketize", "jt.bucketize(y, jt.sort(x)[0], right=True)", "torch.bucketize(y, torch.sort(x)[0], right=True)", (7,), (4,)),
        ("bincount", "jt.bincount(jt.abs(x).to(jt.int64))", "torch.bincount(x.abs().long())", (9,)), ("bincount", "x.abs().long().bincount(minlength=20)", None, (9,)),
        ("bincount", "jt.bincount(jt.abs(x).to(jt.int64), y)", "torch.bincount(x.abs().long(), y)", (9,), (9,)),
        ("take_along_dim", "jt.take_along_dim(x, jt.argsort(x, 1)[:, :1], 1)", "torch.take_along_dim(x, torch.argsort(x, 1)[:, :1], 1)", (2, 3)),
        ("take_along_dim", "x.take_along_dim(x.argsort(dim=0)[:, :1], dim=0)", None, (2, 3)), ("take_along_dim", "jt.take_along_dim(x, jt.array([2, 0]))", "torch.take_along_dim(x, torch.tensor([2, 0]))", (2, 3)),
        ("index_select", "jt.index_select(x, 1, jt.array([2, 0]))", "torch.index_select(x, 1, torch.tensor([2, 0]))", (2, 3)),
        ("index_add", "jt.index_add(x, 0, jt.array([1, 1]), y, alpha=2)", "torch.index_add(x, 0, torch.tensor([1, 1]), y, alpha=2)", (3, 2), (2, 2)),
        ("index_copy", "jt.index_copy(x, 1, jt.array([1, 0]), y)", "torch.index_copy(x, 1, torch.tensor([1, 0]), y)", (3, 3), (3, 2)),
        ("index_fill", "jt.index_fill(x, 1, jt.array([1]), 7)", "torch.index_fill(x, 1, torch.tensor([1]), 7)", (3, 3)),
        ("index_fill", "x.index_fill(0, jt.array([1, 0]), y)", "x.index_fill(0, torch.tensor([1, 0]), y)", (3, 3), ()),
        ("select_scatter", "jt.select_scatter(x, y, 1, -1)", None, (3, 4), (3,)), ("select_scatter", "x.select_scatter(y, 0, 1)", None, (3, 4), (4,)),
        ("slice_scatter", "jt.slice_scatter(x, y, 1, 1, None, 2)", None, (3, 5), (3, 2)), ("slice_scatter", "x.slice_scatter(y, start=-2)", None, (3, 5), (2, 5)),
        ("slice_scatter", "jt.slice_scatter(x, y, dim=1, start=1, end=-1, step=1)", None, (3, 5), (3, 3))]:
    rows(entry[0], number_cases(entry, ["float32", "float64"], False))
for how in ("sum", "prod", "amax", "amin", "mean"):
    for own in (True, False):
        rows("scatter_reduce", number_cases(("scatter_reduce", f"jt.scatter_reduce(x, 1, jt.array([[0, 0, 2], [1, 1, 1]]), y, '{how}', include_self={own})",
                                             f"torch.scatter_reduce(x, 1, torch.tensor([[0, 0, 2], [1, 1, 1]]), y, '{how}', include_self={own})", (2, 4), (2, 3)),
                                            ["float64", "int64", "float32"], False))
rows("scatter", number_cases(("scatter", "x.scatter(1, jt.array([[0, 0], [1, 2]]), 3, reduce='multiply')", "x.scatter(1, torch.tensor([[0, 0], [1, 2]]), 3, reduce='multiply')", (2, 4)), ["float32"], False),
     number_cases(("scatter", "jt.scatter(x, 1, jt.array([[0, 3], [1, 2]]), y)", "torch.scatter(x, 1, torch.tensor([[0, 3], [1, 2]]), y)", (2, 4), (2, 3)), ["float32"], False))
rows("scatter_add", number_cases(("scatter_add", "x.scatter_add(1, jt.array([[0, 0], [1, 2]]), y)", "x.scatter_add(1, torch.tensor([[0, 0], [1, 2]]), y)", (2, 4), (2, 3)), ["float32", "float64"], False))

# What x is afterwards: the methods in place with their arguments.
IN_PLACE = {"abs_": "", "neg_": "", "exp_": "", "log_": "", "sqrt_": "", "rsqrt_": "", "square_": "", "reciprocal_": "", "sin_": "", "cos_": "", "tanh_": "", "sigmoid_": "", "relu_": "",
            "floor_": "", "ceil_": "", "round_": "", "trunc_": "", "sign_": "", "add_": "y, alpha=2", "sub_": "y", "mul_": "y", "div_": "y", "pow_": "2", "remainder_": "y", "fmod_": "y",
            "floor_divide_": "y", "clamp_": "-1, 1", "clip_": "min=0", "clamp_min_": "0", "clamp_max_": "0", "lerp_": "y, 0.25", "addcmul_": "y, y", "addcdiv_": "y, y + 9",
            "addmm_": "y, y", "masked_fill_": "y > 0, 2", "masked_scatter_": "y > 0, y", "nan_to_num_": "", "tril_": "", "triu_": "1", "cumsum_": "0", "copy_": "y[0]", "fill_": "3", "zero_": "",
            "fill_diagonal_": "5", "index_add_": "0, I, y", "index_copy_": "0, I, y", "index_fill_": "0, I, 2", "scatter_": "0, K, y", "scatter_add_": "0, J, y", "scatter_reduce_": "0, J, y, 'amax'"}
for name, arguments in IN_PLACE.items():
    ours, its = (arguments.replace("I", f"{m}([2, 0, 1])").replace("J", f"{m}([[2, 0, 1], [0, 1, 2], [1, 1, 1]])").replace("K", f"{m}([[2, 0, 1], [0, 1, 2], [1, 2, 0]])") for m in ("jt.array", "torch.tensor"))
    rows("Tensor." + name, number_cases(("Tensor." + name, store(f"x.{name}({ours})"), store(f"x.{name}({its})"), (3, 3), (3, 3)), ["float32", "float64"], False))
for name, arguments in (("logical_and_", "y"), ("logical_or_", "y"), ("logical_not_", ""), ("bitwise_and_", "y"), ("bitwise_or_", "y")):
    rows("Tensor." + name, lambda whole, name=name, text=store(f"x.{name}({arguments})"): (
        Case("Tensor." + name, text, [Operand(ordinary(d, 5, i), d) for i in range(2)], text) for d in ("int32", "uint8", "bool")))
rows("Tensor.baddbmm_", number_cases(("Tensor.baddbmm_", store("x.baddbmm_(y, y)"), None, (2, 3, 3), (2, 3, 3)), ["float32"], False))
rows("Tensor.detach_", number_cases(("Tensor.detach_", "(x * 2).detach_()", None, (3,)), ["float32"], False))
for entry, other in (("byte", "byte()"), ("char", "char()"), ("short", "short()")):
    rows("Tensor." + entry, number_cases(("Tensor." + entry, f"x.abs().{other}", None, (5,)), ["int32", "int64", "float32"], False))

exempt("draws from jt's own stream; tests/python/test_composed.py looks at its distribution", "bernoulli Tensor.bernoulli_ Tensor.uniform_ Tensor.normal_ Tensor.exponential_ multinomial")
exempt("the row behind the function of the package, whose cases go through it", "ops.add ops.sub ops.div ops.clamp ops.gather ops.scatter ops.scatter_add ops.max ops.min")
exempt("initial values: tests/python/test_pytorch.py", "init.calculate_gain init.dirac_ init.eye_ init.ones_ init.orthogonal_ init.sparse_ init.trunc_normal_ init.zeros_")
exempt("integers by the arguments alone; tests/python/test_composed.py", "tril_indices triu_indices")
exempt("elements are as they come there", "Tensor.new_empty")
exempt("there is no such device where the sweep runs", "Tensor.cuda")
exempt("of the program's memory", "Tensor.pin_memory")
exempt("what a graph remembers differs", "Tensor.is_leaf")
