// cuMem*: allocations, copies, fills. Copies from pageable memory take its bytes at the call, those from pinned memory
// when they run; a copy to pageable memory is done when its call returns. Freeing waits for nothing: what still uses
// the memory is a use after free.
#include <sys/mman.h>

#include "tests/fakegpu/driver.h"


extern "C" int cuStreamSynchronize(void*);

namespace fakegpu {
namespace {

// The allocation of a range on a device, for an operation that runs now and reads or writes it.
Allocation& running(uint64_t at, uint64_t bytes, const std::string& what, bool writes) {
  Device* device = device_of(at);
  Allocation* a = device ? device->memory->find(at, bytes) : nullptr;
  uint32_t other = a ? device->memory->touch_range(*a, at, bytes, writes) : 0;
  if (other)
    throw KernelFault(kLaunchFailed, "race between streams: " + what + " of " + std::to_string(bytes) +
                                         " bytes, no order with the " + state().order.name(other) +
                                         ", which touched that place");
  if (a) return *a;
  const Allocation* holder = device ? device->memory->holder(at) : nullptr;
  std::string why = holder && holder->is_freed ? "use after free" : "out of bounds";
  throw KernelFault(kIllegalAddress,
                    why + ": " + what + " of " + std::to_string(bytes) + " bytes, " +
                        (device ? device->memory->describe(at) : std::string("at no address of a device")));
}

// At the call: what the driver itself refuses.
int refuse(uint64_t at, uint64_t bytes, const char* what) {
  Device* device = device_of(at);
  if (device && device->memory->find(at, bytes)) return kSuccess;
  return misuse(kInvalidValue, std::string(what) + " of " + std::to_string(bytes) + " bytes: " +
                                   (device ? device->memory->describe(at) : std::string("at no address of a device")));
}

void check_written(const Allocation& a, uint64_t at, uint64_t bytes, const std::string& what) {
  uint64_t first = a.first_unwritten(at, bytes);
  if (first == bytes || state().copies_unwritten) return;
  throw KernelFault(kLaunchFailed, "uninitialised: " + what + " of " + std::to_string(bytes) +
                                       " bytes, of which byte " + std::to_string(first) + " was never written; byte " +
                                       std::to_string(at - a.address) + " of " + a.what + " of " +
                                       std::to_string(a.size) + " bytes");
}

uint64_t digest(const uint8_t* bytes, uint64_t count) {
  uint64_t hash = 0xcbf29ce484222325ull, word;
  for (; count >= 8; count -= 8, bytes += 8)
    memcpy(&word, bytes, 8), hash = (hash ^ word) * 0x9e3779b97f4a7c15ull, hash ^= hash >> 29;
  for (; count; --count) hash = (hash ^ *bytes++) * 0x100000001b3ull;
  return hash;
}

// Pinned memory that operations which wait will use. Whether the device writes into [p, p + bytes) before.
struct PinnedUse { const uint8_t* at; uint64_t bytes; bool writes; };
std::multimap<uint64_t, PinnedUse>& pinned_uses() {
  static std::multimap<uint64_t, PinnedUse> uses;
  return uses;
}
uint64_t note_pinned(const void* at, uint64_t bytes, bool writes) {
  static uint64_t next = 0;
  pinned_uses().insert({++next, {static_cast<const uint8_t*>(at), bytes, writes}});
  return next;
}
bool overlaps(const PinnedUse& use, const void* at, uint64_t bytes) {
  auto* p = static_cast<const uint8_t*>(at);
  return use.at < p + bytes && p < use.at + use.bytes;
}
bool device_writes(const void* at, uint64_t bytes) {
  for (auto& [number, use] : pinned_uses())
    if (use.writes && overlaps(use, at, bytes)) return true;
  return false;
}

struct PinnedNote {  // for as long as the operation exists
  explicit PinnedNote(uint64_t number) : number(number) {}
  ~PinnedNote() { pinned_uses().erase(number); }
  uint64_t number;
};

int copy_from_host(uint64_t to, const void* from, uint64_t bytes, const StreamRef& stream) {
  std::function<const uint8_t*()> source;
  if (is_pinned(from, bytes)) {
    auto* at = static_cast<const uint8_t*>(from);
    bool may_change = device_writes(from, bytes) || stream->capture;
    uint64_t before = may_change ? 0 : digest(at, bytes);
    auto note = std::make_shared<PinnedNote>(note_pinned(from, bytes, false));
    source = [at, bytes, before, may_change, note] {
      if (!is_pinned(at, bytes))
        throw KernelFault(kIllegalAddress,
                          "use after free: a copy of " + std::to_string(bytes) + " bytes from pinned memory");
      if (!may_change && digest(at, bytes) != before)
        throw KernelFault(kLaunchFailed, "pinned memory of a copy of " + std::to_string(bytes) +
                                             " bytes to the device changed before the copy ran");
      return at;
    };
  } else {
    auto kept = std::make_shared<std::vector<uint8_t>>(static_cast<const uint8_t*>(from),
                                                       static_cast<const uint8_t*>(from) + bytes);
    source = [kept] { return kept->data(); };
  }
  return enqueue(stream, {.what = "copy to the device", .run = [=] {
    Allocation& a = running(to, bytes, "copy to the device", true);
    memcpy(a.bytes + (to - a.address), source(), bytes);
    a.set_written(to, bytes, true);
  }});
}

int copy_to_host(void* to, uint64_t from, uint64_t bytes, const StreamRef& stream) {
  bool pinned = is_pinned(to, bytes);
  auto note = pinned ? std::make_shared<PinnedNote>(note_pinned(to, bytes, true)) : nullptr;
  int error = enqueue(stream, {.what = "copy to the host", .run = [=] {
                                 if (pinned && !is_pinned(to, bytes))
                                   throw KernelFault(kIllegalAddress, "use after free: a copy of " +
                                                                          std::to_string(bytes) +
                                                                          " bytes to pinned memory");
                                 Allocation& a = running(from, bytes, "copy to the host", false);
                                 check_written(a, from, bytes, "copy to the host");
                                 memcpy(to, a.bytes + (from - a.address), bytes);
                                 (void)note;
                               }});
  if (error || pinned || stream->capture) return error;
  return wait_for(stream);
}

int fill(uint64_t at, uint64_t count, uint32_t size, uint32_t value, void* handle, const char* name) {
  StreamRef stream = stream_of(handle, name);
  if (!stream) return kInvalidHandle;
  if (at % size)
    return misuse(kInvalidValue, std::string(name) + ": the address is not aligned to " + std::to_string(size));
  if (!count) return kSuccess;
  if (int error = refuse(at, count * size, name)) return error;
  return enqueue(stream, {.what = "fill", .run = [=] {
    Allocation& a = running(at, count * size, "fill", true);
    for (uint64_t i = 0; i < count; ++i) memcpy(a.bytes + (at - a.address) + i * size, &value, size);
    a.set_written(at, count * size, true);
  }});
}

}  // namespace
}  // namespace fakegpu

