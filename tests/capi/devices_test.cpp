// A runtime of several devices, two of them with memory that the host cannot reach: values lie where they are computed,
// move when they are asked to, and have the bits that the CPU alone gives.
#include <dlfcn.h>

#include <atomic>
#include <cstdio>
#include <thread>

#include "tests/backend/far/far_backend.h"
#include "tests/capi/capi.h"

using namespace jt::test;

namespace {

using Floats = std::vector<float>;
constexpr int kCpu = 0, kFar = 1, kOther = 2;

constexpr uint32_t kFlags = JT_RT_NO_DISK_CACHE | JT_RT_NO_COMPILE;
jt_runtime* runtime_of(std::vector<const char*> devices, jt_status expected = JT_OK, uint32_t flags = kFlags) {
  jt_runtime_desc desc{};
  desc.struct_size = sizeof desc;
  desc.flags = flags;
  desc.devices = devices.data(), desc.devices_len = devices.size();
  jt_runtime* rt = nullptr;
  EXPECT_EQ(jt_runtime_create(&desc, &rt), expected) << last_message();
  return rt;
}
struct OnDevices : Session {
  explicit OnDevices(std::vector<const char*> devices = {"cpu", JT_FAR_BACKEND, JT_FAR_BACKEND ":1"},
                     uint32_t flags = kFlags)
      : Session(runtime_of(devices, JT_OK, flags)) {
    jt_runtime_release(rt);
  }
  void use(int device) const { must(jt_context_set_device(ctx, device, nullptr)); }
  Tensor to(jt_tensor* x, int device) const { return make(jt_tensor_to, x, device); }
  std::string name(int device) const {
    char text[1000];
    must(jt_runtime_device_name(rt, device, text, sizeof text, nullptr));
    return text;
  }
};
// That of the library which the runtime has loaded.
FarControl& control() {
  static void* library = dlopen(JT_FAR_BACKEND, RTLD_NOW);
  static auto get = reinterpret_cast<void* (*)()>(dlsym(library, "jt_far_control"));
  return *static_cast<FarControl*>(get());
}
std::string complaint(const Session& s, jt_tensor* x) {
  Floats out(size_t(jt_tensor_count(x)));
  jt_status status = jt_tensor_read(s.ctx, x, out.data(), out.size() * sizeof(float));
  return status == JT_OK ? "" : std::string(jt_status_name(status)) + ": " + last_message();
}

// Losses and a parameter of a small network that trains for a few steps.
std::pair<Floats, Floats> trained(const Session& s) {
  std::vector<float> numbers(64);
  for (size_t i = 0; i < numbers.size(); i++) numbers[i] = float(int(i * 37 % 19) - 9) / 8;
  Tensor x = s.floats({8, 4}, {numbers.begin(), numbers.begin() + 32}),
         w = s.floats({4, 5}, {numbers.begin() + 32, numbers.begin() + 52});
  Tensor y = s.floats({8, 5}, {numbers.begin(), numbers.begin() + 40});
  must(jt_tensor_set_requires_grad(s.ctx, w, 1));
  jt_tensor* params[1] = {w};
  jt_optimizer* adam = nullptr;
  must(jt_optimizer_create(s.ctx, "adam", JT_NUL, nullptr, 0, params, 1, &adam));
  Floats losses;
  for (int i = 0; i < 5; i++) {
    Tensor off = s.make(jt_sub, s.make(jt_tanh, s.make(jt_matmul, x, w)), y);
    Tensor loss = s.sum(s.make(jt_mul, off, off));
    must(jt_optimizer_step(s.ctx, adam, loss));
    losses.push_back(float(s.item(loss)));
  }
  jt_optimizer_release(adam);
  return {losses, s.read(w)};
}
jt_optimizer* sgd(const Session& s, std::vector<jt_tensor*> params) {
  jt_attr lr{};
  for (jt_tensor* p : params) must(jt_tensor_set_requires_grad(s.ctx, p, 1));
  lr.name = "lr", lr.kind = JT_ATTR_F64, lr.f64 = 0.5;
  jt_optimizer* out = nullptr;
  must(jt_optimizer_create(s.ctx, "sgd", JT_NUL, &lr, 1, params.data(), params.size(), &out));
  return out;
}

}  // namespace

