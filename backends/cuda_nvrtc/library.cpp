#include "backends/cuda_nvrtc/library.h"

#include <dlfcn.h>
#include <link.h>

#include "core/base/text.h"

namespace jt::cuda {

static std::shared_ptr<void> held(void* handle) {
  return std::shared_ptr<void>(handle, [](void* h) {
    if (h) dlclose(h);
  });
}

// The loader says `PATH: cannot open shared object file: ..`; the path is known.
static std::string reason(std::string_view path) {
  const char* said = dlerror();
  std::string_view why = said ? said : "no reason given";
  if (why.starts_with(path) && why.substr(path.size()).starts_with(": ")) why.remove_prefix(path.size() + 2);
  return std::string(why);
}

Library Library::open(const std::string& path, std::string& why) {
  Library out;
  dlerror();
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) return why = reason(path), out;
  out.handle_ = held(handle), out.name_ = path;
  return out;
}

Library Library::already_open(const std::string& name) {
  Library out;
  if (void* handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD))
    out.handle_ = held(handle), out.name_ = name;
  dlerror();
  return out;
}

void* Library::find(const char* symbol) const { return handle_ ? dlsym(handle_.get(), symbol) : nullptr; }

std::string Library::path() const {
  link_map* map = nullptr;
  bool is_known = handle_ && dlinfo(handle_.get(), RTLD_DI_LINKMAP, &map) == 0 && map && map->l_name && *map->l_name;
  return is_known ? map->l_name : name_;
}

std::string Library::folder() const { return folder_of(path()); }

void Library::keep_forever() {
  if (handle_) dlopen(path().c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD | RTLD_NODELETE);
}

std::string folder_of(std::string_view path) {
  size_t slash = path.rfind('/');
  return slash == path.npos ? "." : std::string(path.substr(0, slash));
}

std::string why_none(const Attempts& attempts, std::string_view name) {
  constexpr std::string_view kAbsent = "No such file or directory";
  auto is_there = [&](const Attempt& a) {
    return a.why != kAbsent && a.why != text("cannot open shared object file: ", kAbsent);
  };
  for (const Attempt& a : attempts)
    if (is_there(a)) return text(a.path, ": ", a.why);
  if (attempts.size() == 1) return text(attempts[0].path, ": ", attempts[0].why);
  return text(name, " is in none of ", attempts.size(), " places");
}

}  // namespace jt::cuda
