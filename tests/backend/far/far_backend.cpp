// The CPU's backend, which this one calls, lies in the same program and has its own types of these names.
#define jt_be_device far_be_device
#define jt_be_kernel far_be_kernel
#define jt_be_op far_be_op
#define jt_be_stream far_be_stream
#define jt_be_event far_be_event

#include "tests/backend/far/far_backend.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "backends/cpu_tcc/cpu_backend.h"
#include "core/base/hash.h"
#include "core/base/program.h"
#include "core/base/status.h"
#include "tests/backend/far/far_memory.h"
#include "tests/backend/far/far_queue.h"

using jt::test::FarFailure;
using jt::test::FarPoint;
using jt::test::FarStream;
using jt::test::far_control;

namespace jt::test {
FarControl& far_control() {
  static FarControl control;
  return control;
}
}  // namespace jt::test

struct jt_be_device {
  const jt_host_api* host;
  jt_host_api inner_host{};  // what jt's own backend is told
  const jt_backend_api* cpu = jt_cpu_backend();
  jt_be_device* inner = nullptr;
  jt::test::FarMemory memory;
  bool is_far = true;  // its memory is its own
  jt::test::FarQueue queue;
  // Whether kernels may be given this address, and what it is to the device's thread.
  bool reaches(const void* address) const { return !is_far || memory.has(address); }
  template <class T>
  T* place(T* address) const { return is_far && address ? memory.seen_by_device(address) : address; }
  std::mutex stages_mutex;
  std::map<char*, size_t> stages;
};
struct jt_be_stream {
  std::shared_ptr<FarStream> queue;
};
struct jt_be_event {
  std::shared_ptr<FarPoint> point;
};
struct jt_be_kernel {
  jt_be_kernel* inner = nullptr;
  jt::Program program;
};
struct jt_be_op {
  jt_be_op* inner = nullptr;
  std::string name;
};

