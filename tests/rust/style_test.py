#!/usr/bin/env python3
"""style_test.py CARGO LIB_DIR WORK: the crates are as rustfmt and clippy want them, where cargo has these."""
import pathlib
import shutil
import subprocess
import sys

from run import ROOT, environment_of, workspace


def main(cargo, lib_dir, work):
    has = lambda tool: shutil.which(cargo) and subprocess.run([cargo, tool, "--version"], capture_output=True).returncode == 0
    missing = [tool for tool in ("fmt", "clippy") if not has(tool)]
    if missing:
        print(f"rust: no cargo {' and no cargo '.join(missing)} here (rustup component add rustfmt clippy)")
        return 77
    work = pathlib.Path(work)
    workspace(work)
    files = [path for path in sorted((ROOT / "bindings/rust").rglob("*.rs")) if "target" not in path.parts]
    # Roots of crates; rustfmt finds their modules, and which of them are left as they are.
    roots = [path for path in files if path.name in ("lib.rs", "main.rs", "build.rs") or path.parent.name in ("tests", "examples", "benches")]
    environment = environment_of(cargo, lib_dir, str(work))
    fmt = [shutil.which("rustfmt", path=str(pathlib.Path(shutil.which(cargo)).parent)) or "rustfmt", "--edition", "2021", "--check", *roots]
    lint = [cargo, "clippy", "--offline", "--quiet", "--all-targets", "--", "-D", "warnings"]
    done = [subprocess.run(fmt).returncode, subprocess.run(lint, cwd=work, env=environment).returncode]
    return int(any(done))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
