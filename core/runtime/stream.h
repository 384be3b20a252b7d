// stream: what a context has told a device to do, in order. On a device without streams all of it has happened already.
#pragma once
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "core/base/buffer.h"
#include "core/runtime/device.h"

namespace jt {

// What goes with a fence.
struct FenceNotes {
  // The ops before it, as an error names them. What it holds lives until the fence has been waited for: kernels that
  // have not run yet.
  std::function<std::string()> what;
  std::vector<FenceRef> before;  // what fails there fails here too
};

// A point in a device's stream, for which anybody may wait. It is opened before the first launch that it stands behind,
// so that after that only the device can fail; nobody else knows of it before it is recorded.
class DeviceFence final : public Fence {
 public:
  DeviceFence(Device& device, uint64_t stream, FenceNotes notes);
  ~DeviceFence() override;
  void record(jt_be_stream* handle) noexcept;
  // Before it is recorded:
  void add_before(FenceRef fence) { notes_.before.push_back(std::move(fence)); }
  void set_error(const Error& e) noexcept;  // whoever waits is told it, whatever the device says
  bool is_recorded() const { return is_recorded_; }
  void wait() override;
  bool is_done() const override { return done_.load(std::memory_order_acquire); }
  bool has_failed() const override { return is_done() && error_; }
  Device& device() const { return device_; }
  jt_be_event* event() const { return event_; }

 private:
  void ask_device() noexcept;
  void ask_before() noexcept;
  Device& device_;
  jt_be_event* event_ = nullptr;
  FenceNotes notes_;
  bool is_recorded_ = false;
  std::mutex mutex_;
  std::optional<Error> error_;
  std::atomic<bool> done_{false};
};

// One thread at a time.
class DeviceStream final : public Stream {
 public:
  explicit DeviceStream(Device& device);
  ~DeviceStream() override;
  uint64_t number() const override { return number_; }
  bool is_immediate() const { return !handle_; }  // nothing runs late
  Device& device() const { return device_; }
  jt_be_stream* handle() const { return handle_; }

  void launch(jt_be_kernel* kernel, const jt_be_launch& launch, void* scratch) {
    const jt_backend_api& api = device_.api();
    device_.check(is_immediate() ? api.launch(device_.handle(), kernel, &launch, scratch)
                           : api.launch_on(device_.handle(), handle_, kernel, &launch, scratch), "launch");
  }
  void run(jt_be_op* op, std::span<void* const> pointers, const uint64_t* contents, void* workspace,
           std::string_view what);
  void copy(void* to, const void* from, size_t bytes, jt_be_copy_kind way);
  void fill(void* to, uint64_t pattern, size_t item, size_t count);
  void wait_for(const FenceRef& fence) override;
  void poison_bytes(void* address, size_t bytes) override { fill(address, 0xff, 1, bytes); }
  // A fence to be recorded once the stream has been given what it is to stand behind; null where nothing runs late.
  std::shared_ptr<DeviceFence> open_fence(FenceNotes notes);
  void record(const std::shared_ptr<DeviceFence>& fence) noexcept {
    if (fence) fence->record(handle_);
  }
  // Bytes of the host's into memory of the device; they may change once this returns. The fence is the one that it is
  // recorded before.
  void upload(void* to, const void* from, size_t bytes, DeviceFence* fence);
  // Until all has run; throws what failed since somebody last asked here.
  void wait();

  // A point on the way to a fence that has it among its `before`.
  std::shared_ptr<DeviceFence> mark(std::function<std::string()> what) const;
  static int64_t ns_between(DeviceFence& from, DeviceFence& to);  // waits; 0 where something failed

 private:
  static constexpr size_t kMostAhead = 64;  // fences that nobody has waited for: then the oldest is
  static constexpr size_t kStage = size_t(1) << 20;
  struct Stage {
    void* memory = nullptr;
    size_t used = 0;
    std::shared_ptr<DeviceFence> end;  // after the copies out of it
  };
  void* stage(size_t bytes, DeviceFence* fence);
  void change_stages(DeviceFence* fence);
  Device& device_;
  jt_be_stream* handle_ = nullptr;
  const uint64_t number_;
  std::deque<std::shared_ptr<DeviceFence>> ahead_;
  Stage stages_[2];
  int now_ = 0;  // the stage in use
};

// Memory of a device that the host cannot reach.
class DeviceMemory final : public Memory {
 public:
  DeviceMemory(Device& device, std::shared_ptr<BufferPool> host);
  void* take(size_t bytes, size_t align) override;
  void give(void* address, size_t bytes, size_t align) noexcept override;
  Buffer* fetch(Buffer& buffer) override;
  std::string room() const override;

 private:
  Device& device_;
  const std::shared_ptr<BufferPool> host_;
  std::mutex mutex_;       // of the stream
  DeviceStream downloads_;
};

// Buffers with the bytes of these in memory that the stream's device reaches, counted: a buffer itself if it lies
// there, else a copy, made once. The stream runs after what writes them. Throws what went wrong where they come from.
std::vector<Buffer*> reachable_buffers(std::span<Buffer* const> buffers, BufferPool& pool, DeviceStream& stream);

}  // namespace jt
