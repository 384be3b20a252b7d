// toolkit: what a machine has of CUDA -> tables of functions, or a reason that names what is missing.
//
// Everything is opened when it is needed, by name; libjt.so is the same file with and without CUDA. What a setting
// names is taken or nothing is; else the places below are tried in order.
//   driver  of the process, libcuda.so.1 of the system, the folders where containers and WSL keep it
//   NVRTC   of the process, libnvrtc.so.N of the system, CUDA_HOME, CUDA_PATH, /usr/local/cuda*, Python packages beside libjt.so;
//           none newer than the driver. Its builtins are opened first by their path: NVRTC asks for them by name alone.
//   cuBLAS  beside NVRTC, else as NVRTC; looked for, but opened by whoever first multiplies
#pragma once
#include <jt/jt_backend.h>

#include <string>
#include <vector>

#include "backends/cuda_nvrtc/cu_api.h"
#include "backends/cuda_nvrtc/library.h"

namespace jt::cuda {

struct Settings {
  std::string driver;          // cuda.driver: path of libcuda.so.1
  std::string library_folder;  // cuda.libdir: folder of NVRTC and cuBLAS
  std::string image;           // cuda.image: cubin, ptx; empty: as the device wants
  std::string cache_folder;    // of all backends; empty: none
  std::string dump;            // cuda.dump: a folder that gets every kernel's text, image and log
  std::vector<std::string> homes;  // CUDA_HOME, CUDA_PATH
  std::string cublas;          // cuda.cublas: path of libcublas.so; off: own kernels only
  bool uses_tf32 = false;      // cuda.tf32: products of f32 may round their operands to 10 bits of fraction
  bool is_wide = false;        // cuda.wide: indices of 64 bits everywhere, for tests
  int compile_threads = 1;
};
Settings settings_of(const jt_host_api& host);

constexpr int kOldestDriver = 11020;  // as cuDriverGetVersion counts: 1000 * major + 10 * minor
std::string version_text(int version);

struct DriverLibrary {
  Library library;
  CuDriver api;
  int version = 0, devices = 0;
  std::string why_not;  // empty: it serves
  Attempts attempts;
  explicit operator bool() const { return why_not.empty(); }
  std::string error(CuResult result) const;  // `CUDA_ERROR_NO_DEVICE (100): no CUDA-capable device is detected`
};
DriverLibrary find_driver(const Settings& settings);

struct NvrtcLibrary {
  Library library, builtins;
  Nvrtc api;
  int major = 0, minor = 0;
  std::vector<int> archs;  // ascending
  std::string build;       // tells one build of the library from another
  std::string why_not;
  Attempts attempts;
  explicit operator bool() const { return why_not.empty(); }
  int version() const { return 1000 * major + 10 * minor; }
};
// driver_version 0: none is known.
NvrtcLibrary find_nvrtc(const Settings& settings, int driver_version);

struct CublasPath {
  std::string path, why_not;
  Attempts attempts;
};
CublasPath find_cublas(const Settings& settings, const NvrtcLibrary& nvrtc);

struct CublasLibrary {
  Library lt, library;  // the first is what the second is built on, and is opened from beside it
  CublasApi api;
  std::string why_not;
  explicit operator bool() const { return why_not.empty(); }
};
CublasLibrary open_cublas(const Settings& settings, const NvrtcLibrary& nvrtc);

// What kernels of a device are compiled to.
struct Target {
  int arch = 0;  // 90
  bool is_ptx = false;
  std::string why_not;
  std::string option() const;  // -arch=sm_90, -arch=compute_90
};
Target choose_target(const NvrtcLibrary& nvrtc, int driver_version, int capability, const std::string& image);

// All of it for people, lines of `what: ..`.
std::string describe(const Settings& settings);

}  // namespace jt::cuda