TEST(Devices, AreCountedAndNamed) {
  OnDevices s;
  EXPECT_EQ(jt_runtime_device_count(s.rt), 3);
  EXPECT_EQ(jt_runtime_device_count(nullptr), 0);
  EXPECT_EQ(s.name(kCpu), "cpu");
  EXPECT_EQ(s.name(kFar), "far:0");
  EXPECT_EQ(s.name(kOther), "far:1");
  for (auto [name, device] :
       {std::pair("cpu", kCpu), {"cpu:0", kCpu}, {"far", kFar}, {"far:0", kFar}, {"far:1", kOther}}) {
    int32_t found = -1;
    must(jt_runtime_find_device(s.rt, name, JT_NUL, &found));
    EXPECT_EQ(found, device) << name;
  }
  int32_t found = 7;
  EXPECT_EQ(jt_runtime_find_device(s.rt, "gpu:1", JT_NUL, &found), JT_E_NOT_FOUND);
  EXPECT_EQ(last_message(), "jt_runtime_find_device: no device is called 'gpu:1'; there are: cpu, far:0, far:1");
  char text[4];
  EXPECT_EQ(jt_runtime_device_name(s.rt, 3, text, sizeof text, nullptr), JT_E_INVALID);
  EXPECT_EQ(last_message(), "jt_runtime_device_name: device 3 is not one of the runtime's 3");
  EXPECT_EQ(jt_context_set_device(s.ctx, -1, nullptr), JT_E_INVALID);
  EXPECT_EQ(jt_tensor_device(nullptr), -1);
  EXPECT_EQ(runtime_of({"cpu", "gpu"}, JT_E_NOT_FOUND), nullptr);
  EXPECT_EQ(
      last_message(),
      "jt_runtime_create: no backend is called 'gpu'; built in: cpu, cuda; a library is named by a path with a slash");
}

TEST(Devices, ValuesAreWhereTheContextSays) {
  OnDevices s;
  Tensor x = s.floats({3}, {1, 2, 3}), near = s.make(jt_add, x, x);
  int32_t before = -1;
  must(jt_context_set_device(s.ctx, kFar, &before));
  EXPECT_EQ(before, kCpu);
  Tensor far = s.make(jt_mul, near, x), moved = s.to(far, kOther), same = s.to(far, kFar);
  EXPECT_EQ(jt_tensor_device(x), kCpu);
  EXPECT_EQ(jt_tensor_device(near), kCpu);
  EXPECT_EQ(jt_tensor_device(far), kFar);
  EXPECT_EQ(jt_tensor_device(moved), kOther);
  EXPECT_EQ(jt_tensor_device(same), kFar);
  s.use(kOther);
  Tensor z = s.make(jt_sub, moved, x), home = s.to(z, kCpu);
  EXPECT_EQ(s.read(home), Floats({1, 6, 15}));
  EXPECT_EQ(s.read(z), Floats({1, 6, 15}));
  EXPECT_EQ(s.read(moved), Floats({2, 8, 18}));
  jt_tensor* none = nullptr;
  EXPECT_EQ(jt_tensor_to(s.ctx, x, 3, &none), JT_E_INVALID);
  EXPECT_EQ(none, nullptr);
}

TEST(Devices, EveryDtypeAndExtentMoves) {
  OnDevices s;
  for (jt_dtype dtype : {JT_BOOL, JT_I8, JT_U16, JT_F16, JT_BF16, JT_I32, JT_F64, JT_I64})
    for (const Dims& dims : {Dims{}, {0}, {1}, {3, 0, 2}, {5}, {2, 3}}) {
      Tensor ones = s.make(jt_ones, dims.data(), dims.size(), dtype);
      size_t bytes = size_t(jt_tensor_count(ones)) * jt_dtype_size(dtype);
      std::vector<char> want(bytes + 1), got(bytes + 1);
      must(jt_tensor_read(s.ctx, ones, want.data(), bytes));
      Tensor back = s.to(s.to(s.to(ones, kFar), kOther), kCpu);
      must(jt_tensor_read(s.ctx, back, got.data(), bytes));
      EXPECT_EQ(got, want) << jt_dtype_name(dtype) << " of rank " << dims.size();
    }
}

TEST(Devices, OperandsAreCopiedOnceUntilTheyAreWritten) {
  OnDevices s;
  Tensor x = s.floats({4}, {1, 2, 3, 4});
  s.use(kFar);
  int64_t before = control().copies_in;
  for (int i = 0; i < 3; i++) EXPECT_EQ(s.read(s.make(jt_add, x, x))[3], 8);
  EXPECT_EQ(control().copies_in - before, 1);
  jt_mapping m{sizeof m};
  must(jt_tensor_map_write(s.ctx, x, &m));
  static_cast<float*>(const_cast<void*>(m.data))[3] = 10;
  EXPECT_EQ(s.read(s.make(jt_add, x, x))[3], 20);
  jt_tensor_unmap(&m);
  EXPECT_EQ(s.read(s.make(jt_add, x, x))[3], 20);
}

