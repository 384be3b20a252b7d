#!/usr/bin/env python3
"""Compiles kernels/*.cu to ptx/*.ptx with NVRTC: make_ptx.py [NAME...], all of them without a name.

The library is $JT_NVRTC (a path), or what the loader finds as libnvrtc.so.13 or .12. A source's first line may say `// arch: 80 90`: one
file for each, NAME.sm80.ptx; without it one file NAME.ptx for compute_75, which every device runs. `// options: ...` adds options.
"""
import ctypes
import os
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
OPTIONS = ["--minimal", "--modify-stack-limit=false", "-default-device", "--std=c++17", "-fmad=false"]


def library():
    names = [os.environ["JT_NVRTC"]] if "JT_NVRTC" in os.environ else ["libnvrtc.so.13", "libnvrtc.so.12"]
    for name in names:
        try:
            for builtins in pathlib.Path(name).resolve().parent.glob("libnvrtc-builtins.so.*") if "/" in name else ():
                ctypes.CDLL(str(builtins))  # NVRTC looks for it by its bare name
            return ctypes.CDLL(name)
        except OSError as error:
            print(f"make_ptx: {error}", file=sys.stderr)
    sys.exit("make_ptx: no NVRTC; set JT_NVRTC to its path")


def compiled(nvrtc, text, name, options):
    program = ctypes.c_void_p()
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), text.encode(), name.encode(), 0, None, None)
    arguments = (ctypes.c_char_p * len(options))(*[option.encode() for option in options])
    status = nvrtc.nvrtcCompileProgram(program, len(options), arguments)
    size = ctypes.c_size_t()
    if status:
        nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value)
        nvrtc.nvrtcGetProgramLog(program, log)
        sys.exit(f"make_ptx: {name}: status {status}\n{log.value.decode()}")
    nvrtc.nvrtcGetPTXSize(program, ctypes.byref(size))
    ptx = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetPTX(program, ptx)
    return ptx.value.decode()


def without_banner(ptx):
    """The comment at the top names a build and a day; the rest depends on the source alone."""
    return ptx[ptx.index(".version"):]


def main(names):
    nvrtc = library()
    for source in sorted((HERE / "kernels").glob("*.cu")):
        if names and source.stem not in names:
            continue
        text = source.read_text()
        archs = re.search(r"^// arch: (.*)$", text, re.M)
        extra = re.search(r"^// options: (.*)$", text, re.M)
        for arch in archs[1].split() if archs else ["75"]:
            options = [f"-arch=compute_{arch}", *OPTIONS, *(extra[1].split() if extra else [])]
            target = HERE / "ptx" / (f"{source.stem}.sm{arch}.ptx" if archs else f"{source.stem}.ptx")
            target.write_text(without_banner(compiled(nvrtc, text, source.name, options)))


if __name__ == "__main__":
    main(sys.argv[1:])
