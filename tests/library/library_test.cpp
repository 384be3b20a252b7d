// Matrix products equal the naive sum for every ISA, dtype, transposition, stride and split, and write nothing else.
#include <cmath>
#include <limits>

#include "tests/library/guarded.h"

namespace jt::library {
namespace {

std::string text(const LibraryKernels* kernels, const GemmShape& s) {
  return std::string(kernels->name) + " " + name(s.dtype) + " m=" + std::to_string(s.m) + " n=" + std::to_string(s.n) +
         " k=" + std::to_string(s.k) + " ta=" + std::to_string(s.transpose_a) + " tb=" + std::to_string(s.transpose_b) +
         " lda=" + std::to_string(s.lda) + " ldb=" + std::to_string(s.ldb) + " ldc=" + std::to_string(s.ldc) +
         " batch=" + std::to_string(s.batch) + " acc=" + std::to_string(s.accumulate);
}

i64 extent(i64 rows, i64 ld, i64 columns, i64 batch, i64 stride) {
  return rows == 0 || columns == 0 || batch == 0 ? 0 : (batch - 1) * stride + (rows - 1) * ld + columns;
}

GemmShape shape_of(DType dtype, i64 m, i64 n, i64 k, bool ta, bool tb, i64 slack = 0, i64 batch = 1,
                   bool accumulate = false) {
  GemmShape s;
  s.dtype = dtype;
  s.m = m, s.n = n, s.k = k;
  s.transpose_a = ta, s.transpose_b = tb;
  s.lda = (ta ? m : k) + slack, s.ldb = (tb ? k : n) + slack, s.ldc = n + slack;
  s.batch = batch;
  s.batch_stride_a = (ta ? k : m) * s.lda;
  s.batch_stride_b = (tb ? n : k) * s.ldb;
  s.batch_stride_c = m * s.ldc;
  s.accumulate = accumulate;
  return s;
}

template <class T>
void check(const LibraryKernels* kernels, const GemmShape& s, std::mt19937& random, int pieces = 1) {
  SCOPED_TRACE(text(kernels, s));
  const i64 a_count = extent(s.transpose_a ? s.k : s.m, s.lda, s.transpose_a ? s.m : s.k, s.batch, s.batch_stride_a);
  const i64 b_count = extent(s.transpose_b ? s.n : s.k, s.ldb, s.transpose_b ? s.k : s.n, s.batch, s.batch_stride_b);
  const i64 c_count = extent(s.m, s.ldc, s.n, s.batch, s.batch_stride_c);
  Guarded a(a_count * sizeof(T), sizeof(T)), b(b_count * sizeof(T), sizeof(T)), c(c_count * sizeof(T), sizeof(T));
  fill_exact(a.as<T>(), a_count, random);
  fill_exact(b.as<T>(), b_count, random);
  fill_exact(c.as<T>(), c_count, random);
  std::vector<T> want(c.as<T>(), c.as<T>() + c_count);
  for (i64 g = 0; g < s.batch; g++)
    for (i64 i = 0; i < s.m; i++)
      for (i64 j = 0; j < s.n; j++) {
        const T* a0 = a.as<T>() + g * s.batch_stride_a;
        const T* b0 = b.as<T>() + g * s.batch_stride_b;
        T& to = want[g * s.batch_stride_c + i * s.ldc + j];
        T total = s.accumulate ? to : T(0);
        for (i64 k = 0; k < s.k; k++)
          total = T(total + (s.transpose_a ? a0[k * s.lda + i] : a0[i * s.lda + k]) *
                                (s.transpose_b ? b0[j * s.ldb + k] : b0[k * s.ldb + j]));
        to = total;
      }
  run_in_pieces(kernels->gemm_units(s), pieces, kernels->gemm_workspace(s), [&](void* memory, i64 begin, i64 end) {
    kernels->gemm(s, a.bytes(), b.bytes(), c.bytes(), memory, nullptr, begin, end);
  });
  ASSERT_TRUE(c.is_intact()) << "result overrun";
  for (i64 i = 0; i < c_count; i++) ASSERT_EQ(c.as<T>()[i], want[i]) << "at " << i;
  const size_t packed_bytes = kernels->gemm_packed_bytes(s);
  if (!packed_bytes || s.accumulate) return;
  Guarded packed(packed_bytes, 64);
  kernels->gemm_pack(s, b.bytes(), packed.bytes());
  for (i64 i = 0; i < c_count; i++) c.as<T>()[i] = T(7);
  run_in_pieces(kernels->gemm_units(s), pieces, kernels->gemm_workspace(s), [&](void* memory, i64 begin, i64 end) {
    kernels->gemm(s, a.bytes(), b.bytes(), c.bytes(), memory, packed.bytes(), begin, end);
  });
  ASSERT_TRUE(packed.is_intact() && c.is_intact()) << "packed overrun";
  for (i64 g = 0; g < s.batch; g++)
    for (i64 i = 0; i < s.m; i++)
      for (i64 j = 0; j < s.n; j++) {
        const i64 at = g * s.batch_stride_c + i * s.ldc + j;
        ASSERT_EQ(c.as<T>()[at], want[at]) << "packed, at " << at;
      }
}

TEST(Gemm, equals_the_naive_sum_for_every_small_extent_and_transposition) {
  const i64 extents[] = {0, 1, 2, 3, 5, 7, 16, 17, 31, 64, 65, 100};
  std::mt19937 random(1);
  for (auto* kernels : every_isa())
    for (i64 m : extents)
      for (i64 n : extents)
        for (i64 k : extents)
          for (int t = 0; t < 4; t++) {
            check<float>(kernels, shape_of(JT_F32, m, n, k, t & 1, t & 2), random);
            if (HasFatalFailure()) return;
          }
}

TEST(Gemm, equals_the_naive_sum_across_blocks_strides_batches_and_splits) {
  const unsigned seed = std::random_device()();
  std::mt19937 random(seed);
  RecordProperty("seed", int(seed));
  SCOPED_TRACE("seed " + std::to_string(seed));
  for (auto* kernels : every_isa())
    for (int round = 0; round < 120; round++) {
      auto any = [&](i64 most) { return i64(random() % (most + 1)); };
      i64 m = any(round % 4 == 0 ? 400 : 40), n = any(round % 4 == 1 ? 2500 : 130), k = any(round % 4 == 2 ? 1200 : 90);
      GemmShape s = shape_of(round % 2 ? JT_F64 : JT_F32, m, n, k, any(1), any(1), any(2) * 3, any(3), any(1));
      if (any(3) == 0) s.batch_stride_a = 0;
      if (any(3) == 0) s.batch_stride_b = 0;
      const int pieces = int(1 + any(4));
      if (s.dtype == JT_F64)
        check<double>(kernels, s, random, pieces);
      else
        check<float>(kernels, s, random, pieces);
      if (HasFatalFailure()) return;
    }
}

// What is packed of A serves all blocks of columns, up to so many rows.
TEST(Gemm, equals_the_naive_sum_where_a_transposed_a_is_packed) {
  std::mt19937 random(2);
  for (auto* kernels : every_isa())
    for (auto [m, n, k] : {std::array<i64, 3>{100, 600, 1100}, {1600, 260, 30}, {1541, 300, 7}, {49, 1300, 520}})
      for (int t = 0; t < 2; t++) {
        check<float>(kernels, shape_of(JT_F32, m, n, k, true, t, t), random, 1 + t);
        check<double>(kernels, shape_of(JT_F64, m, n, k, true, t), random, 2 - t);
        if (HasFatalFailure()) return;
      }
}

TEST(Gemm, gives_the_same_bits_however_its_units_are_split) {
  std::mt19937 random(3);
  std::uniform_real_distribution<float> real(-1, 1);
  for (auto* kernels : every_isa())
    for (auto [m, n, k] : {std::array<i64, 3>{3, 500, 700},
                           {16, 300, 900},
                           {130, 90, 1000},
                           {100, 1, 333},
                           {20, 200, 400},
                           {120, 330, 600}})
      for (int t = 0; t < 4; t++) {
        GemmShape s = shape_of(JT_F32, m, n, k, t & 1, t & 2);
        std::vector<float> a(m * k), b(k * n), whole(m * n), split(m * n);
        for (float& v : a) v = real(random);
        for (float& v : b) v = real(random);
        std::vector<char> memory(kernels->gemm_workspace(s));
        const i64 units = kernels->gemm_units(s);
        kernels->gemm(s, a.data(), b.data(), whole.data(), memory.data(), nullptr, 0, units);
        for (i64 u = 0; u < units; u++)
          kernels->gemm(s, a.data(), b.data(), split.data(), memory.data(), nullptr, u, u + 1);
        EXPECT_EQ(0, memcmp(whole.data(), split.data(), whole.size() * 4)) << text(kernels, s);
      }
}

TEST(Gemm, wraps_integers) {
  std::mt19937 random(4);
  for (auto* kernels : every_isa())
    for (int t = 0; t < 4; t++) {
      const i64 m = 7, n = 33, k = 19;
      GemmShape s = shape_of(JT_I32, m, n, k, t & 1, t & 2);
      std::vector<uint32_t> a(m * k), b(k * n), c(m * n);
      for (auto& v : a) v = random();
      for (auto& v : b) v = random();
      kernels->gemm(s, a.data(), b.data(), c.data(), nullptr, nullptr, 0, kernels->gemm_units(s));
      for (i64 i = 0; i < m; i++)
        for (i64 j = 0; j < n; j++) {
          uint32_t want = 0;
          for (i64 p = 0; p < k; p++) want += a[t & 1 ? p * m + i : i * k + p] * b[t & 2 ? j * k + p : p * n + j];
          ASSERT_EQ(c[i * n + j], want);
        }
      s.dtype = JT_U16;  // 65535 * 65535 = 1 modulo 2^16
      std::vector<uint16_t> ones(k * n, 65535), result(m * n);
      kernels->gemm(s, ones.data(), ones.data(), result.data(), nullptr, nullptr, 0, kernels->gemm_units(s));
      for (uint16_t v : result) ASSERT_EQ(v, k);
      check<int64_t>(kernels, shape_of(JT_I64, 5, 70, 9, t & 1, t & 2, 1, 2, true), random, 2);
      check<int8_t>(kernels, shape_of(JT_I8, 5, 70, 9, t & 1, t & 2, 1, 2, true), random, 2);
    }
}

TEST(Gemm, sums_halves_in_f32_and_rounds_once) {
  // 2048 + 1 + 1 is 2048 when each step rounds to f16, and 2050 when only the end does; bf16 likewise at 256.
  const uint16_t f16[] = {0x6800, 0x3c00, 0x3c00}, f16_one = 0x3c00, f16_want = 0x6801;
  const uint16_t bf16[] = {0x4380, 0x3f80, 0x3f80}, bf16_one = 0x3f80, bf16_want = 0x4381;
  for (auto* kernels : every_isa())
    for (int t = 0; t < 4; t++)
      for (bool is_f16 : {true, false}) {
        const i64 m = 19, n = 70, k = 3;
        GemmShape s = shape_of(is_f16 ? JT_F16 : JT_BF16, m, n, k, t & 1, t & 2);
        std::vector<uint16_t> a(m * k), b(k * n, is_f16 ? f16_one : bf16_one);
        for (i64 i = 0; i < m; i++)
          for (i64 p = 0; p < k; p++) a[s.transpose_a ? p * m + i : i * k + p] = is_f16 ? f16[p] : bf16[p];
        Guarded c(m * n * 2, 2);
        run_in_pieces(kernels->gemm_units(s), 3, kernels->gemm_workspace(s), [&](void* memory, i64 begin, i64 end) {
          kernels->gemm(s, a.data(), b.data(), c.bytes(), memory, nullptr, begin, end);
        });
        ASSERT_TRUE(c.is_intact());
        for (i64 i = 0; i < m * n; i++)
          ASSERT_EQ(c.as<uint16_t>()[i], is_f16 ? f16_want : bf16_want) << text(kernels, s);
      }
}

TEST(Gemm, rounds_halves_to_nearest_even) {
  // x * y + z * 1 in f32, where the sum needs one bit more than the dtype has.
  struct Case {
    DType dtype;
    uint16_t one, x, y, z, want;
    const char* what;
  };
  const Case cases[] = {
      {JT_F16, 0x3c00, 0x3c00, 0x3c00, 0x1000, 0x3c00, "1 + 2^-11 is a tie, down to even"},
      {JT_F16, 0x3c00, 0x3c01, 0x3c00, 0x1000, 0x3c02, "1 + 3 * 2^-11 is a tie, up to even"},
      {JT_F16, 0x3c00, 0x7bff, 0x3c00, 0x4c00, 0x7c00, "65504 + 16 overflows"},
      {JT_F16, 0x3c00, 0x7bff, 0x3c00, 0x4bff, 0x7bff, "65504 + 15.99 does not"},
      {JT_F16, 0x3c00, 0x0001, 0x3800, 0x0000, 0x0000, "half the least denormal is a tie, down to 0"},
      {JT_F16, 0x3c00, 0x0003, 0x3800, 0x0000, 0x0002, "1.5 denormals are a tie, up to 2"},
      {JT_F16, 0x3c00, 0x03ff, 0x3c00, 0x0001, 0x0400, "the least normal"},
      {JT_F16, 0x3c00, 0xfc00, 0x3c00, 0x0000, 0xfc00, "-infinity"},
      {JT_F16, 0x3c00, 0x7e00, 0x3c00, 0x0000, 0x7e00, "nan"},
      {JT_BF16, 0x3f80, 0x3f80, 0x3f80, 0x3b80, 0x3f80, "1 + 2^-8 is a tie, down to even"},
      {JT_BF16, 0x3f80, 0x3f81, 0x3f80, 0x3b80, 0x3f82, "1 + 3 * 2^-8 is a tie, up to even"},
      {JT_BF16, 0x3f80, 0x7f7f, 0x4000, 0x0000, 0x7f80, "overflows"},
      {JT_BF16, 0x3f80, 0x7fc0, 0x3f80, 0x0000, 0x7fc0, "nan"},
  };
  for (auto* kernels : every_isa())
    for (const Case& c : cases) {
      GemmShape s = shape_of(c.dtype, 1, 1, 2, false, false);
      const uint16_t a[] = {c.x, c.z}, b[] = {c.y, c.one};
      uint16_t out = 0;
      std::vector<char> memory(kernels->gemm_workspace(s));
      kernels->gemm(s, a, b, &out, memory.data(), nullptr, 0, kernels->gemm_units(s));
      EXPECT_EQ(out, c.want) << kernels->name << ": " << c.what;
    }
}

TEST(Gemm, propagates_nan_past_zero_factors) {
  for (auto* kernels : every_isa())
    for (i64 m : {1, 5, 40}) {
      GemmShape s = shape_of(JT_F32, m, 20, 30, false, false);
      std::vector<float> a(m * 30, 0.0f), b(30 * 20, 1.0f), c(m * 20);
      b[7 * 20 + 3] = std::numeric_limits<float>::infinity();
      b[9 * 20 + 4] = std::numeric_limits<float>::quiet_NaN();
      std::vector<char> memory(kernels->gemm_workspace(s));
      kernels->gemm(s, a.data(), b.data(), c.data(), memory.data(), nullptr, 0, kernels->gemm_units(s));
      for (i64 i = 0; i < m; i++)
        for (i64 j = 0; j < 20; j++) EXPECT_EQ(std::isnan(c[i * 20 + j]), j == 3 || j == 4);
    }
}

TEST(Library, gives_the_widest_isa_unless_told_otherwise) {
  EXPECT_EQ(library_kernels(), every_isa().back());
  EXPECT_EQ(library_kernels(Isa::generic)->isa, Isa::generic);
}

}  // namespace
}  // namespace jt::library