TEST(Devices, GradientsComeBack) {
  OnDevices s;
  Tensor x = s.floats({3}, {1, 2, 3}), w = s.floats({3}, {4, 5, 6});
  must(jt_tensor_set_requires_grad(s.ctx, x, 1)), must(jt_tensor_set_requires_grad(s.ctx, w, 1));
  Tensor there = s.to(s.make(jt_mul, x, x), kFar);
  s.use(kFar);
  Tensor loss = s.sum(s.make(jt_mul, there, w));  // sum of x^2 w
  s.use(kOther);
  for (float round : {1.f, 2.f}) {  // the second is added
    must(jt_backward(s.ctx, loss, JT_GRAD_RETAIN_GRAPH));
    Tensor dx = s.make(jt_tensor_grad, x), dw = s.make(jt_tensor_grad, w);
    EXPECT_EQ(s.read(dx), Floats({8 * round, 20 * round, 36 * round}));
    EXPECT_EQ(s.read(dw), Floats({1 * round, 4 * round, 9 * round}));
    EXPECT_EQ(jt_tensor_device(dx), kCpu);
    EXPECT_EQ(jt_tensor_device(dw), kCpu);
  }
}

TEST(Devices, TrainingHasTheBitsOfTheCpu) {
  Session cpu(kFlags);
  auto want = trained(cpu);
  OnDevices alone({JT_FAR_BACKEND}), both;
  EXPECT_EQ(trained(alone), want);
  both.use(kOther);
  EXPECT_EQ(trained(both), want);
}

TEST(Devices, AStepOverSeveralIsOne) {
  OnDevices s;
  Tensor a = s.floats({2}, {1, 2});
  s.use(kFar);
  Tensor b = s.floats({2}, {3, 4});
  s.use(kCpu);
  jt_optimizer* o = sgd(s, {a, b});
  must(jt_optimizer_step(s.ctx, o, s.sum(s.make(jt_mul, a, b))));
  EXPECT_EQ(s.read(a), Floats({-0.5f, 0}));
  EXPECT_EQ(s.read(b), Floats({2.5f, 3}));
  EXPECT_EQ(jt_tensor_device(a), kCpu);
  EXPECT_EQ(jt_tensor_device(b), kFar);
  must(jt_tensor_assign(s.ctx, a, s.to(a, kOther)));  // the tensor itself moves; it is still trained
  must(jt_optimizer_step(s.ctx, o, s.sum(s.make(jt_mul, a, b))));
  EXPECT_EQ(jt_tensor_device(a), kOther);
  EXPECT_EQ(s.read(a), Floats({-1.75f, -1.5f}));
  EXPECT_EQ(s.read(b), Floats({2.75f, 3}));
  jt_optimizer_release(o);
}

// A launch of a step fails, each in turn: the step is taken or not, on the CPU at least; what is on the device is right
// or says why not.
TEST(Devices, AStepIsTakenOrNot) {
  for (int at = 0; at < 8; at++) {
    OnDevices s;
    Tensor a = s.floats({2}, {1, 2});
    s.use(kFar);
    Tensor b = s.floats({2}, {3, 4});
    jt_optimizer* o = sgd(s, {a, b});
    Tensor loss = s.sum(s.make(jt_mul, a, b));
    control().fails_at_once = true, control().fail_after = at;
    bool is_taken = jt_optimizer_step(s.ctx, o, loss) == JT_OK;
    control().fails_at_once = false, control().fail_after = -1;
    EXPECT_EQ(s.read(a), is_taken ? Floats({-0.5f, 0}) : Floats({1, 2})) << at;
    std::string told = complaint(s, b);
    if (told.empty()) EXPECT_EQ(s.read(b), is_taken ? Floats({2.5f, 3}) : Floats({3, 4})) << at;
    else EXPECT_NE(told.find("as it was told to"), told.npos) << told;
    jt_optimizer_release(o);
  }
}

