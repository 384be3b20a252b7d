// buffer: memory that holds one value, counted; and the pool it comes from.
//
// Buffers are aligned to 64 bytes and their size is rounded up to a class, so that a freed one fits the next request
// of the same class. The pool keeps freed buffers (first touch of a fresh page costs more than most kernels) and gives
// them back to the system only when asked. The count is atomic: values that have run may cross contexts and threads.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "core/base/dtype.h"
#include "core/base/fence.h"
#include "core/base/fork.h"
#include "core/base/memory.h"
#include "core/base/recycler.h"
#include "core/base/shape.h"
#include "core/base/status.h"

namespace jt {

class BufferPool;

// What a buffer was asked for, as an error names it: `exp f32[64,10]`; a rank below 0 has no shape: `temporaries`.
struct BufferUse {
  const char* what = "data";  // static: an op's name
  DType dtype = JT_F32;
  Shape shape = no_shape();
  static Shape no_shape() {
    Shape none;
    none.rank = -1;
    return none;
  }
};

struct Buffer {
  ~Buffer() { delete tracking.load(std::memory_order_relaxed); }
  std::atomic<int32_t> refs{1};
  std::atomic<int32_t> pins{0};  // exports that may look at it: never overwritten while there are any
  std::atomic<int32_t> writers{0};  // those of the pins through which its elements may be written
  BufferPool* pool = nullptr;    // null: borrowed memory, given back by `release`
  BufferPool* lender = nullptr;  // of this struct, where the memory is borrowed
  int size_class = 0;
  size_t bytes = 0;
  Memory* memory = nullptr;
  void* address = nullptr;  // in `memory`; who wants the bytes asks host_bytes
  std::atomic<Tracking*> tracking{nullptr};  // owned; null: its bytes are there, and nowhere else
  void (*release)(void* user, void* address) = nullptr;
  void* release_user = nullptr;
  Buffer* next_free = nullptr;  // in its pool's list of its class
  Buffer *next_live = nullptr, *previous_live = nullptr;  // in its pool's list of those that someone holds
  uint64_t content = 0;  // another number whenever the bytes may have become others
  BufferUse use;
};

// Whether the host may read its bytes where they lie, now. What lies elsewhere is tracked from the beginning.
inline bool is_plain(const Buffer* buffer) { return !buffer->tracking.load(std::memory_order_acquire); }
const void* late_host_bytes(Buffer* buffer);
// The elements, for the host to read: the one way there. It waits for what writes them, and copies them to the host's
// memory if they lie elsewhere; throws what went wrong. Valid as long as the buffer is held and nothing is launched
// that writes it.
inline const void* host_bytes(Buffer* buffer) { return is_plain(buffer) ? buffer->address : late_host_bytes(buffer); }
// A counted buffer of the host's memory that has these bytes, the buffer itself if it lies there.
Buffer* host_buffer(Buffer* buffer);
// The elements of a fresh buffer of the host's memory, for the host to write.
inline void* host_room(Buffer* buffer) {
  JT_CHECK(buffer->memory->is_host);
  return buffer->address;
}

Tracking& tracking_of(Buffer* buffer);                             // made if there is none
FenceRef fence_of(Buffer* buffer);                                 // after what writes it; null: its bytes are there
void note_use(Buffer* buffer, const FenceRef& fence);              // it is read or written before the fence
void note_write(Buffer* buffer, const FenceRef& fence);            // its bytes are there after the fence
void set_written(Buffer* buffer, const FenceRef& fence) noexcept;  // the same, where a use has been noted
// A counted copy of the buffer's bytes in that memory; null if none is known.
Buffer* copy_in(Buffer* buffer, const Memory* memory);
// Takes over one count of `copy`, which is known from now on if the bytes have a number; gives, counted, it or the one
// that was known.
Buffer* share_copy(Buffer* buffer, Buffer* copy);
void drop_late_copies(Buffer* buffer);
// Its copies have other bytes than it from now on, or nobody to read them.
inline void drop_copies(Buffer* buffer) {
  if (!is_plain(buffer)) drop_late_copies(buffer);
}

uint64_t next_content();  // a number that no buffer has had
// A number that stands for the bytes as they are: equal ones, equal bytes. 0: they may change without us.
inline uint64_t content_of(const Buffer* buffer) {
  return buffer->pool && !buffer->writers.load(std::memory_order_acquire) ? buffer->content : 0;
}

inline void retain(Buffer* buffer) { buffer->refs.fetch_add(1, std::memory_order_relaxed); }
void release(Buffer* buffer);
inline bool is_exclusive(const Buffer* buffer) {
  return buffer->pool && buffer->refs.load(std::memory_order_acquire) == 1 &&
         buffer->pins.load(std::memory_order_acquire) == 0;
}

struct PoolStats {
  int64_t live_bytes = 0;      // in buffers that someone holds
  int64_t peak_bytes = 0;      // the most live_bytes has been
  int64_t cached_bytes = 0;    // in freed buffers kept for reuse
  int64_t allocator_calls = 0; // requests that went to the memory
};

class BufferPool {
 public:
  explicit BufferPool(std::unique_ptr<Memory> memory) : memory_(std::move(memory)) {}
  ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  // At least one byte, for the host or for what `stream` runs from now on. Memory that is cached goes back to the
  // system before a request fails. Throws JT_E_NOMEM, which says what needed how much, and what the largest live
  // buffers are.
  Buffer* allocate(size_t bytes, const BufferUse& use = {}, Stream* stream = nullptr);
  const Memory* memory() const { return memory_.get(); }
  Buffer* borrow(void* address, size_t bytes);  // memory of the host's; its owner may set `release`
  void trim();                     // gives cached memory back
  void* take_small(size_t bytes);  // for what goes with a buffer; kept when it comes back
  void give_small(void* memory, size_t bytes) noexcept;
  PoolStats stats();
  void reset_peak();
  void set_limit(int64_t bytes) { limit_ = bytes; }
  int64_t limit() const { return limit_; }
  bool poison_freed = false;       // fills freed buffers with NaN bytes, to find readers of freed memory

 private:
  friend void release(Buffer*);
  void give_back(Buffer* buffer);
  Buffer* take_free(size_t bytes, const BufferUse& use);
  Buffer* prepared(Buffer* buffer, Stream* stream) const;
  void make_ready(Buffer* buffer, Stream* stream) const;
  // The mutex is held:
  void trim_cache();
  void* take(size_t bytes, size_t asked, const BufferUse& use);
  [[noreturn]] void fail_out_of_memory(size_t asked, const BufferUse& use) const;
  void list(Buffer* buffer);
  void unlist(Buffer* buffer);
  static constexpr int kClasses = 192;
  const std::unique_ptr<Memory> memory_;
  ForkMutex mutex_;
  Buffer* free_[kClasses] = {};
  Buffer* live_ = nullptr;
  PoolStats stats_;
  int64_t limit_ = 0;
  Recycler small_;
};

}  // namespace jt
