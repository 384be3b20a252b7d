#include "core/base/buffer.h"

#include <mimalloc.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>

#include "core/base/status.h"

namespace jt {

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define JT_ASAN
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define JT_ASAN
#endif

#ifndef JT_ASAN
// Large blocks in large pages: code that passes over many megabytes, or steps over rows, waits for the translation of
// addresses otherwise. What the system cannot give so, it leaves in small ones.
constexpr size_t kLargePage = size_t(1) << 21, kManyPages = 2 * kLargePage;
static void* large_pages([[maybe_unused]] void* block, [[maybe_unused]] size_t bytes) {
#if defined(MADV_HUGEPAGE)
  if (block && bytes >= kManyPages) madvise(block, bytes / kLargePage * kLargePage, MADV_HUGEPAGE);
#endif
  return block;
}
#endif

Allocator default_allocator() {
#ifdef JT_ASAN  // which does not see what lies in mimalloc's pages
  return {
      [](void*, size_t bytes, size_t align) { return std::aligned_alloc(align, (bytes + align - 1) / align * align); },
      [](void*, void* p, size_t, size_t) { std::free(p); }, nullptr};
#else
  return {[](void*, size_t bytes, size_t align) {
            return large_pages(mi_malloc_aligned(bytes, bytes < kManyPages ? align : kLargePage), bytes);
          },
          [](void*, void* p, size_t bytes, size_t align) { mi_free_size_aligned(p, bytes, align); }, nullptr};
#endif
}

// ---- asynchronous writers, and copies -------------------------------------------------------------------------------

void Fence::wait_quietly() noexcept {
  try {
    wait();
  } catch (...) {  // told to those who wait for the bytes
  }
}

void Tracking::add_use(const FenceRef& fence) {
  std::erase_if(uses, [&](const FenceRef& f) { return f->stream == fence->stream || f->is_done(); });
  uses.push_back(fence);
}

Tracking& tracking_of(Buffer* buffer) {
  Tracking* tracking = buffer->tracking.load(std::memory_order_acquire);
  if (tracking) return *tracking;
  auto made = std::make_unique<Tracking>();
  if (buffer->tracking.compare_exchange_strong(tracking, made.get())) tracking = made.release();
  return *tracking;
}

FenceRef fence_of(Buffer* buffer) {
  Tracking* tracking = buffer->tracking.load(std::memory_order_acquire);
  if (!tracking) return {};
  std::lock_guard lock(tracking->mutex);
  return tracking->written;
}

void note_use(Buffer* buffer, const FenceRef& fence) {
  Tracking& tracking = tracking_of(buffer);
  std::lock_guard lock(tracking.mutex);
  tracking.add_use(fence);
}
void note_write(Buffer* buffer, const FenceRef& fence) {
  note_use(buffer, fence);
  set_written(buffer, fence);
}
void set_written(Buffer* buffer, const FenceRef& fence) noexcept {
  Tracking& tracking = *buffer->tracking.load(std::memory_order_acquire);
  std::lock_guard lock(tracking.mutex);
  tracking.written = fence;
}

static bool is_copy(const Buffer* buffer, const Tracking::Copy& copy) {
  return copy.of == content_of(buffer) && copy.content == copy.buffer->content;
}

Buffer* copy_in(Buffer* buffer, const Memory* memory) {
  Tracking* tracking = buffer->tracking.load(std::memory_order_acquire);
  if (!tracking) return nullptr;
  std::lock_guard lock(tracking->mutex);
  for (const Tracking::Copy& copy : tracking->copies) {
    if (copy.buffer->memory != memory || !is_copy(buffer, copy)) continue;
    retain(copy.buffer);
    return copy.buffer;
  }
  return nullptr;
}

Buffer* share_copy(Buffer* buffer, Buffer* copy) {
  uint64_t content = content_of(buffer);
  if (!content) return copy;
  Tracking& tracking = tracking_of(buffer);
  Buffer* unneeded = nullptr;
  {
    std::lock_guard lock(tracking.mutex);
    auto known = std::ranges::find_if(tracking.copies, [&](const auto& c) { return c.buffer->memory == copy->memory; });
    if (known == tracking.copies.end()) {
      tracking.copies.push_back({copy, content, copy->content});
    } else if (is_copy(buffer, *known)) {
      unneeded = std::exchange(copy, known->buffer);
    } else {
      unneeded = known->buffer;
      *known = {copy, content, copy->content};
    }
    retain(copy);
  }
  if (unneeded) release(unneeded);
  return copy;
}

void drop_late_copies(Buffer* buffer) {
  Tracking* tracking = buffer->tracking.load(std::memory_order_acquire);
  std::vector<Tracking::Copy> gone;
  {
    std::lock_guard lock(tracking->mutex);
    gone.swap(tracking->copies);
  }
  for (const Tracking::Copy& copy : gone) release(copy.buffer);
}

// Until nobody reads or writes it any more, who runs late.
static void wait_for_uses(const Buffer* buffer) noexcept {
  if (const Tracking* tracking = buffer->tracking.load(std::memory_order_relaxed))
    for (const FenceRef& use : tracking->uses) use->wait_quietly();
}

Buffer* HostMemory::fetch(Buffer& buffer) {
  if (FenceRef written = fence_of(&buffer)) written->wait();
  retain(&buffer);
  return &buffer;
}

Buffer* host_buffer(Buffer* buffer) {
  if (!is_plain(buffer)) return buffer->memory->fetch(*buffer);
  retain(buffer);
  return buffer;
}

const void* late_host_bytes(Buffer* buffer) {
  Buffer* there = host_buffer(buffer);
  const void* bytes = there->address;
  release(there);  // the buffer keeps it, as a copy or because it is the same
  return bytes;
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

// ---- what an error says

static std::string with_unit(int64_t bytes) {
  constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 10240) return text(bytes, " bytes");
  double value = double(bytes) / 1024;
  size_t unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(kUnits); unit++) value /= 1024;
  int64_t tenths = int64_t(value * 10 + 0.5);
  return text(tenths / 10, ".", tenths % 10, " ", kUnits[unit]);
}
static std::string name_of(const BufferUse& use) {
  return use.shape.rank < 0 ? use.what : text(use.what, " ", use.dtype, use.shape);
}

