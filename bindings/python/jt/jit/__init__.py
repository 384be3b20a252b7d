"""jit: static graphs: functions and modules recorded once, run as one plan, kept in files that need no Python."""
from .graph import (
    Graph as Graph, Traced as Traced, is_tracing as is_tracing, load as load, parse as parse, save as save, trace as trace)
