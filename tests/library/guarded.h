// guarded: arrays at odd addresses between guard zones, workspaces of exactly the size asked for, and every ISA here.
#pragma once
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "backends/cpu_tcc/library/library.h"

namespace jt::library {

// Bytes with 256 guard bytes on either side; `skew` bytes past an aligned address.
class Guarded {
 public:
  explicit Guarded(size_t bytes, size_t skew = 0)
      : bytes_(bytes), skew_(skew), memory_(bytes + skew + 2 * kZone + 64, kGuard) {
    base_ = (64 - reinterpret_cast<uintptr_t>(memory_.data()) % 64) % 64 + kZone + skew;
    base_ -= base_ > kZone + 64 ? 64 : 0;
  }
  unsigned char* bytes() { return memory_.data() + base_; }
  template <class T>
  T* as() {
    return reinterpret_cast<T*>(bytes());
  }
  bool is_intact() const {
    for (size_t i = 0; i < memory_.size(); i++)
      if ((i < base_ || i >= base_ + bytes_) && memory_[i] != kGuard) return false;
    return true;
  }

 private:
  static constexpr size_t kZone = 256;
  static constexpr unsigned char kGuard = 0xa5;
  size_t bytes_, skew_, base_;
  std::vector<unsigned char> memory_;
};

inline std::vector<const LibraryKernels*> every_isa() {
  std::vector<const LibraryKernels*> found;
  for (Isa isa : {Isa::generic, Isa::avx2, Isa::avx512})
    if (const LibraryKernels* kernels = library_kernels(isa)) found.push_back(kernels);
  return found;
}

// Small integers over 8: sums of a few thousand products are exact in f32, so every order gives the same bits.
template <class T>
void fill_exact(T* to, int64_t count, std::mt19937& random) {
  for (int64_t i = 0; i < count; i++) to[i] = T((int(random() % 17) - 8) / 8.0);
}

// Runs units in one piece, or in `pieces` uneven ones, each with a fresh guarded workspace.
template <class Run>
void run_in_pieces(int64_t units, int pieces, size_t workspace, const Run& run) {
  for (int p = 0; p < pieces; p++) {
    Guarded memory(workspace, 4);
    run(memory.bytes(), units * p / pieces, units * (p + 1) / pieces);
    ASSERT_TRUE(memory.is_intact()) << "workspace overrun";
  }
}

}  // namespace jt::library
