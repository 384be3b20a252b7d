#!/usr/bin/env python3
"""programs_test.py PAGE INCLUDE LIBRARY WORK: the first C program of a page compiles without a warning and prints what the
page says it prints (the first `text` block)."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from document import blocks, fail, run_c


def main(page, include, library, work):
    work = pathlib.Path(work)
    work.mkdir(parents=True, exist_ok=True)
    said = run_c(blocks(page, "c")[0], include, library, work, pathlib.Path(page).stem.lower(), standard="c11")
    expected = blocks(page, "text")[0]
    if said != expected:
        fail(f"{page}: the program says\n{said}instead of\n{expected}")


if __name__ == "__main__":
    main(*sys.argv[1:])
