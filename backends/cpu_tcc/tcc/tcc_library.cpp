// tcc_library: see tcc_library.h.
#include "backends/cpu_tcc/tcc/tcc_library.h"

#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <vector>

#include "core/base/fork_lock.h"
#include "core/base/status.h"

namespace jt::cpu {
namespace {

void* resize_with_malloc(void*, void* block, size_t, size_t new_size) {
  if (new_size) return std::realloc(block, new_size);
  std::free(block);
  return nullptr;
}

// What libtcc emits calls to. The conversions are those that the C++ compiler makes.
float float_of_u64(uint64_t value) { return static_cast<float>(value); }
double double_of_u64(uint64_t value) { return static_cast<double>(value); }
uint64_t u64_of_float(float value) { return static_cast<uint64_t>(value); }
uint64_t u64_of_double(double value) { return static_cast<uint64_t>(value); }

template <class Function>
const void* address_of(Function* function) {
  return reinterpret_cast<const void*>(function);
}

std::vector<TccSymbol> with_support(std::span<const TccSymbol> symbols) {
  std::vector<TccSymbol> all(symbols.begin(), symbols.end());
  all.push_back({"memcpy", address_of(std::memcpy)});
  all.push_back({"memmove", address_of(std::memmove)});
  all.push_back({"memset", address_of(std::memset)});
  all.push_back({"__floatundisf", address_of(float_of_u64)});
  all.push_back({"__floatundidf", address_of(double_of_u64)});
  all.push_back({"__fixunssfdi", address_of(u64_of_float)});
  all.push_back({"__fixunsdfdi", address_of(u64_of_double)});
  return all;
}

// The file that the code at `address` was mapped from, as the kernel knows it: the loader's own name for it
// may be relative, or argv[0]. Empty if unknown.
std::string file_holding(const void* address) {
  struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, CloseFile> maps(std::fopen("/proc/self/maps", "re"));
  char line[4400];
  while (maps && std::fgets(line, sizeof line, maps.get())) {
    uintptr_t begin = 0, end = 0;
    if (std::sscanf(line, "%zx-%zx", &begin, &end) != 2) continue;
    if (reinterpret_cast<uintptr_t>(address) - begin >= end - begin) continue;
    const char* path = std::strchr(line, '/');
    return path ? std::string(path, std::strcspn(path, "\n")) : std::string();
  }
  Dl_info info;
  bool is_known = dladdr(address, &info) && info.dli_fname && info.dli_fname[0] == '/';
  return is_known ? info.dli_fname : "";
}

std::vector<std::string> places_to_look(std::string_view explicit_path) {
  if (!explicit_path.empty()) return {std::string(explicit_path)};
  std::string self = file_holding(address_of(file_holding));
  if (self.empty()) return {};
  std::string folder = self.substr(0, self.rfind('/'));
  return {folder + "/libjt_tcc.so", folder + "/jt/libjt_tcc.so"};
}

void* load(const std::string& path, std::string* why_not) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  const char* reason = handle ? nullptr : dlerror();
  if (reason) append(*why_not, text(why_not->empty() ? "" : "; ", reason));
  return handle;
}

template <class Function>
bool find(void* handle, const char* name, Function*& function) {
  function = reinterpret_cast<Function*>(dlsym(handle, name));
  return function != nullptr;
}

// Releases since 0.9.28 have code in their own heap and say so by nothing but these symbols.
bool relocates_in_heap(void* handle) {
  if (dlsym(handle, "_tcc_setjmp")) return true;
  return dlsym(handle, "tcc_set_realloc") && !dlsym(handle, "tcc_get_error_func");
}

bool find_functions(void* handle, jt_tcc_api& api, std::string* why_not) {
  bool is_libtcc = find(handle, "tcc_new", api.make) && find(handle, "tcc_delete", api.drop) &&
                   find(handle, "tcc_set_options", api.set_options) &&
                   find(handle, "tcc_set_error_func", api.set_error_func) &&
                   find(handle, "tcc_set_output_type", api.set_output_type) &&
                   find(handle, "tcc_compile_string", api.compile_string) &&
                   find(handle, "tcc_add_symbol", api.add_symbol) &&
                   find(handle, "tcc_get_symbol", api.get_symbol) &&
                   (relocates_in_heap(handle) ? find(handle, "tcc_relocate", api.relocate_in_heap)
                                              : find(handle, "tcc_relocate", api.relocate));
  if (!is_libtcc) return *why_not = "it lacks functions of libtcc", false;
  find(handle, "tcc_set_realloc", api.set_realloc);
  int (*start)(int) = nullptr;
  if (!find(handle, "jt_tcc_start", start)) return true;
  bool is_ours = start(JT_TCC_SHIM_VERSION) == 0 && find(handle, "jt_tcc_enter", api.enter) &&
                 find(handle, "jt_tcc_reset", api.reset) && find(handle, "jt_tcc_leave", api.leave);
  if (!is_ours) *why_not = "it belongs to another version of jt";
  return is_ours;
}

std::string_view line_of(std::string_view source, int number) {
  for (int i = 1; i < number; i++) {
    size_t end = source.find('\n');
    if (end == source.npos) return {};
    source.remove_prefix(end + 1);
  }
  return source.substr(0, source.find('\n'));
}

// `<string>:3: error: ';' expected` becomes `tcc: line 3: ';' expected: "return (x;"`.
std::string explain(const char* message, std::string_view source) {
  std::string_view rest = message;
  auto skip = [&](std::string_view prefix) {
    if (rest.starts_with(prefix)) rest.remove_prefix(prefix.size());
  };
  int line = 0;
  skip("<string>:");
  auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), line);
  if (error == std::errc()) rest.remove_prefix(static_cast<size_t>(end - rest.data()));
  skip(": ");
  skip("tcc: ");
  skip("warning: ");
  skip("error: ");
  if (!line) return text("tcc: ", rest);
  std::string_view quoted = line_of(source, line);
  quoted.remove_prefix(std::min(quoted.find_first_not_of(" \t"), quoted.size()));
  return text("tcc: line ", line, ": ", rest, ": \"", quoted.substr(0, 200), "\"");
}

