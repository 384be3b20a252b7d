// opcodes: one statement of PTX for every combination of edge values, against what the host says of them.
#pragma once

#include <bit>
#include <cmath>
#include <limits>
#include <set>

#include "tests/fakegpu/harness.h"

namespace fakegpu::test {

struct Half { uint16_t bits; };   // f16 or bf16, as the opcode takes it
struct Pair { uint32_t bits; };   // two of them
struct Flag { uint8_t value; };   // a predicate

// How PTX has a host's type: its loads, its registers.
template <class T> struct Ptx;
template <> struct Ptx<uint8_t> { static constexpr const char *load = "u8", *file = "%rs"; };
template <> struct Ptx<int8_t> { static constexpr const char *load = "s8", *file = "%rs"; };
template <> struct Ptx<uint16_t> { static constexpr const char *load = "u16", *file = "%rs"; };
template <> struct Ptx<int16_t> { static constexpr const char *load = "s16", *file = "%rs"; };
template <> struct Ptx<Half> { static constexpr const char *load = "b16", *file = "%rs"; };
template <> struct Ptx<uint32_t> { static constexpr const char *load = "u32", *file = "%r"; };
template <> struct Ptx<int32_t> { static constexpr const char *load = "s32", *file = "%r"; };
template <> struct Ptx<Pair> { static constexpr const char *load = "b32", *file = "%r"; };
template <> struct Ptx<float> { static constexpr const char *load = "f32", *file = "%f"; };
template <> struct Ptx<uint64_t> { static constexpr const char *load = "u64", *file = "%rd"; };
template <> struct Ptx<int64_t> { static constexpr const char *load = "s64", *file = "%rd"; };
template <> struct Ptx<double> { static constexpr const char *load = "f64", *file = "%fd"; };
template <> struct Ptx<Flag> { static constexpr const char *load = "u8", *file = "%p"; };

// Opcodes that a test had run. The last test compares them with those there are.
std::set<std::string>& opcodes_run();

std::string replaced(std::string text, const std::string& what, const std::string& with);

template <class T> std::string load_text(int number) {
  std::string n = std::to_string(number), size = std::to_string(sizeof(T)), at = "%rd" + std::to_string(40 + number);
  std::string text = "ld.param.u64 " + at + ", [p" + n + "];\nmul.wide.u32 %rd50, %r50, " + size + ";\nadd.s64 " + at +
                     ", " + at + ", %rd50;\n";
  if (number == 0) return text;
  if constexpr (std::is_same_v<T, Flag>)
    return text + "ld.global.u8 %rs50, [" + at + "];\nsetp.ne.s16 %p" + n + ", %rs50, 0;\n";
  return text + "ld.global." + Ptx<T>::load + " " + Ptx<T>::file + n + ", [" + at + "];\n";
}
template <class T> std::string store_text() {
  if constexpr (std::is_same_v<T, Flag>) return "selp.u16 %rs50, 1, 0, %p0;\nst.global.u8 [%rd40], %rs50;\n";
  return std::string("st.global.") + Ptx<T>::load + " [%rd40], " + Ptx<T>::file + "0;\n";
}

// The results of `statement`, whose $d is of D and whose $a, $b, $c, $e are of the sources' types, for each row of the
// sources.
template <class D, class... S> std::vector<D> run(const std::string& statement, const std::vector<S>&... sources) {
  opcodes_run().insert(statement.substr(0, statement.find_first_of(". ;")));
  const char names[] = "dabce";
  const char* files[] = {Ptx<D>::file, Ptx<S>::file...};
  std::string text = statement,
              body = "mov.u32 %r50, %tid.x;\nmov.u32 %r51, %ctaid.x;\nmad.lo.s32 %r50, %r51, 64, %r50;\n";
  for (size_t i = 0; i <= sizeof...(S); ++i)
    text = replaced(text, std::string("$") + names[i], files[i] + std::to_string(i));
  int number = 0;
  const size_t count = std::min({sources.size()...});
  body += "ld.param.u32 %r52, [p" + std::to_string(sizeof...(S) + 1) +
          "];\nsetp.ge.u32 %p15, %r50, %r52;\n@%p15 bra $end;\n";
  body += load_text<D>(number++);
  ((body += load_text<S>(number++)), ...);
  body += text + "\n" + store_text<D>() + "$end:";
  Gpu gpu;
  void* module = gpu.load(kernel_text(body, sizeof...(S) + 2));
  EXPECT_NE(module, nullptr) << gpu.last_finding();
  if (!module) return {};
  uint64_t o = gpu.allocate(count * sizeof(D));
  Shape shape{.grid = static_cast<unsigned>((count + 63) / 64), .block = 64};
  EXPECT_EQ(gpu.launch(gpu.function(module, "k"), shape, o, gpu.upload(sources)..., static_cast<uint64_t>(count)), 0)
      << gpu.last_finding();
  return gpu.download<D>(o, count);
}

template <class T> std::string shown(T v) {
  if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, Pair>) return "bits " + std::to_string(v.bits);
  else if constexpr (std::is_same_v<T, Flag>) return v.value ? "true" : "false";
  else if constexpr (std::is_floating_point_v<T>) {
    char text[40];
    snprintf(text, sizeof text, "%a", static_cast<double>(v));
    return text;
  } else
    return std::to_string(v);
}
template <class T> bool same(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) return (a != a && b != b) || memcmp(&a, &b, sizeof a) == 0;
  else return memcmp(&a, &b, sizeof a) == 0;
}

