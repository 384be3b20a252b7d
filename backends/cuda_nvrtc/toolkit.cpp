#include "backends/cuda_nvrtc/toolkit.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "core/base/file.h"
#include "core/base/text.h"

namespace jt::cuda {

Settings settings_of(const jt_host_api& host) {
  auto setting = [&](const char* name) -> std::string {
    const char* value = host.setting ? host.setting(host.host, name) : nullptr;
    return value ? value : "";
  };
  Settings out;
  out.driver = setting("cuda.driver"), out.library_folder = setting("cuda.libdir"), out.image = setting("cuda.image");
  out.cublas = setting("cuda.cublas"), out.uses_tf32 = setting("cuda.tf32") == "1";
  out.cache_folder = setting("cache.dir"), out.dump = setting("cuda.dump"), out.is_wide = setting("cuda.wide") == "1";
  for (const char* home : {"CUDA_HOME", "CUDA_PATH"})
    if (std::string folder = setting(home); !folder.empty()) out.homes.push_back(folder);
  unsigned cores = std::thread::hardware_concurrency();
  out.compile_threads = int(std::clamp(cores, 1u, 8u));
  return out;
}

std::string version_text(int version) { return text(version / 1000, ".", version % 1000 / 10); }

// ---- driver ---------------------------------------------------------------------------------------------------------

std::string DriverLibrary::error(CuResult result) const {
  const char *name = nullptr, *meaning = nullptr;
  if (api.cuGetErrorName) api.cuGetErrorName(result, &name);
  if (api.cuGetErrorString) api.cuGetErrorString(result, &meaning);
  return text(name ? name : "CUDA error", " (", result, ")", meaning ? ": " : "", meaning ? meaning : "");
}

// Empty, or the first function that the library lacks.
static std::string fill(CuDriver& api, const Library& library) {
  std::string missing;
  auto take = [&](auto& field, const char* name, bool is_needed) {
    field = reinterpret_cast<std::remove_reference_t<decltype(field)>>(library.find(name));
    if (!field && is_needed && missing.empty()) missing = name;
  };
#define JT_TAKE(name, parameters) take(api.name, #name, true);
  JT_CU_REQUIRED(JT_TAKE)
#undef JT_TAKE
#define JT_TAKE(name, parameters) take(api.name, #name, false);
  JT_CU_OPTIONAL(JT_TAKE)
#undef JT_TAKE
  return missing;
}

static std::string start(DriverLibrary& d) {
  if (std::string missing = fill(d.api, d.library); !missing.empty())
    return text("it lacks ", missing, ": no driver, or one older than CUDA ", version_text(kOldestDriver));
  CuResult result = d.api.cuInit(0);
  if (result == kCuStubLibrary) return "a toolkit's stub to link with, not a driver";
  if (result != kCuSuccess) return "cuInit: " + d.error(result);
  if ((result = d.api.cuDriverGetVersion(&d.version)) != kCuSuccess) return "cuDriverGetVersion: " + d.error(result);
  if (d.version < kOldestDriver)
    return text("the driver is too old: it serves CUDA ", version_text(d.version), ", needed is ",
                version_text(kOldestDriver));
  if ((result = d.api.cuDeviceGetCount(&d.devices)) != kCuSuccess) return "cuDeviceGetCount: " + d.error(result);
  return d.devices ? "" : "the driver has no device";
}

DriverLibrary find_driver(const Settings& settings) {
  constexpr const char* kName = "libcuda.so.1";
  std::vector<std::string> paths = {settings.driver};
  if (settings.driver.empty()) {
    paths = {kName};
    for (const char* folder : {"/usr/local/nvidia/lib64", "/usr/lib/wsl/lib", "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu", "/usr/lib64"})
      paths.push_back(text(folder, "/", kName));
  }
  DriverLibrary out;
  auto serves = [&](Library library, const std::string& name, std::string why) {
    DriverLibrary one;
    one.library = std::move(library);
    if (one.library) why = start(one);
    out.attempts.push_back({name, why});
    if (why.empty()) one.attempts = std::move(out.attempts), one.library.keep_forever(), out = std::move(one);
    return why.empty();
  };
  if (settings.driver.empty())
    if (Library here = Library::already_open(kName); here && serves(here, text(here.path(), " of the process"), ""))
      return out;
  for (const std::string& path : paths) {
    std::string why;
    Library library = Library::open(path, why);
    bool is_there = bool(library);
    if (serves(std::move(library), path, why)) return out;
    if (is_there && settings.driver.empty()) break;  // another path leads to the same driver
  }
  out.why_not = "no CUDA driver: " + why_none(out.attempts, kName);
  return out;
}

// ---- NVRTC ----------------------------------------------------------------------------------------------------------

// Where libjt.so, or the program that it is part of, lies.
static std::string own_folder() {
  Dl_info info{};
  return dladdr(reinterpret_cast<void*>(&own_folder), &info) && info.dli_fname ? folder_of(info.dli_fname)
                                                                               : std::string();
}

static std::vector<std::string> toolkit_folders(const Settings& settings) {
  std::vector<std::string> out;
  for (const std::string& home : settings.homes) out.push_back(home + "/lib64");
  for (const char* home : {"/usr/local/cuda", "/usr/local/cuda-13", "/usr/local/cuda-12",
      "/usr/local/cuda-11"}) out.push_back(text(home, "/lib64"));
  std::string own = own_folder();
  for (const char* package : {"nvidia/cu13/lib", "nvidia/cuda_nvrtc/lib", "nvidia/cublas/lib"})
    out.push_back(text(own, "/../", package));
  return out;
}

// Of files of that name: what the setting says, else the system's, else those of the folders.
static std::vector<std::string> places(const Settings& settings, const std::string& name) {
  if (!settings.library_folder.empty()) return {settings.library_folder + "/" + name};
  std::vector<std::string> out = {name};
  for (const std::string& folder : toolkit_folders(settings)) out.push_back(folder + "/" + name);
  return out;
}

static std::string open_builtins(NvrtcLibrary& n) {
  std::string name = text("libnvrtc-builtins.so.", n.major, ".", n.minor), why_beside, why_elsewhere;
  n.builtins = Library::open(n.library.folder() + "/" + name, why_beside);
  if (!n.builtins) n.builtins = Library::open(name, why_elsewhere);
  if (n.builtins) return {};
  return text("it cannot compile without ", name, ", which is not beside it: ", why_beside);
}

static std::string start(NvrtcLibrary& n, int driver_version) {
  std::string missing;
#define JT_TAKE(name, parameters) \
  if (!(n.api.name = reinterpret_cast<decltype(n.api.name)>(n.library.find(#name))) && missing.empty()) missing = #name;
  JT_NVRTC_REQUIRED(JT_TAKE)
#undef JT_TAKE
  if (!missing.empty()) return text("it lacks ", missing, ": no NVRTC, or one older than CUDA 11.2");
  if (n.api.nvrtcVersion(&n.major, &n.minor) != kNvrtcSuccess) return "nvrtcVersion fails";
  if (driver_version && n.major > driver_version / 1000)
    return text("version ", n.major, ".", n.minor, " is newer than the driver, which serves CUDA ",
                version_text(driver_version));
  int count = 0;
  if (n.api.nvrtcGetNumSupportedArchs(&count) != kNvrtcSuccess || count <= 0) return "nvrtcGetNumSupportedArchs fails";
  n.archs.resize(size_t(count));
  if (n.api.nvrtcGetSupportedArchs(n.archs.data()) != kNvrtcSuccess) return "nvrtcGetSupportedArchs fails";
  std::sort(n.archs.begin(), n.archs.end());
  return open_builtins(n);
}

// A file of another length is another build.
static std::string build_of(const NvrtcLibrary& n) {
  uint64_t bytes = 0;
  try {
    bytes = FileReader(n.library.path()).size();
  } catch (const std::exception&) {  // then its version has to do
  }
  return text("nvrtc ", n.major, ".", n.minor, " ", bytes);
}

NvrtcLibrary find_nvrtc(const Settings& settings, int driver_version) {
  NvrtcLibrary out;
  auto serves = [&](Library library, const std::string& name, std::string why) {
    NvrtcLibrary one;
    one.library = std::move(library);
    if (one.library) why = start(one, driver_version);
    out.attempts.push_back({name, why});
    if (why.empty())
      one.attempts = std::move(out.attempts), one.build = build_of(one), one.library.keep_forever(),
      out = std::move(one);
    return why.empty();
  };
  constexpr const char* kVersions[] = {"13", "12", "11.2"};
  for (const char* version : kVersions) {
    std::string name = text("libnvrtc.so.", version);
    if (driver_version && std::atoi(version) > driver_version / 1000) {
      out.attempts.push_back({name, text("newer than the driver, which serves CUDA ", version_text(driver_version))});
      continue;
    }
    if (settings.library_folder.empty())
      if (Library here = Library::already_open(name); here && serves(here, text(here.path(), " of the process"), ""))
        return out;
    for (const std::string& path : places(settings, name)) {
      std::string why;
      Library library = Library::open(path, why);
      if (serves(std::move(library), path, why)) return out;
    }
  }
  out.why_not = "no NVRTC: " + why_none(out.attempts, "libnvrtc.so");
  return out;
}

// ---- cuBLAS ---------------------------------------------------------------------------------------------------------

// `cannot read 'x': No such file or directory`: the path is told beside it.
static std::string reason_of(const std::exception& e) {
  std::string_view why = e.what();
  size_t colon = why.rfind(": ");
  return std::string(colon == why.npos ? why : why.substr(colon + 2));
}

static std::string cublas_name(const char* library, const NvrtcLibrary& nvrtc) {
  return text(library, ".so.", nvrtc.major ? nvrtc.major : 13);
}
static std::vector<std::string> cublas_paths(const Settings& settings, const NvrtcLibrary& nvrtc) {
  if (!settings.cublas.empty()) return {settings.cublas};
  std::string name = cublas_name("libcublas", nvrtc);
  std::vector<std::string> out;
  if (nvrtc) out.push_back(nvrtc.library.folder() + "/" + name);
  for (const std::string& path : places(settings, name))
    if (path.find('/') != path.npos && (out.empty() || path != out.front())) out.push_back(path);
  return out;
}

CublasPath find_cublas(const Settings& settings, const NvrtcLibrary& nvrtc) {
  CublasPath out;
  if (settings.cublas == "off") return out.why_not = "no cuBLAS: it is switched off", out;
  std::string name = cublas_name("libcublas", nvrtc);
  std::vector<std::string> paths = cublas_paths(settings, nvrtc);
  for (const std::string& path : paths) {
    try {
      FileReader file(path);
      out.attempts.push_back({path, ""});
      return out.path = path, out;
    } catch (const std::exception& e) {
      out.attempts.push_back({path, reason_of(e)});
    }
  }
  out.why_not = "no cuBLAS: " + why_none(out.attempts, name);
  return out;
}

static std::string start(CublasLibrary& c) {
  std::string missing;
#define JT_TAKE(name, parameters) \
  if (!(c.api.name = reinterpret_cast<decltype(c.api.name)>(c.library.find(#name))) && missing.empty()) missing = #name;
  JT_CUBLAS_REQUIRED(JT_TAKE)
#undef JT_TAKE
  return missing.empty() ? "" : text("it lacks ", missing, ": no cuBLAS, or one older than CUDA 11");
}

CublasLibrary open_cublas(const Settings& settings, const NvrtcLibrary& nvrtc) {
  CublasLibrary out;
  std::string name = cublas_name("libcublas", nvrtc), why;
  CublasPath found = find_cublas(settings, nvrtc);
  if (settings.cublas.empty() && settings.library_folder.empty()) {
    out.library = Library::already_open(name);
    if (!out.library && found.path.empty()) out.library = Library::open(name, why);  // of the system
  }
  if (!out.library && found.path.empty()) return out.why_not = found.why_not, out;
  if (!out.library) {
    // By its name alone the loader might find the one of another toolkit.
    out.lt = Library::open(folder_of(found.path) + "/" + cublas_name("libcublasLt", nvrtc), why);
    out.library = Library::open(found.path, why);
    if (!out.library) return out.why_not = text("no cuBLAS: ", found.path, ": ", why), out;
  }
  out.why_not = start(out);
  if (!out) out.why_not = text("no cuBLAS: ", out.library.path(), ": ", out.why_not);
  else out.library.keep_forever();
  return out;
}

// ---- target ---------------------------------------------------------------------------------------------------------

std::string Target::option() const { return text("-arch=", is_ptx ? "compute_" : "sm_", arch); }

Target choose_target(const NvrtcLibrary& nvrtc, int driver_version, int capability, const std::string& image) {
  Target out;
  std::string device = text("sm_", capability);
  for (int arch : nvrtc.archs)
    if (arch <= capability) out.arch = arch;
  if (!out.arch) {
    out.why_not = text("NVRTC ", nvrtc.major, ".", nvrtc.minor, " compiles for sm_",
                       nvrtc.archs.empty() ? 0 : nvrtc.archs.front(), " and newer, the device is ", device,
                       ": an older NVRTC serves it");
    return out;
  }
  // Code of an older chip runs on newer ones of its generation; text of it on all.
  bool is_of_generation = out.arch / 10 == capability / 10;
  out.is_ptx = image == "ptx" || !is_of_generation;
  if (image == "cubin" && !is_of_generation) out.why_not = text("NVRTC ", nvrtc.major, ".", nvrtc.minor,
      " has no code for ", device, ", only text");
  if (out.is_ptx && nvrtc.version() > driver_version)
    out.why_not = text("text of NVRTC ", nvrtc.major, ".", nvrtc.minor, " is newer than the driver, which serves CUDA ",
        version_text(driver_version));
  return out;
}

// ---- for people -----------------------------------------------------------------------------------------------------

static std::string lines_of(const char* what, const Attempts& attempts) {
  std::string out;
  for (const Attempt& a : attempts)
    out += text("  ", what, " tried: ", a.path, a.why.empty() ? ": taken" : ": " + a.why, "\n");
  return out;
}

static std::string devices_of(const DriverLibrary& d, const NvrtcLibrary& nvrtc, const Settings& settings) {
  std::string out;
  for (int i = 0; i < d.devices; i++) {
    CuDevice device = 0;
    char name[256] = "?";
    int major = 0, minor = 0, processors = 0;
    size_t bytes = 0;
    if (d.api.cuDeviceGet(&device, i) != kCuSuccess) continue;
    d.api.cuDeviceGetName(name, sizeof name, device);
    d.api.cuDeviceGetAttribute(&major, kCuCapabilityMajor, device),
        d.api.cuDeviceGetAttribute(&minor, kCuCapabilityMinor, device);
    d.api.cuDeviceGetAttribute(&processors, kCuMultiprocessors, device), d.api.cuDeviceTotalMem_v2(&bytes, device);
    out += text("  cuda:", i, ": ", name, ", sm_", major * 10 + minor, ", ", processors, " multiprocessors, ",
                bytes >> 20, " MiB");
    if (nvrtc) {
      Target target = choose_target(nvrtc, d.version, major * 10 + minor, settings.image);
      out += target.why_not.empty() ? text(", kernels as ", target.is_ptx ? "PTX for compute_" : "cubin for sm_",
          target.arch) : ", " + target.why_not;
    }
    out += "\n";
  }
  return out;
}

std::string describe(const Settings& settings) {
  DriverLibrary driver = find_driver(settings);
  NvrtcLibrary nvrtc = find_nvrtc(settings, driver.version);
  CublasPath cublas = find_cublas(settings, nvrtc);
  std::string out = driver ? text("  driver: ", driver.library.path(), ", CUDA ", version_text(driver.version), ", ",
      driver.devices, " devices\n")
                           : text("  driver: ", driver.why_not, "\n");
  out += devices_of(driver, nvrtc, settings);
  out += lines_of("driver", driver.attempts);
  if (nvrtc) {
    out += text("  NVRTC: ", nvrtc.library.path(), ", version ", nvrtc.major, ".", nvrtc.minor, ", for sm");
    for (int arch : nvrtc.archs) out += text(" ", arch);
    out += text("\n  NVRTC builtins: ", nvrtc.builtins.path(), "\n");
  } else {
    out += text("  NVRTC: ", nvrtc.why_not, "\n");
  }
  out += lines_of("NVRTC", nvrtc.attempts);
  out += text("  cuBLAS: ", cublas.why_not.empty() ? cublas.path + ", opened when it is needed" : cublas.why_not, "\n");
  return out + lines_of("cuBLAS", cublas.attempts);
}

}  // namespace jt::cuda