// Where a job asks for memory for its code: what went wrong is kept, as nothing may be thrown through libtcc.
struct Placing {
  CodeArena& arena;
  CodeBlock block;
  std::exception_ptr error;
};

void* place(void* user, size_t size) {
  auto* placing = static_cast<Placing*>(user);
  try {
    placing->block = placing->arena.allocate(size);
    return placing->block.data();
  } catch (...) {
    placing->error = std::current_exception();
    return nullptr;
  }
}

}  // namespace

struct TccCompiler::Library {
  ForkLock mutex;  // over a job and the reload that may have to follow it
  std::string path;
  void* handle = nullptr;
  bool is_unusable = false;
  jt_tcc_api api = {};
  jt_tcc_memory memory = {};

  jt_tcc_outcome run(jt_tcc_job& job);
  void drop(TCCState* state);
  void reload();
};

// A foreign library left by a jump keeps its lock taken for ever; unloading is the only reset it has.
void TccCompiler::Library::reload() {
  dlclose(handle);
  void* still_loaded = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
  std::string why_not;
  handle = still_loaded ? still_loaded : load(path, &why_not);
  is_unusable = still_loaded || !handle || !find_functions(handle, api, &why_not);
}

jt_tcc_outcome TccCompiler::Library::run(jt_tcc_job& job) {
  std::lock_guard<ForkLock> guard(mutex);
  if (is_unusable) fail(JT_E_UNSUPPORTED, "tcc: ", path, " ran out of memory and could not be loaded anew");
  jt_tcc_outcome outcome = jt_tcc_run(&job);
  if (job.is_lost) reload();
  return outcome;
}

void TccCompiler::Library::drop(TCCState* state) {
  std::lock_guard<ForkLock> guard(mutex);
  if (!is_unusable) jt_tcc_drop(&api, &memory, state);
}

TccCompiler::TccCompiler(std::shared_ptr<Library> library) : library_(std::move(library)) {}
TccCompiler::~TccCompiler() = default;
const std::string& TccCompiler::path() const { return library_->path; }
size_t TccCompiler::live_bytes() const { return jt_tcc_live_bytes(&library_->memory); }
void TccCompiler::fail_at(long n) { jt_tcc_fail_at(&library_->memory, n); }

std::unique_ptr<TccCompiler> TccCompiler::open(std::string_view explicit_path, std::string* why_not,
                                               TccMemory memory) {
  why_not->clear();
  if (!explicit_path.empty() && explicit_path[0] != '/') {
    *why_not = text("tcc: the path of libtcc is not absolute: ", explicit_path);
    return nullptr;
  }
  auto library = std::make_shared<Library>();
  for (const std::string& path : places_to_look(explicit_path)) {
    library->handle = load(path, why_not);
    library->path = path;
    if (library->handle) break;
  }
  if (!library->handle) {
    *why_not = text("tcc: ", why_not->empty() ? "the folder of jt is not known" : *why_not);
    return nullptr;
  }
  why_not->clear();
  if (!find_functions(library->handle, library->api, why_not)) {
    *why_not = text("tcc: ", library->path, " cannot be used: ", *why_not);
    return nullptr;
  }
  library->memory.resize = memory.resize ? memory.resize : resize_with_malloc;
  library->memory.user = memory.user;
  return std::unique_ptr<TccCompiler>(new TccCompiler(std::move(library)));
}

TccKernel TccCompiler::compile(std::string_view source, const char* entry, std::span<const TccSymbol> symbols,
                               CodeArena& arena) {
  // A foreign libtcc calls mprotect itself, and ends the process where that is refused.
  bool is_foreign = !library_->api.reset;
  if (is_foreign && arena.uses_memfd())
    fail(JT_E_UNSUPPORTED, "tcc: ", path(), " needs mprotect, which this process may not use for code");
  std::string terminated(source);
  std::vector<TccSymbol> all = with_support(symbols);
  Placing placing = {arena, {}, nullptr};
  jt_tcc_job job = {};
  job.api = &library_->api;
  job.memory = &library_->memory;
  job.source = terminated.c_str();
  job.entry = entry;
  job.symbols = all.data();
  job.symbol_count = all.size();
  job.place = place;
  job.place_user = &placing;
  switch (library_->run(job)) {
    case JT_TCC_DONE: break;
    case JT_TCC_NO_MEMORY: fail(JT_E_NOMEM, "tcc: out of memory while compiling ", entry);
    case JT_TCC_NO_PLACE: std::rethrow_exception(placing.error);
    case JT_TCC_QUIT: fail(JT_E_COMPILE, "tcc: gave up on ", entry, ": ", job.message);
    case JT_TCC_REFUSED:
      if (!job.message[0]) fail(JT_E_COMPILE, "tcc: the source does not define ", entry);
      throw Error(JT_E_COMPILE, explain(job.message, source));
  }
  TccKernel kernel;
  kernel.entry = reinterpret_cast<TccKernel::Entry>(job.address);
  if (job.state) {
    auto drop = [library = library_](void* state) { library->drop(static_cast<TCCState*>(state)); };
    kernel.code = CodeBlock::adopt(std::shared_ptr<void>(job.state, drop));
  } else {
    placing.block.make_executable();
    kernel.code = std::move(placing.block);
  }
  return kernel;
}

}  // namespace jt::cpu
