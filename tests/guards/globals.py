#!/usr/bin/env python3
"""globals.py COMPILE_COMMANDS ROOT: clang finds no global constructor and no destructor at exit in core, backends, capi."""
import concurrent.futures
import json
import os
import pathlib
import shlex
import subprocess
import sys

KEPT = ("-I", "-D", "-std=", "-m", "-isystem", "-include")
WARNINGS = ["-fsyntax-only", "-w", "-Werror=global-constructors", "-Werror=exit-time-destructors"]


def flags(command):
    """What of a compile command concerns the meaning of the source."""
    words, kept = shlex.split(command), []
    for i, word in enumerate(words):
        if word in ("-I", "-isystem", "-include", "-D"):
            kept += [word, words[i + 1]]
        elif word.startswith(KEPT) and word not in KEPT:
            kept.append(word)
    return kept


def complaint(entry):
    done = subprocess.run(["clang++", *flags(entry["command"]), *WARNINGS, entry["file"]], cwd=entry["directory"],
                          capture_output=True, text=True)
    return done.stderr if done.returncode else None


def is_ours(entry, root):
    file = pathlib.Path(entry["file"])
    if not file.is_relative_to(root) or file.suffix != ".cpp":
        return False
    return file.relative_to(root).parts[0] in ("core", "backends", "capi") and file.exists()


def main(commands, root):
    entries = {e["file"]: e for e in json.load(open(commands)) if is_ours(e, root) and "JT_OPS_FACTS_ONLY" not in e["command"]}
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        failures = [text for text in pool.map(complaint, entries.values()) if text]
    print("\n".join(failures))
    print(f"{len(entries)} sources, {len(failures)} with complaints")
    return bool(failures) or not entries


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], pathlib.Path(sys.argv[2]).resolve()))
