"""build_backend: this checkout (or an sdist of it) -> a wheel, an editable install, an sdist. PEP 517 and 660 over CMake.

Needs nothing from a registry. A wheel is what `cmake --install --component python` puts into a folder. An editable install
builds in build/editable and points at the package assembled there, whose Python files are links to bindings/python/jt. An
sdist is the files that git tracks, SWIG's output, so that building from it needs no SWIG, and what scripts/setup fetched."""
import base64
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
CARRIED = ROOT / "bindings" / "python" / "swig"  # in an sdist
EPOCH = (2020, 1, 1, 0, 0, 0)  # equal contents give equal files


def _project(field):
    return re.search(rf'^{field} = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.M)[1]


NAME, VERSION = _project("name"), _project("version")


def _tag():
    python = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    return f"{python}-{python}-" + sysconfig.get_platform().replace("-", "_").replace(".", "_")


def _metadata():
    head = f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {VERSION}\nSummary: {_project('description')}\n"
    head += f"Requires-Python: {_project('requires-python')}\nLicense: Apache-2.0\nDescription-Content-Type: text/markdown\n\n"
    return head + (ROOT / "README.md").read_text(encoding="utf-8")


def _wheel_text():
    return f"Wheel-Version: 1.0\nGenerator: {NAME}\nRoot-Is-Purelib: false\nTag: {_tag()}\n"


def _run(*command):
    missing = shutil.which(command[0]) is None
    if missing:
        raise RuntimeError(f"building {NAME} needs {command[0]}; on Debian scripts/setup installs all that is needed")
    subprocess.run([str(word) for word in command], check=True)


def _build(folder):
    """Configures and builds the package in `folder`."""
    options = ["-DCMAKE_BUILD_TYPE=Release", "-DJT_BUILD_TESTS=OFF", "-DJT_BUILD_EXAMPLES=OFF", "-DJT_BUILD_PYTHON=ON",
               "-DJT_PYTHON_REQUIRED=ON", f"-DPython3_EXECUTABLE={sys.executable}", "-DPython3_FIND_VIRTUALENV=ONLY"]
    if CARRIED.is_dir():
        options.append(f"-DJT_SWIG_OUTPUT={CARRIED}")
    generator = ["-G", "Ninja"] if shutil.which("ninja") else []
    _run("cmake", "-S", ROOT, "-B", folder, *generator, *options)
    _run("cmake", "--build", folder, "--parallel", os.cpu_count() or 1, "--target", "jt_python")


def _wheel(directory, files):
    """Writes {path in the wheel: bytes} as a wheel; returns its name."""
    info = f"{NAME}-{VERSION}.dist-info"
    files = dict(files)
    files[f"{info}/METADATA"] = _metadata().encode()
    files[f"{info}/WHEEL"] = _wheel_text().encode()
    files[f"{info}/LICENSE"] = (ROOT / "LICENSE").read_bytes()
    record = ""
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(content)}\n"
    files[f"{info}/RECORD"] = (record + f"{info}/RECORD,,\n").encode()
    name = f"{NAME}-{VERSION}-{_tag()}.whl"
    with zipfile.ZipFile(pathlib.Path(directory) / name, "w", zipfile.ZIP_DEFLATED) as wheel:
        for path, content in files.items():
            entry = zipfile.ZipInfo(path, EPOCH)
            entry.external_attr = (0o755 if ".so" in path else 0o644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            wheel.writestr(entry, content)
    return name


def get_requires_for_build_wheel(config_settings=None):
    return []


get_requires_for_build_editable = get_requires_for_build_sdist = get_requires_for_build_wheel


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    info = pathlib.Path(metadata_directory) / f"{NAME}-{VERSION}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(_metadata(), encoding="utf-8")
    (info / "WHEEL").write_text(_wheel_text())
    return info.name


prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel


def _files(target):
    """{path: bytes} of an installed folder. A wheel has no links: a library lies there under the name it is loaded by."""
    paths = sorted(path for path in target.rglob("*") if path.is_file())
    linked = {path.resolve() for path in paths if path.is_symlink()}
    return {path.relative_to(target).as_posix(): path.read_bytes() for path in paths if path.is_symlink() or path not in linked}


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    with tempfile.TemporaryDirectory() as scratch:
        target = pathlib.Path(scratch).resolve() / "package"
        folder = ROOT / "build" / f"wheel-{_tag()}" if os.access(ROOT, os.W_OK) else pathlib.Path(scratch, "build")
        _build(folder)
        _run("cmake", "--install", folder, "--prefix", target, "--component", "python", "--strip")
        return _wheel(wheel_directory, _files(target))


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    folder = ROOT / "build" / "editable"
    _build(folder)
    return _wheel(wheel_directory, {f"__editable__.{NAME}.pth": f"{folder / 'python'}\n".encode()})


def _tracked():
    """Paths of the sdist: what git tracks, or in an unpacked sdist everything."""
    if (ROOT / ".git").exists():
        listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], check=True, capture_output=True).stdout
        fetched = [path.relative_to(ROOT).as_posix() for path in (ROOT / "third_party").glob("mimalloc*.tar.xz")]  # by scripts/setup
        return [path for path in listed.decode().split("\0") if path] + fetched
    return sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*") if path.is_file())


def build_sdist(sdist_directory, config_settings=None):
    top = f"{NAME}-{VERSION}"
    with tempfile.TemporaryDirectory() as scratch:
        carried = CARRIED
        if not carried.is_dir():
            carried = pathlib.Path(scratch)
            _run("swig", "-python", "-builtin", "-interface", "_C", "-DSWIGWORDSIZE64", f"-I{ROOT / 'capi/include'}",
                 f"-I{ROOT / 'bindings/python'}", "-outdir", carried, "-o", carried / "jt_wrap.c", ROOT / "bindings/python/jt.i")
        name = f"{top}.tar.gz"
        with tarfile.open(pathlib.Path(sdist_directory) / name, "w:gz", format=tarfile.PAX_FORMAT) as archive:
            for path in _tracked():
                archive.add(ROOT / path, f"{top}/{path}", recursive=False)
            if carried != CARRIED:
                archive.add(carried / "jt_wrap.c", f"{top}/bindings/python/swig/jt_wrap.c")
            info = pathlib.Path(scratch, "PKG-INFO")
            info.write_text(_metadata(), encoding="utf-8")
            archive.add(info, f"{top}/PKG-INFO")
    return name
