"""_format: tensors as text and HTML, without NumPy."""
from __future__ import annotations

import html
import math
from typing import Any, Callable, List, Tuple

EDGE, THRESHOLD, WIDTH = 3, 1000, 80


def _indices(extent: int, shortens: bool) -> List[int]:
    """Which elements of an axis are shown; -1 stands for those left out."""
    if not shortens or extent <= 2 * EDGE:
        return list(range(extent))
    return list(range(EDGE)) + [-1] + list(range(extent - EDGE, extent))


def _shown(view: Any, shape: Tuple[int, ...], shortens: bool) -> List[Any]:
    out: List[Any] = []

    def walk(at: Tuple[int, ...]) -> None:
        if len(at) == len(shape):
            out.append(view[at])
            return
        for i in _indices(shape[len(at)], shortens):
            if i >= 0:
                walk(at + (i,))

    walk(())
    return out


def _formatter(values: List[Any]) -> Callable[[Any], str]:
    if not values or not isinstance(values[0], float):
        texts = [str(v) for v in values]
        width = max(map(len, texts), default=0)
        return lambda v: str(v).rjust(width)
    finite = [abs(v) for v in values if math.isfinite(v)]
    nonzero = [v for v in finite if v]
    if all(v == int(v) for v in finite) and max(finite, default=0) < 1e8:
        form = "{:.0f}."
    elif nonzero and (max(nonzero) >= 1e8 or min(nonzero) < 1e-4 or max(nonzero) / min(nonzero) > 1e5):
        form = "{:.4e}"
    else:
        form = "{:.4f}"

    def one(v: float) -> str:
        return form.format(v) if math.isfinite(v) else str(v)

    width = max((len(one(v)) for v in values), default=0)
    return lambda v: one(v).rjust(width)


def _elements(x: Any) -> memoryview:
    """What is read here element by element; Python before 3.12 reads no halves through a memoryview."""
    return memoryview(x.float() if x.dtype.is_floating_point and x.itemsize == 2 else x)


def text_of(x: Any) -> str:
    shape, head = x.shape, "Tensor("
    grad = ", requires_grad=True" if x.requires_grad else ""
    if x.size == 0:  # whatever the other extents are
        return f"{head}[], dtype={x.dtype}, shape={shape}{grad})"
    view = _elements(x)
    shortens = x.size > THRESHOLD
    form = _formatter(_shown(view, shape, shortens))

    def rows(at: Tuple[int, ...], indent: int) -> str:
        if len(at) == len(shape):
            return form(view[at]).strip() if not shape else form(view[at])
        last = len(at) + 1 == len(shape)
        parts = ["..." if i < 0 else rows(at + (i,), indent + 1) for i in _indices(shape[len(at)], shortens)]
        if not last:
            gap = ",\n" + "\n" * (len(shape) - len(at) - 2) + " " * (indent + 1)
            return "[" + gap.join(parts) + "]"
        lines, line = [], ""
        for part in parts:
            if line and indent + len(line) + len(part) + 3 > WIDTH:
                lines.append(line)
                line = ""
            line += (", " if line else "") + part
        return "[" + (",\n" + " " * (indent + 1)).join(lines + [line]) + "]"

    tail = f", dtype={x.dtype}" + (f", shape={shape}" if shortens else "")
    return head + rows((), len(head)) + tail + grad + ")"


def html_of(x: Any) -> str:
    head = f"<code>jt.Tensor</code> of shape {x.shape}, dtype {x.dtype}"
    if x.ndim not in (1, 2) or x.size == 0:
        return f"<div>{head}<pre>{html.escape(repr(x))}</pre></div>"
    grid = x.reshape((1,) + x.shape) if x.ndim == 1 else x
    view = _elements(grid)
    form = _formatter(_shown(view, grid.shape, grid.size > 100))
    body = ""
    for i in _indices(grid.shape[0], grid.size > 100):
        cells = ["..." if i < 0 or j < 0 else form(view[i, j]) for j in _indices(grid.shape[1], grid.size > 100)]
        body += "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"
    return f"<div>{head}<table>{body}</table></div>"