void BufferPool::fail_out_of_memory(size_t asked, const BufferUse& use) const {
  constexpr int kShown = 5;
  const Buffer* largest[kShown] = {};  // in order
  for (const Buffer* b = live_; b; b = b->next_live) {
    int place = kShown;
    while (place > 0 && (!largest[place - 1] || largest[place - 1]->bytes < b->bytes)) place--;
    if (place == kShown) continue;
    std::move_backward(largest + place, largest + kShown - 1, largest + kShown);
    largest[place] = b;
  }
  std::string message = text("out of memory: ", name_of(use), " needs ", with_unit(int64_t(asked)), "; ",
                             with_unit(stats_.live_bytes), " in use");
  if (limit_) message += text(" of the limit of ", with_unit(limit_));
  if (std::string room = memory_->room(); !room.empty()) message += text(" (", room, ")");
  for (int i = 0; i < kShown && largest[i]; i++)
    message += text(i ? ", " : "; the largest: ", name_of(largest[i]->use), " ", with_unit(int64_t(largest[i]->bytes)));
  throw Error(JT_E_NOMEM, message);
}

// ---- what is live

void BufferPool::list(Buffer* buffer) {
  buffer->next_live = live_, buffer->previous_live = nullptr;
  if (live_) live_->previous_live = buffer;
  live_ = buffer;
}
void BufferPool::unlist(Buffer* buffer) {
  (buffer->previous_live ? buffer->previous_live->next_live : live_) = buffer->next_live;
  if (buffer->next_live) buffer->next_live->previous_live = buffer->previous_live;
}

// From the memory, which may have some after what is cached has gone back.
void* BufferPool::take(size_t bytes, size_t asked, const BufferUse& use) {
  auto is_over = [&] { return limit_ && stats_.live_bytes + stats_.cached_bytes + int64_t(bytes) > limit_; };
  if (is_over()) trim_cache();
  if (is_over()) fail_out_of_memory(asked, use);
  void* address = memory_->take(bytes, kAlign);
  stats_.allocator_calls++;
  if (!address && stats_.cached_bytes) {
    trim_cache();
    address = memory_->take(bytes, kAlign);
  }
  if (!address) fail_out_of_memory(asked, use);
  return address;
}

