// libnvrtc.so.13 before the real one: its calls are counted and made to fail as the driver's are, and a text is
// compiled once in a process, so that a program can run again and again.
#include <dlfcn.h>

#include <map>
#include <mutex>
#include <string>

#include "tests/fakegpu/fakegpu.h"

#define NVRTC_API extern "C" __attribute__((visibility("default")))

namespace {

template <class F>
F* real(const char* name) {
  static void* library = dlopen(JT_NVRTC_FOLDER "/libnvrtc.so.13", RTLD_NOW | RTLD_LOCAL);
  return reinterpret_cast<F*>(dlsym(library, name));
}

struct Made {
  void* program = nullptr;
  int result = 0;
};
struct Program {
  std::string text;
  const Made* made = nullptr;  // once it is compiled
};
std::mutex mutex;
std::map<std::string, Made>& all() {
  static auto* made = new std::map<std::string, Made>;  // compiling threads may outlive the end of the process
  return *made;
}

const Made* compiled(const std::string& text, int n, const char* const* options) {
  std::string key = text;
  for (int i = 0; i < n; i++) key += std::string("\n") + options[i];
  std::lock_guard lock(mutex);
  auto [found, is_new] = all().try_emplace(key);
  if (!is_new) return &found->second;
  real<int(void**, const char*, const char*, int, const char* const*, const char* const*)>("nvrtcCreateProgram")(
      &found->second.program, text.c_str(), "kernel.cu", 0, nullptr, nullptr);
  auto* compile = real<int(void*, int, const char* const*)>("nvrtcCompileProgram");
  found->second.result = compile(found->second.program, n, options);
  return &found->second;
}

}  // namespace

// A call made to fail answers with its error.
#define SHIM_CALL(name) \
  if (int error = fakegpu_call(#name)) return error

NVRTC_API int nvrtcVersion(int* major, int* minor) {
  SHIM_CALL(nvrtcVersion);
  return real<int(int*, int*)>("nvrtcVersion")(major, minor);
}
NVRTC_API int nvrtcGetNumSupportedArchs(int* out) {
  SHIM_CALL(nvrtcGetNumSupportedArchs);
  return real<int(int*)>("nvrtcGetNumSupportedArchs")(out);
}
NVRTC_API int nvrtcGetSupportedArchs(int* out) {
  SHIM_CALL(nvrtcGetSupportedArchs);
  return real<int(int*)>("nvrtcGetSupportedArchs")(out);
}
NVRTC_API int nvrtcCreateProgram(Program** out, const char* text, const char*, int, const char* const*,
                                 const char* const*) {
  SHIM_CALL(nvrtcCreateProgram);
  *out = new Program{text};
  return 0;
}
NVRTC_API int nvrtcCompileProgram(Program* program, int n, const char* const* options) {
  SHIM_CALL(nvrtcCompileProgram);
  program->made = compiled(program->text, n, options);
  return program->made->result;
}
NVRTC_API int nvrtcDestroyProgram(Program** program) {
  SHIM_CALL(nvrtcDestroyProgram);
  delete *program;
  *program = nullptr;
  return 0;
}
// What a program that was never compiled has: nothing.
#define SHIM_GETTER(name, type)                                            \
  NVRTC_API int name(Program* program, type out) {                         \
    SHIM_CALL(name);                                                       \
    if (!program->made) return 3;                                          \
    return real<int(void*, type)>(#name)(program->made->program, out);     \
  }
SHIM_GETTER(nvrtcGetProgramLogSize, size_t*)
SHIM_GETTER(nvrtcGetProgramLog, char*)
SHIM_GETTER(nvrtcGetCUBINSize, size_t*)
SHIM_GETTER(nvrtcGetCUBIN, char*)
SHIM_GETTER(nvrtcGetPTXSize, size_t*)
SHIM_GETTER(nvrtcGetPTX, char*)
