// The state, its environment, findings, counters and calls made to fail: what fakegpu.h offers.
#include "tests/fakegpu/driver.h"

#include <cstdio>
#include <cstdlib>

namespace fakegpu {
namespace {

uint64_t number_of(const char* name, uint64_t otherwise) {
  const char* text = getenv(name);
  return text && *text ? strtoull(text, nullptr, 0) : otherwise;
}

void set_schedule(State& s, const std::string& schedule) {
  s.eager = schedule == "eager";
  s.random.reset();
  if (!schedule.empty() && isdigit(static_cast<unsigned char>(schedule[0])))
    s.random.emplace(strtoull(schedule.c_str(), nullptr, 0));
}

// f:n:e,f:n+:e
void read_failures(State& s, const std::string& text) {
  for (size_t begin = 0; begin < text.size();) {
    size_t end = std::min(text.find(',', begin), text.size());
    std::string row = text.substr(begin, end - begin);
    size_t first = row.find(':'), second = row.find(':', first + 1);
    if (second != std::string::npos) {
      std::string nth = row.substr(first + 1, second - first - 1);
      s.failures[row.substr(0, first)].push_back(
          {strtoull(nth.c_str(), nullptr, 0), atoi(row.c_str() + second + 1), nth.back() == '+'});
    }
    begin = end + 1;
  }
}

constexpr uint64_t kFirstDevice = 0xd0;

void make_devices(State& s, uint64_t count) {
  // Beyond 47 bits nothing of a host is mapped: a host that follows such an address faults at once.
  for (uint64_t i = 0; i < count; ++i) {
    auto device = std::make_unique<Device>();
    device->index = i;
    device->memory = std::make_unique<DeviceMemory>((kFirstDevice + i) << 48, s.total_memory);
    device->null_stream = std::make_shared<Stream>();
    device->null_stream->device = device.get();
    device->null_stream->is_null = true;
    device->null_stream->number = s.stream_count++;
    device->memory->order = &s.order;
    s.devices.push_back(std::move(device));
  }
}

State* new_state() {
  State* s = new State;
  s->capability = number_of("FAKEGPU_CC", 90);
  s->multiprocessors = number_of("FAKEGPU_SMS", 4);
  s->driver_version = number_of("FAKEGPU_DRIVER", 13050);
  s->instruction_limit = number_of("FAKEGPU_LIMIT", 100'000'000);
  s->total_memory = number_of("FAKEGPU_MEMORY", 8ull << 30);
  s->reversed = number_of("FAKEGPU_REVERSE", 0);
  s->quiet = number_of("FAKEGPU_QUIET", 0);
  s->copies_unwritten = number_of("FAKEGPU_COPY_UNWRITTEN", 0);
  const char* schedule = getenv("FAKEGPU_SCHEDULE");
  set_schedule(*s, schedule ? schedule : "lazy");
  const char* failures = getenv("FAKEGPU_FAIL");
  read_failures(*s, failures ? failures : "");
  make_devices(*s, number_of("FAKEGPU_DEVICES", 1));
  return s;
}

int injected(State& s, const std::string& name, uint64_t call) {
  for (const std::string& key : {name, std::string()}) {
    auto found = s.failures.find(key);
    if (found == s.failures.end()) continue;
    uint64_t at = key.empty() ? s.calls[""] : call;
    for (const Failure& failure : found->second)
      if (at == failure.call || (failure.stays && at > failure.call)) return failure.error;
  }
  return 0;
}

thread_local Device* t_device = nullptr;

}  // namespace

State& state() {
  static State* s = new_state();  // never destroyed: calls may come while the process ends
  return *s;
}

void* new_handle() { return reinterpret_cast<void*>(state().next_handle += 16); }

Device* device_of(uint64_t address) {
  uint64_t index = (address >> 48) - kFirstDevice;
  return index < state().devices.size() ? state().devices[index].get() : nullptr;
}

Device* current_device() { return t_device; }
void set_current_device(Device* device) { t_device = device; }

Call::Call(const char* name, Needs needs) : lock(state().mutex) {
  State& s = state();
  if (!s.calls.count(name)) s.call_order.push_back(name);
  ++s.calls[""];
  if ((error = injected(s, name, ++s.calls[name]))) return;
  if (needs == Needs::kNothing) return;
  if (!s.is_initialized) error = misuse(kNotInitialized, std::string(name) + " before cuInit");
  else if (needs == Needs::kContext && !current_device())
    error = misuse(kInvalidContext, std::string(name) + " without a current context");
  else if (needs == Needs::kContext) error = current_device()->sticky;
}

void find(const std::string& what) {
  State& s = state();
  s.findings.push_back(what);
  if (!s.quiet) fprintf(stderr, "[fakegpu] %s\n", what.c_str());
}
int misuse(int error, const std::string& what) {
  find(what);
  return error;
}

void note_launch(const std::string& kernel, const Counters& add) {
  State& s = state();
  for (const std::string& key : {kernel, std::string()}) {
    if (!key.empty() && !s.counters.count(key)) s.kernel_order.push_back(key);
    auto* to = reinterpret_cast<uint64_t*>(&s.counters[key]);
    auto* from = reinterpret_cast<const uint64_t*>(&add);
    for (size_t i = 0; i < sizeof(Counters) / sizeof(uint64_t); ++i) to[i] += from[i];
  }
}

bool is_pinned(const void* p, uint64_t bytes) {
  auto* at = static_cast<const uint8_t*>(p);
  auto after = state().pinned.upper_bound(const_cast<uint8_t*>(at));
  if (after == state().pinned.begin()) return false;
  const auto& [begin, size] = *std::prev(after);
  return static_cast<uint64_t>(at - begin) + bytes <= size;
}

}  // namespace fakegpu