namespace {

thread_local std::string inner_message;  // of a failure of jt's own backend on this thread

jt_status fail(jt_be_device* d, jt_status status, const std::string& message) {
  d->host->set_error(d->host->host, status, 0, message.data(), message.size());
  return status;
}
jt_status passed_on(jt_be_device* d, jt_status status) {
  return status == JT_OK ? status : fail(d, status, "far: " + std::exchange(inner_message, {}));
}
FarFailure failure_of(jt_status status) {
  if (status == JT_OK) return {};
  return {status, "far: " + std::exchange(inner_message, {})};
}

// Whether this launch is the one that is to fail.
bool is_to_fail() {
  far_control().launches++;
  int64_t left = far_control().fail_after.load();
  while (left >= 0 && !far_control().fail_after.compare_exchange_weak(left, left - 1)) {
  }
  return left == 0;
}
// Whether this call, which takes memory, is the one that is to be refused.
bool is_refused() {
  int64_t left = far_control().refuse_after.load();
  while (left >= 0 && !far_control().refuse_after.compare_exchange_weak(left, left - 1)) {
  }
  return left == 0;
}
constexpr const char* kAsTold = "far: the launch failed, as it was told to";

// ---- life ----

jt_status far_open(const jt_host_api* host, jt_be_device** out) {
  auto d = std::make_unique<jt_be_device>();
  d->host = host;
  if (!d->memory.is_there()) return fail(d.get(), JT_E_NOMEM, "far: no addresses for a device's memory");
  d->inner_host = *host;
  d->inner_host.host = d.get();
  d->inner_host.set_error = [](void*, jt_status, int64_t, const char* message, size_t length) {
    inner_message.assign(message, length);
  };
  d->inner_host.log = [](void* me, int32_t level, const char* domain, const char* message, size_t length) {
    auto* host = static_cast<jt_be_device*>(me)->host;
    host->log(host->host, level, domain, message, length);
  };
  d->inner_host.alloc = [](void* me, size_t bytes, size_t align) {
    auto* host = static_cast<jt_be_device*>(me)->host;
    return host->alloc(host->host, bytes, align);
  };
  d->inner_host.free = [](void* me, void* p, size_t bytes, size_t align) {
    auto* host = static_cast<jt_be_device*>(me)->host;
    host->free(host->host, p, bytes, align);
  };
  d->inner_host.setting = [](void* me, const char* name) -> const char* {
    auto* host = static_cast<jt_be_device*>(me)->host;
    const char* value = host->setting(host->host, name);
    bool is_any_tier = value && name == std::string_view("cpu.tier") && value == std::string_view("auto");
    return is_any_tier ? "vm" : value;
  };
  d->inner_host.threads = 1;
  d->inner_host.parallel_for = [](void*, void (*body)(void*, int64_t), void* user, int64_t) { body(user, 0); };
  d->inner_host.submit = nullptr;
  if (jt_status status = d->cpu->open(&d->inner_host, &d->inner)) return passed_on(d.get(), status);
  *out = d.release();
  return JT_OK;
}
jt_status late_open(const jt_host_api* host, jt_be_device** out) {
  jt_status status = far_open(host, out);
  if (status == JT_OK) (*out)->is_far = false;
  return status;
}
void far_close(jt_be_device* d) {
  d->queue.finish();
  d->cpu->close(d->inner);
  delete d;
}

// ---- memory ----

jt_status far_mem_alloc(jt_be_device* d, size_t bytes, void** out) {
  *out = is_refused() ? nullptr : d->memory.take(bytes, size_t(far_control().memory.load()));
  return *out ? JT_OK : fail(d, JT_E_NOMEM, jt::text("far: ", bytes, " bytes are not left"));
}
void far_mem_free(jt_be_device* d, void* p, size_t bytes) { d->memory.give(p, bytes); }
jt_status far_mem_info(jt_be_device* d, size_t* out_free, size_t* out_total) {
  *out_total = size_t(far_control().memory.load());
  *out_free = *out_total - std::min(*out_total, d->memory.used());
  return JT_OK;
}
jt_status far_stage_alloc(jt_be_device* d, size_t bytes, void** out) {
  *out = is_refused() ? nullptr : std::aligned_alloc(64, (bytes + 63) / 64 * 64);
  if (!*out) return fail(d, JT_E_NOMEM, "far: no stage");
  std::lock_guard lock(d->stages_mutex);
  d->stages[static_cast<char*>(*out)] = bytes;
  return JT_OK;
}
void far_stage_free(jt_be_device* d, void* p, size_t) {
  std::lock_guard lock(d->stages_mutex);
  d->stages.erase(static_cast<char*>(p));
  std::free(p);
}
bool is_staged(jt_be_device* d, const void* p) {
  std::lock_guard lock(d->stages_mutex);
  auto it = d->stages.upper_bound(const_cast<char*>(static_cast<const char*>(p)));
  if (it == d->stages.begin()) return false;
  --it;
  return static_cast<const char*>(p) < it->first + it->second;
}

// ---- streams and events ----

jt_status far_stream_create(jt_be_device* d, jt_be_stream** out) {
  *out = nullptr;
  if (is_refused()) return fail(d, JT_E_NOMEM, "far: no stream, as it was told to");
  *out = new jt_be_stream{d->queue.stream()};
  return JT_OK;
}
void far_stream_release(jt_be_device*, jt_be_stream* stream) { delete stream; }
std::shared_ptr<FarStream> queue_of(jt_be_stream* stream) { return stream ? stream->queue : nullptr; }

jt_status far_event_create(jt_be_device* d, jt_be_event** out) {
  *out = nullptr;
  if (is_refused()) return fail(d, JT_E_NOMEM, "far: no event, as it was told to");
  *out = new jt_be_event;
  return JT_OK;
}
jt_status far_event_record(jt_be_device* d, jt_be_stream* stream, jt_be_event* event) {
  if (event->point) return fail(d, JT_E_INVALID, "far: an event is recorded twice");
  event->point = d->queue.record(stream->queue);
  return JT_OK;
}
void far_event_release(jt_be_device*, jt_be_event* event) { delete event; }
jt_status far_event_wait(jt_be_device* d, jt_be_stream* stream, jt_be_event* event) {
  if (!event->point) return fail(d, JT_E_INVALID, "far: an event was never recorded");
  d->queue.wait(stream->queue, event->point);
  return JT_OK;
}
jt_status far_event_sync(jt_be_device* d, jt_be_event* event) {
  if (!event->point) return fail(d, JT_E_INVALID, "far: an event was never recorded");
  FarFailure failure = d->queue.sync(event->point);
  return failure.status == JT_OK ? JT_OK : fail(d, failure.status, failure.message);
}
jt_status far_event_ns(jt_be_device* d, jt_be_event* from, jt_be_event* to, int64_t* out) {
  if (!from->point->has_happened || !to->point->has_happened)
    return fail(d, JT_E_INVALID, "far: an event has not happened");
  *out = to->point->ns - from->point->ns;
  return JT_OK;
}

// ---- copies ----

jt_status far_copy(jt_be_device* d, jt_be_stream* stream, void* to, const void* from, size_t bytes,
                   jt_be_copy_kind kind) {
  bool to_device = kind != JT_BE_DEVICE_TO_HOST, from_device = kind != JT_BE_HOST_TO_DEVICE;
  if (d->is_far && d->memory.has(to) != to_device) return fail(d, JT_E_INVALID, "far: a copy ends in the wrong memory");
  if (d->is_far && d->memory.has(from) != from_device)
    return fail(d, JT_E_INVALID, "far: a copy begins in the wrong memory");
  if (kind == JT_BE_HOST_TO_DEVICE) far_control().copies_in++;
  if (kind == JT_BE_DEVICE_TO_HOST) far_control().copies_out++;
  char* target = static_cast<char*>(to_device ? d->place(to) : to);
  if (kind == JT_BE_HOST_TO_DEVICE && !is_staged(d, from)) {
    std::string now(static_cast<const char*>(from), bytes);
    d->queue.give(queue_of(stream), [target, now = std::move(now)] {
      std::memcpy(target, now.data(), now.size());
      return FarFailure();
    });
    return JT_OK;
  }
  const void* source = from_device ? d->place(from) : from;
  d->queue.give(queue_of(stream), [target, source, bytes] {
    std::memmove(target, source, bytes);
    return FarFailure();
  });
  return JT_OK;
}
jt_status far_fill(jt_be_device* d, jt_be_stream* stream, void* to, uint64_t pattern, size_t item, size_t count) {
  if (!d->reaches(to)) return fail(d, JT_E_INVALID, "far: a fill of the host's memory");
  char* target = static_cast<char*>(d->place(to));
  d->queue.give(queue_of(stream), [=] {
    for (size_t i = 0; i < count; i++) std::memcpy(target + i * item, &pattern, item);
    return FarFailure();
  });
  return JT_OK;
}

// ---- kernels ----

jt_status far_compile(jt_be_device* d, const jt_be_source* source, jt_be_kernel** out) {
  *out = nullptr;
  if (far_control().has_no_kernels) return fail(d, JT_E_UNSUPPORTED, "far: no kernels, as it was told");
  const char* text;
  size_t length;
  if (jt_status status = source->render(source->user, JT_BE_PROGRAM, &text, &length)) return status;
  auto made = std::make_unique<jt_be_kernel>();
  try {
    made->program = jt::parse_program({text, length});
  } catch (const jt::Error& e) {
    return fail(d, e.code(), "far: " + e.message());
  }
  if (jt_status status = d->cpu->compile(d->inner, source, &made->inner)) return passed_on(d, status);
  *out = made.release();
  return JT_OK;
}
void far_kernel_release(jt_be_device* d, jt_be_kernel* kernel) {
  if (!kernel) return;
  d->cpu->kernel_release(d->inner, kernel->inner);
  delete kernel;
}
jt_status far_scratch_bytes(jt_be_device* d, jt_be_kernel* kernel, const jt_be_launch* launch, size_t* out) {
  return passed_on(d, d->cpu->scratch_bytes(d->inner, kernel->inner, launch, out));
}
void far_kernel_info(jt_be_device* d, jt_be_kernel* kernel, jt_be_kernel_info* inout) {
  d->cpu->kernel_info(d->inner, kernel->inner, inout);
}

// The arguments as the device's thread sees them; index maps are the host's, so they are copied.
struct Arguments {
  std::vector<int64_t> words;
  std::vector<std::unique_ptr<jt::IndexMap>> maps;
};
std::string translate(jt_be_device* d, const jt_be_kernel* kernel, const jt_be_launch* launch, Arguments& out) {
  const jt::Program& p = kernel->program;
  out.words.assign(launch->args, launch->args + launch->args_len);
  if (int(out.words.size()) != jt::arg_of_scalar(p, p.scalars)) return "a launch with another number of arguments";
  for (size_t i = 0; i < p.operands.size(); i++) {
    int64_t &at = out.words[size_t(jt::arg_of_operand(int(i)))],
            &second = out.words[size_t(jt::arg_of_operand(int(i))) + 1];
    if (p.operands[i].access == jt::Access::mapped) {
      out.maps.push_back(std::make_unique<jt::IndexMap>(*reinterpret_cast<const jt::IndexMap*>(second)));
      second = reinterpret_cast<int64_t>(out.maps.back().get());
    }
    auto* address = reinterpret_cast<char*>(at);
    if (!address) continue;
    if (!d->reaches(address)) return jt::text("operand ", i, " of a kernel lies elsewhere");
    at = reinterpret_cast<int64_t>(d->place(address));
  }
  return {};
}

jt_status far_launch_on(jt_be_device* d, jt_be_stream* stream, jt_be_kernel* kernel, const jt_be_launch* launch,
                        void* scratch) {
  auto arguments = std::make_shared<Arguments>();
  if (std::string wrong = translate(d, kernel, launch, *arguments); !wrong.empty())
    return fail(d, JT_E_INVALID, "far: " + wrong);
  if (scratch && !d->reaches(scratch))
    return fail(d, JT_E_INVALID, "far: the scratch memory of a kernel lies elsewhere");
  bool fails = is_to_fail();
  if (fails && far_control().fails_at_once) return fail(d, JT_E_DEVICE, kAsTold);
  void* room = d->place(scratch);
  int64_t begin = launch->begin, end = launch->end;
  d->queue.give(queue_of(stream), [=]() -> FarFailure {
    if (fails) return {JT_E_DEVICE, kAsTold};
    jt_be_launch l{arguments->words.data(), arguments->words.size(), begin, end};
    return failure_of(d->cpu->launch(d->inner, kernel->inner, &l, room));
  });
  return JT_OK;
}
jt_status far_launch(jt_be_device* d, jt_be_kernel* kernel, const jt_be_launch* launch, void* scratch) {
  return far_launch_on(d, nullptr, kernel, launch, scratch);
}

// ---- library ops ----

jt_status far_op_create(jt_be_device* d, const char* name, const int64_t* params, size_t params_len, size_t* workspace,
                        jt_be_op** out) {
  *out = nullptr;
  auto made = std::make_unique<jt_be_op>();
  made->name = name;
  if (jt_status status = d->cpu->op_create(d->inner, name, params, params_len, workspace, &made->inner))
    return passed_on(d, status);
  *out = made.release();
  return JT_OK;
}
void far_op_release(jt_be_device* d, jt_be_op* op) {
  if (!op) return;
  d->cpu->op_release(d->inner, op->inner);
  delete op;
}
jt_status far_op_run_on(jt_be_device* d, jt_be_stream* stream, jt_be_op* op, void* const* pointers,
                        const uint64_t* contents, size_t n, void* workspace) {
  std::vector<void*> all(pointers, pointers + n);
  std::vector<uint64_t> numbers(n);
  if (contents) numbers.assign(contents, contents + n);
  for (void*& p : all) {
    if (!p) continue;
    if (!d->reaches(p)) return fail(d, JT_E_INVALID, "far: an array of " + op->name + " lies elsewhere");
    p = d->place(p);
  }
  bool fails = is_to_fail();
  if (fails && far_control().fails_at_once) return fail(d, JT_E_DEVICE, kAsTold);
  void* room = d->place(workspace);
  d->queue.give(queue_of(stream), [=]() -> FarFailure {
    if (fails) return {JT_E_DEVICE, kAsTold};
    return failure_of(d->cpu->op_run_known(d->inner, op->inner, all.data(), numbers.data(), all.size(), room));
  });
  return JT_OK;
}
jt_status far_op_run(jt_be_device* d, jt_be_op* op, void* const* pointers, size_t n, void* workspace) {
  return far_op_run_on(d, nullptr, op, pointers, nullptr, n, workspace);
}

jt_status far_supports(jt_be_device*, const jt_be_node* node) {
  if (auto look = far_control().when_asked.load()) look(node);
  uint64_t lacks = far_control().lacks;
  if (!lacks) return JT_OK;
  auto dtype = uint64_t(node->results_len ? node->results[0].dtype : JT_F32);
  uint64_t hash = jt::mix(jt::hash_bytes(node->op, std::strlen(node->op)), jt::mix(dtype, lacks));
  return hash % 3 ? JT_OK : JT_E_UNSUPPORTED;
}

}  // namespace

