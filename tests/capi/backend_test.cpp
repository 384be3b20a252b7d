// A runtime on a backend from a library: it computes what it can, says what it cannot, and is refused if it is none.
#include "tests/capi/capi.h"

using namespace jt::test;

namespace {

using Floats = std::vector<float>;

jt_runtime* runtime_on(const char* backend) {
  jt_runtime_desc desc{};
  desc.struct_size = sizeof desc;
  desc.flags = JT_RT_NO_DISK_CACHE;
  desc.backend = backend, desc.backend_len = JT_NUL;
  jt_runtime* rt = nullptr;
  must(jt_runtime_create(&desc, &rt));
  return rt;
}
struct OnBackend : Session {
  explicit OnBackend(const char* backend) : Session(runtime_on(backend)) { jt_runtime_release(rt); }
};
std::string refusal(const char* backend, jt_status expected) {
  jt_runtime_desc desc{};
  desc.struct_size = sizeof desc;
  desc.backend = backend, desc.backend_len = JT_NUL;
  jt_runtime* rt = nullptr;
  EXPECT_EQ(jt_runtime_create(&desc, &rt), expected);
  EXPECT_EQ(rt, nullptr);
  return last_message();
}
jt_status read_status(const Session& s, jt_tensor* x) {
  Floats to(size_t(jt_tensor_count(x)));
  return jt_tensor_read(s.ctx, x, to.data(), to.size() * 4);
}
void has(const std::string& text, const std::string& part) { EXPECT_NE(text.find(part), std::string::npos) << text; }

}  // namespace

TEST(BackendLibrary, ComputesWhatItCan) {
  OnBackend s(JT_TOY_BACKEND);
  Tensor x = s.floats({5}, {-2, -1, 0, 1, NAN}), y = s.make(jt_relu, s.make(jt_mul, x, s.scalar(3)));
  Tensor z = s.make(jt_add, y, x);
  Floats got = s.read(z);
  EXPECT_EQ(Floats(got.begin(), got.begin() + 4), Floats({-2, -1, 0, 4}));
  EXPECT_TRUE(std::isnan(got[4]));
  jt_kernel_stats k{sizeof k};
  ASSERT_GE(jt_kernel_count(s.rt), 1u);
  must(jt_kernel_stats_get(s.rt, 0, &k));
  EXPECT_STREQ(k.tier, "toy");
  EXPECT_EQ(s.read(s.make(jt_neg, s.zeros({0}))), Floats());
}
TEST(BackendLibrary, ThatLacksOpsIsJoinedByTheCpu) {
  OnBackend s(JT_TOY_BACKEND), alone("cpu");
  ASSERT_EQ(jt_runtime_device_count(s.rt), 2);
  auto of = [](const Session& on) {
    Tensor x = on.floats({2, 2}, {1, 2, 3, 4}), row = on.floats({2}, {-1, 0.5}), twice = on.make(jt_add, x, x);
    // row is repeated
    Tensor y = on.make(jt_exp, on.make(jt_matmul, twice, x)), z = on.make(jt_mul, on.make(jt_log, y), row);
    return std::vector<Tensor>{twice, y, z, on.make(jt_sub, z, x), on.sum(z), on.make(jt_cast, z, JT_I32)};
  };
  std::vector<Tensor> got = of(s), want = of(alone);
  for (size_t i = 0; i + 1 < got.size(); i++) EXPECT_EQ(s.read(got[i]), alone.read(want[i])) << i;
  EXPECT_EQ(s.read<int32_t>(got.back()), alone.read<int32_t>(want.back()));
  EXPECT_EQ(jt_tensor_device(got[0]), 0);
  EXPECT_EQ(jt_tensor_device(got[1]), 1);
  EXPECT_EQ(jt_tensor_device(got[4]), 1);
}
TEST(BackendLibrary, ThatLacksOpsTrainsAsTheCpu) {
  OnBackend s(JT_TOY_BACKEND), alone("cpu");
  EXPECT_EQ(lenet_losses(s), lenet_losses(alone));
}
// As no host could ask a backend of an earlier version.
TEST(BackendLibrary, SaysWhatItCannotAndTheRestComes) {
  OnBackend s(JT_ODD_BACKENDS "/libbackend_of_minor3.so");
  ASSERT_EQ(jt_runtime_device_count(s.rt), 1);
  Tensor x = s.floats({2, 2}, {1, 2, 3, 4}), product = s.make(jt_matmul, x, x), sum = s.sum(x);
  Tensor fine = s.make(jt_add, x, x), root = s.make(jt_cbrt, fine);
  EXPECT_EQ(s.read(fine), Floats({2, 4, 6, 8}));
  EXPECT_EQ(read_status(s, product), JT_E_UNSUPPORTED);
  has(last_message(), "toy: no library ops: matmul");
  EXPECT_EQ(read_status(s, sum), JT_E_UNSUPPORTED);
  has(last_message(), "toy: not interpreted here");
  EXPECT_EQ(read_status(s, root), JT_E_UNSUPPORTED);
  jt_code_desc code{};
  code.struct_size = sizeof code;
  code.source = "out0[0] = 1;", code.source_len = JT_NUL;
  jt_custom_type type = {JT_F32, nullptr, 0};
  code.outputs = &type, code.outputs_len = 1;
  jt_tensor* out = nullptr;
  must(jt_code(s.ctx, &code, nullptr, 0, &out, 1));
  Tensor z(out);
  EXPECT_EQ(read_status(s, z), JT_E_UNSUPPORTED);
  has(last_message(), "code: backend toy compiles no C");
}
TEST(BackendLibrary, LivesAsLongAsATensorOfIt) {
  Tensor z;
  {
    OnBackend s(JT_TOY_BACKEND);
    z = s.make(jt_neg, s.floats({1}, {3}));
    s.read(z);
  }
  EXPECT_EQ(jt_tensor_count(z), 1);
}
TEST(BackendLibrary, IsNamedWhenItIsBuiltIn) {
  OnBackend s("cpu");
  EXPECT_EQ(s.read(s.make(jt_exp, s.zeros({1}))), Floats({1}));
  has(refusal("gpu", JT_E_NOT_FOUND), "no backend is called 'gpu'; built in: cpu");
}
TEST(BackendLibrary, ThatIsMissingOrNoneIsRefused) {
  has(refusal("/nowhere/libbackend.so", JT_E_IO), "cannot load '/nowhere/libbackend.so'");
  has(refusal("./no such file", JT_E_IO), "no such file");
  has(refusal("/dev/null", JT_E_IO), "/dev/null");
  has(refusal(JT_ODD_BACKENDS "/libbackend_without_entry.so", JT_E_ABI), "has no jt_backend_entry_v1");
  has(refusal(JT_ODD_BACKENDS "/libbackend_of_a_later_host.so", JT_E_ABI), "does not serve a host of version 1.");
  has(refusal(JT_ODD_BACKENDS "/libbackend_of_few_bytes.so", JT_E_ABI), "table has 16 bytes");
  has(refusal(JT_ODD_BACKENDS "/libbackend_of_no_functions.so", JT_E_ABI), "lacks a function or its name");
}
TEST(BackendLibrary, ThatDoesNotOpenPassesItsErrorOn) {
  has(refusal(JT_ODD_BACKENDS "/libbackend_that_does_not_open.so", JT_E_DEVICE), "odd: there is no such device");
}
