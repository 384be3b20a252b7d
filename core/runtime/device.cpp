#include "core/runtime/device.h"

#include <cstring>

#include "core/base/buffer.h"
#include "core/base/status.h"
#include "core/render/render_loops.h"

namespace jt {

// The text of the failure that a backend call on this thread is about to return; plain data, so no destructor runs.
struct CallError {
  int64_t native;
  size_t length;
  char message[1000];
};
static thread_local CallError call_error;

// Whether the backend's table reaches as far as this field.
#define JT_HAS(api, field) ((api).struct_size >= offsetof(jt_backend_api, field) + sizeof (api).field && (api).field)

// A table that lacks what its flags promise.
static void check_table(const jt_backend_api& api) {
  auto need = [&](bool is_there, const char* flag, const char* what) {
    if (!is_there) fail(JT_E_ABI, "backend ", api.name, ": ", flag, " without ", what);
  };
#define JT_NEED(flag, field) \
  if (api.flags & flag) need(JT_HAS(api, field), #flag, #field)
  JT_NEED(JT_BE_OWN_MEMORY, mem_alloc);
  JT_NEED(JT_BE_OWN_MEMORY, mem_free);
  JT_NEED(JT_BE_OWN_MEMORY, copy);
  JT_NEED(JT_BE_OWN_MEMORY, fill);
  JT_NEED(JT_BE_ASYNC, stream_create);
  JT_NEED(JT_BE_ASYNC, stream_release);
  JT_NEED(JT_BE_ASYNC, copy);
  JT_NEED(JT_BE_ASYNC, fill);
  JT_NEED(JT_BE_ASYNC, launch_on);
  JT_NEED(JT_BE_ASYNC, op_run_on);
  JT_NEED(JT_BE_ASYNC, event_create);
  JT_NEED(JT_BE_ASYNC, event_release);
  JT_NEED(JT_BE_ASYNC, event_record);
  JT_NEED(JT_BE_ASYNC, event_wait);
  JT_NEED(JT_BE_ASYNC, event_sync);
#undef JT_NEED
}

bool may_refuse(const jt_backend_api& api) { return JT_HAS(api, supports); }
bool is_like_host(const jt_backend_api& api) {
  return !(api.flags & (JT_BE_OWN_MEMORY | JT_BE_ASYNC)) && !may_refuse(api);
}

static std::string name_of(const jt_backend_api& api, int index) {
  bool has_number = index || api.flags & (JT_BE_OWN_MEMORY | JT_BE_ASYNC);
  return has_number ? text(api.name, ":", index) : api.name;
}

Device::Device(const jt_backend_api* api, const Flags& flags, const Logger& log, ThreadPool& threads,
               const Submit& submit, int index)
    : api_(api), name_(name_of(*api, index)), flags_(flags), log_(log), threads_(threads), submit_(submit) {
  auto alloc = [](void*, size_t bytes, size_t align) {
    Allocator a = default_allocator();
    return a.alloc(a.user, bytes, align);
  };
  auto free = [](void*, void* p, size_t bytes, size_t align) {
    Allocator a = default_allocator();
    if (p) a.free(a.user, p, bytes, align);
  };
  host_ = {sizeof host_, JT_BACKEND_ABI_MINOR, this, set_error, Device::log, alloc, free, setting,
           threads.threads(), 0, parallel_for, submit.submit ? Device::submit : nullptr, index, 0};
  check_table(*api_);
  check(api_->open(&host_, &device_), "open");
}

Device::~Device() {
  if (device_) api_->close(device_);
}

void Device::set_error(void*, jt_status, int64_t native, const char* message, size_t length) {
  call_error.native = native;
  call_error.length = std::min(length, sizeof call_error.message);
  std::memcpy(call_error.message, message, call_error.length);
}

void Device::log(void* host, int32_t level, const char* domain, const char* message, size_t length) {
  const Logger& logger = static_cast<Device*>(host)->log_;
  if (logger.wants(LogLevel(level))) logger.sink(logger.user, level, domain, message, length);
}

// A backend asks for "cpu.tier"; the flag's field is cpu_tier.
static const char* setting_of(const Flags& flags, const char* name) {
  std::string field = name;
  for (char& c : field)
    if (c == '.') c = '_';
  const std::string* value = find_flag(flags, field);
  return value ? value->c_str() : environment_setting(flags, name);
}

const char* Device::setting(void* host, const char* name) {
  return setting_of(static_cast<Device*>(host)->flags_, name);
}

std::string description_of(const jt_backend_api& api, const Flags& flags) {
  if (!JT_HAS(api, describe)) return {};
  jt_host_api host{};
  host.struct_size = sizeof host, host.abi_minor = JT_BACKEND_ABI_MINOR, host.host = const_cast<Flags*>(&flags);
  host.set_error = Device::set_error;
  host.setting = [](void* user, const char* name) { return setting_of(*static_cast<const Flags*>(user), name); };
  host.threads = 1;
  std::string out;
  auto take = [](void* user, const char* text, size_t length) {
    static_cast<std::string*>(user)->assign(text, length);
  };
  if (api.describe(&host, &out, take) == JT_OK) return out;
  return text("  ", std::string_view(call_error.message, call_error.length), "\n");
}

void Device::submit(void* host, void (*work)(void*), void* argument) {
  const Submit& submit = static_cast<Device*>(host)->submit_;
  submit.submit(submit.user, work, argument);
}

void Device::parallel_for(void* host, LaneBody body, void* user, int64_t lanes) {
  static_cast<Device*>(host)->threads_.run(body, user, lanes);
}

void Device::repeat_error(jt_status status, std::string_view what) const {
  std::string message(call_error.message, call_error.length);
  call_error.length = 0;
  if (message.empty()) message = text(api_->name, ": ", what, " failed");
  throw Error(status, std::move(message), call_error.native);
}

void Device::run(jt_be_op* op, std::span<void* const> pointers, const uint64_t* contents, void* workspace,
                 std::string_view what) const {
  jt_status status = JT_HAS(*api_, op_run_known)
                         ? api_->op_run_known(device_, op, pointers.data(), contents, pointers.size(), workspace)
                         : api_->op_run(device_, op, pointers.data(), pointers.size(), workspace);
  check(status, what);
}

int64_t Device::join_workspace(jt_be_op* op, jt_be_kernel* kernel, const jt_be_launch& launch) const {
  size_t bytes = 0;
  if (!JT_HAS(*api_, join_workspace) || is_async()) return -1;
  jt_status status = api_->join_workspace(device_, op, kernel, &launch, &bytes);
  if (status == JT_E_UNSUPPORTED) return -1;
  check(status, "join_workspace");
  return int64_t(bytes);
}
void Device::run_joined(jt_be_op* op, std::span<void* const> pointers, const uint64_t* contents, jt_be_kernel* kernel,
                        const jt_be_launch& launch, void* workspace, std::string_view what) const {
  check(api_->op_run_joined(device_, op, pointers.data(), contents, pointers.size(), kernel, &launch, workspace), what);
}

int64_t Device::keep(int64_t most_bytes) const { return JT_HAS(*api_, trim) ? api_->trim(device_, most_bytes) : 0; }

bool Device::tells_times() const { return is_async() && JT_HAS(*api_, event_ns); }
bool Device::has_staging() const { return is_async() && JT_HAS(*api_, stage_alloc) && JT_HAS(*api_, stage_free); }
bool Device::supports(const jt_be_node& node) const {
  jt_status status = api_->supports(device_, &node);
  if (status != JT_E_UNSUPPORTED) check(status, "supports");
  return status == JT_OK;
}
std::string Device::room() const {
  size_t free = 0, total = 0;
  if (!JT_HAS(*api_, mem_info) || api_->mem_info(device_, &free, &total) != JT_OK) return {};
  return text(free >> 20, " MiB of ", total >> 20, " MiB of device ", name_, " are free");
}

bool Device::prepares() const { return JT_HAS(*api_, kernel_prepare); }

std::string Device::text_of(jt_be_kernel* kernel) const {
  std::string out;
  if (!JT_HAS(*api_, kernel_text)) return out;
  auto take = [](void* user, const char* text, size_t length) {
    static_cast<std::string*>(user)->assign(text, length);
  };
  check(api_->kernel_text(device_, kernel, &out, take), "kernel_text");
  return out;
}

namespace {
struct RenderState {
  std::string_view text;
  const Program& program;
  std::string made;  // in another dialect
};
jt_status render(void* user, jt_be_dialect dialect, const char** text, size_t* length) noexcept {
  auto* state = static_cast<RenderState*>(user);
  std::string_view out = state->text;
  if (dialect == JT_BE_C) {
    try {
      NamedProgram kernel{"jt_kernel", &state->program};
      out = state->made = render_c99({&kernel, 1});
    } catch (const Error& e) {
      return e.code();
    } catch (const std::bad_alloc&) {
      return JT_E_NOMEM;
    }
  } else if (dialect != JT_BE_PROGRAM) {
    return JT_E_UNSUPPORTED;
  }
  *text = out.data(), *length = out.size();
  return JT_OK;
}
constexpr size_t kMaxKernels = 8192;

// Entries that nobody else holds go; outside of the lock, for a backend may wait there.
template <class Map>
void make_room(Map& map, ForkMutex& change, std::vector<CompiledKernel*>* in_order = nullptr) {
  if (map.size() < kMaxKernels) return;
  std::vector<typename Map::node_type> gone;
  std::lock_guard lock(change);
  for (auto it = map.begin(); it != map.end();) {
    auto entry = it++;
    if (entry->second.use_count() == 1) gone.push_back(map.extract(entry));
  }
  if (in_order) std::erase_if(*in_order, [&](const CompiledKernel* k) { return !map.contains(k->key); });
}
template <class Map>
auto keep(Map& map, ForkMutex& change, std::string key, typename Map::mapped_type made) {
  std::lock_guard lock(change);
  return map.emplace(std::move(key), std::move(made)).first->second;
}
}  // namespace

static void say_where(std::string* found, const CompiledKernel& k, std::string_view where,
                      const jt_be_kernel_info& info) {
  if (!found) return;
  *found = text(where, ", ", info.tier ? info.tier : "?", ", key of ", k.key.size(), " bytes: ", k.name, "\n");
}

std::shared_ptr<CompiledKernel> KernelCache::get(const Program& program, std::string_view name, std::string* found) {
  std::string key = to_text(program);
  std::lock_guard lock(mutex_);
  if (auto it = kernels_.find(key); it != kernels_.end()) {
    jt_be_kernel_info info{};
    info.struct_size = sizeof info;
    if (found) device_.api().kernel_info(device_.handle(), it->second->kernel, &info);
    say_where(found, *it->second, "in memory", info);
    return it->second;
  }
  make_room(kernels_, change_, &in_order_);
  RenderState state{key, program, {}};
  jt_be_source source{sizeof source, key.data(), key.size(), &state, render};
  auto made = std::make_shared<CompiledKernel>(device_);
  device_.check(device_.api().compile(device_.handle(), &source, &made->kernel), "compile");
  jt_be_kernel_info info{};
  info.struct_size = sizeof info;
  device_.api().kernel_info(device_.handle(), made->kernel, &info);
  (info.from_cache ? from_disk_ : compiled_)++;
  made->serial = made_++;
  made->name = name;
  made->key = key;
  say_where(found, *made, info.from_cache ? "from disk" : text("made in ", info.compile_ns / 1000, " us"), info);
  std::lock_guard change(change_);
  in_order_.push_back(made.get());
  try {
    return kernels_.emplace(std::move(key), std::move(made)).first->second;
  } catch (...) {
    in_order_.pop_back();
    throw;
  }
}

std::shared_ptr<LibraryOp> KernelCache::library(const char* name, std::span<const int64_t> params) {
  std::string key;
  key.reserve(std::strlen(name) + 1 + params.size_bytes());
  key.append(name).append(1, '\0').append(reinterpret_cast<const char*>(params.data()), params.size_bytes());
  std::lock_guard lock(mutex_);
  if (auto it = ops_.find(key); it != ops_.end()) return it->second;
  make_room(ops_, change_);
  auto made = std::make_shared<LibraryOp>(device_);
  made->name = name, made->params.assign(params.begin(), params.end());
  device_.check(
      device_.api().op_create(device_.handle(), name, params.data(), params.size(), &made->workspace, &made->op), name);
  return keep(ops_, change_, std::move(key), std::move(made));
}

bool KernelCache::compiles_code() const { return JT_HAS(device_.api(), op_compile); }

std::shared_ptr<LibraryOp> KernelCache::code(std::string_view who, const std::string& text) {
  const jt_backend_api& api = device_.api();
  if (!JT_HAS(api, op_compile)) fail(JT_E_UNSUPPORTED, who, ": backend ", api.name, " compiles no C");
  std::lock_guard lock(mutex_);
  if (auto it = codes_.find(text); it != codes_.end()) return it->second;
  make_room(codes_, change_);
  auto made = std::make_shared<LibraryOp>(device_);
  try {
    device_.check(api.op_compile(device_.handle(), text.data(), text.size(), &made->op), "op_compile");
  } catch (const Error& e) {
    throw Error(e.code(), jt::text(who, ": ", e.what()), e.native());
  }
  return keep(codes_, change_, text, std::move(made));
}

size_t KernelCache::count() {
  std::lock_guard lock(mutex_);
  return kernels_.size();
}

bool KernelCache::has(const std::string& text) {
  std::lock_guard lock(mutex_);
  return kernels_.contains(text);
}

void KernelCache::reset_counts() {
  std::lock_guard lock(mutex_);
  compiled_ = 0, from_disk_ = 0;
  for (auto& [key, kernel] : kernels_) kernel->launches = 0, kernel->time_ns = 0, kernel->bytes = 0;
}

void KernelCache::each(const std::function<void(const CompiledKernel&)>& visit) {
  std::lock_guard lock(mutex_);
  for (const CompiledKernel* kernel : in_order_) visit(*kernel);
}
std::shared_ptr<const CompiledKernel> KernelCache::at(size_t i) {
  std::lock_guard lock(mutex_);
  return i < in_order_.size() ? in_order_[i]->shared_from_this() : nullptr;
}

}  // namespace jt
