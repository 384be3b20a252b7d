#include "core/base/buffer.h"

#include <mimalloc.h>

#include <bit>
#include <cstring>

#include "core/base/status.h"

namespace jt {

Allocator default_allocator() {
  return {[](void*, size_t bytes, size_t align) { return mi_malloc_aligned(bytes, align); },
          [](void*, void* p, size_t bytes, size_t align) { mi_free_size_aligned(p, bytes, align); }, nullptr};
}

constexpr size_t kAlign = 64;

// Four classes per power of two, from 64 bytes: at most a quarter of a buffer is slack.
static int class_of(size_t bytes) {
  size_t units = (bytes + kAlign - 1) / kAlign;
  if (units <= 4) return units ? int(units) - 1 : 0;
  int power = std::bit_width(units - 1) - 1;  // units in (2^power, 2^(power+1)]
  int quarter = int((units - 1) >> (power - 2) & 3);
  return 4 * (power - 1) + quarter;
}
static size_t bytes_of(int size_class) {
  if (size_class < 4) return kAlign * size_t(size_class + 1);
  int power = size_class / 4 + 1, quarter = size_class % 4;
  return kAlign * ((size_t(1) << power) + (size_t(quarter + 1) << (power - 2)));
}

Buffer* BufferPool::allocate(size_t bytes) {
  int size_class = class_of(bytes);
  if (size_class >= kClasses) fail(JT_E_NOMEM, "out of memory: ", bytes, " bytes asked for");
  size_t rounded = bytes_of(size_class);
  std::lock_guard lock(mutex_);
  Buffer* buffer = nullptr;
  if (free_[size_class]) {
    buffer = free_[size_class];
    free_[size_class] = buffer->next_free;
    buffer->refs.store(1, std::memory_order_relaxed);
    stats_.cached_bytes -= int64_t(rounded);
  } else {
    auto is_over = [&] { return limit_ && stats_.live_bytes + stats_.cached_bytes + int64_t(rounded) > limit_; };
    if (is_over()) trim_cache();
    if (is_over())
      fail(JT_E_NOMEM, "out of memory: ", bytes, " bytes asked for, ", stats_.live_bytes, " in use, limit ", limit_);
    void* data = allocator_.alloc(allocator_.user, rounded, kAlign);
    stats_.allocator_calls++;
    if (!data && stats_.cached_bytes) {
      trim_cache();
      data = allocator_.alloc(allocator_.user, rounded, kAlign);
    }
    if (!data) fail(JT_E_NOMEM, "out of memory: ", bytes, " bytes asked for, ", stats_.live_bytes, " in use");
    try {
      buffer = new Buffer;
    } catch (...) {
      allocator_.free(allocator_.user, data, rounded, kAlign);
      throw;
    }
    buffer->pool = this;
    buffer->size_class = size_class;
    buffer->data = data;
  }
  buffer->bytes = bytes;
  stats_.live_bytes += int64_t(rounded);
  if (stats_.live_bytes > stats_.peak_bytes) stats_.peak_bytes = stats_.live_bytes;
  return buffer;
}

Buffer* BufferPool::borrow(void* data, size_t bytes) {
  Buffer* buffer = new Buffer;
  buffer->data = data;
  buffer->bytes = bytes;
  return buffer;
}

void BufferPool::give_back(Buffer* buffer) {
  size_t rounded = bytes_of(buffer->size_class);
  if (poison_freed) std::memset(buffer->data, 0xff, rounded);
  std::lock_guard lock(mutex_);
  stats_.live_bytes -= int64_t(rounded);
  stats_.cached_bytes += int64_t(rounded);
  buffer->next_free = free_[buffer->size_class];
  free_[buffer->size_class] = buffer;
}

void release(Buffer* buffer) {
  if (buffer->refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  if (buffer->pool) return buffer->pool->give_back(buffer);
  if (buffer->release) buffer->release(buffer->release_user, buffer->data);
  delete buffer;
}

void BufferPool::trim() {
  std::lock_guard lock(mutex_);
  trim_cache();
}

void BufferPool::trim_cache() {
  for (int c = 0; c < kClasses; c++) {
    while (Buffer* buffer = free_[c]) {
      free_[c] = buffer->next_free;
      allocator_.free(allocator_.user, buffer->data, bytes_of(c), kAlign);
      delete buffer;
    }
  }
  stats_.cached_bytes = 0;
}

BufferPool::~BufferPool() { trim(); }

PoolStats BufferPool::stats() {
  std::lock_guard lock(mutex_);
  return stats_;
}

void BufferPool::reset_peak() {
  std::lock_guard lock(mutex_);
  stats_.peak_bytes = stats_.live_bytes;
}

}  // namespace jt
