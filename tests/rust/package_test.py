#!/usr/bin/env python3
"""package_test.py CARGO LIB_DIR WORK: what `cargo package` would put into each crate is its sources, and nothing else."""
import pathlib
import shutil
import subprocess
import sys

from run import ROOT, environment_of, workspace


def main(cargo, lib_dir, work):
    if not shutil.which(cargo):
        print("rust: cargo is missing")
        return 77
    work = pathlib.Path(work)
    workspace(work)
    wrong = 0
    for crate, folders in (("jt-sys", ("src", ".")), ("jt", ("src", "examples", "benches", "."))):
        listed = subprocess.run([cargo, "package", "--list", "--offline", "--allow-dirty"], cwd=work / crate, stdout=subprocess.PIPE,
                                text=True, check=True, env=environment_of(cargo, lib_dir, work)).stdout.split()
        source = ROOT / "bindings/rust" / crate
        wanted = {str(path.relative_to(source)) for folder in folders for path in (source / folder).rglob("*.rs" if folder != "." else "build.rs")}
        got = {name for name in listed if name.endswith(".rs")}
        print(f"{crate}: {' '.join(listed)}")
        if got != wanted or "Cargo.toml" not in listed:
            print(f"{crate}: only in the package {sorted(got - wanted)}, only in the source {sorted(wanted - got)}")
            wrong = 1
    return wrong


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
