"""compare: what jt gave and what a reference gives -> the elements that differ; and the table of allowed differences."""
import dataclasses
import fnmatch
import pathlib
from typing import Any, Dict, List, Optional

import numpy as np

from values import FORMATS, is_float, rounded


@dataclasses.dataclass
class Bound:
    """How far a value may be off: units in the last place, or relative to it and to the largest operand."""
    ulp: float = 0
    relative: float = 0
    zero_sign: bool = True


def last_place(values, dtype):
    bits, lowest, _ = FORMATS[dtype]
    with np.errstate(all="ignore"):
        exponent = np.frexp(np.where(np.isfinite(values), values, 0).astype(np.longdouble))[1] - 1
        exponent = np.where(values == 0, lowest, exponent)
        return np.ldexp(np.longdouble(1), np.maximum(exponent, lowest) - bits + 1)


def agree(got, want, dtype, bound, scale=1.0):
    """Where got, of a dtype, is want (a wider or equal one) within a bound."""
    if not is_float(dtype):
        return np.asarray(got == want)
    want = np.asarray(want)
    near = rounded(want, dtype)
    with np.errstate(all="ignore"):
        same = (got == near) | (np.isnan(got) & np.isnan(near))
        if bound.zero_sign:
            same &= (np.signbit(got) == np.signbit(near)) | (near != 0) | np.isnan(near)
        if not bound.ulp and not bound.relative:
            return same
        g, w = got.astype(np.longdouble), want.astype(np.longdouble)
        top = np.finfo(got.dtype).max if dtype != "bfloat16" else rounded(np.longdouble(3.3895e38), dtype)
        g = np.where(np.isinf(g) & np.isfinite(w), np.copysign(top * np.longdouble(1), g), g)  # a last place beyond the largest
        w = np.where(np.isinf(near) & np.isfinite(g), np.copysign(top * np.longdouble(1), near), w)
        room = bound.ulp * last_place(near, dtype) + bound.relative * (np.abs(w) + scale)
        close = (np.abs(g - w) <= room) & np.isfinite(g) & ~np.isnan(near)
        sign = (np.signbit(got) == np.signbit(near)) | (got != 0) | (near != 0) if bound.zero_sign else True
        return same | (close & sign)


@dataclasses.dataclass
class Difference:
    """One case in which jt and a reference differ."""
    name: str
    case: str
    kind: str  # value, gradient, dtype, shape, refused, again, crash, mapping
    detail: str
    elements: Optional[Dict[str, Any]] = None  # arrays by name, of those elements that differ: got, want, x, y, ...

    def text(self):
        return f"{self.name} | {self.case} | {self.kind} | {self.detail}"


@dataclasses.dataclass
class Allowed:
    """A line of allowed.txt: name ; case ; kind ; where ; reason."""
    name: str
    case: str
    kind: str
    where: str
    reason: str
    section: str
    line: int
    used: int = 0

    def covers(self, d: Difference) -> Any:
        """Which of the elements that differ it allows: a mask, or one truth for all."""
        if not (any(fnmatch.fnmatchcase(d.name, n.strip()) for n in self.name.split(",")) and fnmatch.fnmatchcase(d.case, self.case)
                and any(fnmatch.fnmatchcase(d.kind, k.strip()) for k in self.kind.split(","))):
            return False
        if self.where == "*":
            return True
        if self.where.startswith("'"):
            return self.where.strip("'") in d.detail
        if d.elements is None:
            return False
        with np.errstate(all="ignore"):
            try:
                return eval(self.where, {"np": np, "isnan": np.isnan, "abs": np.abs, "isinf": np.isinf, "sign": np.sign,
                                         "finite": np.isfinite, "x": 0.0, "y": 0.0, "w": 0.0}, dict(d.elements))
            except (NameError, TypeError, ValueError):
                return False


def excused(difference: Difference, lines: List[Allowed]) -> List[Allowed]:
    """The lines that together allow a difference; empty: it is not allowed."""
    left, by = np.ones(1, bool), []
    for line in lines:
        mask = line.covers(difference)
        if np.any(mask & left):
            by.append(line)
            left = left & ~np.asarray(mask, bool)
    return by if not left.any() else []


def allowed_lines(path=pathlib.Path(__file__).with_name("allowed.txt")) -> List[Allowed]:
    out, section = [], ""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.startswith("["):
            section = line.strip("[] ")
        elif line.strip() and not line.startswith("#"):
            parts = [part.strip() for part in line.split(" ; ")]
            if len(parts) != 5 or not all(parts):
                raise SystemExit(f"{path.name}:{number}: a line is `name ; case ; kind ; where ; reason`")
            out.append(Allowed(*parts, section, number))
    return out