using namespace fakegpu;

FAKEGPU_API int cuMemAlloc_v2(uint64_t* out, size_t bytes) {
  FAKEGPU_CALL(cuMemAlloc_v2, Needs::kContext);
  if (!bytes) return misuse(kInvalidValue, "cuMemAlloc of 0 bytes");
  uint64_t at = current_device()->memory->allocate(bytes, "allocation");
  if (!at) return kOutOfMemory;
  *out = at;
  return kSuccess;
}
FAKEGPU_API int cuMemFree_v2(uint64_t at) {
  FAKEGPU_CALL(cuMemFree_v2, Needs::kContext);
  if (!at) return kSuccess;
  Device* device = device_of(at);
  if (device && device->memory->free(at)) return kSuccess;
  const Allocation* holder = device ? device->memory->holder(at) : nullptr;
  return misuse(kInvalidValue, holder && holder->is_freed ? "cuMemFree: freed a second time"
                               : holder ? "cuMemFree: not the beginning of an allocation" : "cuMemFree: no allocation");
}
FAKEGPU_API int cuMemHostAlloc(void** out, size_t bytes, unsigned flags) {
  FAKEGPU_CALL(cuMemHostAlloc, Needs::kContext);
  if (!bytes || flags > 7)
    return misuse(kInvalidValue,
                  "cuMemHostAlloc of " + std::to_string(bytes) + " bytes, flags " + std::to_string(flags));
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return kOutOfMemory;
  memset(p, 0xff, bytes);
  state().pinned[static_cast<uint8_t*>(p)] = bytes;
  for (auto& device : state().devices) device->memory->add_pinned(static_cast<uint8_t*>(p), bytes);
  *out = p;
  return kSuccess;
}
FAKEGPU_API int cuMemFreeHost(void* p) {
  FAKEGPU_CALL(cuMemFreeHost, Needs::kContext);
  auto found = state().pinned.find(static_cast<uint8_t*>(p));
  if (found == state().pinned.end()) return misuse(kInvalidValue, "cuMemFreeHost: no pinned allocation begins there");
  for (auto& [number, use] : pinned_uses())
    if (overlaps(use, p, found->second)) {
      find("cuMemFreeHost: a copy of " + std::to_string(use.bytes) + " bytes that has not run uses the memory");
      break;
    }
  for (auto& device : state().devices) device->memory->remove_pinned(found->first);
  munmap(p, found->second);
  state().pinned.erase(found);
  return kSuccess;
}
FAKEGPU_API int cuMemcpyHtoDAsync_v2(uint64_t to, const void* from, size_t bytes, void* handle) {
  FAKEGPU_CALL(cuMemcpyHtoDAsync_v2, Needs::kContext);
  StreamRef stream = stream_of(handle, "cuMemcpyHtoDAsync");
  if (!stream) return kInvalidHandle;
  if (!bytes) return kSuccess;
  if (int error = refuse(to, bytes, "cuMemcpyHtoDAsync")) return error;
  return copy_from_host(to, from, bytes, stream);
}
FAKEGPU_API int cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t bytes, void* handle) {
  FAKEGPU_CALL(cuMemcpyDtoHAsync_v2, Needs::kContext);
  StreamRef stream = stream_of(handle, "cuMemcpyDtoHAsync");
  if (!stream) return kInvalidHandle;
  if (!bytes) return kSuccess;
  if (int error = refuse(from, bytes, "cuMemcpyDtoHAsync")) return error;
  return copy_to_host(to, from, bytes, stream);
}
FAKEGPU_API int cuMemcpyHtoD_v2(uint64_t to, const void* from, size_t bytes) {
  FAKEGPU_CALL(cuMemcpyHtoD_v2, Needs::kContext);
  int error = cuMemcpyHtoDAsync_v2(to, from, bytes, nullptr);
  return error ? error : cuStreamSynchronize(nullptr);
}
FAKEGPU_API int cuMemcpyDtoH_v2(void* to, uint64_t from, size_t bytes) {
  FAKEGPU_CALL(cuMemcpyDtoH_v2, Needs::kContext);
  int error = cuMemcpyDtoHAsync_v2(to, from, bytes, nullptr);
  return error ? error : cuStreamSynchronize(nullptr);
}
FAKEGPU_API int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void* handle) {
  FAKEGPU_CALL(cuMemcpyDtoDAsync_v2, Needs::kContext);
  StreamRef stream = stream_of(handle, "cuMemcpyDtoDAsync");
  if (!stream) return kInvalidHandle;
  if (!bytes) return kSuccess;
  if (int error = refuse(to, bytes, "cuMemcpyDtoDAsync")) return error;
  if (int error = refuse(from, bytes, "cuMemcpyDtoDAsync")) return error;
  return enqueue(stream, {.what = "copy on the device", .run = [=] {
    Allocation& source = running(from, bytes, "copy on the device", false);
    Allocation& target = running(to, bytes, "copy on the device", true);
    memmove(target.bytes + (to - target.address), source.bytes + (from - source.address), bytes);
    // What was never written stays so: only who looks at it is wrong.
    if (source.first_unwritten(from, bytes) == bytes) return target.set_written(to, bytes, true);
    for (uint64_t i = 0; i < bytes; ++i) target.set_written(to + i, 1, source.is_written(from + i, 1));
  }});
}
FAKEGPU_API int cuMemsetD8Async(uint64_t at, unsigned char value, size_t count, void* stream) {
  FAKEGPU_CALL(cuMemsetD8Async, Needs::kContext);
  return fill(at, count, 1, value, stream, "cuMemsetD8Async");
}
FAKEGPU_API int cuMemsetD16Async(uint64_t at, unsigned short value, size_t count, void* stream) {
  FAKEGPU_CALL(cuMemsetD16Async, Needs::kContext);
  return fill(at, count, 2, value, stream, "cuMemsetD16Async");
}
FAKEGPU_API int cuMemsetD32Async(uint64_t at, unsigned value, size_t count, void* stream) {
  FAKEGPU_CALL(cuMemsetD32Async, Needs::kContext);
  return fill(at, count, 4, value, stream, "cuMemsetD32Async");
}
FAKEGPU_API int cuPointerGetAttribute(void* out, int attribute, uint64_t at) {
  FAKEGPU_CALL(cuPointerGetAttribute, Needs::kContext);
  Device* device = device_of(at);
  bool pinned = is_pinned(reinterpret_cast<void*>(at), 1);
  if (!pinned && !(device && device->memory->find(at, 1))) return kInvalidValue;
  if (attribute == 2) *static_cast<unsigned*>(out) = pinned ? 1 : 2;               // memory type
  else if (attribute == 9) *static_cast<int*>(out) = pinned ? 0 : device->index;   // device ordinal
  else if (attribute == 1) *static_cast<void**>(out) = pinned ? current_device() : device;
  else return misuse(kInvalidValue, "cuPointerGetAttribute: no answer for attribute " + std::to_string(attribute));
  return kSuccess;
}

// ---- operations of the host
static const char* running_name = "";

FAKEGPU_API int fakegpu_enqueue(void* handle, const char* what, void (*run)(void*), void (*drop)(void*), void* data) {
  std::shared_ptr<void> kept(data, drop);
  FAKEGPU_CALL(fakegpu_enqueue, Needs::kContext);
  StreamRef stream = stream_of(handle, what);
  if (!stream) return kInvalidHandle;
  return enqueue(stream, {.what = what, .run = [what, run, kept] {
                            running_name = what;
                            run(kept.get());
                          }});
}
FAKEGPU_API void* fakegpu_bytes(uint64_t at, uint64_t bytes, int writes) {
  Allocation& a = running(at, bytes, running_name, writes);
  if (writes) a.set_written(at, bytes, true);
  else check_written(a, at, bytes, running_name);
  return a.bytes + (at - a.address);
}
