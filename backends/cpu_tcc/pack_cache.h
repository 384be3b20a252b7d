// pack_cache: operands that do not change, such as the weights of a network that infers, in the order in which kernels
// read them.
//
// The host names the bytes of an operand by a number. What is seen once may be seen no more, as weights that are
// trained: so the first time a number is only remembered, the second time its bytes are packed and kept, up to a limit.
// Then only what has not been used for long makes room: weights beyond the limit, all used in turn, would else push
// each other out. Locks inside.
#pragma once
#include <jt/jt_backend.h>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/base/fork.h"

namespace jt::cpu {

// How an operand is packed: which op, dtype, extents. Equal forms of equal bytes are equal.
using PackForm = std::array<int64_t, 8>;

class PackCache {
 public:
  PackCache(const jt_host_api& host, int64_t most_bytes) : host_(host), most_bytes_(most_bytes) {}

  // The packed form, which lives as long as it is held; null: none yet, or there is no room. `pack(to)` fills `bytes`
  // bytes, aligned to 64.
  template <class Pack>
  std::shared_ptr<void> get(uint64_t content, const PackForm& form, size_t bytes, const Pack& pack) {
    if (!content || int64_t(bytes) > most_bytes_) return nullptr;
    bool is_known = false;
    if (std::shared_ptr<void> found = find(content, form, is_known); found || !is_known || !make_room(int64_t(bytes)))
      return found;
    std::shared_ptr<void> made = memory(bytes);
    if (!made) return nullptr;
    pack(made.get());
    keep(content, form, made, int64_t(bytes));
    return made;
  }
  // Lets go of what was not used for longest until at most so many bytes are kept; gives how many are.
  int64_t trim(int64_t most);

 private:
  struct Entry {
    uint64_t content;
    PackForm form;
    std::shared_ptr<void> memory;
    int64_t bytes;
    uint64_t used;  // when, in uses
  };
  std::shared_ptr<void> find(uint64_t content, const PackForm& form, bool& is_known);
  std::shared_ptr<void> memory(size_t bytes) const;
  void keep(uint64_t content, const PackForm& form, std::shared_ptr<void> made, int64_t bytes);
  bool make_room(int64_t bytes);
  void shrink(int64_t most);  // the mutex is held

  const jt_host_api& host_;
  const int64_t most_bytes_;
  ForkMutex mutex_;
  std::vector<Entry> entries_;
  std::array<uint64_t, 512> seen_{};  // hashes of what was seen once, each in its place
  int64_t bytes_ = 0;
  uint64_t uses_ = 0;
};

}  // namespace jt::cpu
