"""coverage: public names and options that the tables do not know: each is a difference, by its name."""
import ast
import inspect
import pathlib
import types

import jt
import layers
from compare import Difference
from table import Case, EXEMPT, ROWS, options_of

SAME_AS = {"dim": "axes", "keepdim": "keepdims"}


def public_names():
    """Names of the package, its submodules for users, and the members of Tensor."""
    names = [n for n in dir(jt) if not n.startswith("_")]
    for module in ("nn", "optim", "init", "dataset", "ops"):
        inside = getattr(jt, module)
        for name in dir(inside):
            value = getattr(inside, name)
            imported = getattr(value, "__module__", "").startswith("typing") or isinstance(value, types.ModuleType) or name in ("annotations",)
            if name.startswith("_") or imported or not (inspect.isclass(value) or callable(value)):
                continue
            if getattr(jt, name, None) is value or name in ("Shape", "Any") or getattr(value, "__module__", "").startswith(("jt.errors", "jt.tensor")):
                continue
            names.append(f"{module}.{name}")
    return names + ["Tensor." + n for n in dir(jt.Tensor) if not n.startswith("_") or n.startswith("__")]


def options_of_functions():
    """Functions of the stub -> their parameters with defaults."""
    tree = ast.parse((pathlib.Path(jt.__file__).parent / "_C.pyi").read_text())
    out = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in jt.ops.__all__:
            positional = [a.arg for a in node.args.args]
            out[node.name] = (positional, len(positional) - len(node.args.defaults), [a.arg for a in node.args.kwonlyargs])
    return out


def passed(name):
    """Options that cases of a function pass: (most positional arguments, keywords)."""
    count, keywords = 0, set()
    for maker in ROWS.get(name, ROWS.get("ops." + name, ())):
        for case in maker(True):
            if isinstance(case, Case):
                text = case.jt
            else:
                text = getattr(case, "call", "0")
            found = options_of(text).get(name)
            if found:
                as_method = f"x.{name}(" in text
                count, keywords = max(count, found[0] + as_method), keywords | found[1]
    return count, keywords


def missing():
    out = []
    members = set(jt.ops.__all__)
    for name in public_names():
        as_function = name[7:] if name.startswith("Tensor.") else name
        function = getattr(jt, as_function, None)
        method = getattr(jt.Tensor, as_function, None) if name.startswith("Tensor.") else None
        is_function = method is not None and getattr(method, "__name__", "") == getattr(function, "__name__", None)
        known = is_function and (as_function in ROWS or as_function in EXEMPT) or name in ROWS or name in EXEMPT or (name.startswith("Tensor.") and as_function in members and (as_function in ROWS or "ops." + as_function in ROWS))
        if not known:
            out.append(Difference(name, "-", "mapping", "a public name that no table of the sweep knows"))
    for name, (positional, required, only) in options_of_functions().items():
        count, keywords = passed(name)
        if name not in ROWS and "ops." + name not in ROWS:
            continue
        for option in positional[max(required, count):] + only:
            if option not in keywords:
                out.append(Difference(name, "-", "mapping", f"no case passes the option {option}"))
    return out + layers.missing_fields()
