// hash: mixing of 64-bit words, for tables and file names. Never the last word: keys are compared in full.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace jt {

inline uint64_t mix(uint64_t hash, uint64_t word) {
  unsigned __int128 product = (unsigned __int128)(hash ^ word ^ 0x9e3779b97f4a7c15u) * 0xd6e8feb86659fd93u;
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}

inline uint64_t hash_bytes(const void* data, size_t size, uint64_t seed = 0) {
  const char* p = static_cast<const char*>(data);
  uint64_t hash = mix(seed, size);
  for (; size >= 8; p += 8, size -= 8) {
    uint64_t word;
    std::memcpy(&word, p, 8);
    hash = mix(hash, word);
  }
  uint64_t tail = 0;
  std::memcpy(&tail, p, size);
  return mix(hash, tail);
}

}  // namespace jt
