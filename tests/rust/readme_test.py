#!/usr/bin/env python3
"""readme_test.py PAGE CARGO LIB_DIR WORK: the Rust programs of a page, each in an empty project outside the tree that `cargo add`s
the crate, print what the page says they print (a `text` block behind each)."""
import os
import pathlib
import shutil
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "docs")]
from document import FENCE, fail, run
from run import environment_of, workspace


def main(page, cargo, lib_dir, work):
    if not shutil.which(cargo):
        print("cargo is missing: the Rust programs of the page are not tried")
        return 77
    workspace(pathlib.Path(work))
    found = FENCE.findall(pathlib.Path(page).read_text())
    programs = [(text, found[at + 1][1]) for at, (kind, text) in enumerate(found) if kind == "rust"]
    if not programs:
        fail(f"{page}: no Rust program")
    for program, expected in programs:
        with tempfile.TemporaryDirectory() as folder:
            # A folder of its own for what it compiles: other tests use that of the crates at the same time.
            more = dict(cwd=folder, env={**environment_of(cargo, lib_dir, work), "CARGO_TARGET_DIR": folder + "/target"})
            run([cargo, "init", "--quiet", "--vcs", "none", "--name", "app"], **more)
            run([cargo, "add", "--quiet", "--offline", "--path", pathlib.Path(work) / "jt"], **more)
            pathlib.Path(folder, "src/main.rs").write_text(program)
            said = run([cargo, "run", "--offline", "--quiet"], **more)
        if said != expected:
            fail(f"{page}: the program says\n{said}instead of\n{expected}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
