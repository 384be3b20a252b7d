"""second: a function used a second time gives what fresh operands give: again, after the operands changed, after no_grad, in a thread."""
import threading

import numpy as np

import jt
from compare import Difference
from run import evaluate, listed, of_jt, short, weights
from table import Case
from values import Operand, is_float


def arrays_of(case, operands):
    return [of_jt(r)[0] for r in listed(evaluate(case.jt, operands, jt))]


def same(a, b):
    return len(a) == len(b) and all(x.shape == y.shape and x.dtype == y.dtype and np.array_equal(x, y, equal_nan=x.dtype.kind == "f") for x, y in zip(a, b))


def changed(operand):
    """The same shape with other values: rolled, so that what an index may be stays so."""
    return Operand(np.roll(operand.array, 1), operand.dtype, operand.view)


def gradients_of(case, operands):
    wanted = [x for x in operands if x.dtype.is_floating_point]
    for x in wanted:
        x.requires_grad = True
    first = listed(evaluate(case.jt, operands, jt))[0]
    if not wanted or not isinstance(first, jt.Tensor) or not first.dtype.is_floating_point:
        return []
    dy = jt.array(weights(first.shape)).reshape(first.shape).to(first.dtype)
    return [of_jt(g)[0] for g in jt.grad(first, wanted, dy, allow_unused=True)]


def in_thread(function):
    out = []

    def work():
        try:
            out.append(function())
        except BaseException as error:
            out.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if isinstance(out[0], BaseException):
        raise out[0]
    return out[0]


def uses(case):
    """(what, results, what they must be) of every second use."""
    def made():
        return [o.jt(jt) for o in case.operands]

    others = [changed(o) for o in case.operands]
    fresh, fresh_others = arrays_of(case, made()), arrays_of(case, [o.jt(jt) for o in others])
    operands = made()
    yield "again: first", arrays_of(case, operands), fresh
    yield "again: second", arrays_of(case, operands), fresh
    yield "in a second thread, operands of the first", in_thread(lambda: arrays_of(case, operands)), fresh
    yield "in a second thread, operands of its own", in_thread(lambda: arrays_of(case, made())), fresh
    recorded = listed(evaluate(case.jt, operands, jt))
    for x, o in zip(operands, others):
        x.assign(o.jt(jt))
    yield "recorded before assign", [of_jt(r)[0] for r in recorded], fresh
    yield "after assign", arrays_of(case, operands), fresh_others
    operands = made()
    recorded = listed(evaluate(case.jt, operands, jt))
    for x, o in zip(operands, others):
        x[...] = o.jt(jt)
    yield "recorded before x[...] = v", [of_jt(r)[0] for r in recorded], fresh
    yield "after x[...] = v", arrays_of(case, operands), fresh_others
    operands = [x for x in made()]
    if all(o.dtype != "bfloat16" for o in case.operands):
        views = [x.data for x in operands]
        recorded = listed(evaluate(case.jt, operands, jt))
        for view, o in zip(views, others):
            view[...] = o.array
        yield "recorded before a write through .data", [of_jt(r)[0] for r in recorded], fresh
        yield "after a write through .data", arrays_of(case, operands), fresh_others
    if not case.gradient or not any(is_float(o.dtype) for o in case.operands):
        return
    gradient = gradients_of(case, made())
    operands = made()
    with jt.no_grad():
        yield "in no_grad", arrays_of(case, operands), fresh
    yield "gradient after no_grad", gradients_of(case, operands), gradient
    yield "gradient again", gradients_of(case, operands), gradient
    yield "gradient in a second thread", in_thread(lambda: gradients_of(case, made())), gradient
    with jt.no_grad():
        yield "gradient in a thread beside no_grad", in_thread(lambda: gradients_of(case, made())), gradient
    with jt.no_grad(), jt.enable_grad():
        yield "gradient in enable_grad in no_grad", gradients_of(case, made()), gradient


def layer_uses(case):
    """As uses, of a layer: (what, results, what they must be)."""
    import copy
    import pickle

    from layers import flat, made_jt

    def results(layer, inputs):
        return [of_jt(y)[0] for y in flat([layer(*inputs)])]

    def gradients(layer, inputs):
        wanted = [p for _, p in layer.named_parameters()] + [x for x in flat(inputs) if x.dtype.is_floating_point]
        first = flat([layer(*inputs)])[0]
        if not wanted:
            return []
        dy = jt.array(weights(first.shape)).reshape(first.shape).to(first.dtype)
        return [of_jt(g)[0] for g in jt.grad(first, wanted, dy, allow_unused=True)]

    fresh, slopes = results(*made_jt(case)), gradients(*made_jt(case))
    yield "in a second thread", in_thread(lambda: results(*made_jt(case))), fresh
    layer, inputs = made_jt(case)
    yield "in a second thread, the first's layer", in_thread(lambda: results(layer, inputs)), fresh
    layer, inputs = made_jt(case)
    with jt.no_grad():
        yield "in no_grad", results(layer, inputs), fresh
    if not case.training:
        yield "again", results(layer, inputs), fresh
        yield "gradients after no_grad", gradients(layer, inputs), slopes
    yield "gradients in a second thread", in_thread(lambda: gradients(*made_jt(case))), slopes
    layer, inputs = made_jt(case)
    yield "a deep copy", results(copy.deepcopy(layer), inputs), fresh
    yield "pickled", results(pickle.loads(pickle.dumps(layer)), inputs), fresh
    other, _ = made_jt(case)
    for p in other.parameters():
        p.assign(p * 0)
    other.load_state_dict(layer.state_dict())
    yield "load_state_dict of its state_dict", results(other, inputs), fresh
    recorded = flat([layer(*inputs)])
    for p in layer.parameters():
        p.assign(p * 2)
    yield "recorded before the parameters changed", [of_jt(y)[0] for y in recorded], fresh
    doubled, inputs = made_jt(case)
    for p in doubled.parameters():
        p.assign(p * 2)
    if not case.training:
        yield "after the parameters changed", results(layer, inputs), results(doubled, inputs)


def second_differences(case):
    out = []
    try:
        arrays_of(case, [o.jt(jt) for o in case.operands])
    except (jt.Error, TypeError, ValueError, IndexError):
        return out  # refused the first time: that is a difference of its own
    try:
        for what, got, want in uses(case):
            if not same(got, want):
                out.append(Difference(case.name, case.text(), "again", what))
    except (jt.Error, TypeError, ValueError, IndexError, RuntimeError) as error:
        out.append(Difference(case.name, case.text(), "again", "refused: " + short(error)))
    return out


def is_fit(case):
    """Operands that may change, and an expression that changes nothing itself."""
    changes = ("stored", "swap", "assign", "update(", "with_grad", "requires_grad", "start_grad", "stop_grad", "init.", "locals", "grad_after", "rand", "is_ready", ".data")
    dtypes = {o.dtype for o in getattr(case, "operands", ())}
    usual = dtypes <= {"float32", "int64", "bool"} and dtypes != {"bool"}
    return (usual and isinstance(case, Case) and case.tags in ("", "method") and all(o.array.size for o in case.operands)
            and not any(word in case.jt for word in changes))
