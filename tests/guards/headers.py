#!/usr/bin/env python3
"""headers.py INCLUDE_DIR: each public header compiles alone and twice in every C and C++, and documents its functions."""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile

C = ("c89", "c99", "c11", "c17", "c2x")
CPP = ("c++98", "c++11", "c++14", "c++17", "c++20")
COMPILERS = ((("gcc", "clang"), C, "c"), (("g++", "clang++"), CPP, "c++"))
FLAGS = ["-pedantic", "-Werror", "-Wall", "-Wextra", "-fsyntax-only", "-fshort-enums"]
# Says on which threads it may be called, by itself or by naming the function that it is like.
THREADS = re.compile(r"[Tt]hread|[Aa]s\s+(\*\s+)?jt_")


def compile_once(compiler, standard, language, include_dir, source):
    done = subprocess.run([compiler, f"-std={standard}", *FLAGS, "-x", language, "-I", include_dir, source],
                          capture_output=True, text=True)
    return f"{compiler} -std={standard}:\n{done.stderr}" if done.returncode else None


def compile_all(include_dir, header, work):
    source = pathlib.Path(work) / (header.stem + ".c")
    source.write_text(f"#include <jt/{header.name}>\n#include <jt/{header.name}>\nint jt_probe;\n")
    for compilers, standards, language in COMPILERS:
        for compiler in compilers:
            for standard in standards:
                yield compiler, standard, language, include_dir, str(source)


def undocumented(header):
    """Functions without a comment right before them that speaks of threads."""
    lines = header.read_text().splitlines()
    for number, line in enumerate(lines):
        if not line.startswith("JT_API "):
            continue
        end = start = number - 1
        while start > 0 and not lines[start].startswith("/*"):
            start -= 1
        comment = "\n".join(lines[start:end + 1])
        is_comment = lines[end].rstrip().endswith("*/") and comment.count("*/") == 1
        if not is_comment:
            yield f"{header.name}:{number + 1}: no comment right before: {line}"
        elif header.name not in ("jt_ops.h",) and not THREADS.search(comment):
            yield f"{header.name}:{number + 1}: the comment does not say which threads may call: {line}"


def main(include_dir):
    headers = sorted((pathlib.Path(include_dir) / "jt").glob("*.h"))
    failures = [complaint for header in headers for complaint in undocumented(header)]
    with tempfile.TemporaryDirectory() as work, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [job for header in headers for job in compile_all(include_dir, header, work)]
        failures += [text for text in pool.map(lambda job: compile_once(*job), jobs) if text]
    print("\n".join(failures))
    print(f"{len(headers)} headers, {len(jobs)} compilations, {len(failures)} failures")
    return bool(failures) or not headers


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
