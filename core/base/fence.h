// fence: how far an asynchronous device is, as buffers need to know it.
//
// A device with streams returns from a launch before it ran. What was given to a stream up to a fence has run once the
// fence is waited for; and what failed on the way is told there: the error hangs on the fence, for everyone who waits
// for it.
#pragma once
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace jt {

struct Buffer;
class Memory;

class Fence {
 public:
  explicit Fence(uint64_t stream) : stream(stream) {}
  virtual ~Fence() = default;
  Fence(const Fence&) = delete;
  const uint64_t stream;  // the number of its stream: no other has had it
  // Until all before it has run. Throws what failed since the fence before, or in what that has read: each time.
  virtual void wait() = 0;
  // As far as somebody has waited; these never ask the device.
  virtual bool is_done() const = 0;
  virtual bool has_failed() const = 0;
  void wait_quietly() noexcept;
};
using FenceRef = std::shared_ptr<Fence>;

// A queue of one device, in which a context's launches run one after the other.
class Stream {
 public:
  virtual ~Stream() = default;
  virtual uint64_t number() const = 0;
  virtual void wait_for(const FenceRef& fence) = 0;           // what is given to the stream from now on runs after it
  virtual void poison_bytes(void* address, size_t bytes) = 0; // with NaNs, in order
};

// What is known of a buffer beside its bytes: which fences its readers and writers wait for, and where copies of it
// lie.
struct Tracking {
  struct Copy {
    Buffer* buffer;              // counted
    uint64_t of, content;        // the numbers of the bytes of both when it was made: others, and it is a copy no more
  };
  std::mutex mutex;
  FenceRef written;              // after the last launch that writes it; null: its bytes are there
  std::vector<FenceRef> uses;    // of each stream that reads or writes it, after the last time
  std::vector<Copy> copies;

  // The mutex is held:
  void add_use(const FenceRef& fence);
};

}  // namespace jt
