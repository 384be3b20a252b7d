#include "backends/cpu_tcc/library/along.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <type_traits>
#include <utility>

namespace jt::library {

namespace {

// Calls f with a value of the type that elements have in memory. f16 and bf16 are not offered.
template <class F>
void by_dtype(DType dtype, const F& f) {
  switch (dtype) {
    case JT_BOOL: case JT_U8: return f(uint8_t());
    case JT_I8: return f(int8_t());
    case JT_I16: return f(int16_t());
    case JT_U16: return f(uint16_t());
    case JT_I32: return f(int32_t());
    case JT_U32: return f(uint32_t());
    case JT_I64: return f(int64_t());
    case JT_U64: return f(uint64_t());
    case JT_F64: return f(double());
    default: return f(float());
  }
}

// ---- sort -----------------------------------------------------------------------------------------------------------

// An unsigned key whose order is the order of elements: all NaN are one key, the largest, and both zeros are one.
template <class T, class Key>
Key key_of(T x) {
  constexpr Key sign = Key(1) << (sizeof(T) * 8 - 1);
  if constexpr (std::is_floating_point_v<T>) {
    if (x != x) return sign | (sign - 1);
    Key bits = std::bit_cast<Key>(x == 0 ? T(0) : x);
    return bits & sign ? Key(~bits) : Key(bits | sign);
  } else if constexpr (std::is_signed_v<T>) {
    return Key(std::make_unsigned_t<T>(x)) ^ sign;
  } else {
    return Key(x);
  }
}

template <class Key>
struct Entry {
  Key key;
  uint32_t from;
};

template <class Key>
void insertion_sort(Entry<Key>* entries, i64 n) {
  for (i64 k = 1; k < n; k++) {
    Entry<Key> moving = entries[k];
    i64 at = k;
    for (; at > 0 && moving.key < entries[at - 1].key; at--) entries[at] = entries[at - 1];
    entries[at] = moving;
  }
}

// Least significant byte first; a byte that all keys share is skipped. Returns where the sorted entries are.
template <class Key>
Entry<Key>* radix_sort(Entry<Key>* entries, Entry<Key>* other, i64 n, int bytes) {
  uint32_t counts[sizeof(Key)][256] = {};
  for (i64 k = 0; k < n; k++)
    for (int b = 0; b < bytes; b++) counts[b][entries[k].key >> (8 * b) & 255]++;
  for (int b = 0; b < bytes; b++) {
    if (counts[b][entries[0].key >> (8 * b) & 255] == uint64_t(n)) continue;
    uint32_t begins[256], sum = 0;
    for (int d = 0; d < 256; d++) begins[d] = sum, sum += counts[b][d];
    for (i64 k = 0; k < n; k++) other[begins[entries[k].key >> (8 * b) & 255]++] = entries[k];
    std::swap(entries, other);
  }
  return entries;
}

template <class T>
using KeyOf = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;

template <class T>
void sort_line(const AlongShape& s, const T* x, T* z, int64_t* index, void* workspace) {
  using Key = KeyOf<T>;
  constexpr i64 kFew = 48;
  constexpr Key all = sizeof(T) < sizeof(Key) ? Key((Key(1) << (sizeof(T) * 8 % (sizeof(Key) * 8))) - 1) : Key(~Key(0));
  Key turned = s.descending ? all : 0;
  auto* entries = static_cast<Entry<Key>*>(workspace);
  for (i64 k = 0; k < s.n; k++) entries[k] = {Key(key_of<T, Key>(x[k * s.inner]) ^ turned), uint32_t(k)};
  if (s.n <= kFew) insertion_sort(entries, s.n);
  else entries = radix_sort(entries, entries + s.n, s.n, int(sizeof(T)));
  for (i64 k = 0; k < s.n; k++) {
    z[k * s.inner] = x[i64(entries[k].from) * s.inner];
    index[k * s.inner] = entries[k].from;
  }
}

// ---- accumulation ---------------------------------------------------------------------------------------------------

// A unit: lines i .. i + lines of one outer index.
struct Lines {
  i64 at, count;  // offset of the first element of the first line
  Lines(const AlongShape& s, i64 unit) {
    i64 blocks = (s.inner + kLines - 1) / kLines, first = unit % blocks * kLines;
    at = unit / blocks * s.n * s.inner + first, count = std::min(kLines, s.inner - first);
  }
};

template <class T, class Wide, class Add>
void accumulate(const AlongShape& s, const T* x, T* z, const Lines& lines, Wide begin, const Add& add) {
  Wide sums[kLines];
  std::fill_n(sums, lines.count, begin);
  x += lines.at, z += lines.at;
  for (i64 k = 0; k < s.n; k++, x += s.inner, z += s.inner)
    for (i64 i = 0; i < lines.count; i++) z[i] = T(sums[i] = add(sums[i], Wide(x[i])));
}

template <class Add>
void accumulate_all(const AlongShape& s, const void* x, void* z, i64 begin, i64 end, int first, const Add& add) {
  by_dtype(s.dtype, [&](auto t) {
    using T = decltype(t);
    using Wide = std::conditional_t<std::is_floating_point_v<T>, double, uint64_t>;
    // Products begin with the first element itself: 1 * x has its bits.
    for (i64 unit = begin; unit < end; unit++) accumulate(s, (const T*)x, (T*)z, Lines(s, unit), Wide(first), add);
  });
}

// Does b take the place of a, which stands before it?
template <class T, bool is_max>
bool takes_over(T b, T a) {
  if (a != a) return b != b;
  return b != b || (is_max ? b >= a : b <= a);
}

template <bool is_max, class T>
void choose(const AlongShape& s, const T* x, T* z, int64_t* index, const Lines& lines) {
  T best[kLines];
  int64_t place[kLines];
  x += lines.at, z += lines.at, index += lines.at;
  for (i64 k = 0; k < s.n; k++, x += s.inner, z += s.inner, index += s.inner)
    for (i64 i = 0; i < lines.count; i++) {
      if (k == 0 || takes_over<T, is_max>(x[i], best[i])) best[i] = x[i], place[i] = k;
      z[i] = best[i], index[i] = place[i];
    }
}

template <bool is_max>
void choose_all(const AlongShape& s, const void* x, void* z, int64_t* index, i64 begin, i64 end) {
  by_dtype(s.dtype, [&](auto t) {
    using T = decltype(t);
    for (i64 unit = begin; unit < end; unit++) choose<is_max>(s, (const T*)x, (T*)z, index, Lines(s, unit));
  });
}

}  // namespace

i64 sort_units(const AlongShape& s) { return s.outer * s.inner; }

size_t sort_workspace(const AlongShape& s) {
  size_t entry = size_of(s.dtype) == 8 ? sizeof(Entry<uint64_t>) : sizeof(Entry<uint32_t>);
  return size_t(s.n) * entry * 2;
}

void sort(const AlongShape& s, const void* x, void* z, int64_t* index, void* workspace, i64 begin, i64 end) {
  by_dtype(s.dtype, [&](auto t) {
    using T = decltype(t);
    for (i64 unit = begin; unit < end; unit++) {
      i64 at = unit / s.inner * s.n * s.inner + unit % s.inner;
      sort_line(s, (const T*)x + at, (T*)z + at, index + at, workspace);
    }
  });
}

i64 scan_units(const AlongShape& s) { return s.outer * ((s.inner + kLines - 1) / kLines); }

void cumsum(const AlongShape& s, const void* x, void* z, i64 begin, i64 end) {
  accumulate_all(s, x, z, begin, end, 0, [](auto sum, auto v) { return sum + v; });
}
void cumprod(const AlongShape& s, const void* x, void* z, i64 begin, i64 end) {
  accumulate_all(s, x, z, begin, end, 1, [](auto product, auto v) { return product * v; });
}
void cummax(const AlongShape& s, const void* x, void* z, int64_t* index, i64 begin, i64 end) {
  choose_all<true>(s, x, z, index, begin, end);
}
void cummin(const AlongShape& s, const void* x, void* z, int64_t* index, i64 begin, i64 end) {
  choose_all<false>(s, x, z, index, begin, end);
}

}  // namespace jt::library
