#include "core/runtime/stream.h"

#include <algorithm>
#include <cstring>

#include "core/base/status.h"

namespace jt {

// ---- fences ---------------------------------------------------------------------------------------------------------

DeviceFence::DeviceFence(Device& device, uint64_t stream, FenceNotes notes)
    : Fence(stream), device_(device), notes_(std::move(notes)) {
  device_.check(device_.api().event_create(device_.handle(), &event_), "event_create");
}
DeviceFence::~DeviceFence() { device_.api().event_release(device_.handle(), event_); }

void DeviceFence::set_error(const Error& e) noexcept {
  if (error_) return;
  try {
    error_ = e;
  } catch (...) {
    error_.emplace(e.code(), ShortText());  // takes nothing from the heap
  }
}

void DeviceFence::record(jt_be_stream* handle) noexcept {
  try {
    device_.check(device_.api().event_record(device_.handle(), handle, event_), "event_record");
    is_recorded_ = true;
  } catch (const Error& e) {  // the device is lost
    set_error(e);
  } catch (...) {
    set_error(Error(JT_E_NOMEM, ShortText()));
  }
}

void DeviceFence::ask_device() noexcept {
  try {
    try {
      device_.check(device_.api().event_sync(device_.handle(), event_), "event_sync");
    } catch (const Error& e) {
      throw Error(e.code(), text(e.message(), " (on ", device_.name(), ", one of: ", notes_.what(), ")"), e.native());
    }
  } catch (const Error& e) {
    set_error(e);
  } catch (...) {
    set_error(Error(JT_E_NOMEM, ShortText()));
  }
}

void DeviceFence::ask_before() noexcept {
  for (const FenceRef& f : notes_.before) {
    try {
      f->wait();
    } catch (const Error& e) {
      set_error(e);
    }
  }
}

void DeviceFence::wait() {
  if (!is_done()) {
    std::lock_guard lock(mutex_);
    if (!is_done()) {
      if (is_recorded_) ask_device();
      ask_before();
      notes_ = {};
      done_.store(true, std::memory_order_release);
    }
  }
  if (error_) throw *error_;
}

// ---- streams --------------------------------------------------------------------------------------------------------

static uint64_t next_number() {
  static std::atomic<uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

DeviceStream::DeviceStream(Device& device) : device_(device), number_(next_number()) {
  if (device.is_async()) device.check(device.api().stream_create(device.handle(), &handle_), "stream_create");
}

DeviceStream::~DeviceStream() {
  for (Stage& stage : stages_) {
    if (!stage.memory) continue;
    if (stage.end) {
      if (!stage.end->is_recorded()) record(stage.end);
      stage.end->wait_quietly();
    }
    device_.api().stage_free(device_.handle(), stage.memory, kStage);
  }
  if (handle_) device_.api().stream_release(device_.handle(), handle_);
}

void DeviceStream::run(jt_be_op* op, std::span<void* const> pointers, const uint64_t* contents, void* workspace,
                       std::string_view what) {
  if (is_immediate()) return device_.run(op, pointers, contents, workspace, what);
  device_.check(
      device_.api().op_run_on(device_.handle(), handle_, op, pointers.data(), contents, pointers.size(), workspace),
      what);
}

void DeviceStream::copy(void* to, const void* from, size_t bytes, jt_be_copy_kind way) {
  if (!bytes) return;
  if (is_immediate() && !device_.has_own_memory()) return void(std::memcpy(to, from, bytes));
  device_.check(device_.api().copy(device_.handle(), handle_, to, from, bytes, way), "copy");
}

void DeviceStream::fill(void* to, uint64_t pattern, size_t item, size_t count) {
  if (!count) return;
  if (!is_immediate() || device_.has_own_memory())
    return device_.check(device_.api().fill(device_.handle(), handle_, to, pattern, item, count), "fill");
  for (size_t i = 0; i < count; i++) std::memcpy(static_cast<char*>(to) + i * item, &pattern, item);
}

void DeviceStream::wait_for(const FenceRef& fence) {
  if (!fence || fence->stream == number_ || fence->is_done()) return;
  auto* ours = dynamic_cast<DeviceFence*>(fence.get());
  bool is_of_device = ours && &ours->device() == &device_ && !is_immediate();
  if (!is_of_device) return fence->wait_quietly();
  device_.check(device_.api().event_wait(device_.handle(), handle_, ours->event()), "event_wait");
}

std::shared_ptr<DeviceFence> DeviceStream::open_fence(FenceNotes notes) {
  if (is_immediate()) return {};
  while (!ahead_.empty() && ahead_.front()->is_done()) ahead_.pop_front();
  if (ahead_.size() >= kMostAhead) ahead_.front()->wait_quietly();
  ahead_.push_back(std::make_shared<DeviceFence>(device_, number_, std::move(notes)));
  return ahead_.back();
}

std::shared_ptr<DeviceFence> DeviceStream::mark(std::function<std::string()> what) const {
  return std::make_shared<DeviceFence>(device_, number_, FenceNotes{std::move(what), {}});
}

void DeviceStream::wait() {
  auto ahead = std::move(ahead_);
  ahead_.clear();
  for (const auto& f : ahead) f->wait_quietly();
  for (const auto& f : ahead) f->wait();
}

// ---- staging --------------------------------------------------------------------------------------------------------

static std::string copies_in() { return "copies to the device"; }

// Where one of two blocks is full, the other is used again once what was copied out of it has been.
void DeviceStream::change_stages(DeviceFence* fence) {
  Stage& full = stages_[now_];
  if (fence) fence->add_before(full.end);
  record(full.end);
  now_ = 1 - now_;
  Stage& next = stages_[now_];
  if (auto end = std::exchange(next.end, nullptr)) end->wait_quietly();
  next.used = 0;
}

void* DeviceStream::stage(size_t bytes, DeviceFence* fence) {
  if (stages_[now_].used + bytes > kStage) change_stages(fence);
  Stage& s = stages_[now_];
  if (!s.memory) device_.check(device_.api().stage_alloc(device_.handle(), kStage, &s.memory), "stage_alloc");
  if (!s.end) s.end = mark(copies_in);
  void* at = static_cast<char*>(s.memory) + s.used;
  s.used += (bytes + 63) / 64 * 64;
  return at;
}

void DeviceStream::upload(void* to, const void* from, size_t bytes, DeviceFence* fence) {
  if (!device_.has_staging()) return copy(to, from, bytes, JT_BE_HOST_TO_DEVICE);
  for (size_t at = 0; at < bytes; at += kStage) {
    size_t n = std::min(kStage, bytes - at);
    void* staged = stage(n, fence);
    std::memcpy(staged, static_cast<const char*>(from) + at, n);
    copy(static_cast<char*>(to) + at, staged, n, JT_BE_HOST_TO_DEVICE);
  }
}

// ---- times ----------------------------------------------------------------------------------------------------------

int64_t DeviceStream::ns_between(DeviceFence& from, DeviceFence& to) {
  from.wait_quietly(), to.wait_quietly();
  const Device& device = to.device();
  int64_t ns = 0;
  return device.api().event_ns(device.handle(), from.event(), to.event(), &ns) == JT_OK ? ns : 0;
}

// ---- memory of a device ---------------------------------------------------------------------------------------------

DeviceMemory::DeviceMemory(Device& device, std::shared_ptr<BufferPool> host)
    : Memory(false, device.name()), device_(device), host_(std::move(host)), downloads_(device) {}

void* DeviceMemory::take(size_t bytes, size_t) {
  void* out = nullptr;
  jt_status status = device_.api().mem_alloc(device_.handle(), bytes, &out);
  if (status == JT_E_NOMEM) return nullptr;
  device_.check(status, "mem_alloc");
  return out;
}
void DeviceMemory::give(void* address, size_t bytes, size_t) noexcept {
  device_.api().mem_free(device_.handle(), address, bytes);
}
std::string DeviceMemory::room() const { return device_.room(); }

Buffer* DeviceMemory::fetch(Buffer& buffer) {
  if (Buffer* known = copy_in(&buffer, host_->memory())) return known;
  FenceRef written = fence_of(&buffer);
  if (written) written->wait();
  Buffer* there = host_->allocate(buffer.bytes, buffer.use);
  try {
    std::lock_guard lock(mutex_);
    auto done = downloads_.open_fence({[] { return std::string("a copy to the host"); }, {}});
    downloads_.copy(there->address, buffer.address, buffer.bytes, JT_BE_DEVICE_TO_HOST);
    downloads_.record(done);
    if (done) done->wait();
  } catch (...) {
    release(there);
    throw;
  }
  return share_copy(&buffer, there);
}

// ---- operands elsewhere ---------------------------------------------------------------------------------------------

namespace {

// Counted buffers; given back if the rest fails.
struct Held {
  std::vector<Buffer*> all;
  ~Held() {
    for (Buffer* b : all) release(b);
  }
};

// A buffer that is to be filled from one of the host's.
struct Upload {
  size_t place;  // among all
  Buffer* to;
  const Buffer* from;
};

// Names both devices where there is none.
Buffer* room_for_copy(const Buffer* b, BufferPool& pool, DeviceStream& stream) {
  try {
    return pool.allocate(b->bytes, b->use, &stream);
  } catch (const Error& e) {
    throw Error(e.code(), text(e.message(), " (for a copy from ", b->memory->name, " to ", pool.memory()->name, ")"),
                e.native());
  }
}

void upload_all(std::span<const Upload> uploads, DeviceStream& stream) {
  auto fence = stream.open_fence({copies_in, {}});
  for (const Upload& u : uploads)
    if (fence) note_write(u.to, fence);
  try {
    for (const Upload& u : uploads) stream.upload(u.to->address, u.from->address, u.to->bytes, fence.get());
  } catch (...) {
    stream.record(fence);
    throw;
  }
  stream.record(fence);
}

void wait_for_writer(Buffer* buffer, DeviceStream& stream) {
  FenceRef written = fence_of(buffer);
  if (!written) return;
  if (written->is_done() || stream.is_immediate()) written->wait();  // throws what went wrong
  else stream.wait_for(written);
}

}  // namespace

std::vector<Buffer*> reachable_buffers(std::span<Buffer* const> buffers, BufferPool& pool, DeviceStream& stream) {
  const Memory* here = pool.memory();
  Held out, sources;
  out.all.reserve(buffers.size()), sources.all.reserve(buffers.size());
  std::vector<Upload> uploads;
  for (Buffer* b : buffers) {
    bool is_here = b->memory == here;
    Buffer* known = is_here ? b : copy_in(b, here);
    if (is_here) retain(b);
    if (known) {
      out.all.push_back(known);
      wait_for_writer(known, stream);
      continue;
    }
    Buffer* from = host_buffer(b);
    (here->is_host ? out : sources).all.push_back(from);
    if (here->is_host) continue;
    out.all.push_back(room_for_copy(b, pool, stream));
    uploads.push_back({out.all.size() - 1, out.all.back(), from});
  }
  if (uploads.empty()) return std::exchange(out.all, {});
  upload_all(uploads, stream);
  for (const Upload& u : uploads) {
    Buffer*& copy = out.all[u.place];
    copy = share_copy(buffers[u.place], copy);
    wait_for_writer(copy, stream);  // which another thread may have made
  }
  return std::exchange(out.all, {});
}

}  // namespace jt
