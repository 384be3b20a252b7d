#!/usr/bin/env python3
"""programs_test.py PAGE INCLUDE LIBRARY WORK [PACKAGES]: the C programs of a page compile without a warning, its Python
programs run with the package jt in PACKAGES, and they print what the page says they print (a `text` block behind each).
Without PACKAGES, Python programs are passed over; tests of their own try those of Java and Rust."""
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from document import FENCE, fail, run, run_c


def main(page, include, library, work, packages=None):
    work = pathlib.Path(work)
    work.mkdir(parents=True, exist_ok=True)
    found = [(kind, text) for kind, text in FENCE.findall(pathlib.Path(page).read_text()) if kind in ("c", "python", "java", "rust", "text")]
    programs, texts = found[0::2], found[1::2]
    if not programs or any(kind != "text" for kind, _ in texts) or any(kind == "text" for kind, _ in programs) or len(programs) != len(texts):
        fail(f"{page}: programs and the texts that they print do not alternate: {[kind for kind, _ in found]}")
    for number, ((kind, program), (_, expected)) in enumerate(zip(programs, texts)):
        if kind in ("java", "rust") or (kind == "python" and not packages):
            continue
        if kind == "python":
            said = run([sys.executable, "-c", program], cwd=work, env={**os.environ, "PYTHONPATH": str(packages)})
        else:
            said = run_c(program, include, library, work, f"{pathlib.Path(page).stem.lower()}{number}", standard="c11")
        if said != expected:
            fail(f"{page}: program {number} says\n{said}instead of\n{expected}")


if __name__ == "__main__":
    main(*sys.argv[1:])
