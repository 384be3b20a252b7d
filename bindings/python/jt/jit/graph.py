"""graph: jt.jit.trace: what a function or module records once, as a static graph."""
from __future__ import annotations

import functools
import inspect
import os
import weakref
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union, overload

from .. import _C, dtypes, errors
from ..control import _Form, _unpacked
from ..module import Module
from ..tensor import Tensor, array

_INPUT, _STATE, _CONSTANT, _OUTPUT = range(4)


class Part(NamedTuple):
    """An input, a state or an output of a graph: `changes` is true of a state that a run gives another value."""
    name: str
    dtype: Any
    shape: Tuple[int, ...]
    is_parameter: bool
    changes: bool


class Graph:
    """A static graph: jt.jit.trace makes one, jt.jit.load reads one. Calling it runs it.

    Inputs are given in order, packed as the traced function's arguments were, or by name: g(x=..., labels=...). What comes back is
    packed as what the function returned; after a call by name it is a dict by output names, and so it is of a graph that was loaded
    and has several outputs: a tuple.

    States (weights, running statistics, what optimisers keep) are shared with the program that was traced."""

    def __init__(self, handle: Any, packed: Optional[_Form] = None, returned: Optional[_Form] = None,
                 function: Optional[Callable[..., Any]] = None) -> None:
        self._handle, self._packed, self._returned, self._function = handle, packed, returned, function

    def _parts(self, kind: int) -> List[Part]:
        return [Part(*part) for part in _C.graph_parts(self._handle, kind)]

    @property
    def inputs(self) -> List[Part]:
        """What a call is given."""
        return self._parts(_INPUT)

    @property
    def outputs(self) -> List[Part]:
        """What a call gives."""
        return self._parts(_OUTPUT)

    @property
    def states(self) -> List[Part]:
        """What outlives a call."""
        return self._parts(_STATE)

    @property
    def constants(self) -> List[Part]:
        """What was captured and never changes."""
        return self._parts(_CONSTANT)

    @property
    def graph(self) -> str:
        """The text of the graph; jt.jit.parse reads it."""
        return _C.graph_source(self._handle)

    @property
    def memory(self) -> Dict[str, int]:
        """Bytes that a run takes: inputs, states, constants, outputs, temporaries (if each had a place of its own) and arena (what they
        take); and the number of its steps."""
        return _C.graph_memory(self._handle)

    def state(self, name: str) -> Tensor:
        """The tensor of a state, which the graph goes on using."""
        return _C.graph_state(self._handle, name)

    def state_dict(self) -> Dict[str, Tensor]:
        """Copies of all states by name."""
        return {part.name: self.state(part.name).clone() for part in self.states}

    def load_state_dict(self, states: Mapping[str, Any]) -> None:
        """Gives states these values; all of them are needed, and no others."""
        names = {part.name for part in self.states}
        missing, unexpected = sorted(names - set(states)), sorted(set(states) - names)
        if missing or unexpected:
            raise KeyError(f"load_state_dict: missing {missing}, unexpected {unexpected}")
        for name, value in states.items():
            self.state(name).assign(value if isinstance(value, Tensor) else array(value))

    def parameters(self) -> List[Tensor]:
        """The states that are trained."""
        return [self.state(part.name) for part in self.states if part.is_parameter]

    def save(self, path: Union[str, "os.PathLike[str]"]) -> None:
        """Writes the graph with its states to one file, which runs without Python; see jt.jit.load."""
        _C.graph_save(self._handle, os.fspath(path))

    def export_c(self, folder: Union[str, "os.PathLike[str]"], name: str = "net") -> None:
        """Writes the graph as C99, name.c and name.h in the folder, which need nothing of jt; see jt_graph_export_c."""
        _C.graph_export_c(self._handle, os.fspath(folder), name)

    def _by_name(self, given: Mapping[str, Any]) -> List[Tensor]:
        names = [part.name for part in self.inputs]
        if sorted(given) != sorted(names):
            raise TypeError(f"graph: inputs are {names}, not {sorted(given)}")
        return [given[name] if isinstance(given[name], Tensor) else array(given[name]) for name in names]

    def __call__(self, *args: Any, **by_name: Any) -> Any:
        if by_name and args:
            raise TypeError("graph: inputs go in order or by name, not both")
        if by_name:
            made = _C.graph_run(self._handle, self._by_name(by_name))
            return dict(zip([part.name for part in self.outputs], made))
        form, leaves = _unpacked(args)
        if self._packed is not None and form != self._packed:
            raise TypeError(f"graph: the arguments are {form!r}, the traced ones were {self._packed!r}")
        made = _C.graph_run(self._handle, leaves)
        if self._returned is not None:
            return self._returned.packed(made)
        return made[0] if len(made) == 1 else tuple(made)

    def check(self, *args: Any, rtol: float = 1e-5, atol: float = 1e-6) -> None:
        """Runs the traced function and the graph on these arguments, from the same states and random numbers, and raises an error that
        names the first output or state that differs, with the largest difference. States are as before afterwards."""
        if self._function is None:
            raise errors.Error("check: the graph was loaded; there is no function to compare with")
        before = {part.name: self.state(part.name).clone() for part in self.states}
        random = _C.random_place()

        def outcome(run: Callable[..., Any]) -> Iterator[Tuple[str, Any]]:
            _, made = _unpacked(run(*args))
            named = [(f"output {part.name!r}", value) for part, value in zip(self.outputs, made)]
            named += [(f"state {part.name!r}", self.state(part.name).clone()) for part in self.states if part.changes]
            values = [(name, value.clone()) for name, value in named]
            for name, value in before.items():
                self.state(name).assign(value)
            _C.set_random_place(*random)
            return iter(values)

        for (name, got), (_, wanted) in zip(outcome(self), outcome(self._function)):
            _compare(name, got, wanted, rtol, atol)

    def __repr__(self) -> str:
        def listed(parts: List[Part]) -> str:
            return ", ".join(f"{part.name}: {part.dtype}{list(part.shape)}" for part in parts)
        return f"Graph({listed(self.inputs)}) -> ({listed(self.outputs)}), {len(self.states)} states"


