// Making tensors, asking them, reading them.
#include <set>

#include "tests/capi/capi.h"

using namespace jt::test;

TEST(Tensors, KeepTheirBytesInEveryDtype) {
  Session s;
  for (int d = JT_BOOL; d <= JT_F64; d++) {
    auto dtype = jt_dtype(d);
    std::vector<uint8_t> bytes(6 * jt_dtype_size(dtype));
    for (size_t i = 0; i < bytes.size(); i++) bytes[i] = uint8_t(dtype == JT_BOOL ? i % 2 : i * 11);
    Tensor t = s.of(dtype, {2, 3}, bytes);
    EXPECT_EQ(jt_tensor_dtype(t), dtype);
    EXPECT_EQ(jt_tensor_is_ready(t), 1);
    std::vector<uint8_t> back(bytes.size());
    must(jt_tensor_read(s.ctx, t, back.data(), back.size()));
    EXPECT_EQ(back, bytes) << jt_dtype_name(dtype);
  }
}

TEST(Tensors, AnswerAboutTheirShape) {
  Session s;
  Tensor t = s.zeros({2, 3, 4});
  EXPECT_EQ(jt_tensor_ndim(t), 3);
  EXPECT_EQ(jt_tensor_count(t), 24);
  EXPECT_EQ(jt_tensor_dim(t, 1), 3);
  EXPECT_EQ(jt_tensor_dim(t, -1), 4);
  EXPECT_EQ(jt_tensor_dim(t, 3), -1);
  EXPECT_EQ(jt_tensor_dim(t, -4), -1);
  EXPECT_EQ(jt_tensor_is_ready(t), 0);
  int64_t dims[3] = {};
  size_t len = 0;
  must(jt_tensor_get_dims(t, dims, 3, &len));
  EXPECT_EQ(len, 3u);
  EXPECT_EQ(Dims(dims, dims + 3), (Dims{2, 3, 4}));
  len = 0;
  EXPECT_EQ(jt_tensor_get_dims(t, dims, 2, &len), JT_E_INVALID);
  EXPECT_EQ(len, 3u);
  must(jt_tensor_get_dims(t, nullptr, 0, nullptr));
}

TEST(Tensors, OfNoElementsAndOfRankZero) {
  Session s;
  Tensor none = s.make(jt_tensor_from_bytes, nullptr, size_t(0), JT_F32, Dims{0, 4}.data(), size_t(2));
  EXPECT_EQ(jt_tensor_count(none), 0);
  must(jt_tensor_read(s.ctx, s.make(jt_exp, none), nullptr, 0));
  EXPECT_EQ(s.item(s.sum(none)), 0);
  Tensor one = s.floats({}, {7});
  EXPECT_EQ(jt_tensor_ndim(one), 0);
  EXPECT_EQ(s.item(one), 7);
}

