"""gpu_check: whether the GPU of this machine computes what the CPU does, and how near it comes to what the machine can.

usage: python3 tools/gpu_check [--fake] [--slice] [--build DIR] [--steps N]
  --fake     on the GPU that tests/fakegpu interprets: small sizes, and no word about speed
  --slice    a part that takes seconds
  --build    a build that has the Python package; build/release, made if there is none

Ceilings by the driver alone; values against the CPU: rows of the op table (backend_check), ops, losses of trainings; a table of times with
the part of the ceiling that each op reaches, and where PyTorch with CUDA is installed, the ratio to its time. Lines are
`verdict | name | size | us | achieved | unit | ratio | floor | PyTorch's us | ratio to it`; gpu_check.csv in $OUT has them too.
The last is `N passed, N failed`; the exit code is 1 if any failed. It reads what is there and changes no setting of the device.
"""
import argparse
import atexit
import ctypes
import importlib.machinery
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHECKED = "add,exp,tanh,where,cast,sum,max,argmax,softmax,layer_norm,take,scatter_add,matmul,conv2d,max_pool2d,sort,cumsum,random_bits"


def module_in(folder):
    """The package's module for this Python; None if there is none."""
    files = (folder / "python/jt" / ("_C" + suffix) for suffix in importlib.machinery.EXTENSION_SUFFIXES)
    return next((file for file in files if file.exists()), None)