def _compare(name: str, got: Tensor, wanted: Tensor, rtol: float, atol: float) -> None:
    if got.shape != wanted.shape or got.dtype != wanted.dtype:
        raise errors.Error(f"check: {name} is {got.dtype}{list(got.shape)} in the graph, {wanted.dtype}{list(wanted.shape)} without")
    x, y = got.to(dtypes.float64), wanted.to(dtypes.float64)
    is_near = (abs(x - y) <= abs(y) * rtol + atol) | (x == y) | ((x != x) & (y != y))
    wrong = int((~is_near).sum().item()) if got.numel() else 0
    if wrong:
        most = _C.where(is_near, abs(x - y) * 0, abs(x - y)).max().item()
        raise errors.Error(f"check: {name} differs in {wrong} of {got.numel()} elements, by up to {most:g}")


class _Recording:
    open = False


def is_tracing() -> bool:
    """Whether a function is being traced."""
    return _Recording.open


def _modules_of(function: Callable[..., Any]) -> Iterator[Tuple[str, Module]]:
    """Modules that a function can reach by name: its own, those of its closure, its globals."""
    owner = getattr(function, "__self__", None)
    if isinstance(function, Module):
        yield "", function
        return
    if isinstance(owner, Module):
        yield "", owner
    plain = inspect.unwrap(getattr(function, "__func__", function))
    if not inspect.isfunction(plain):
        return
    reached = inspect.getclosurevars(plain)
    for names in (reached.nonlocals, reached.globals):
        for name, value in names.items():
            if isinstance(value, Module):
                yield name, value


def _name_states(function: Callable[..., Any]) -> None:
    for prefix, module in _modules_of(function):
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
            _C.graph_name(tensor, f"{prefix}.{name}" if prefix else name)


def _argument_names(function: Callable[..., Any], args: Sequence[Any]) -> List[str]:
    target = function.execute if isinstance(function, Module) and hasattr(function, "execute") else function
    try:
        given = list(inspect.signature(target).bind(*args).arguments.items())
        names = []
        for name, value in given:
            # *args give one name for several values
            count = len(_unpacked(value)[1])
            names += [name] if count == 1 and not isinstance(value, (tuple, list, dict)) else [f"{name}.{i}" for i in range(count)]
        if len(names) == len(_unpacked(args)[1]):
            return names
    except (TypeError, ValueError):
        pass
    return [f"input.{i}" for i in range(len(_unpacked(args)[1]))]


