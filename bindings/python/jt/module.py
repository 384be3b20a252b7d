"""module: jt.Module, a named tree of parameters with a function."""
from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Tuple, TypeVar

from . import _C, dtypes, errors
from .tensor import Tensor, array

M = TypeVar("M", bound="Module")


def is_parameter(x: Tensor) -> bool:
    """Whether a module lists it: it requires a gradient, or jt.Parameter made it."""
    return x.requires_grad or getattr(x, "_is_parameter", False)


class Handle:
    """What registering a hook gives: remove() takes it away, and so does the end of a `with` block."""

    def __init__(self, hooks: List[Callable[..., Any]], hook: Callable[..., Any]) -> None:
        self._hooks, self._hook = hooks, hook

    def remove(self) -> None:
        """The hook is called no more; a second time does nothing."""
        self._hooks[:] = [hook for hook in self._hooks if hook is not self._hook]

    def __enter__(self) -> "Handle":
        return self

    def __exit__(self, *error: Any) -> None:
        self.remove()


class Names(NamedTuple):
    """Names that load_state_dict found on one side only."""
    missing_keys: List[str]
    unexpected_keys: List[str]


class Module:
    """Derive from it, set parameters and other modules as attributes, and write `execute` (or `forward`).

        class Net(jt.Module):
            def __init__(self):
                super().__init__()
                self.fc = jt.nn.Linear(784, 10)
            def execute(self, x):
                return self.fc(x)

    Attributes follow PyTorch's rules:

    - a tensor that requires a gradient when it is set (jt.Parameter, or start_grad()) is a parameter: trained and saved;
      it stays one while it is frozen. Only another one, or None, takes its name;
    - register_buffer(name, tensor) makes a buffer: saved, not trained. Tensors set under its name later are the buffer;
    - modules are children;
    - everything else is an attribute and no more, neither listed nor saved: other tensors, of integers or floats, what a
      call keeps (self.hidden = ...), numbers, strings, lists.

    A tensor under two names is one parameter."""

    training: bool = True

    def __init__(self) -> None:
        pass

    # ---- calling
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for hook in tuple(self.__dict__.get("_before", ())):
            changed = hook(self, args)
            args = args if changed is None else changed if isinstance(changed, tuple) else (changed,)
        out = self.execute(*args, **kwargs)
        for hook in tuple(self.__dict__.get("_after", ())):
            changed = hook(self, args, out)
            out = out if changed is None else changed
        return out

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; forward does it where only that is written."""
        if type(self).forward is Module.forward:
            raise NotImplementedError(f"{type(self).__name__} has neither execute nor forward")
        return self.forward(*args, **kwargs)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """As execute."""
        return self.execute(*args, **kwargs)

    def register_forward_hook(self, hook: Callable[..., Any]) -> Handle:
        """hook(module, args, result) after each call; what it returns, unless None, is the result. The handle's remove() takes it away."""
        return self._hooked("_after", hook)

    def register_pre_forward_hook(self, hook: Callable[..., Any]) -> Handle:
        """hook(module, args) before each call; what it returns, unless None, are the arguments. The handle's remove() takes it away."""
        return self._hooked("_before", hook)

    def _hooked(self, when: str, hook: Callable[..., Any]) -> Handle:
        hooks: List[Callable[..., Any]] = self.__dict__.setdefault(when, [])
        hooks.append(hook)
        return Handle(hooks, hook)

    register_forward_pre_hook = register_pre_forward_hook

    def remove_hooks(self) -> None:
        """Forgets all hooks of this module."""
        self.__dict__.pop("_before", None)
        self.__dict__.pop("_after", None)

    # ---- attributes
    def __setattr__(self, name: str, value: Any) -> None:
        parameters = self.__dict__.get("_parameter_names", ())
        is_plain = not isinstance(value, Tensor)
        if isinstance(value, Tensor) and is_parameter(value):
            self._register(name, value)
            return
        if name in parameters and value is not None:
            what = f"a {type(value).__name__}" if is_plain else "a tensor that requires no gradient"
            raise TypeError(f"{type(self).__name__}: '{name}' is a parameter and cannot become {what}; give its value to "
                            f"{name}.assign(...), or set a jt.Parameter or None")
        if is_plain and value is not None and name in self.__dict__.get("_buffer_names", ()):
            raise TypeError(f"{type(self).__name__}: '{name}' is a buffer and cannot become a {type(value).__name__}; set a jt.Tensor or None")
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        for names in ("_parameter_names", "_buffer_names", "_unsaved_names"):
            self.__dict__.get(names, set()).discard(name)

    def _register(self, name: str, parameter: Optional[Tensor]) -> None:
        self.__dict__.get("_buffer_names", set()).discard(name)
        self.__dict__.setdefault("_parameter_names", set()).add(name)
        self.__dict__[name] = parameter

    def register_parameter(self, name: str, parameter: Optional[Tensor]) -> None:
        """Sets a parameter by name; None keeps the name free for one."""
        if parameter is not None and not is_parameter(parameter):
            raise TypeError(f"register_parameter: '{name}' requires no gradient; make it a jt.Parameter")
        self._register(name, parameter)

    # ---- the tree
    def _items(self) -> Iterable[Tuple[str, Any]]:
        """Named tensors and modules held directly, in the order they were set."""
        return ((name, value) for name, value in self.__dict__.items() if isinstance(value, (Tensor, Module)))

    def named_children(self) -> List[Tuple[str, "Module"]]:
        """Modules held directly, with their names."""
        return [(name, value) for name, value in self._items() if isinstance(value, Module)]

    def children(self) -> List["Module"]:
        """Modules held directly."""
        return [child for _, child in self.named_children()]

    def named_modules(self, prefix: str = "") -> List[Tuple[str, "Module"]]:
        """This module and all below it, each once, with dotted names."""
        out: List[Tuple[str, Module]] = []
        seen = set()
        stack: List[Tuple[str, Module]] = [(prefix, self)]
        while stack:
            name, module = stack.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            out.append((name, module))
            stack.extend((f"{name}.{key}" if name else key, child) for key, child in reversed(module.named_children()))
        return out

    def modules(self) -> List["Module"]:
        """This module and all below it, each once."""
        return [module for _, module in self.named_modules()]

    def apply(self: M, function: Callable[["Module"], Any]) -> M:
        """Calls function on every module of the tree. Returns self."""
        for module in self.modules():
            function(module)
        return self

    def add_module(self, name: str, module: Optional["Module"]) -> None:
        """Sets a child by name."""
        setattr(self, name, module)

    register_module = add_module

    def get_submodule(self, target: str) -> "Module":
        """The module of a dotted name; the empty one is this. Errors: NotFoundError."""
        at: Any = self
        for name in target.split(".") if target else []:
            at = dict(at.named_children()).get(name)
            if at is None:
                raise errors.NotFoundError(f"{type(self).__name__}: no module is called '{target}'")
        return at  # type: ignore[no-any-return]

    def get_parameter(self, target: str) -> Tensor:
        """The parameter of a dotted name. Errors: NotFoundError."""
        return self._get(target, self.named_parameters(), "parameter")

    def get_buffer(self, target: str) -> Tensor:
        """The buffer of a dotted name. Errors: NotFoundError."""
        return self._get(target, self.named_buffers(), "buffer")

    def _get(self, target: str, named: List[Tuple[str, Tensor]], what: str) -> Tensor:
        found = dict(named).get(target)
        if found is None:
            raise errors.NotFoundError(f"{type(self).__name__}: no {what} is called '{target}'")
        return found

    # ---- tensors
    def register_buffer(self, name: str, tensor: Optional[Tensor], persistent: bool = True) -> None:
        """Sets a tensor that is not trained, and saved if it is persistent."""
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"register_buffer: '{name}' is {type(tensor).__name__}, not a jt.Tensor")
        self.__dict__.get("_parameter_names", set()).discard(name)
        self.__dict__.setdefault("_buffer_names", set()).add(name)
        unsaved = self.__dict__.setdefault("_unsaved_names", set())
        (unsaved.discard if persistent else unsaved.add)(name)
        self.__dict__[name] = tensor

    def _named_tensors(self, wants_buffers: Optional[bool], every_name: bool = False) -> List[Tuple[str, Tensor]]:
        """Parameters (False), buffers (True), or what is saved of both (None)."""
        out: List[Tuple[str, Tensor]] = []
        seen = set()

        def walk(prefix: str, module: Module, above: Tuple[int, ...]) -> None:
            buffers, unsaved = module.__dict__.get("_buffer_names", ()), module.__dict__.get("_unsaved_names", ())
            parameters = module.__dict__.get("_parameter_names", ())
            for name, value in module._items():
                path = f"{prefix}.{name}" if prefix else name
                if isinstance(value, Module):
                    if id(value) not in above:
                        walk(path, value, above + (id(value),))
                    continue
                is_wanted = (name in parameters and not wants_buffers) or (name in buffers and (wants_buffers or (wants_buffers is None and name not in unsaved)))
                if is_wanted and (every_name or id(value) not in seen):
                    seen.add(id(value))
                    out.append((path, value))

        walk("", self, (id(self),))
        return out

    def named_parameters(self) -> List[Tuple[str, Tensor]]:
        """Parameters of the tree, each once, with dotted names."""
        return self._named_tensors(False)

    def parameters(self) -> List[Tensor]:
        """Parameters of the tree, each once."""
        return [tensor for _, tensor in self.named_parameters()]

    def named_buffers(self) -> List[Tuple[str, Tensor]]:
        """Tensors that are saved but not trained, with dotted names."""
        return self._named_tensors(True)

    def buffers(self) -> List[Tensor]:
        """Tensors that are saved but not trained."""
        return [tensor for _, tensor in self.named_buffers()]

    def state_dict(self, to: Optional[str] = None) -> Dict[str, Any]:
        """{name: tensor} of all parameters and buffers, under every name they have; to="numpy" gives arrays."""
        state = dict(self._named_tensors(None, every_name=True))
        if to not in (None, "numpy"):
            raise errors.ArgumentError(f"state_dict: to={to!r} is neither None nor 'numpy'")
        return {name: x.numpy() for name, x in state.items()} if to else state

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> Names:
        """Assigns tensors or arrays by name. Returns the names (missing_keys, unexpected_keys); with strict either is an error.

        Errors: NotFoundError, ShapeError; then nothing has been assigned."""
        mine = self.state_dict()
        missing, unexpected = [n for n in mine if n not in state], [n for n in state if n not in mine]
        if strict and (missing or unexpected):
            raise errors.NotFoundError(f"load_state_dict: missing {missing}, unexpected {unexpected}")
        new = {name: array(state[name]) for name in mine if name in state}
        for name, value in new.items():
            if value.shape != mine[name].shape:
                raise errors.ShapeError(f"load_state_dict: {name} has shape {mine[name].shape}, the state {value.shape}")
        for name, value in new.items():
            mine[name].assign(value.to(mine[name].device))
        return Names(missing, unexpected)

    load_parameters = load_state_dict

    def save(self, path: Any) -> None:
        """Writes the state as safetensors."""
        from .io import save
        save(self.state_dict(), path)

    def load(self, path: Any) -> None:
        """Reads a state that save has written."""
        from .io import load
        self.load_state_dict(load(path))

    def requires_grad_(self: M, value: bool = True) -> M:
        """Sets requires_grad of every parameter. Returns self."""
        for p in self.parameters():
            if p.dtype.is_floating_point:
                p.requires_grad = value
        return self

    def to(self: M, *targets: Any, device: Optional[str] = None, dtype: Any = None) -> M:
        """Brings every parameter and buffer to a device, converts those of a float dtype to another, or both. Returns self. What a call computes
        runs where it is recorded: jt.device. Another dtype makes new tensors: an optimiser is made afterwards."""
        for target in targets:
            is_device = isinstance(target, str) and not dtypes.is_name(target)
            device, dtype = (target, dtype) if is_device else (device, target)
        if dtype is not None:
            if not dtypes.by_code[dtypes.code_of(dtype)].is_floating_point:
                raise errors.DTypeError(f"{type(self).__name__}.to: {dtype} is no float dtype")
            for module in self.modules():
                module._convert(dtype)
        if device is not None:
            for x in [*self.parameters(), *self.buffers()]:
                x.assign(x.to(device))
        return self

    def _convert(self, dtype: Any) -> None:
        """The float tensors held directly, as ones of another dtype."""
        for name, value in list(self._items()):
            if isinstance(value, Tensor) and value.dtype.is_floating_point and value.dtype != dtype and self._is_listed(name):
                self.__dict__[name] = self._converted(value, dtype)

    def _is_listed(self, name: str) -> bool:
        return name in self.__dict__.get("_parameter_names", ()) or name in self.__dict__.get("_buffer_names", ())

    @staticmethod
    def _converted(value: Tensor, dtype: Any) -> Tensor:
        out = value.detach().to(dtype)
        out.requires_grad = value.requires_grad
        if getattr(value, "_is_parameter", False):
            out._is_parameter = True
        return out

    def half(self: M) -> M:
        """Converts to float16. Returns self."""
        return self.to(dtypes.float16)

    def bfloat16(self: M) -> M:
        """Converts to bfloat16. Returns self."""
        return self.to(dtypes.bfloat16)

    def float(self: M) -> M:
        """Converts to float32. Returns self."""
        return self.to(dtypes.float32)

    def double(self: M) -> M:
        """Converts to float64. Returns self."""
        return self.to(dtypes.float64)

    def cpu(self: M) -> M:
        """Brings every parameter and buffer to the CPU. Returns self."""
        return self.to("cpu")

    def cuda(self: M, device: Any = 0) -> M:
        """Brings every parameter and buffer to a CUDA device. Returns self. Errors: NotFoundError where there is none."""
        return self.to(device if isinstance(device, str) else f"cuda:{device}")

    def zero_grad(self) -> None:
        """Forgets the gradients of all parameters."""
        _C.zero_grad(self.parameters())

    # ---- mode
    def train(self: M, mode: bool = True) -> M:
        """Training mode (dropout drops, batch norm gathers statistics). Returns self."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self: M) -> M:
        """The mode for use. Returns self."""
        return self.train(False)

    def is_training(self) -> bool:
        """Whether it is in training mode."""
        return self.training

    # ---- as text
    def extra_repr(self) -> str:
        """What repr says beside the children."""
        return ""

    def __repr__(self) -> str:
        lines = []
        for name, child in self.named_children():
            lines.append(f"  ({name}): " + repr(child).replace("\n", "\n  "))
        head = f"{type(self).__name__}({self.extra_repr()}"
        return head + ("\n" + "\n".join(lines) + "\n)" if lines else ")")


class Sequential(Module):
    """Modules (or functions) one after the other: Sequential(a, b), or a dict or list of them. [i] and len work."""

    def __init__(self, *parts: Any) -> None:
        super().__init__()
        self._parts: Dict[str, Any] = {}
        for part in parts:
            if isinstance(part, Mapping):
                self._parts.update(part)
            elif isinstance(part, (list, tuple)):
                for one in part:
                    self.append(one)
            else:
                self.append(part)

    def _items(self) -> Iterable[Tuple[str, Any]]:
        return ((name, part) for name, part in self._parts.items() if isinstance(part, (Module, Tensor)))

    def add_module(self, name: str, module: Any) -> None:
        self._parts[name] = module

    def append(self, part: Any) -> "Sequential":
        """Adds a part at the end. Returns self."""
        if not callable(part):
            raise TypeError(f"a part of {type(self).__name__} must be callable, not {type(part).__name__}")
        self._parts[str(len(self._parts))] = part
        return self

    def extend(self, parts: Iterable[Any]) -> "Sequential":
        """Adds parts at the end. Returns self."""
        for part in parts:
            self.append(part)
        return self

    def execute(self, x: Any) -> Any:
        for part in self._parts.values():
            x = part(x)
        return x

    def __getitem__(self, key: Any) -> Any:
        values = list(self._parts.values())
        if isinstance(key, slice):
            return type(self)(*values[key])
        return self._parts[key] if isinstance(key, str) else values[key]

    def __setitem__(self, key: int, part: Any) -> None:
        self._parts[list(self._parts)[key]] = part

    def __len__(self) -> int:
        return len(self._parts)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._parts.values())

    def keys(self) -> Iterable[str]:
        """Names of the parts."""
        return self._parts.keys()

    def values(self) -> Iterable[Any]:
        """The parts."""
        return self._parts.values()

    def items(self) -> Iterable[Tuple[str, Any]]:
        """Names and parts."""
        return self._parts.items()


class ModuleList(Sequential):
    """A list of modules that are found as children."""


class ModuleDict(Module):
    """Modules by name, found as children: ModuleDict({"a": a}), [name], in, len, keys, values, items, update, pop."""

    def __init__(self, modules: Optional[Mapping[str, Module]] = None) -> None:
        super().__init__()
        self._parts: Dict[str, Module] = {}
        self.update(modules or {})

    def _items(self) -> Iterable[Tuple[str, Any]]:
        return self._parts.items()

    def add_module(self, name: str, module: Any) -> None:
        self[name] = module

    def update(self, modules: Any) -> None:
        """Adds modules of a mapping, or of pairs of name and module."""
        for name, module in dict(modules).items():
            self[name] = module

    def __setitem__(self, name: str, module: Module) -> None:
        if not isinstance(module, Module) or not isinstance(name, str) or not name or "." in name:
            raise TypeError(f"ModuleDict: {name!r} is no name without dots, or {type(module).__name__} no module")
        self._parts[name] = module

    def __getitem__(self, name: str) -> Module:
        return self._parts[name]

    def __delitem__(self, name: str) -> None:
        del self._parts[name]

    def __contains__(self, name: Any) -> bool:
        return name in self._parts

    def __len__(self) -> int:
        return len(self._parts)

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def keys(self) -> Iterable[str]:
        """Names of the modules."""
        return self._parts.keys()

    def values(self) -> Iterable[Module]:
        """The modules."""
        return self._parts.values()

    def items(self) -> Iterable[Tuple[str, Module]]:
        """Names and modules."""
        return self._parts.items()

    def pop(self, name: str) -> Module:
        """Takes a module out."""
        return self._parts.pop(name)

    def clear(self) -> None:
        """Takes all modules out."""
        self._parts.clear()


class ParameterList(Module):
    """A list of tensors that are found as parameters."""

    def __init__(self, parameters: Iterable[Tensor] = ()) -> None:
        super().__init__()
        for p in parameters:
            self.append(p)

    def append(self, parameter: Tensor) -> "ParameterList":
        """Adds a tensor at the end; one of a float dtype is trained. Returns self."""
        if not is_parameter(parameter) and parameter.dtype.is_floating_point:
            parameter.requires_grad = True
        self._register(str(len(self)), parameter)
        return self

    def __len__(self) -> int:
        return sum(1 for _ in self._items())

    def __getitem__(self, i: int) -> Tensor:
        return [x for _, x in self._items()][i]  # type: ignore[no-any-return]

    def __iter__(self) -> Iterator[Tensor]:
        return (x for _, x in self._items())
