#!/usr/bin/env python3
"""globals.py COMPILE_COMMANDS ROOT [STAMPS]: clang finds no global constructor and no destructor at exit in core,
backends and capi. With a folder STAMPS, sources whose command and files are older than their last pass are passed over.
"""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shlex
import subprocess
import sys

KEPT = ("-I", "-D", "-std=", "-m", "-isystem", "-include")
WARNINGS = ["-fsyntax-only", "-Wno-everything", "-Wglobal-constructors", "-Wexit-time-destructors", "-Werror"]


def flags(command):
    """What of a compile command concerns the meaning of the source."""
    words, kept = shlex.split(command), []
    for i, word in enumerate(words):
        if word in ("-I", "-isystem", "-include", "-D"):
            kept += [word, words[i + 1]]
        elif word.startswith(KEPT) and word not in KEPT and not word.startswith("-mmem"):  # strategies, which only GCC has
            kept.append(word)
    return kept


def stamp_of(entry, stamps):
    return stamps / (hashlib.sha256((entry["file"] + entry["command"]).encode()).hexdigest()[:16] + ".d")


def is_fresh(stamp):
    """Whether everything that the stamp, a make rule written by clang, depends on is older than it."""
    if not stamp.exists():
        return False
    passed = stamp.stat().st_mtime
    files = stamp.read_text().replace("\\\n", " ").split(":", 1)[1].split()
    return all(os.path.exists(f) and os.path.getmtime(f) < passed for f in files)


def complaint(entry, stamps):
    stamp = stamp_of(entry, stamps) if stamps else None
    if stamp and is_fresh(stamp):
        return None
    depend = ["-MD", "-MF", f"{stamp}.new"] if stamp else []
    done = subprocess.run(["clang++", *flags(entry["command"]), *WARNINGS, *depend, entry["file"]], cwd=entry["directory"],
                          capture_output=True, text=True)
    if done.returncode:
        return done.stderr
    if stamp:
        os.replace(f"{stamp}.new", stamp)
    return None


def is_ours(entry, root):
    file = pathlib.Path(entry["file"])
    if not file.is_relative_to(root) or file.suffix != ".cpp":
        return False
    return file.relative_to(root).parts[0] in ("core", "backends", "capi") and file.exists()


def main(commands, root, stamps=None):
    if stamps:
        stamps.mkdir(parents=True, exist_ok=True)
    entries = {e["file"]: e for e in json.load(open(commands)) if is_ours(e, root) and "JT_OPS_FACTS_ONLY" not in e["command"]}
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        failures = [text for text in pool.map(lambda entry: complaint(entry, stamps), entries.values()) if text]
    print("\n".join(failures))
    print(f"{len(entries)} sources, {len(failures)} with complaints")
    return bool(failures) or not entries


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], *(pathlib.Path(arg).resolve() for arg in sys.argv[2:])))
