"""optim: optimisers, a class per row of the table; learning-rate schedules as functions of the step, and as objects in lr_scheduler."""
from .._C import schedule_cosine as cosine
from .._C import schedule_step as staircase
from .._C import schedule_warmup as warmup
from .._optimizer import Optimizer
from .._optimizers import *
from .._optimizers import __all__ as _rows
from . import lr_scheduler as lr_scheduler

__all__ = ["Optimizer", "cosine", "lr_scheduler", "staircase", "warmup", *_rows]
