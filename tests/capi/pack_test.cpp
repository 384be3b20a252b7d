// Weights that stay the same are kept in the order in which kernels read them; whatever changes them, the results
// follow.
#include "tests/capi/capi.h"

using namespace jt::test;

namespace {

using Floats = std::vector<float>;
Floats numbers(int64_t n, int seed) {
  Floats out;
  for (int64_t i = 0; i < n; i++) out.push_back(float((i * 37 + seed * 11) % 17 - 8));
  return out;
}
// x [40,64] with w [48,64]: whole numbers, so that any order gives the same sums.
Floats products(const Floats& x, const Floats& w) {
  Floats out(40 * 48);
  for (size_t i = 0; i < 40; i++)
    for (size_t j = 0; j < 48; j++)
      for (size_t k = 0; k < 64; k++) out[i * 48 + j] += x[i * 64 + k] * w[j * 64 + k];
  return out;
}

struct Layer {
  Session s;
  Floats numbers_x = numbers(40 * 64, 1), numbers_w = numbers(48 * 64, 2);
  Tensor x = s.floats({40, 64}, numbers_x), w = s.floats({48, 64}, numbers_w);
  explicit Layer(uint32_t flags = JT_RT_NO_DISK_CACHE, int64_t memory_limit = 0) : s(flags, nullptr, memory_limit) {}
  Tensor product(jt_tensor* a, jt_tensor* b) {
    const int64_t order[] = {1, 0};
    return s.make(jt_matmul, a, s.make(jt_transpose, b, order, size_t(2)));
  }
  Floats run() { return s.read(product(x, w)); }
  Floats wanted() { return products(numbers_x, numbers_w); }
  int64_t kept() { return s.memory().cached_bytes; }
};

}  // namespace

TEST(Packs, AreMadeWhenWeightsComeAgain) {
  Layer l;
  EXPECT_EQ(l.run(), l.wanted());
  must(jt_runtime_trim(l.s.rt));
  EXPECT_EQ(l.run(), l.wanted());
  must(jt_runtime_trim(l.s.rt));
  EXPECT_EQ(l.kept(), 0);  // the second time made it, and trim gave it back
  EXPECT_EQ(l.run(), l.wanted());
  EXPECT_EQ(l.run(), l.wanted());
  int64_t with_pack = l.kept();
  EXPECT_GE(with_pack, 48 * 64 * 4);
  for (int i = 0; i < 5; i++) EXPECT_EQ(l.run(), l.wanted());
  EXPECT_EQ(l.kept(), with_pack);
  must(jt_runtime_trim(l.s.rt));
  EXPECT_EQ(l.kept(), 0);
  EXPECT_EQ(l.run(), l.wanted());
}

TEST(Packs, FollowAnAssignment) {
  Layer l;
  for (int round = 0; round < 4; round++) {
    for (int i = 0; i < 3; i++) ASSERT_EQ(l.run(), l.wanted());
    l.numbers_w = numbers(48 * 64, 3 + round);
    must(jt_tensor_assign(l.s.ctx, l.w, l.s.floats({48, 64}, l.numbers_w)));
  }
}

TEST(Packs, FollowWeightsThatAreOverwrittenInPlace) {
  Layer l;
  for (int round = 0; round < 4; round++) {
    for (int i = 0; i < 3; i++) ASSERT_EQ(l.run(), l.wanted()) << round;
    // One plan reads the old weights twice and then puts the new ones into their buffer.
    Tensor other = l.s.make(jt_neg, l.x), a = l.product(l.x, l.w), b = l.product(other, l.w);
    Tensor next = l.s.make(jt_add, l.w, l.s.scalar(1));
    must(jt_tensor_assign(l.s.ctx, l.w, next));
    next = Tensor();
    must(jt_sync(l.s.ctx));
    ASSERT_EQ(l.s.read(a), l.wanted());
    for (float& v : l.numbers_w) v += 1;
  }
}

