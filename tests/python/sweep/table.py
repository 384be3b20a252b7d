"""table: what the sweep knows of each public name: expressions over operands, for jt, PyTorch and NumPy.

An expression sees the operands as x, y, w, v, the module as `m` (jt or torch), and np, torch, jt, F (torch.nn.functional).
"""
import ast
import dataclasses
from typing import Any, Dict, List, Optional, Sequence, Tuple

from compare import Bound
from values import Operand

NAMES = "xywv"


@dataclasses.dataclass
class Case:
    """A call of one public name on operands, and the expressions of it that the others have."""
    name: str
    jt: str
    operands: List[Operand]
    torch: Optional[str] = None
    numpy: Optional[str] = None
    bound: Bound = dataclasses.field(default_factory=Bound)
    gradient: bool = True
    wide: bool = True  # PyTorch may compute in float64
    tags: str = ""
    dtype_of: str = "torch"  # whose result dtype is right: torch, numpy or, where they are not asked, none

    def text(self) -> str:
        operands = " ".join(o.text() for o in self.operands)
        return " ".join(part for part in (operands, self.tags, self.jt if self.tags != "edges" else "") if part)


ROWS: Dict[str, List[Any]] = {}     # public name -> functions that yield its cases; given whether all are wanted
EXEMPT: Dict[str, str] = {}         # public name -> why it has no counterpart
OPTIONS: Dict[str, set] = {}        # public name -> options that some case passes


def rows(name: str, *makers: Any) -> None:
    ROWS.setdefault(name, []).extend(makers)


def exempt(reason: str, names: str) -> None:
    EXEMPT.update({name: reason for name in names.split()})


def options_of(expression: str) -> Dict[str, Tuple[int, set]]:
    """Functions called in an expression: how many positional arguments, and which keywords."""
    found: Dict[str, Tuple[int, set]] = {}
    for node in ast.walk(ast.parse(expression)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            count = len(node.args)
            before = found.get(node.func.attr, (0, set()))
            found[node.func.attr] = (max(before[0], count), before[1] | {k.arg for k in node.keywords if k.arg})
    return found


def product(options: Dict[str, Sequence[str]]) -> List[str]:
    """Keyword texts of every combination of options."""
    out = [""]
    for name, values in options.items():
        out = [f"{text}, {name}={value}" if value != "" else text for text in out for value in values]
    return out