def package_in(folder):
    """The folder of the Python package. Builds it where there is none; a build that came from another place has links that lead
    nowhere, and libraries that the loader does not find."""
    if not module_in(folder):
        print(f"# building in {folder}", flush=True)
        subprocess.run(["cmake", "--preset", "release"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["cmake", "--build", str(folder), "--target", "jt_python", "backend_check", "jt_command"], check=True,
                       stdout=subprocess.DEVNULL)
    os.environ["LD_LIBRARY_PATH"] = ":".join(filter(None, [str(folder / "lib"), os.environ.get("LD_LIBRARY_PATH")]))  # of programs
    ctypes.CDLL(str(folder / "lib/libjt.so"))  # of the module
    if (folder / "python/jt/__init__.py").exists():
        return folder / "python"
    made = pathlib.Path(tempfile.mkdtemp(prefix="gpu_check_"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    shutil.copytree(ROOT / "bindings/python/jt", made / "jt")
    shutil.copy(module_in(folder), made / "jt")
    return made


def stand_in(folder):
    """The variables of the fake device."""
    libdir = os.environ.get("JT_CUDA_LIBDIR") or str(folder / "third_party/nvrtc/nvidia/cu13/lib")
    if not pathlib.Path(libdir).is_dir():
        sys.exit(f"gpu_check: no NVRTC: there is no folder {libdir}; scripts/setup fetches it")
    return {"JT_CUDA_DRIVER": str(folder / "lib/libcuda_fake.so"), "JT_CUDA_LIBDIR": libdir, "JT_CUDA_IMAGE": "ptx",
            "JT_CUDA_CUBLAS": str(folder / "lib/libcublas_fake.so")}


def numbers(jt, shape, seed, dtype):
    """From -1 to 1, the same on every device."""
    jt.set_global_seed(seed)
    return jt.uniform(shape, -1, 1).cast(dtype)


class Check:
    def __init__(self, options, folder):
        import ceilings
        import jt
        import models
        import report
        import rows
        self.jt, self.models, self.ceilings = jt, models, ceilings
        self.options, self.folder = options, folder
        self.report = report.Report(report.out_path("gpu_check.csv"))
        self.rows = rows.rows()
        self.copy = self.fma = None
        self.torch = None
        if not options.fake and importlib.util.find_spec("torch"):
            import torch
            self.torch = torch if torch.cuda.is_available() else None

    def run(self):
        for part in (self.environment, self.machine, self.conformance, self.values, self.trainings, self.table, self.steps):
            try:
                part()
            except Exception as error:  # the other parts are checked all the same
                self.report.row(part.__name__, False, f"{type(error).__name__}: {error}")
        return self.report.end()

    # ---- what there is

    def environment(self):
        self.report.section("machine")
        for command in (["nvidia-smi", "--query-gpu=name,driver_version,clocks.sm,clocks.mem,memory.total", "--format=csv,noheader"],
                        [str(self.folder / "bin/jt"), "info"]):
            try:
                print(subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout, end="")
            except (OSError, subprocess.CalledProcessError):
                print(f"# no {command[0]}")
        print(f"# devices: {self.jt.devices()}; PyTorch: {self.torch.__version__ if self.torch else 'none with CUDA'}", flush=True)

    def machine(self):
        self.report.section("ceilings")
        machine = self.ceilings.Machine()
        size, rounds, repeats = (1 << 16, 2, 2) if self.options.fake else (1 << 32, 4096, 20)
        blocks = 2 if self.options.fake else 16 * machine.attribute(16)
        self.copy, self.fma = machine.copy(size, repeats), machine.fma(rounds, blocks, repeats)
        machine.close()
        self.report.row("copy", size=f"{size} B", achieved=self.copy / 1e9, unit="GB/s")
        self.report.row("multiply-adds of f32", size=f"{rounds} rounds", achieved=self.fma / 1e12, unit="TFLOP/s")

    # ---- values

    def conformance(self):
        program = self.folder / "bin/backend_check"
        if self.options.slice or not program.exists():
            return
        self.report.section("rows of the op table")
        listed = "add,cast,softmax,matmul,take" if self.options.fake else CHECKED
        run = subprocess.run([str(program), "cuda", "--rows", listed, "--cases", str(ROOT / "tests/ir/data/vectors.txt")],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        last = run.stdout.strip().splitlines()[-1:] or ["no output"]
        self.report.row("backend_check", run.returncode == 0, last[0])

    def result(self, row, shape, device, seed=1):
        jt = self.jt
        with jt.device(device):
            operands = [numbers(jt, s, seed + i, row["dtype"]) for i, s in enumerate([shape, *(o(shape) for o in row["others"])])]
            return row["run"](jt.nn.functional, *operands).cast("float32").reshape(-1).tolist()

    def values(self):
        self.report.section("values of ops against the CPU's")
        different = {(row["name"], row["dtype"], row["small"]): row for row in self.rows}
        for row in list(different.values())[:: 3 if self.options.slice else 1]:
            want, got = (self.result(row, row["small"], device) for device in ("cpu", "cuda"))
            largest = max(map(abs, want))
            worst = max((abs(a - b) if b == b else float("inf")) for a, b in zip(want, got))
            self.report.row(row["name"], len(want) == len(got) and worst <= row["bound"] * largest,
                            f"{row['dtype']}, off by {worst:.3g} of {largest:.3g}", size=row["small"])

    def trainings(self):
        self.report.section("losses of trainings against the CPU's")
        steps = self.options.steps or (3 if self.options.slice else 20)
        for model in ["MLP"] if self.options.slice else self.models.MODELS:
            want, got = (self.models.Training(model, device).losses(steps) for device in ("cpu", "cuda"))
            worst = max(abs(a - b) / abs(a) if b == b else float("inf") for a, b in zip(want, got))
            self.report.row(f"{model}, {steps} steps", worst <= 1e-6 and got[-1] < got[0],
                            f"from {got[0]:.6g} to {got[-1]:.6g}, off by {worst:.3g} relative")

    # ---- times

    def seconds(self, work, wait):
        for _ in range(3):
            work()
        wait()
        begin = time.perf_counter()
        work()
        wait()
        repeats = max(1, min(200, int(0.1 / max(time.perf_counter() - begin, 1e-7))))
        times = []
        for _ in range(1 if self.options.fake else 5):
            begin = time.perf_counter()
            for _ in range(repeats):
                work()
            wait()
            times.append((time.perf_counter() - begin) / repeats)
        return sorted(times)[len(times) // 2]

    def jt_seconds(self, row, shape):
        jt = self.jt
        with jt.device("cuda"):
            operands = [numbers(jt, s, i, row["dtype"]) for i, s in enumerate([shape, *(o(shape) for o in row["others"])])]
            for x in operands:
                x.sync()
            return self.seconds(lambda: row["run"](jt.nn.functional, *operands).sync(), jt.sync_all)

    def torch_seconds(self, row):
        torch = self.torch
        if not torch:
            return None
        shapes = [row["shape"], *(o(row["shape"]) for o in row["others"])]
        operands = [(torch.rand(s, device="cuda") * 2 - 1).to(getattr(torch, row["dtype"])) for s in shapes]
        with torch.no_grad():
            seconds = self.seconds(lambda: row["run"](torch.nn.functional, *operands), torch.cuda.synchronize)
        del operands
        torch.cuda.empty_cache()
        return seconds

    def table(self):
        self.report.section("times of ops" + (" (of an interpreter: they say nothing)" if self.options.fake else ""))
        if self.options.fake:
            return self.measure({**self.rows[0], "shape": self.rows[0]["small"], "floor": None})
        for row in self.rows:
            self.measure(row)
            self.jt.gc()

    def measure(self, row):
        seconds, theirs = self.jt_seconds(row, row["shape"]), self.torch_seconds(row)
        count = 1
        for extent in row["shape"]:
            count *= extent
        work, unit, ceiling = ((row["bytes_of"](count), "GB/s", self.copy) if row["bytes_of"] else
                               (row["flops"](count), "TFLOP/s", self.fma if row["dtype"] == "float32" else None))
        facts = dict(size=f"{row['dtype']} {row['shape']}", time_us=seconds * 1e6, unit=unit,
                     achieved=work / seconds / (1e9 if unit == "GB/s" else 1e12), floor=row["floor"])
        if ceiling:
            facts["ratio"] = work / seconds / ceiling
        if theirs:
            facts.update(torch_us=theirs * 1e6, torch_ratio=theirs / seconds)
        self.report.row(row["name"], **facts)

    def steps(self):
        if self.options.fake:
            return
        self.report.section("steps of trainings")
        for model in self.models.MODELS:
            seconds = self.models.Training(model, "cuda").seconds(200)
            theirs = self.models.torch_seconds(self.torch, model, 200) if self.torch else None
            facts = dict(torch_us=theirs * 1e6, torch_ratio=theirs / seconds) if theirs else {}
            self.report.row(f"{model} step", time_us=seconds * 1e6, **facts)


def main():
    parser = argparse.ArgumentParser(prog="gpu_check", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fake", action="store_true")
    parser.add_argument("--slice", action="store_true")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    options = parser.parse_args()
    folder = options.build.resolve()
    package = package_in(folder)
    os.environ.update(JT_DEVICES="cpu,cuda", **(stand_in(folder) if options.fake else {}))
    sys.path.insert(0, str(package))
    sys.exit(1 if Check(options, folder).run() else 0)


main()
