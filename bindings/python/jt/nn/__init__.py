"""nn: layers and losses (_layers, from the table), containers, functions. Names, fields and defaults are PyTorch's; Conv,
BatchNorm and Pool are Jittor's."""
from __future__ import annotations

import sys as _sys

from .. import init as init
from .._layer import Layer as Layer
from .._layers import *
from ..autograd import Parameter as Parameter
from ..module import Module as Module
from ..module import ModuleDict as ModuleDict
from ..module import ModuleList as ModuleList
from ..module import ParameterList as ParameterList
from ..module import Sequential as Sequential
from ..ops import cross_entropy as cross_entropy_loss
from ..ops import gelu as gelu
from ..ops import log_softmax as log_softmax
from ..ops import matmul as matmul
from ..ops import mse_loss as mse_loss
from ..ops import relu as relu
from ..ops import sigmoid as sigmoid
from ..ops import silu as silu
from ..ops import softmax as softmax
from ..ops import softplus as softplus
from ..ops import tanh as tanh
from . import functional as functional
from . import utils as utils

_sys.modules[__name__ + ".init"] = init  # `import jt.nn.init` is jt.init