TEST(Packs, FollowWhatIsWrittenThroughAMapping) {
  Layer l;
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < 3; i++) ASSERT_EQ(l.run(), l.wanted()) << round;
    jt_mapping map{};
    map.struct_size = sizeof map;
    must(jt_tensor_map_write(l.s.ctx, l.w, &map));
    for (int half = 0; half < 2; half++) {  // also while it may still be written
      static_cast<float*>(const_cast<void*>(map.data))[round + half] = l.numbers_w[size_t(round + half)] = 5;
      ASSERT_EQ(l.run(), l.wanted()) << round;
      ASSERT_EQ(l.run(), l.wanted()) << round;
    }
    jt_tensor_unmap(&map);
  }
}

TEST(Packs, OfConvolutionsServeEveryBatchAndSize) {
  Session s;
  Floats w = numbers(20 * 6 * 9, 4);
  Tensor weights = s.floats({20, 6, 3, 3}, w);
  for (int64_t round = 0; round < 6; round++) {
    int64_t n = 1 + round % 3, size = 5 + round;
    Floats x = numbers(n * 6 * size * size, int(round));
    Tensor y = s.make(jt_conv2d, s.floats({n, 6, size, size}, x), weights, nullptr, 0, nullptr, 0, nullptr, 0, 1, 0);
    Floats out = s.read(y);
    int64_t o = size - 2;
    for (int64_t i = 0; i < n; i++)
      for (int64_t c = 0; c < 20; c++)
        for (int64_t a = 0; a < o; a++)
          for (int64_t b = 0; b < o; b++) {
            float sum = 0;
            for (int64_t k = 0; k < 6; k++)
              for (int64_t p = 0; p < 9; p++)
                sum += x[size_t(((i * 6 + k) * size + a + p / 3) * size + b + p % 3)] * w[size_t((c * 6 + k) * 9 + p)];
            ASSERT_EQ(out[size_t(((i * 20 + c) * o + a) * o + b)], sum) << round;
          }
  }
}

TEST(Packs, TakeLittleBesideAMemoryLimit) {
  auto kept_with = [](int64_t limit) {
    Layer l(JT_RT_NO_DISK_CACHE, limit);
    for (int i = 0; i < 4; i++) EXPECT_EQ(l.run(), l.wanted());
    return l.kept();
  };
  int64_t without = kept_with(0);
  EXPECT_EQ(kept_with(1 << 20), without);             // an eighth is room enough
  EXPECT_LE(kept_with(90000), without - 48 * 64 * 4);  // is not
}

TEST(Packs, StayBelowTheirLimit) {
  setenv("JT_CPU_PACK_BYTES", "30000", 1);
  {
    Layer l(JT_RT_NO_DISK_CACHE | JT_RT_ALLOW_ENV);
    std::vector<Tensor> weights{l.w, l.s.floats({48, 64}, numbers(48 * 64, 7)),
                                l.s.floats({48, 64}, numbers(48 * 64, 8)), l.s.floats({48, 64}, numbers(48 * 64, 9))};
    must(jt_runtime_trim(l.s.rt));
    for (int round = 0; round < 4; round++)
      for (size_t k = 0; k < 4; k++) {
        l.numbers_w = numbers(48 * 64, k ? int(k) + 6 : 2);
        l.w = weights[k];
        ASSERT_EQ(l.run(), l.wanted());
      }
    // Two of the four have room; they stay, and make way for others only when they have not been used for long.
    must(jt_sync(l.s.ctx));
    l.w = weights[1], l.numbers_w = numbers(48 * 64, 7);
    for (int i = 0; i < 5000; i++) l.run();
    for (size_t k = 2; k < 4; k++) {
      l.w = weights[k], l.numbers_w = numbers(48 * 64, int(k) + 6);
      for (int i = 0; i < 3; i++) ASSERT_EQ(l.run(), l.wanted());
    }
  }
  setenv("JT_CPU_PACK_BYTES", "many", 1);
  jt_runtime_desc desc{};
  desc.struct_size = sizeof desc, desc.flags = JT_RT_ALLOW_ENV;
  jt_runtime* rt = nullptr;
  EXPECT_EQ(jt_runtime_create(&desc, &rt), JT_E_INVALID);
  EXPECT_NE(last_message().find("many"), std::string::npos) << last_message();
  unsetenv("JT_CPU_PACK_BYTES");
}