// Every combination of the edges.
template <class D, class F, class... S> void expect(const std::string& statement, F f, const std::vector<S>&... edges) {
  size_t total = (edges.size() * ...);
  std::tuple<std::vector<S>...> rows;
  size_t stride = 1;
  std::apply([&](auto&... row) {
    auto fill = [&](auto& out, const auto& edge) {
      for (size_t i = 0; i < total; ++i) out.push_back(edge[i / stride % edge.size()]);
      stride *= edge.size();
    };
    (fill(row, edges), ...);
  }, rows);
  std::apply([&](const auto&... row) {
    std::vector<D> got = run<D>(statement, row...);
    ASSERT_EQ(got.size(), total) << statement;
    for (size_t i = 0; i < total; ++i) {
      D wanted = f(row[i]...);
      if (same(got[i], wanted)) continue;
      std::string of;
      ((of += " " + shown(row[i])), ...);
      ADD_FAILURE() << statement << " of" << of << " is " << shown(got[i]) << ", not " << shown(wanted);
      return;
    }
  }, rows);
}

template <class T> std::vector<T> edges() {
  if constexpr (std::is_floating_point_v<T>) {
    using L = std::numeric_limits<T>;
    return {
        T(0),        -T(0),        T(1),          T(-1),          T(0.5),          T(-1.5),          T(2.5),
        T(3),        T(1) / 3,     T(1e10),       T(-7.25e-5),    T(65504),        T(2147483648.0),  T(-2147483648.5),
        T(16777217), L::epsilon(), L::min(),      -L::min(),      L::denorm_min(), -L::denorm_min(), L::min() / 3,
        L::max(),    L::lowest(),  L::infinity(), -L::infinity(), L::quiet_NaN()};
  } else {
    using L = std::numeric_limits<T>;
    return {T(0),
            T(1),
            T(-1),
            T(2),
            T(3),
            T(-3),
            T(7),
            T(10),
            T(31),
            T(32),
            T(33),
            T(63),
            T(64),
            T(100),
            T(-100),
            L::max(),
            L::min(),
            T(L::max() - 1),
            T(L::min() + 1),
            T(L::max() / 2),
            T(L::max() / 2 + 1),
            T(0x5a5a5a5a5a5a5a5aull),
            T(0x123456789abcdef0ull)};
  }
}
inline std::vector<uint32_t> small_counts() {
  return {0, 1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 200, 255, 256, 0x80000000u, ~0u};
}

}  // namespace fakegpu::test
