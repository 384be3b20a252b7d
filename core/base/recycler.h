// recycler: memory of lists that live as long as a call, kept for the next one.
//
// Within a `Recycling` scope every List takes its memory from the scope's recycler and gives it back there, so that a
// loop in its steady state takes nothing from the heap. Blocks are powers of two; large ones are not kept.
#pragma once
#include <bit>
#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

namespace jt {

// Belongs to whoever uses it, one thread at a time.
class Recycler {
 public:
  Recycler() = default;
  Recycler(const Recycler&) = delete;
  ~Recycler() {
    for (Free*& list : free_)
      while (Free* block = list) list = block->next, ::operator delete(block);
  }
  void* take(size_t bytes) {
    int c = class_of(bytes);
    if (c >= kClasses) return ::operator new(bytes);
    Free* block = free_[c];
    if (!block) return ::operator new(kLeast << c);
    free_[c] = block->next;
    return block;
  }
  void give(void* memory, size_t bytes) noexcept {
    int c = class_of(bytes);
    if (c >= kClasses) return ::operator delete(memory);
    free_[c] = new (memory) Free{free_[c]};
  }
  static Recycler*& current() {  // of this thread's innermost scope
    static thread_local Recycler* now = nullptr;
    return now;
  }

 private:
  struct Free { Free* next; };
  static constexpr size_t kLeast = 64;
  static constexpr int kClasses = 17;  // up to 4 MiB
  static int class_of(size_t bytes) { return bytes <= kLeast ? 0 : int(std::bit_width((bytes - 1) / kLeast)); }
  Free* free_[kClasses] = {};
};

class Recycling {
 public:
  explicit Recycling(Recycler& recycler) : before_(std::exchange(Recycler::current(), &recycler)) {}
  ~Recycling() { Recycler::current() = before_; }
  Recycling(const Recycling&) = delete;

 private:
  Recycler* before_;
};

// The allocator of a List: the recycler of the scope in which it was made; the heap outside of any.
template <class T>
struct Recycled {
  using value_type = T;
  using propagate_on_container_move_assignment = std::true_type;
  using propagate_on_container_swap = std::true_type;
  Recycler* from = Recycler::current();

  Recycled() = default;
  explicit Recycled(Recycler& of) : from(&of) {}
  template <class U>
  Recycled(const Recycled<U>& o) : from(o.from) {}
  T* allocate(size_t n) {
    static_assert(alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);
    if (n > size_t(-1) / sizeof(T)) throw std::bad_alloc();
    return static_cast<T*>(from ? from->take(n * sizeof(T)) : ::operator new(n * sizeof(T)));
  }
  void deallocate(T* memory, size_t n) noexcept {
    from ? from->give(memory, n * sizeof(T)) : ::operator delete(memory);
  }
  template <class U>
  bool operator==(const Recycled<U>& o) const { return from == o.from; }
};

// A vector that must not outlive the call, nor its recycler.
template <class T>
class List : public std::vector<T, Recycled<T>> {
 public:
  using std::vector<T, Recycled<T>>::vector;
  operator std::vector<T>() const { return {this->begin(), this->end()}; }
};

}  // namespace jt
