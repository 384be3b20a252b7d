#!/usr/bin/env python3
"""run.py CARGO LIB_DIR WORK COMMAND...: runs cargo on the crates of bindings/rust, offline, against the libjt.so in LIB_DIR.

Cargo wants to know every dependency, also the optional one, and asks a registry for it: so the crates are seen through links
from WORK, where the manifest of `jt` lacks it. JT_SANITIZER names the runtime that a sanitized libjt.so needs beforehand.
"""
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def link(target, place):
    place.parent.mkdir(parents=True, exist_ok=True)
    if not place.is_symlink():
        place.symlink_to(target)


def offline_manifest(text):
    """The manifest with `ndarray` as a feature that brings nothing."""
    lines = [line for line in text.splitlines(True) if not line.startswith("ndarray = {")]
    return "".join(lines).replace('["dep:ndarray"]', "[]")


def workspace(work):
    crates = ROOT / "bindings/rust"
    for crate in ("jt-sys", "jt"):
        for path in (crates / crate).iterdir():
            if path.name in ("src", "tests", "examples", "benches", "build.rs"):
                link(path, work / crate / path.name)
    for manifest in ("Cargo.toml", "jt-sys/Cargo.toml", "jt/Cargo.toml"):
        text = offline_manifest((crates / manifest).read_text())
        if not (work / manifest).exists() or (work / manifest).read_text() != text:
            (work / manifest).write_text(text)


def environment_of(cargo, lib_dir, work):
    environment = dict(os.environ, JT_LIB_DIR=lib_dir, JT_SOURCE_DIR=str(ROOT), CARGO_TARGET_DIR=str(pathlib.Path(work) / "target"),
                       CARGO_INCREMENTAL="0", CARGO_PROFILE_DEV_DEBUG="0", CARGO_PROFILE_TEST_DEBUG="0")
    # Documentation tests of older cargos do not look where build scripts say.
    environment["LD_LIBRARY_PATH"] = os.pathsep.join(filter(None, [lib_dir, os.environ.get("LD_LIBRARY_PATH")]))
    beside = pathlib.Path(shutil.which(cargo)).parent / "rustc"
    if beside.exists():  # cargo takes the first rustc of PATH, which may be another's
        environment.update(RUSTC=str(beside), RUSTDOC=str(beside.parent / "rustdoc"))
    if os.environ.get("JT_SANITIZER"):
        runtime = subprocess.run(["gcc", f"-print-file-name={os.environ['JT_SANITIZER']}"], capture_output=True, text=True).stdout.strip()
        environment["CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER"] = f"env LD_PRELOAD={runtime}"
        environment["RUSTFLAGS"] = "-C link-arg=-Wl,--allow-shlib-undefined"
    return environment


def main(cargo, lib_dir, work, *command):
    if not shutil.which(cargo):
        print("rust: cargo is missing (Debian: cargo, or scripts/setup); the crates are not tested")
        return 77
    workspace(pathlib.Path(work))
    return subprocess.run([cargo, *command], cwd=work, env=environment_of(cargo, lib_dir, work)).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
