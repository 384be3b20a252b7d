"""io: tensors and plain values in files."""
from __future__ import annotations

import os
from typing import Any, Dict

from . import _C, errors
from .tensor import Tensor, array


def _flat(value: Any, prefix: str, out: Dict[str, Tensor]) -> None:
    if isinstance(value, dict):
        for key, part in value.items():
            _flat(part, f"{prefix}.{key}" if prefix else str(key), out)
    elif isinstance(value, Tensor) or hasattr(value, "__array__"):
        if prefix in out:
            raise errors.ArgumentError(f"save: two tensors are called '{prefix}'")
        out[prefix] = value if isinstance(value, Tensor) else array(value)
    else:
        raise TypeError(f"save: '{prefix}' is {type(value).__name__}, not a tensor, an array or a dict of them")


def save(state: Any, path: Any) -> None:
    """Writes tensors and arrays by name ({name: tensor}, dicts in dicts, or a Module) as safetensors.

    The file is replaced as a whole, or after an error left as it was. Errors: FileError, TypeError."""
    if hasattr(state, "state_dict"):
        state = state.state_dict()
    if not isinstance(state, dict):
        raise TypeError(f"save: expected a dict or a module, not {type(state).__name__}")
    flat: Dict[str, Tensor] = {}
    _flat(state, "", flat)
    _C.checkpoint_save(os.fspath(path), list(flat), list(flat.values()))


def load(path: Any) -> Dict[str, Tensor]:
    """{name: tensor} of a safetensors file. Errors: MissingFileError, FileError (damaged)."""
    return _C.checkpoint_load(os.fspath(path))


def load_idx(path: Any) -> Tensor:
    """An IDX file (the MNIST family), plain or gzip, as a tensor. Errors: MissingFileError, FileError."""
    return _C.idx_load(os.fspath(path))
