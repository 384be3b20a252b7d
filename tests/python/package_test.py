#!/usr/bin/env python3
"""package_test.py ROOT BUILD: the installed package is complete: it runs from a folder of its own, moved away from the build.

Also: an sdist has SWIG's output and what git tracks, and the wheel's parts fit together. Compiles nothing."""
import importlib.util
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile

ROOT, BUILD = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
os.chdir(ROOT)
spec = importlib.util.spec_from_file_location("build_backend", ROOT / "bindings/python/build_backend.py")
backend = importlib.util.module_from_spec(spec)
spec.loader.exec_module(backend)

with tempfile.TemporaryDirectory() as scratch:
    scratch = pathlib.Path(scratch).resolve()
    target = scratch / "模块 folder"
    subprocess.run(["cmake", "--install", str(BUILD), "--prefix", str(target), "--component", "python"], check=True, stdout=subprocess.DEVNULL)
    files = backend._files(target)
    for part in ("jt/__init__.py", "jt/py.typed", "jt/_C.pyi", "jt/libjt.so.0.1"):
        assert part in files, f"{part} is missing from {sorted(files)}"
    name = backend._wheel(scratch, files)
    unpacked = scratch / "site"
    subprocess.run([sys.executable, "-m", "zipfile", "-e", str(scratch / name), str(unpacked)], check=True)
    code = "import jt; a = jt.array([1.0, 2.0]); assert (a + a).tolist() == [2, 4]; print(jt.__file__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=scratch,
                          env={"PYTHONPATH": str(unpacked), "JT_CACHE_DIR": "off", "PATH": os.environ["PATH"]})
    assert done.returncode == 0 and str(unpacked) in done.stdout, done.stderr
    loaded = subprocess.run(["ldd", str(next(unpacked.glob("jt/_C*.so")))], capture_output=True, text=True).stdout
    assert str(unpacked) in [line for line in loaded.splitlines() if "libjt.so" in line][0], loaded
    if (ROOT / ".git").exists():
        with tarfile.open(scratch / backend.build_sdist(scratch)) as archive:
            names = set(archive.getnames())
        for part in ("bindings/python/swig/jt_wrap.c", "pyproject.toml", "PKG-INFO", "core/ir/ops.def"):
            assert f"jt-{backend.VERSION}/{part}" in names, part
print("the package is complete")
