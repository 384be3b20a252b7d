#include "core/runtime/backend_library.h"

#include <dlfcn.h>

#include <cstddef>

#include "core/base/status.h"

namespace jt {

// A table that ends before this is older than the first version.
constexpr size_t kFirstTable = offsetof(jt_backend_api, op_run) + sizeof(jt_backend_api::op_run);

void check_backend(const std::string& who, const jt_backend_api* api) {
  if (!api)
    fail(JT_E_ABI, who, ": the backend does not serve a host of version ", JT_BACKEND_ABI_MAJOR, ".",
         JT_BACKEND_ABI_MINOR);
  if (api->struct_size < kFirstTable)
    fail(JT_E_ABI, who, ": the backend's table has ", api->struct_size, " bytes, version ", JT_BACKEND_ABI_MAJOR,
         ".0 has ", kFirstTable);
  bool is_complete = api->name && api->open && api->close && api->compile && api->kernel_release &&
                     api->scratch_bytes && api->launch && api->kernel_info && api->op_create && api->op_release &&
                     api->op_run;
  if (!is_complete) fail(JT_E_ABI, who, ": the backend's table lacks a function or its name");
  if (!(api->dialects & (JT_BE_PROGRAM | JT_BE_C)))
    fail(JT_E_ABI, who, ": backend ", api->name, " reads none of the host's dialects, only bits ", api->dialects);
}

BackendLibrary load_backend(const std::string& path) {
  if (path.find('\0') != path.npos) fail(JT_E_INVALID, "backend: the path holds a NUL");
  dlerror();
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    const char* why = dlerror();
    fail(JT_E_IO, "backend: cannot load '", path, "': ", why ? why : "no reason given");
  }
  BackendLibrary out;
  out.library = std::shared_ptr<void>(handle, [](void* h) { dlclose(h); });
  auto entry = reinterpret_cast<jt_backend_entry_fn>(dlsym(handle, JT_BACKEND_ENTRY_NAME));
  if (!entry)
    fail(JT_E_ABI, "backend: '", path, "' has no ", JT_BACKEND_ENTRY_NAME, ": it is no backend of version ",
         JT_BACKEND_ABI_MAJOR);
  out.api = entry(JT_BACKEND_ABI_MINOR);
  check_backend(text("backend: '", path, "'"), out.api);
  return out;
}

}  // namespace jt
