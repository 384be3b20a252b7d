"""ceilings: what the machine reaches without jt, by its driver and NVRTC alone: copies within memory, multiply-adds in f32."""
import ctypes
import glob
import os

FMA = """extern "C" __global__ void chains(float *out, float a, float b, int n) {
  float x[8];
  for (int i = 0; i < 8; i++) x[i] = threadIdx.x + i;
  for (int k = 0; k < n; k++)
    for (int i = 0; i < 8; i++) x[i] = fmaf(x[i], a, b);
  float sum = 0;
  for (int i = 0; i < 8; i++) sum += x[i];
  out[blockIdx.x * blockDim.x + threadIdx.x] = sum;
}
"""


def opened(paths):
    for path in paths:
        try:
            return ctypes.CDLL(path)
        except OSError:
            continue
    raise OSError(f"none of {', '.join(paths)} can be opened")


def nvrtc_paths():
    folder = os.environ.get("JT_CUDA_LIBDIR")
    if folder:
        return [f"{folder}/libnvrtc.so.{major}" for major in ("13", "12", "11.2")]
    names = [f"libnvrtc.so.{major}" for major in ("13", "12", "11.2")]
    return names + [f"{folder}/{name}" for folder in sorted(glob.glob("/usr/local/cuda*/lib64"), reverse=True) for name in names]


class Machine:
    """The first device, through the driver's own functions."""

    def __init__(self):
        self.cuda = opened([os.environ.get("JT_CUDA_DRIVER") or "libcuda.so.1"])
        self.context, self.stream, self.device = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_int()
        self.must("cuInit", 0)
        self.must("cuDeviceGet", ctypes.byref(self.device), 0)
        self.must("cuDevicePrimaryCtxRetain", ctypes.byref(self.context), self.device)
        self.must("cuCtxSetCurrent", self.context)
        self.must("cuStreamCreate", ctypes.byref(self.stream), 1)

    def must(self, name, *arguments):
        result = getattr(self.cuda, name)(*arguments)
        if result:
            raise RuntimeError(f"{name} answers {result}")

    def attribute(self, number):
        out = ctypes.c_int()
        self.must("cuDeviceGetAttribute", ctypes.byref(out), number, self.device)
        return out.value

    def allocate(self, size):
        at = ctypes.c_uint64()
        self.must("cuMemAlloc_v2", ctypes.byref(at), ctypes.c_size_t(size))
        self.must("cuMemsetD8Async", at, ctypes.c_ubyte(1), ctypes.c_size_t(size), self.stream)
        return at

    def seconds(self, work, repeats):
        """The least of so many runs of `work`, by events around each."""
        begin, end, ms, least = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_float(), float("inf")
        for event in (begin, end):
            self.must("cuEventCreate", ctypes.byref(event), 0)
        for _ in range(repeats):
            self.must("cuEventRecord", begin, self.stream)
            work()
            self.must("cuEventRecord", end, self.stream)
            self.must("cuEventSynchronize", end)
            self.must("cuEventElapsedTime", ctypes.byref(ms), begin, end)
            least = min(least, ms.value / 1e3)
        for event in (begin, end):
            self.must("cuEventDestroy_v2", event)
        return max(least, 1e-9)

    def copy(self, size, repeats):
        """Bytes read and written in a second by the driver's copy."""
        a, b = self.allocate(size), self.allocate(size)
        seconds = self.seconds(lambda: self.must("cuMemcpyDtoDAsync_v2", b, a, ctypes.c_size_t(size), self.stream), repeats)
        for at in (a, b):
            self.must("cuMemFree_v2", at)
        return 2 * size / seconds

    def fma(self, rounds, blocks, repeats):
        """Operations in a second of chains of multiply-adds, two for each."""
        nvrtc, program, size = opened(nvrtc_paths()), ctypes.c_void_p(), ctypes.c_size_t()
        arch = min(self.attribute(75) * 10 + self.attribute(76), 90)
        nvrtc.nvrtcCreateProgram(ctypes.byref(program), FMA.encode(), b"fma.cu", 0, None, None)
        options = (ctypes.c_char_p * 2)(f"-arch=compute_{arch}".encode(), b"--modify-stack-limit=false")
        if nvrtc.nvrtcCompileProgram(program, 2, options):
            raise RuntimeError("NVRTC does not compile the chains of multiply-adds")
        nvrtc.nvrtcGetPTXSize(program, ctypes.byref(size))
        text = ctypes.create_string_buffer(size.value)
        nvrtc.nvrtcGetPTX(program, text)
        module, function = ctypes.c_void_p(), ctypes.c_void_p()
        self.must("cuModuleLoadDataEx", ctypes.byref(module), text, 0, None, None)
        self.must("cuModuleGetFunction", ctypes.byref(function), module, b"chains")
        out = self.allocate(blocks * 256 * 4)
        held = [out, ctypes.c_float(0.999), ctypes.c_float(0.001), ctypes.c_int(rounds)]
        arguments = (ctypes.c_void_p * 4)(*(ctypes.addressof(x) for x in held))
        seconds = self.seconds(lambda: self.must("cuLaunchKernel", function, blocks, 1, 1, 256, 1, 1, 0, self.stream, arguments, None),
                               repeats)
        self.must("cuMemFree_v2", out)
        self.must("cuModuleUnload", module)
        return 2 * 8 * rounds * blocks * 256 / seconds

    def close(self):
        self.must("cuStreamDestroy_v2", self.stream)
        self.must("cuDevicePrimaryCtxRelease_v2", self.device)