TEST(Devices, ALateErrorSpoilsWhatDependsOnItAlone) {
  OnDevices s;
  Tensor x = s.floats({3}, {1, 2, 3});
  s.use(kFar);
  Tensor y = s.make(jt_mul, x, x);
  control().fail_after = 0;
  jt_tensor* list[] = {y};
  must(jt_eval(s.ctx, list, 1));  // has only been launched
  s.use(kCpu);
  Tensor near = s.make(jt_add, x, x), mixed = s.make(jt_sub, near, y);
  s.use(kOther);
  Tensor other = s.make(jt_add, s.to(y, kOther), x);
  for (int i = 0; i < 2; i++) {
    for (jt_tensor* spoilt : {y.handle, mixed.handle, other.handle}) {
      std::string told = complaint(s, spoilt);
      EXPECT_EQ(
          told.find(
              "JT_E_DEVICE: jt_tensor_read: far: the launch failed, as it was told to (on far:0, one of: square)"),
          0u)
          << told;
    }
    EXPECT_EQ(s.read(near), Floats({2, 4, 6}));
    EXPECT_EQ(s.read(x), Floats({1, 2, 3}));
  }
  s.use(kFar);
  EXPECT_EQ(s.read(s.make(jt_mul, x, x)), Floats({1, 4, 9}));
}

TEST(Devices, AnErrorNamesBoth) {
  OnDevices s;
  Tensor x = s.zeros({1 << 20});
  must(jt_tensor_read(s.ctx, x, std::vector<float>(1 << 20).data(), 4 << 20));
  int64_t before = control().memory.exchange(1 << 20);
  Tensor there = s.to(x, kFar);
  std::string told = complaint(s, there);
  control().memory = before;
  EXPECT_EQ(told.find("JT_E_NOMEM: jt_tensor_read: out of memory: "), 0u) << told;
  EXPECT_NE(told.find("1 MiB of device far:0 are free"), told.npos) << told;
  EXPECT_NE(told.find("(for a copy from host to far:0)"), told.npos) << told;
  EXPECT_EQ(s.read(there), Floats(1 << 20));  // it comes once there is room
}

TEST(Devices, MappingsOutliveThem) {
  jt_mapping read{sizeof read}, written{sizeof written};
  {
    OnDevices s({JT_FAR_BACKEND});
    Tensor x = s.floats({3}, {1, 2, 3}), y = s.make(jt_add, x, x);
    must(jt_tensor_map(s.ctx, y, &read));
    must(jt_tensor_map_write(s.ctx, y, &written));
    static_cast<float*>(const_cast<void*>(written.data))[1] = 9;
    EXPECT_EQ(s.read(s.make(jt_add, y, x)), Floats({3, 11, 9}));
    EXPECT_EQ(s.read(y), Floats({2, 9, 6}));
  }
  EXPECT_EQ(static_cast<const float*>(read.data)[1], 4);  // as it was
  jt_tensor_unmap(&read), jt_tensor_unmap(&written);
}

TEST(Devices, FilesAreWrittenAndReadWhereTensorsAre) {
  OnDevices s;
  s.use(kFar);
  Tensor x = s.make(jt_mul, s.floats({3}, {1, 2, 3}), s.floats({3}, {2, 2, 2}));
  std::string path = testing::TempDir() + "devices.safetensors";
  const char* names[] = {"x"};
  jt_tensor* tensors[] = {x};
  must(jt_checkpoint_save(s.ctx, path.data(), path.size(), names, tensors, 1));
  jt_checkpoint* file = nullptr;
  must(jt_checkpoint_open(path.data(), path.size(), &file));
  jt_tensor* loaded = nullptr;
  s.use(kOther);
  must(jt_checkpoint_load(s.ctx, file, "x", 1, &loaded));
  Tensor y(loaded);
  jt_checkpoint_release(file);
  std::remove(path.c_str());
  EXPECT_EQ(jt_tensor_device(y), kOther);
  EXPECT_EQ(s.read(s.make(jt_add, y, x)), Floats({4, 8, 12}));
}

TEST(Devices, CodeOfTheHostsReadsThem) {
  OnDevices s({"cpu", JT_FAR_BACKEND}, JT_RT_NO_DISK_CACHE);
  s.use(kFar);
  Tensor x = s.make(jt_add, s.floats({3}, {1, 2, 3}), s.floats({3}, {1, 1, 1}));
  const int64_t dims[] = {3};
  jt_custom_type type{JT_F32, dims, 1};
  jt_code_desc d{};
  d.struct_size = sizeof d, d.source = "for (int i = 0; i < in0_num; i++) @out0(i) = @in0(i) * 10;",
  d.source_len = JT_NUL;
  d.outputs = &type, d.outputs_len = 1;
  jt_tensor *in[] = {x}, *out[1];
  must(jt_code(s.ctx, &d, in, 1, out, 1));
  Tensor y(out[0]);
  EXPECT_EQ(s.read(s.make(jt_sub, y, x)), Floats({18, 27, 36}));
}

