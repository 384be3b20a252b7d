"""document: the fenced blocks of a Markdown page, and C programs built from them against a library in a build folder."""
import os
import pathlib
import re
import subprocess

FENCE = re.compile(r"^```(\S+)\n(.*?)^```$", re.M | re.S)


def blocks(page, language):
    """The contents of the page's fenced blocks of one language, in order."""
    return [text for kind, text in FENCE.findall(pathlib.Path(page).read_text()) if kind == language]


def fail(text):
    raise SystemExit(text)


def run(command, **more):
    """What the command prints; ends the test with all it said if it fails."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
    if done.returncode:
        fail(f"{' '.join(map(str, command))}\nended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def run_c(source, include, library, work, name, standard="c99", environment=None):
    """Compiles C text without a warning against a libjt.so and gives what the program prints."""
    include, library, work = (pathlib.Path(path).resolve() for path in (include, library, work))
    file, program = work / f"{name}.c", work / name
    file.write_text(source)
    run([os.environ.get("CC", "cc"), f"-std={standard}", "-Wall", "-Wextra", "-Werror", "-I", include, file, "-o", program,
         "-L", library, "-ljt", "-lm", f"-Wl,-rpath,{library}"])
    return run([program], cwd=work, env={**os.environ, **(environment or {})})
