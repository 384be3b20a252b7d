#!/usr/bin/env python3
"""Writes the reference files beside it with the format's own implementation (PyPI: safetensors, numpy).

Run it in a virtual environment; the files are stored, so that the tests need neither package.
"""
import pathlib

import numpy
from safetensors.numpy import save_file

folder = pathlib.Path(__file__).parent
rng = numpy.random.default_rng(3)

NAMES = {"BOOL": "bool", "I8": "int8", "I16": "int16", "I32": "int32", "I64": "int64", "U8": "uint8", "U16": "uint16",
         "U32": "uint32", "U64": "uint64", "F16": "float16", "F32": "float32", "F64": "float64"}


# 2 x 3 of each dtype, the values 0..5 (bool: odd ones true).
every = {name: (numpy.arange(6).reshape(2, 3) % (2 if name == "BOOL" else 6)).astype(kind) for name, kind in NAMES.items()}
save_file(every, folder / "every_dtype.safetensors", metadata={"format": "np", "epoch": "5"})

# Nothing, one value without axes, no values, a name that is not ASCII and one that needs escapes.
save_file({}, folder / "empty.safetensors")
save_file({"scalar": numpy.array(2.5, "float32"), "none": numpy.zeros((0, 4), "int64"), "权重 é": numpy.arange(3, dtype="uint8"),
           'quote " slash \\ tab \t': numpy.arange(2, dtype="int16")}, folder / "corners.safetensors")