// Contexts on threads, each of which sends a value around, while another context's value serves them all.
// Whatever a device lacks, the CPU does, and copies make up for it.
TEST(Devices, ThatLackOpsComposeWithTheCpu) {
  Session alone(kFlags);
  Floats want = lenet_losses(alone);
  for (uint64_t lacks = 0; lacks < 25; lacks++) {
    SCOPED_TRACE(lacks);
    control().lacks = lacks;
    OnDevices s({JT_FAR_BACKEND});
    ASSERT_EQ(s.name(1), "cpu");
    EXPECT_EQ(lenet_losses(s), want);
  }
  control().lacks = 0;
}
std::string asked_for;  // by `supports`, as text
void write_down(const jt_be_node* node) {
  auto list = [](const int64_t* words, size_t n) {
    std::string out = "[";
    for (size_t i = 0; i < n; i++) out += (i ? "," : "") + std::to_string(words[i]);
    return out + "]";
  };
  auto value = [&](const jt_be_value& v) {
    return " " + std::string(jt_dtype_name(v.dtype)) + list(v.dims, size_t(v.rank));
  };
  asked_for += std::string(node->kind) + " " + node->op;
  for (size_t i = 0; i < node->operands_len; i++) asked_for += value(node->operands[i]);
  asked_for += " ->";
  for (size_t i = 0; i < node->results_len; i++) asked_for += value(node->results[i]);
  for (size_t i = 0; i < node->attrs_len; i++)
    asked_for += " " + std::string(node->attrs[i].name, node->attrs[i].name_len) + "=" +
                 list(node->attrs[i].values, node->attrs[i].values_len);
  asked_for += "\n";
}
TEST(Devices, AreAskedForTheOpAsItIsRecorded) {
  OnDevices s({JT_FAR_BACKEND});
  asked_for.clear();
  control().when_asked = write_down;
  Tensor x = s.zeros({2, 4, 5, 6}), w = s.zeros({8, 2, 3, 3});
  const int64_t stride[2] = {2, 1}, padding[4] = {1, 0, 1, 0}, axis[1] = {-1};
  Tensor y = s.make(jt_conv2d, x, w, stride, 2, padding, 4, nullptr, 0, 2, 0), flat = s.reshape(y, {2, -1});
  jt_tensor* index = nullptr;
  Tensor sorted = s.make([&](jt_context* c, jt_tensor** out) { return jt_sort(c, flat, 1, 1, out, &index); }),
         sum = s.make(jt_sum, sorted, axis, 1, 1);
  Tensor more = s.make(jt_add, sum, s.scalar(1)), whole = s.make(jt_cast, more, JT_I32);
  control().when_asked = nullptr;
  jt_tensor_release(index);
  EXPECT_EQ(asked_for,
            "library conv2d f32[2,4,5,6] f32[8,2,3,3] -> f32[2,8,3,4] stride=[2,1] padding=[1,0,1,0] dilation=[1,1] "
            "groups=[2] channels_last=[0]\n"
            "library sort f32[2,96] -> f32[2,96] i64[2,96] axis=[1] descending=[1]\n"
            "reduce sum f32[2,96] -> f32[2,1] axes=[1] keepdims=[1]\n"
            "element add f32[2,1] f32[] -> f32[2,1]\n"
            "cast cast f32[2,1] -> i32[2,1] dtype=[4]\n");
}
TEST(Devices, ThatTakeNoKernelsLeaveThemToTheCpu) {
  Session alone(kFlags);
  Floats want = lenet_losses(alone);
  control().has_no_kernels = true;
  OnDevices s({"cpu", JT_FAR_BACKEND});
  s.use(kFar);
  EXPECT_EQ(lenet_losses(s), want);
  Tensor sum = s.make(jt_add, s.scalar(1), s.scalar(2));
  EXPECT_EQ(s.item(sum), 3);
  control().has_no_kernels = false;
}

TEST(Devices, ServeSeveralThreads) {
  OnDevices s;
  s.use(kFar);
  Tensor shared = s.make(jt_add, s.floats({1000}, Floats(1000, 1)), s.floats({1000}, Floats(1000, 2)));
  must(jt_sync(s.ctx));
  std::atomic<int> right{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; t++) {
    threads.emplace_back([&, t] {
      Session mine(s.rt);
      Tensor x = mine.floats({1000}, Floats(1000, float(t)));
      for (int i = 0; i < 30; i++) {
        must(jt_context_set_device(mine.ctx, (t + i) % 3, nullptr));
        Tensor y = mine.make(jt_add, mine.make(jt_mul, shared, x), x);  // 4t
        Tensor z = mine.make(jt_sub, mine.make(jt_tensor_to, y, (t + i + 1) % 3), shared);
        right += mine.read(z) == Floats(1000, float(4 * t - 3));
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(right, 120);
}
