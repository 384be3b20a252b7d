"""optim: optimisers, a class per row of the table, and learning-rate schedules as functions of the step."""
from ._C import schedule_cosine as cosine
from ._C import schedule_step as staircase
from ._C import schedule_warmup as warmup
from ._optimizer import Optimizer
from ._optimizers import *
from ._optimizers import __all__ as _rows

__all__ = ["Optimizer", "cosine", "staircase", "warmup", *_rows]
