#!/usr/bin/env python3
"""programs_test.py PAGE INCLUDE LIBRARY WORK: the C programs of a page compile without a warning and print what the
page says they print (its `text` blocks, one for each)."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from document import blocks, fail, run_c


def main(page, include, library, work):
    work = pathlib.Path(work)
    work.mkdir(parents=True, exist_ok=True)
    programs, texts = blocks(page, "c"), blocks(page, "text")
    if not programs or len(programs) != len(texts):
        fail(f"{page}: {len(programs)} programs, but {len(texts)} texts that they print")
    for number, (program, expected) in enumerate(zip(programs, texts)):
        said = run_c(program, include, library, work, f"{pathlib.Path(page).stem.lower()}{number}", standard="c11")
        if said != expected:
            fail(f"{page}: program {number} says\n{said}instead of\n{expected}")


if __name__ == "__main__":
    main(*sys.argv[1:])
