#!/usr/bin/env python3
"""calls.py ARCHIVE: no object of ours may end, interrupt or print in the host, or leave something to run at its exit."""
import re
import subprocess
import sys

FORBIDDEN = re.compile(
    r"^(abort|exit|_exit|_Exit|quick_exit|__assert_fail|raise|kill|signal|sigaction|setlocale|uselocale|atexit|on_exit"
    r"|printf|vprintf|puts|putchar|perror|fprintf|vfprintf|fputs|fputc|__printf_chk|__fprintf_chk|__vprintf_chk"
    r"|__vfprintf_chk|stdout|stderr|stdin|system|popen|chdir|umask|fesetround|fesetenv|getenv|secure_getenv|setenv"
    r"|putenv|rand|srand|__cxa_atexit|__cxa_thread_atexit|_ZSt4cout|_ZSt4cerr|_ZNSt8ios_base4InitC1Ev)$")
# Environment variables are read in one place, and only where the host allows it; a compiler that was started is ended where it was.
ALLOWED = {"getenv": "flags.cpp.o", "secure_getenv": "flags.cpp.o", "kill": "process.cpp.o"}


def main(archive):
    failures, members = [], set()
    names = subprocess.run(["nm", "-A", "-u", archive], capture_output=True, text=True, check=True).stdout
    for line in names.splitlines():
        place, _, name = line.rpartition(" ")
        name = name.partition("@")[0]
        member = place.split(":")[1]
        members.add(member)
        if FORBIDDEN.match(name) and member != ALLOWED.get(name):
            failures.append(f"{member} uses {name}")
    sections = subprocess.run(["readelf", "-SW", archive], capture_output=True, text=True, check=True).stdout
    member = ""
    for line in sections.splitlines():
        if line.startswith("File: "):
            member = line[6:]
        if re.search(r"\.(init_array|ctors|fini_array|dtors)\b", line) and ".rela" not in line:
            failures.append(f"{member} runs code when the library is loaded or unloaded")
    print("\n".join(failures))
    print(f"{len(members)} objects")
    return bool(failures) or not members


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