// ---- fakegpu.h

using namespace fakegpu;
static_assert(sizeof(fakegpu_counters) == sizeof(Counters));

FAKEGPU_API int fakegpu_kernel(const char* name, fakegpu_counters* out) {
  std::lock_guard lock(state().mutex);
  auto found = state().counters.find(name ? name : "");
  Counters none, &from = found == state().counters.end() ? none : found->second;
  memcpy(out, &from, sizeof *out);
  return found != state().counters.end();
}
FAKEGPU_API const char* fakegpu_kernel_name(uint64_t index) {
  std::lock_guard lock(state().mutex);
  return index < state().kernel_order.size() ? state().kernel_order[index].c_str() : nullptr;
}
FAKEGPU_API void fakegpu_reset_counters(void) {
  std::lock_guard lock(state().mutex);
  state().counters.clear();
  state().kernel_order.clear();
}
FAKEGPU_API uint64_t fakegpu_finding_count(void) {
  std::lock_guard lock(state().mutex);
  return state().findings.size();
}
FAKEGPU_API const char* fakegpu_finding(uint64_t index) {
  std::lock_guard lock(state().mutex);
  return index < state().findings.size() ? state().findings[index].c_str() : nullptr;
}
FAKEGPU_API void fakegpu_clear_findings(void) {
  std::lock_guard lock(state().mutex);
  state().findings.clear();
}
FAKEGPU_API uint64_t fakegpu_calls(const char* function) {
  std::lock_guard lock(state().mutex);
  auto found = state().calls.find(function ? function : "");
  return found == state().calls.end() ? 0 : found->second;
}
FAKEGPU_API int fakegpu_call(const char* function) { return Call(function, Needs::kNothing).error; }
FAKEGPU_API const char* fakegpu_function_name(uint64_t index) {
  std::lock_guard lock(state().mutex);
  return index < state().call_order.size() ? state().call_order[index].c_str() : nullptr;
}
FAKEGPU_API const char* fakegpu_opcode_name(uint64_t index) {
  static const std::map<std::string, Decode> ordered(opcodes().begin(), opcodes().end());
  return index < ordered.size() ? std::next(ordered.begin(), index)->first.c_str() : nullptr;
}
FAKEGPU_API void fakegpu_fail(const char* function, uint64_t nth, int error) {
  std::lock_guard lock(state().mutex);
  std::vector<Failure>& list = state().failures[function ? function : ""];
  list.clear();
  if (error) list.push_back({state().calls[function ? function : ""] + std::max<uint64_t>(nth, 1), error, !nth});
}
FAKEGPU_API void fakegpu_set_schedule(const char* schedule) {
  std::lock_guard lock(state().mutex);
  set_schedule(state(), schedule);
}
FAKEGPU_API void fakegpu_set_reverse(int reverse) {
  std::lock_guard lock(state().mutex);
  state().reversed = reverse;
}
FAKEGPU_API void fakegpu_set_memory(int device, uint64_t bytes) {
  std::lock_guard lock(state().mutex);
  if (device >= 0 && static_cast<size_t>(device) < state().devices.size())
    state().devices[device]->memory->set_total(bytes);
}
FAKEGPU_API uint64_t fakegpu_alive(const char* kind) {
  std::lock_guard lock(state().mutex);
  State& s = state();
  std::map<std::string, uint64_t> alive;
  for (auto& device : s.devices)
    for (const Allocation* a : device->memory->living()) alive["device allocations"] += a->what == "allocation";
  alive["pinned allocations"] = s.pinned.size();
  alive["streams"] = s.streams.size();
  alive["events"] = s.events.size();
  alive["modules"] = s.modules.size();
  alive["graphs"] = s.graphs.size() + s.graph_execs.size();
  if (kind) return alive[kind];
  uint64_t total = 0;
  for (auto& [name, count] : alive) total += count;
  return total;
}
FAKEGPU_API uint64_t fakegpu_pending(void) {
  std::lock_guard lock(state().mutex);
  uint64_t pending = 0;
  for (auto& device : state().devices) {
    pending += device->null_stream->queue.size();
    for (StreamRef& stream : device->streams) pending += stream->queue.size();
  }
  return pending;
}
FAKEGPU_API void fakegpu_restart(void) {
  std::lock_guard lock(state().mutex);
  State& s = state();
  for (auto& [bytes, size] : s.pinned) for (auto& device : s.devices) device->memory->remove_pinned(bytes);
  s.streams.clear(), s.events.clear(), s.modules.clear(), s.functions.clear(), s.graphs.clear(), s.graph_execs.clear(),
      s.pinned.clear();
  size_t count = s.devices.size();
  s.past_devices.insert(s.past_devices.end(), std::make_move_iterator(s.devices.begin()),
                        std::make_move_iterator(s.devices.end()));
  s.devices.clear();
  make_devices(s, count);
  s.is_initialized = false;
  set_current_device(nullptr);
}