uint64_t next_content() {
  static std::atomic<uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

[[gnu::always_inline]] inline Buffer* BufferPool::take_free(size_t bytes, const BufferUse& use) {
  int size_class = class_of(bytes);
  std::lock_guard lock(mutex_);
  if (size_class >= kClasses) fail_out_of_memory(bytes, use);
  size_t rounded = bytes_of(size_class);
  Buffer* buffer = free_[size_class];
  if (buffer) {
    free_[size_class] = buffer->next_free;
    buffer->refs.store(1, std::memory_order_relaxed);
    stats_.cached_bytes -= int64_t(rounded);
  } else {
    void* address = take(rounded, bytes, use);
    std::unique_ptr<Buffer> made;
    try {
      made = std::make_unique<Buffer>();
      if (!memory_->is_host) tracking_of(made.get());
    } catch (...) {
      memory_->give(address, rounded, kAlign);
      throw;
    }
    buffer = made.release();
    buffer->pool = this;
    buffer->size_class = size_class;
    buffer->memory = memory_.get();
    buffer->address = address;
  }
  buffer->bytes = bytes;
  buffer->content = next_content();
  buffer->use = use;
  list(buffer);
  stats_.live_bytes += int64_t(rounded);
  if (stats_.live_bytes > stats_.peak_bytes) stats_.peak_bytes = stats_.live_bytes;
  return buffer;
}

// What has not run yet may still read or write it: the stream goes behind that, or the host waits. All stays noted, as
// the buffer may come back before it was used.
void BufferPool::make_ready(Buffer* buffer, Stream* stream) const {
  std::vector<FenceRef> before;
  {
    Tracking& tracking = *buffer->tracking.load(std::memory_order_relaxed);
    std::lock_guard lock(tracking.mutex);
    tracking.written = nullptr;
    std::erase_if(tracking.uses, [](const FenceRef& f) { return f->is_done(); });
    before = tracking.uses;
  }
  for (const FenceRef& fence : before) {
    if (!stream) fence->wait_quietly();
    else if (fence->stream != stream->number()) stream->wait_for(fence);
  }
}

Buffer* BufferPool::allocate(size_t bytes, const BufferUse& use, Stream* stream) {
  Buffer* buffer = take_free(bytes, use);
  return is_plain(buffer) ? buffer : prepared(buffer, stream);
}

// Of the device, or with readers and writers that are late.
Buffer* BufferPool::prepared(Buffer* buffer, Stream* stream) const {
  try {
    make_ready(buffer, stream);
    if (poison_freed && stream && !memory_->is_host)
      stream->poison_bytes(buffer->address, bytes_of(buffer->size_class));
  } catch (...) {
    release(buffer);
    throw;
  }
  return buffer;
}

Buffer* BufferPool::borrow(void* address, size_t bytes) {
  Buffer* buffer = new (take_small(sizeof(Buffer))) Buffer;
  buffer->lender = this;
  buffer->memory = memory_.get();
  buffer->address = address;
  buffer->bytes = bytes;
  return buffer;
}

void* BufferPool::take_small(size_t bytes) {
  std::lock_guard lock(mutex_);
  return small_.take(bytes);
}
void BufferPool::give_small(void* memory, size_t bytes) noexcept {
  std::lock_guard lock(mutex_);
  small_.give(memory, bytes);
}

void BufferPool::give_back(Buffer* buffer) {
  drop_copies(buffer);
  size_t rounded = bytes_of(buffer->size_class);
  if (poison_freed && memory_->is_host) {
    wait_for_uses(buffer);
    std::memset(buffer->address, 0xff, rounded);
  }
  std::lock_guard lock(mutex_);
  unlist(buffer);
  stats_.live_bytes -= int64_t(rounded);
  stats_.cached_bytes += int64_t(rounded);
  buffer->next_free = free_[buffer->size_class];
  free_[buffer->size_class] = buffer;
}

void release(Buffer* buffer) {
  bool is_last =
      buffer->refs.load(std::memory_order_acquire) == 1 || buffer->refs.fetch_sub(1, std::memory_order_acq_rel) == 1;
  if (!is_last) return;
  if (buffer->pool) return buffer->pool->give_back(buffer);
  drop_copies(buffer);
  wait_for_uses(buffer);
  if (buffer->release) buffer->release(buffer->release_user, buffer->address);
  BufferPool* lender = buffer->lender;
  buffer->~Buffer();
  lender->give_small(buffer, sizeof *buffer);
}

void BufferPool::trim() {
  std::lock_guard lock(mutex_);
  trim_cache();
}

void BufferPool::trim_cache() {
  for (int c = 0; c < kClasses; c++) {
    while (Buffer* buffer = free_[c]) {
      free_[c] = buffer->next_free;
      wait_for_uses(buffer);
      memory_->give(buffer->address, bytes_of(c), kAlign);
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
