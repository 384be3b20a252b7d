#!/usr/bin/env python3
"""canary.py NAME ROOT [OPGEN | HOST_MALLOC]: plants what a guard must find in a scratch copy, and fails if it is not found.

Each canary is a function that returns (command, text that its output must hold).
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

GUARDS = pathlib.Path(__file__).resolve().parent
TOOLS = GUARDS.parent.parent / "tools"
PYTHON = sys.executable


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def layers(work, root, _):
    write(work / "core/base/low.h", '#include "core/ir/op.h"\n')
    return [PYTHON, TOOLS / "check_layers", work], "rank 0 includes rank 1"


def layers_backend(work, root, _):
    write(work / "backends/toy/toy.cpp", '#include <jt/jt_backend.h>\n#include "core/ir/ops.def"\n#include "core/ir/node.h"\n')
    return [PYTHON, TOOLS / "check_layers", work], "toy.cpp:3: includes core/ir/node.h"


def layers_capi(work, root, _):
    write(work / "capi/src/toy.cpp", '#include "backends/builtin.h"\n#include "backends/toy/toy.h"\n')
    return [PYTHON, TOOLS / "check_layers", work], "toy.cpp:2: includes backends/toy/toy.h"


def size(work, root, _):
    write(work / "core/base/long.cpp", "//\n" * 701)
    return [PYTHON, TOOLS / "check_size", work], "701 lines, more than 700"


def headers_standard(work, root, _):
    shutil.copytree(root / "capi/include/jt", work / "jt")
    with open(work / "jt/jt_data.h", "a") as header:
        header.write("// not C89\n")
    return [PYTHON, GUARDS / "headers.py", work], "gcc -std=c89"


def headers_document(work, root, _):
    write(work / "jt/jt_bare.h", "int jt_nothing;\nJT_API int jt_bare(void);\n")
    return [PYTHON, GUARDS / "headers.py", work], "no comment right before: JT_API int jt_bare(void);"


def exports(work, root, _):
    write(work / "lib.c", "int jt_listed(void) { return 0; }\nint leaked(void) { return 0; }\n")
    write(work / "map", "JT_0 { global: *; };\n")
    write(work / "symbols.txt", "# list\njt_listed\n")
    subprocess.run(["gcc", "-shared", "-fPIC", "-Wl,-z,nodelete", f"-Wl,--version-script={work}/map", work / "lib.c", "-o",
                    work / "lib.so"], check=True)
    return [PYTHON, GUARDS / "exports.py", work / "lib.so", work / "symbols.txt", "JT_0"], "not in the list: leaked"


def archive(work, source):
    write(work / "bad.cpp", source)
    subprocess.run(["g++", "-c", work / "bad.cpp", "-o", work / "bad.o"], check=True)
    subprocess.run(["ar", "rc", work / "lib.a", work / "bad.o"], check=True)
    return [PYTHON, GUARDS / "calls.py", work / "lib.a"]


def calls(work, root, _):
    return archive(work, "#include <cstdlib>\nvoid f() { std::abort(); }\n"), "bad.o uses abort"


def calls_environment(work, root, _):
    return archive(work, "#include <cstdlib>\nchar* f() { return std::getenv(\"X\"); }\n"), "bad.o uses getenv"


def calls_constructor(work, root, _):
    return archive(work, "int g();\nint x = g();\n"), "runs code when the library is loaded"


def globals_(work, root, _):
    write(work / "core/bad.cpp", "struct S { ~S(); };\nstatic S s;\nS& get() { return s; }\n")
    commands = [{"directory": str(work), "file": str(work / "core/bad.cpp"), "command": "c++ -std=c++20 -c core/bad.cpp"}]
    write(work / "compile_commands.json", json.dumps(commands))
    return [PYTHON, GUARDS / "globals.py", work / "compile_commands.json", work], "exit-time-destructors"


def generated(work, root, opgen):
    for path in ("capi/include", "capi/src", "docs"):
        shutil.copytree(root / path, work / path)
    shutil.copy(root / "capi/symbols.txt", work / "capi/symbols.txt")
    with open(work / "docs/OPS.md", "a") as docs:
        docs.write("An op that is no row.\n")
    return [opgen, "--check", work], "docs/OPS.md is stale"


def generated_symbols(work, root, opgen):
    for path in ("capi/include", "capi/src", "docs"):
        shutil.copytree(root / path, work / path)
    shutil.copy(root / "capi/symbols.txt", work / "capi/symbols.txt")
    write(work / "capi/include/jt/jt_more.h", "\nJT_API int jt_more(void);\n")
    return [opgen, "--check", work], "capi/symbols.txt is stale"


def api_scratch(work, root, opgen, header, before, after, complaint):
    """A header that says something else than the table of the C API."""
    shutil.copytree(root / "capi/include", work / "capi/include")
    path = work / "capi/include/jt" / header
    text = path.read_text()
    assert before in text, (header, before)
    path.write_text(text.replace(before, after, 1))
    return [opgen, "--check", work], complaint


def api_prototype(work, root, opgen):
    return api_scratch(work, root, opgen, "jt_tensor.h", "int32_t axis", "int64_t axis",
                       "tensor_dim says int64_t jt_tensor_dim(const jt_tensor* tensor, int32_t axis), the header "
                       "int64_t jt_tensor_dim(const jt_tensor* tensor, int64_t axis)")


def api_row(work, root, opgen):
    return api_scratch(work, root, opgen, "jt_data.h", "#ifdef __cplusplus\n}", "/* More. Any thread. */\nJT_API int jt_more(void);\n\n"
                       "#ifdef __cplusplus\n}", "capi/api.def has no row for jt_more")


def api_waits(work, root, opgen):
    return api_scratch(work, root, opgen, "jt_data.h", "JT_E_BUSY, JT_E_NOMEM. Threads: the context's", "JT_E_NOMEM. Threads: any",
                       "idx_load: its comment says any thread")


def vectors_missing(work, root, opgen):
    for path in ("capi/include", "capi/src", "docs"):
        shutil.copytree(root / path, work / path)
    shutil.copy(root / "capi/symbols.txt", work / "capi/symbols.txt")
    lines = (root / "tests/ops/vectors.txt").read_text().splitlines(True)
    write(work / "tests/ops/vectors.txt", "".join(line for line in lines if not line.startswith("tanh ")))
    return [opgen, "--check", work], "tanh has no reference vectors"


def host_malloc(work, root, program):
    write(work / "shadow.c", "#include <stddef.h>\nvoid* calloc(size_t n, size_t m) { (void)n, (void)m; return 0; }\n")
    subprocess.run(["gcc", "-shared", "-fPIC", work / "shadow.c", "-o", work / "shadow.so"], check=True)
    return ["env", f"LD_PRELOAD={work}/shadow.so", program], "calloc: from"


CANARIES = [layers, layers_backend, layers_capi, size, headers_standard, headers_document, exports, calls, calls_environment,
            calls_constructor, globals_, generated, generated_symbols, api_prototype, api_row, api_waits, vectors_missing,
            host_malloc]


def main(name, root, program=""):
    canary = next(c for c in CANARIES if c.__name__ == name)
    with tempfile.TemporaryDirectory() as folder:
        command, expected = canary(pathlib.Path(folder).resolve(), pathlib.Path(root).resolve(), program)
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ)
    output = done.stdout + done.stderr
    if done.returncode == 0 or expected not in output:
        print(f"{name}: the guard did not say '{expected}' and fail; it ended with {done.returncode} and said:\n{output}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