TEST(Tensors, RefuseBytesThatDoNotFit) {
  Session s;
  float data[4] = {};
  int64_t dims[2] = {2, 3}, negative[1] = {-1}, huge[2] = {INT64_MAX, 4}, nine[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
  jt_tensor* out = reinterpret_cast<jt_tensor*>(data);
  EXPECT_EQ(jt_tensor_from_bytes(s.ctx, data, 16, JT_F32, dims, 2, &out), JT_E_INVALID);
  EXPECT_EQ(out, nullptr);
  EXPECT_NE(last_message().find("16 bytes"), std::string::npos) << last_message();
  EXPECT_NE(last_message().find("24"), std::string::npos) << last_message();
  EXPECT_EQ(jt_tensor_from_bytes(s.ctx, data, 4, JT_F32, negative, 1, &out), JT_E_SHAPE);
  EXPECT_EQ(jt_tensor_from_bytes(s.ctx, data, 4, JT_F32, huge, 2, &out), JT_E_SHAPE);
  EXPECT_EQ(jt_tensor_from_bytes(s.ctx, data, 4, JT_F32, nine, 9, &out), JT_E_SHAPE);
  EXPECT_EQ(jt_tensor_from_bytes(s.ctx, data, 4, jt_dtype(99), nine, 1, &out), JT_E_DTYPE);
  EXPECT_EQ(jt_tensor_from_bytes(s.ctx, nullptr, 4, JT_F32, nine, 1, &out), JT_E_INVALID);
  EXPECT_EQ(jt_tensor_from_bytes(s.ctx, data, 4, JT_F32, nullptr, 1, &out), JT_E_INVALID);
}

TEST(Borrow, ReleasesOnceWhenTheLastReaderIsDone) {
  static int released;
  released = 0;
  alignas(64) float data[4] = {1, 2, 3, 4};
  const int64_t dims[1] = {4};
  Session s;
  jt_borrow_desc d{sizeof d};
  d.dtype = JT_F32, d.data = data, d.data_len = sizeof data, d.dims = dims, d.dims_len = 1;
  d.release = [](void* user, void* p) { released += user == p ? 1 : 100; };
  d.release_user = data;
  Tensor y;
  {
    Tensor x = s.make(jt_tensor_borrow, &d);
    y = s.make(jt_add, x, x);
    // An op whose result could take the operand's place must not write into borrowed memory.
    Tensor z = s.make(jt_neg, x);
    x = Tensor();
    EXPECT_EQ(released, 0);
    EXPECT_EQ(s.read(z), (std::vector<float>{-1, -2, -3, -4}));
  }
  EXPECT_EQ(s.read(y), (std::vector<float>{2, 4, 6, 8}));
  EXPECT_EQ(data[0], 1);
  EXPECT_EQ(released, 1);
  y = Tensor();
  EXPECT_EQ(released, 1);
}

TEST(Borrow, FailedOnesAreNotReleased) {
  static int released;
  released = 0;
  alignas(8) char data[16];
  int64_t dims[1] = {2};
  Session s;
  jt_borrow_desc d{sizeof d};
  d.dtype = JT_F32, d.data = data + 1, d.data_len = 8, d.dims = dims, d.dims_len = 1;
  d.release = [](void*, void*) { released++; };
  jt_tensor* out = nullptr;
  EXPECT_EQ(jt_tensor_borrow(s.ctx, &d, &out), JT_E_INVALID);  // not aligned
  d.data = data, d.data_len = 7;
  EXPECT_EQ(jt_tensor_borrow(s.ctx, &d, &out), JT_E_INVALID);
  d.data_len = 8, d.struct_size = 2;
  EXPECT_EQ(jt_tensor_borrow(s.ctx, &d, &out), JT_E_ABI);
  EXPECT_EQ(released, 0);
}

TEST(Scalars, AreRoundedToTheirDtype) {
  Session s;
  EXPECT_EQ(s.item(s.scalar(1.5)), 1.5);
  EXPECT_EQ(s.item(s.scalar(0.1)), double(0.1f));
  EXPECT_EQ(s.item(s.scalar(0.1, JT_F64)), 0.1);
  EXPECT_EQ(s.item(s.scalar(0.1, JT_F16)), 0.0999755859375);
  EXPECT_EQ(s.item(s.scalar(3, JT_BOOL)), 1);
  EXPECT_EQ(s.item(s.scalar(-2.9, JT_I32)), -2);
  EXPECT_EQ(s.item(s.scalar(300, JT_U8)), 44);
  int64_t out = 0;
  Tensor big = s.make(jt_scalar_i64, int64_t(1) << 62 | 1, JT_I64);
  must(jt_tensor_item_i64(s.ctx, big, &out));
  EXPECT_EQ(out, int64_t(1) << 62 | 1);
  jt_tensor* t = nullptr;
  EXPECT_EQ(jt_scalar(s.ctx, 1, jt_dtype(0), &t), JT_E_DTYPE);
  EXPECT_EQ(jt_scalar(s.ctx, NAN, JT_I32, &t), JT_E_DTYPE);
}

TEST(Scalars, OtherValuesCompileNothing) {
  Session s;
  Tensor x = s.floats({3}, {1, 2, 3});
  for (double factor : {2.5, 3.5, 7.25}) {
    Tensor y = s.make(jt_mul, x, s.scalar(factor));
    EXPECT_EQ(s.read(y)[1], float(2 * factor));
  }
  EXPECT_EQ(s.stats().kernels_compiled, 1);
  EXPECT_EQ(s.stats().plans_made, 1);
}

TEST(Items, ConvertAsTheDocumentationSays) {
  Session s;
  auto integer = [&](const Tensor& t) {
    int64_t out = -77;
    must(jt_tensor_item_i64(s.ctx, t, &out));
    return out;
  };
  EXPECT_EQ(integer(s.floats({1, 1}, {-2.75f})), -2);
  EXPECT_EQ(integer(s.floats({}, {1e30f})), INT64_MAX);
  EXPECT_EQ(integer(s.floats({}, {-INFINITY})), INT64_MIN);
  EXPECT_EQ(integer(s.floats({}, {NAN})), 0);
  EXPECT_EQ(integer(s.of<uint64_t>(JT_U64, {}, {UINT64_MAX})), INT64_MAX);
  EXPECT_EQ(integer(s.of<uint16_t>(JT_BF16, {}, {0xc0a0})), -5);
  EXPECT_EQ(integer(s.of<int8_t>(JT_I8, {}, {-3})), -3);
  EXPECT_EQ(s.item(s.of<uint64_t>(JT_U64, {}, {UINT64_MAX})), 18446744073709551615.0);
  double out = 0;
  EXPECT_EQ(jt_tensor_item_f64(s.ctx, s.zeros({2}), &out), JT_E_SHAPE);
}

TEST(Filled, ZerosOnesAndLike) {
  Session s;
  int64_t dims[2] = {2, 2};
  EXPECT_EQ(s.read(s.zeros({3})), (std::vector<float>{0, 0, 0}));
  EXPECT_EQ(s.read<int32_t>(s.make(jt_ones, dims, 2, JT_I32)), (std::vector<int32_t>{1, 1, 1, 1}));
  Tensor like = s.of<int16_t>(JT_I16, {3}, {9, 9, 9});
  EXPECT_EQ(s.read<int16_t>(s.make(jt_full_like, like, -4.0)), (std::vector<int16_t>{-4, -4, -4}));
}

TEST(Random, SameSeedSameValues) {
  Session s;
  auto draw = [&](int64_t seed) {
    must(jt_context_set_seed(s.ctx, seed));
    std::vector<float> all = s.read(s.normal({100}));
    Dims d{100};
    Tensor u = s.make(jt_random_uniform, d.data(), d.size(), 2.0, 5.0, JT_F32);
    for (float v : s.read(u)) all.push_back(v);
    for (float v : s.read(s.normal({100}))) all.push_back(v);
    return all;
  };
  std::vector<float> first = draw(7), again = draw(7), other = draw(8);
  EXPECT_EQ(first, again);
  EXPECT_NE(first, other);
  EXPECT_NE(std::vector<float>(first.begin(), first.begin() + 100),
            std::vector<float>(first.begin() + 200, first.end()));
}

TEST(Random, ValuesDoNotDependOnWhenTheyRun) {
  Session s;
  Tensor a = s.normal({50}), b = s.normal({50});
  std::vector<float> late_b = s.read(b), late_a = s.read(a);
  must(jt_context_set_seed(s.ctx, 0));
  EXPECT_EQ(s.read(s.normal({50})), late_a);
  EXPECT_EQ(s.read(s.normal({50})), late_b);
}

TEST(Random, HasTheMomentsItPromises) {
  Session s;
  constexpr int64_t n = 200000;
  auto moments = [](const std::vector<float>& v) {
    double sum = 0, squares = 0;
    for (float x : v) sum += x, squares += double(x) * x;
    double mean = sum / double(v.size());
    return std::pair(mean, std::sqrt(squares / double(v.size()) - mean * mean));
  };
  Dims d{n};
  std::vector<float> u = s.read(s.make(jt_random_uniform, d.data(), 1, -1.0, 3.0, JT_F32));
  for (float v : u) ASSERT_TRUE(v >= -1 && v < 3);
  auto [mean, deviation] = moments(u);
  EXPECT_NEAR(mean, 1, 0.02);
  EXPECT_NEAR(deviation, 4 / std::sqrt(12.0), 0.02);
  auto [normal_mean, normal_deviation] = moments(s.read(s.make(jt_random_normal, d.data(), 1, 5.0, 2.0, JT_F32)));
  EXPECT_NEAR(normal_mean, 5, 0.02);
  EXPECT_NEAR(normal_deviation, 2, 0.02);
  jt_tensor* out = nullptr;
  EXPECT_EQ(jt_random_normal(s.ctx, d.data(), 1, 0, 1, JT_I32, &out), JT_E_DTYPE);
}

TEST(Random, CallsShareOnePlan) {
  Session s;
  for (int i = 0; i < 4; i++) s.read(s.normal({64}));
  EXPECT_EQ(s.stats().plans_made, 1);
}

TEST(Assign, PointsTheHandleElsewhere) {
  Session s;
  Tensor x = s.floats({2}, {1, 2}), same = x, before = s.make(jt_add, x, x);
  must(jt_tensor_assign(s.ctx, x, s.of<int32_t>(JT_I32, {2}, {10, 20})));
  EXPECT_EQ(jt_tensor_dtype(x), JT_F32);
  EXPECT_EQ(s.read(x), (std::vector<float>{10, 20}));
  EXPECT_EQ(s.read(same), (std::vector<float>{10, 20}));
  EXPECT_EQ(s.read(before), (std::vector<float>{2, 4}));
  EXPECT_EQ(jt_tensor_assign(s.ctx, x, s.zeros({3})), JT_E_SHAPE);
  EXPECT_EQ(s.read(x)[0], 10);
}

TEST(Assign, UpdatesInALoopReuseMemory) {
  Session s;
  Tensor x = s.zeros({1024, 256}), one = s.scalar(1);
  int64_t after_two = 0;
  for (int i = 0; i < 50; i++) {
    must(jt_tensor_assign(s.ctx, x, s.make(jt_add, x, one)));
    must(jt_eval(s.ctx, &x.handle, 1));
    if (i == 1) after_two = s.memory().peak_bytes;
  }
  EXPECT_EQ(s.read(x)[5], 50);
  EXPECT_EQ(s.memory().peak_bytes, after_two);
}

TEST(Eval, RunsWhatIsAskedAndWhatIsHeld) {
  Session s;
  Tensor x = s.floats({2}, {1, 2}), y = s.make(jt_exp, x), z = s.make(jt_neg, x);
  must(jt_eval(s.ctx, &y.handle, 1));
  EXPECT_TRUE(jt_tensor_is_ready(y));
  EXPECT_TRUE(jt_tensor_is_ready(z));
  Tensor w = s.make(jt_neg, y);
  must(jt_eval(s.ctx, nullptr, 0));
  EXPECT_TRUE(jt_tensor_is_ready(w));
  must(jt_sync(s.ctx));
  int64_t before = s.stats().evals;
  must(jt_sync(s.ctx));
  EXPECT_EQ(s.stats().evals, before);
}

TEST(Read, RefusesOtherSizes) {
  Session s;
  Tensor x = s.floats({2}, {1, 2});
  float out[3];
  EXPECT_EQ(jt_tensor_read(s.ctx, x, out, 4), JT_E_INVALID);
  EXPECT_EQ(jt_tensor_read(s.ctx, x, out, 12), JT_E_INVALID);
  EXPECT_EQ(jt_tensor_read(s.ctx, x, nullptr, 8), JT_E_INVALID);
}

TEST(Map, ShowsElementsUntilUnmapped) {
  Session s;
  Tensor x = s.floats({3}, {1, 2, 3}), y = s.make(jt_add, x, s.scalar(1.0));
  jt_mapping m{sizeof m};
  must(jt_tensor_map(s.ctx, y, &m));
  ASSERT_EQ(m.data_len, 12u);
  const float* data = static_cast<const float*>(m.data);
  // The buffer would die here and be written over, were it not mapped.
  Tensor z = s.make(jt_neg, y);
  y = Tensor();
  s.read(z);
  s.read(s.make(jt_exp, s.floats({3}, {5, 5, 5})));
  EXPECT_EQ(std::vector<float>(data, data + 3), (std::vector<float>{2, 3, 4}));
  jt_tensor_unmap(&m);
  EXPECT_EQ(m.data, nullptr);
  jt_tensor_unmap(&m);
  jt_mapping small{4};
  EXPECT_EQ(jt_tensor_map(s.ctx, x, &small), JT_E_ABI);
}

TEST(Map, OutlivesContextAndRuntime) {
  jt_mapping m{sizeof m};
  {
    Session s;
    Tensor x = s.floats({3}, {1, 2, 3});
    must(jt_tensor_map(s.ctx, x, &m));
  }
  EXPECT_EQ(static_cast<const float*>(m.data)[2], 3);
  jt_tensor_unmap(&m);
}

TEST(OpsByName, DoWhatTheirFunctionsDo) {
  Session s;
  Tensor x = s.floats({2, 2}, {1, 2, 3, 4});
  jt_tensor* in[1] = {x};
  const int64_t axes[1] = {1};
  jt_attr attrs[2] = {{"axes", JT_ATTR_INTS, 0, 0, axes, 1, nullptr, 0},
                      {"keepdims", JT_ATTR_I64, 1, 0, nullptr, 0, nullptr, 0}};
  jt_tensor* out = nullptr;
  must(jt_op_call(s.ctx, "sum", JT_NUL, in, 1, attrs, 2, &out, 1));
  EXPECT_EQ(s.read(Tensor(out)), (std::vector<float>{3, 7}));
  EXPECT_EQ(jt_op_call(s.ctx, "summ", JT_NUL, in, 1, nullptr, 0, &out, 1), JT_E_NOT_FOUND);
  EXPECT_EQ(jt_op_call(s.ctx, "sum", JT_NUL, in, 1, &(attrs[0] = {"axis", JT_ATTR_I64, 1}), 1, &out, 1), JT_E_INVALID);
  EXPECT_NE(last_message().find("axis"), std::string::npos);
  EXPECT_EQ(jt_op_call(s.ctx, "add", JT_NUL, in, 1, nullptr, 0, &out, 1), JT_E_INVALID);
  std::set<std::string> names;
  for (size_t i = 0; i < jt_op_count(); i++) {
    EXPECT_TRUE(names.insert(jt_op_name(i)).second);
    EXPECT_TRUE(*jt_op_doc(i) && jt_op_signature(i));
  }
  EXPECT_GT(names.size(), 80u);
  EXPECT_EQ(jt_op_name(jt_op_count()), nullptr);
}

// ---- values that a dtype cannot hold --------------------------------------------------------------------------------

// As NumPy and PyTorch do.
TEST(Pad, TruncatesItsValueAndRefusesOneThatTheDtypeLacks) {
  Session s;
  const int64_t one[1] = {1}, none[1] = {0};
  Tensor u = s.of<uint8_t>(JT_U8, {1}, {7}), i = s.of<int8_t>(JT_I8, {1}, {7}), b = s.of<uint8_t>(JT_BOOL, {1}, {0});
  EXPECT_EQ(s.read<uint8_t>(s.make(jt_pad, u, one, 1, none, 1, 255.9)), (std::vector<uint8_t>{255, 7}));
  EXPECT_EQ(s.read<uint8_t>(s.make(jt_pad, u, one, 1, none, 1, -0.9)), (std::vector<uint8_t>{0, 7}));
  EXPECT_EQ(s.read<int8_t>(s.make(jt_pad, i, one, 1, none, 1, -128.5)), (std::vector<int8_t>{-128, 7}));
  struct Wrong { jt_tensor* x; double value; };
  jt_tensor* out = nullptr;
  for (Wrong w : {Wrong{u, 256}, {u, -1}, {i, 128}, {i, -129}, {i, std::nan("")}, {u, HUGE_VAL}})
    EXPECT_EQ(jt_pad(s.ctx, w.x, one, 1, none, 1, w.value, &out), JT_E_DTYPE) << w.value;
  EXPECT_EQ(s.read<uint8_t>(s.make(jt_pad, b, one, 1, none, 1, 2.5)), (std::vector<uint8_t>{1, 0}));
}

// ---- narrow pooling -------------------------------------------------------------------------------------------------

TEST(MaxPool, OfNarrowFloatsGivesItsIndex) {
  const int64_t two[2] = {2, 2};
  for (jt_dtype dtype : {JT_F16, JT_BF16, JT_F32, JT_F64}) {
    Session s;
    Tensor x = s.make(jt_cast, s.floats({1, 1, 4, 4}, {1, 5, 2, 0, 3, 4, 8, 1, 9, 0, 0, 0, 2, 9, 0, 7}), dtype);
    must(jt_tensor_set_requires_grad(s.ctx, x, 1));
    jt_tensor *z = nullptr, *index = nullptr;
    must(jt_max_pool2d(s.ctx, x, two, 2, two, 2, nullptr, 0, 0, &z, &index));
    Tensor values(z), places(index);
    EXPECT_EQ(jt_tensor_dtype(values), dtype);
    EXPECT_EQ(jt_tensor_dtype(places), JT_I32);
    EXPECT_EQ(s.read<int32_t>(places), std::vector<int32_t>({1, 6, 8, 15}));
    EXPECT_EQ(s.read(s.make(jt_cast, values, JT_F32)), std::vector<float>({5, 8, 9, 7}));
    jt_tensor *wrt = x, *dx = nullptr;
    must(jt_grad(s.ctx, s.sum(s.make(jt_square, values)), &wrt, 1, nullptr, 0, &dx, 1));
    Tensor slope(dx);
    EXPECT_EQ(jt_tensor_dtype(slope), dtype);
    EXPECT_EQ(s.read(s.make(jt_cast, slope, JT_F32)),
              std::vector<float>({0, 10, 0, 0, 0, 0, 16, 0, 18, 0, 0, 0, 0, 0, 0, 14}));
    // The index alone, and through the call by name.
    jt_tensor* both[2];
    jt_attr attrs[2] = {{"size", JT_ATTR_INTS, 0, 0, two, 2}, {"stride", JT_ATTR_INTS, 0, 0, two, 2}};
    must(jt_op_call(s.ctx, "max_pool2d", JT_NUL, &wrt, 1, attrs, 2, both, 2));
    jt_tensor_release(both[0]);
    EXPECT_EQ(s.read<int32_t>(Tensor(both[1])), std::vector<int32_t>({1, 6, 8, 15}));
  }
}

TEST(Operands, TheSumOfBoolIsOrAndTheProductAnd) {
  Session s;
  uint8_t a[] = {0, 0, 1, 1}, b[] = {0, 1, 0, 1};
  int64_t shape[] = {4};
  jt_tensor *x = nullptr, *y = nullptr;
  must(jt_tensor_from_bytes(s.ctx, a, 4, JT_BOOL, shape, 1, &x));
  must(jt_tensor_from_bytes(s.ctx, b, 4, JT_BOOL, shape, 1, &y));
  Tensor kept_x(x), kept_y(y), sum = s.make(jt_add, x, y), product = s.make(jt_mul, x, y);
  EXPECT_EQ(jt_tensor_dtype(sum), JT_BOOL);
  EXPECT_EQ(s.read<uint8_t>(sum), (std::vector<uint8_t>{0, 1, 1, 1}));
  EXPECT_EQ(s.read<uint8_t>(product), (std::vector<uint8_t>{0, 0, 0, 1}));
}

TEST(Operands, OptionalOnesMayBeNull) {
  Session s;
  Tensor x = s.floats({1, 2}, {1, 3}), w = s.floats({2}, {2, 10}), b = s.floats({2}, {0, 100});
  EXPECT_EQ(s.read(s.make(jt_layer_norm, x, nullptr, nullptr, 1, 0.0)), (std::vector<float>{-1, 1}));
  EXPECT_EQ(s.read(s.make(jt_layer_norm, x, w, nullptr, 1, 0.0)), (std::vector<float>{-2, 10}));
  EXPECT_EQ(s.read(s.make(jt_layer_norm, x, w, b, 1, 0.0)), (std::vector<float>{-2, 110}));
  jt_tensor *out = nullptr, *in[] = {x, nullptr, nullptr};
  EXPECT_EQ(s.read(s.make(jt_layer_norm, x, nullptr, b, 1, 0.0)), (std::vector<float>{-1, 101}));
  must(jt_op_call(s.ctx, "layer_norm", JT_NUL, in, 3, nullptr, 0, &out, 1));
  jt_tensor_release(out);
  EXPECT_EQ(jt_layer_norm(s.ctx, nullptr, w, b, 1, 0, &out), JT_E_INVALID);
}