const jt_backend_api* jt::test::far_backend() {
  static const jt_backend_api table = [] {
    jt_backend_api t{};
    t.struct_size = sizeof t, t.abi_minor = JT_BACKEND_ABI_MINOR, t.name = "far";
    t.dialects = JT_BE_PROGRAM, t.flags = JT_BE_SURE_LAUNCHES | JT_BE_OWN_MEMORY | JT_BE_ASYNC;
    t.open = far_open, t.close = far_close, t.mem_alloc = far_mem_alloc, t.mem_free = far_mem_free;
    t.compile = far_compile, t.kernel_release = far_kernel_release, t.scratch_bytes = far_scratch_bytes;
    t.launch = far_launch, t.kernel_info = far_kernel_info;
    t.op_create = far_op_create, t.op_release = far_op_release, t.op_run = far_op_run;
    t.mem_info = far_mem_info, t.stage_alloc = far_stage_alloc, t.stage_free = far_stage_free;
    t.stream_create = far_stream_create, t.stream_release = far_stream_release;
    t.copy = far_copy, t.fill = far_fill, t.launch_on = far_launch_on, t.op_run_on = far_op_run_on;
    t.event_create = far_event_create, t.event_record = far_event_record, t.event_release = far_event_release,
    t.event_wait = far_event_wait;
    t.event_sync = far_event_sync, t.event_ns = far_event_ns;
    t.supports = far_supports;
    return t;
  }();
  return &table;
}

const jt_backend_api* jt::test::late_backend() {
  static const jt_backend_api table = [] {
    jt_backend_api t = *far_backend();
    t.name = "late", t.flags = JT_BE_SURE_LAUNCHES | JT_BE_ASYNC, t.open = late_open, t.stage_alloc = nullptr;
    return t;
  }();
  return &table;
}

extern "C" JT_API const jt_backend_api* jt_backend_entry_v1(uint32_t host_minor) {
  return host_minor >= 3 ? jt::test::far_backend() : nullptr;
}
// For whoever loads the library.
extern "C" JT_API void* jt_far_control(void) { return &far_control(); }