def _output_names(form: _Form, prefix: str = "") -> List[str]:
    if form.parts is None:
        return [prefix or "output"]
    keys = form.names if form.names is not None else getattr(form.kind, "_fields", range(len(form.parts)))
    start = "output" if not prefix and form.names is None and not hasattr(form.kind, "_fields") else prefix
    return [name for key, part in zip(keys, form.parts) for name in _output_names(part, f"{start}.{key}" if start else str(key))]


class Traced:
    """A function that is traced when it is called: once for each packing, dtypes and shapes of its arguments, and each training mode
    of the modules that it reaches by name. A new batch size makes another graph and compiles nothing."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._graphs: Dict[Any, Graph] = {}
        self._of_objects: "weakref.WeakKeyDictionary[Any, Traced]" = weakref.WeakKeyDictionary()
        functools.update_wrapper(self, function, updated=())

    def graph_for(self, *args: Any) -> Graph:
        """The graph that these arguments run; it is recorded if there is none."""
        form, leaves = _unpacked(args)
        modes = tuple(part.training for _, module in _modules_of(self._function) for part in module.modules())
        key = (repr(form), tuple((leaf.dtype, tuple(leaf.shape)) for leaf in leaves), modes)
        if key not in self._graphs:
            self._graphs[key] = trace(self._function, args)
        return self._graphs[key]

    @property
    def graphs(self) -> List[Graph]:
        """All that were recorded."""
        return list(self._graphs.values())

    def __call__(self, *args: Any) -> Any:
        if is_tracing():
            return self._function(*args)
        return self.graph_for(*args)(*args)

    def __get__(self, owner: Any, kind: Any = None) -> "Traced":
        if owner is None:
            return self
        if owner not in self._of_objects:
            self._of_objects[owner] = Traced(self._function.__get__(owner, kind))  # type: ignore[attr-defined]
        return self._of_objects[owner]


@overload
def trace(function: Callable[..., Any], example_inputs: None = None) -> Traced: ...
@overload
def trace(function: Callable[..., Any], example_inputs: Any, check_inputs: Sequence[Any] = ()) -> Graph: ...


def trace(function: Callable[..., Any], example_inputs: Any = None, check_inputs: Sequence[Any] = ()) -> Union[Graph, Traced]:
    """The static graph of what `function` (a function, a method, a module) records when it is called.

    example_inputs: its arguments, a tuple, or one tensor: tensors, numbers and arrays, packed in tuples, lists and dictionaries as
    you like. Only their dtypes and shapes count. The function is called once, now, with tensors that have no values; nothing runs.
    Without them (`@jt.jit.trace` before a function) it is traced at its first call, and again for other dtypes and shapes: Traced.

    What it does to tensors from outside, an optimiser's step or running statistics, is part of the graph, and not done now: whole
    training steps can be traced. What depends on a value (bool(x), int(x), x.item(), x.numpy(), iteration over values) is an error at
    the line that asks: use jt.cond, jt.while_loop, jt.where, or a scripted function. Shapes are those of the examples.

    check_inputs: further arguments, on each of which graph and function are compared (Graph.check)."""
    if example_inputs is None:
        return Traced(function)
    args = example_inputs if isinstance(example_inputs, tuple) else (example_inputs,)
    form, leaves = _unpacked(args)
    names = _argument_names(function, args)
    placeholders = _C.graph_begin(names, leaves)
    _Recording.open = True
    try:
        _name_states(function)
        made = function(*form.packed(list(placeholders)))
        returned, outputs = (None, []) if made is None else _unpacked(made)
        handle = _C.graph_end(_output_names(returned) if returned is not None else [], outputs)
    except BaseException:
        _C.graph_cancel()
        raise
    finally:
        _Recording.open = False
    graph = Graph(handle, form, returned if returned is not None else _Form((), []), function)
    for given in check_inputs:
        graph.check(*(given if isinstance(given, tuple) else (given,)))
    return graph


def save(graph: Graph, path: Union[str, "os.PathLike[str]"]) -> None:
    """graph.save(path)."""
    graph.save(path)


def load(path: Union[str, "os.PathLike[str]"]) -> Graph:
    """The graph of a file that Graph.save or jt_graph_save wrote, with states of its own. No code runs from the file."""
    return Graph(_C.graph_load(os.fspath(path)))


def parse(text: str) -> Graph:
    """A graph from its text (docs/IR.md); its states are zeros."""
    return Graph(_C.graph_parse(text))
