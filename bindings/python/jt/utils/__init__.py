"""utils: what programs find beside tensors and layers: data."""
from . import data as data
