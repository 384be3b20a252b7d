// The CPU backend does what jt_backend.h says, seen through its table alone.
#include <gtest/gtest.h>
#include <jt/jt_backend.h>

#include <cmath>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "backends/cpu_tcc/cpu_backend.h"

namespace {

struct Host {
  std::map<std::string, std::string> settings;
  std::string error;
  jt_status status = JT_OK;
  jt_host_api api{};

  Host() {
    api.struct_size = sizeof api;
    api.host = this;
    api.set_error = [](void* self, jt_status status, int64_t, const char* message, size_t len) {
      static_cast<Host*>(self)->status = status;
      static_cast<Host*>(self)->error.assign(message, len);
    };
    api.setting = [](void* self, const char* name) -> const char* {
      auto& settings = static_cast<Host*>(self)->settings;
      auto found = settings.find(name);
      return found == settings.end() ? nullptr : found->second.c_str();
    };
  }
};

struct Text {
  const char* text;
  jt_status status = JT_OK;
  jt_be_source source() {
    return {sizeof(jt_be_source), text, text ? strlen(text) : 0, this,
            [](void* user, jt_be_dialect dialect, const char** out, size_t* len) {
              auto* self = static_cast<Text*>(user);
              EXPECT_EQ(dialect, JT_BE_PROGRAM);
              *out = self->text;
              *len = self->text ? strlen(self->text) : 0;
              return self->status;
            }};
  }
};

struct CpuBackendTest : ::testing::Test {
  const jt_backend_api* cpu = jt_cpu_backend();
  Host host;
  jt_be_device* device = nullptr;
  void SetUp() override { ASSERT_EQ(cpu->open(&host.api, &device), JT_OK) << host.error; }
  void TearDown() override { cpu->close(device); }

  jt_be_kernel* compile(const char* program) {
    Text text{program};
    jt_be_source source = text.source();
    jt_be_kernel* kernel = nullptr;
    EXPECT_EQ(cpu->compile(device, &source, &kernel), JT_OK) << host.error;
    return kernel;
  }
  void run(const char* program, std::vector<int64_t> args) {
    jt_be_kernel* kernel = compile(program);
    ASSERT_TRUE(kernel);
    jt_be_launch launch{args.data(), args.size(), 0, args[0]};
    size_t bytes = 0;
    ASSERT_EQ(cpu->scratch_bytes(device, kernel, &launch, &bytes), JT_OK) << host.error;
    void* scratch = std::aligned_alloc(64, (bytes + 127) / 64 * 64);
    EXPECT_EQ(cpu->launch(device, kernel, &launch, scratch), JT_OK) << host.error;
    std::free(scratch);
    cpu->kernel_release(device, kernel);
  }
  jt_status create(const char* name, std::vector<int64_t> params, jt_be_op** op, size_t* bytes) {
    return cpu->op_create(device, name, params.data(), params.size(), bytes, op);
  }
  void run_op(const char* name, std::vector<int64_t> params, std::vector<void*> pointers) {
    jt_be_op* op = nullptr;
    size_t bytes = 0;
    ASSERT_EQ(create(name, params, &op, &bytes), JT_OK) << host.error;
    std::vector<char> workspace(bytes);
    EXPECT_EQ(cpu->op_run(device, op, pointers.data(), pointers.size(), workspace.data()), JT_OK) << host.error;
    cpu->op_release(device, op);
  }
};

int64_t word(const void* p) { return reinterpret_cast<int64_t>(p); }

std::vector<float> numbers(size_t n, unsigned seed) {
  std::vector<float> v(n);
  for (float& x : v) x = float(int((seed = seed * 1664525u + 1013904223u) >> 24) - 128) / 16;
  return v;
}

const char* const kScaled =
    "program flat scalars 1 scratch 4224\n"
    "@0 f32 direct outer\n"
    "@1 f32 direct outer output\n"
    "r0 f32 uniform at 0\n"
    "r1 f32 outer at 64\n"
    "r2 f32 outer at 2112\n"
    "uniform:\n"
    "  r0 = scalar s0 f32\n"
    "outer:\n"
    "  r1 = load @0 f32\n"
    "  r2 = mul f32 r1 r0\n"
    "  store @1 f32 r2\n";

std::string sum_in(const char* mode) {
  return std::string("program ") + mode +
         " scalars 0 scratch 4160\n"
         "@0 f32 direct inner\n"
         "@1 f32 direct outer output\n"
         "r0 f32 inner at 0\n"
         "r1 f32 outer at 2048\n"
         "inner:\n"
         "  r0 = load @0 f32\n"
         "  r1 = reduce.sum f32 r0\n"
         "outer:\n"
         "  store @1 f32 r1\n";
}

TEST_F(CpuBackendTest, TableIsFilled) {
  EXPECT_EQ(cpu->struct_size, sizeof(jt_backend_api));
  EXPECT_STREQ(cpu->name, "cpu");
  EXPECT_EQ(cpu->dialects, uint32_t(JT_BE_PROGRAM));
  EXPECT_EQ(cpu, jt_cpu_backend());
}

TEST_F(CpuBackendTest, RunsAFlatProgram) {
  std::vector<float> x = numbers(1300, 1), z(1300);
  float factor = 3;
  int64_t bits = 0;
  std::memcpy(&bits, &factor, sizeof factor);
  run(kScaled, {1300, 1, word(x.data()), 0, word(z.data()), 0, bits});
  for (size_t i = 0; i < x.size(); i++) ASSERT_EQ(z[i], x[i] * 3) << i;
}

TEST_F(CpuBackendTest, SumsRowsAndColumnsAlike) {
  for (const char* mode : {"row", "column"}) {
    for (int64_t inner : {0, 1, 7, 700}) {
      std::vector<float> x = numbers(size_t(9 * inner), 2), z(9, 99);
      run(sum_in(mode).c_str(), {9, inner, word(x.data()), 0, word(z.data()), 0});
      for (int64_t o = 0; o < 9; o++) {
        float sum = 0;  // exact: sixteenths
        for (int64_t i = 0; i < inner; i++) sum += x[size_t(o * inner + i)];
        ASSERT_EQ(z[size_t(o)], sum) << mode << " " << inner;
      }
    }
  }
}

TEST_F(CpuBackendTest, LaunchesCoverRanges) {
  std::vector<float> x = numbers(1300, 1), z(1300, 7);
  jt_be_kernel* kernel = compile(kScaled);
  float two = 2;
  int64_t bits = 0;
  std::memcpy(&bits, &two, sizeof two);
  std::vector<int64_t> args = {1300, 1, word(x.data()), 0, word(z.data()), 0, bits};
  alignas(64) static char scratch[1 << 16];
  jt_be_launch launch{args.data(), args.size(), 512, 1024};
  size_t bytes = 0;
  ASSERT_EQ(cpu->scratch_bytes(device, kernel, &launch, &bytes), JT_OK);
  ASSERT_LE(bytes, sizeof scratch);
  ASSERT_EQ(cpu->launch(device, kernel, &launch, scratch), JT_OK) << host.error;
  for (size_t i = 0; i < 1300; i++) ASSERT_EQ(z[i], i >= 512 && i < 1024 ? 2 * x[i] : 7) << i;
  cpu->kernel_release(device, kernel);
}

TEST_F(CpuBackendTest, KernelSaysItsTier) {
  jt_be_kernel* kernel = compile(kScaled);
  jt_be_kernel_info info{sizeof info, nullptr, 0};
  cpu->kernel_info(device, kernel, &info);
  EXPECT_TRUE(info.tier == std::string("tcc") || info.tier == std::string("vm")) << info.tier;
  EXPECT_GT(info.compile_ns, 0);
  jt_be_kernel_info old{4, nullptr, -1};
  cpu->kernel_info(device, kernel, &old);
  EXPECT_EQ(old.compile_ns, -1);
  cpu->kernel_info(device, nullptr, &info);
  cpu->kernel_info(device, kernel, nullptr);
  cpu->kernel_release(device, kernel);
}

TEST_F(CpuBackendTest, MatmulIsAMatrixProduct) {
  const int64_t m = 5, n = 7, k = 9;
  for (int transpose_a : {0, 1}) {
    for (int transpose_b : {0, 1}) {
      std::vector<float> a = numbers(2 * m * k, 3), b = numbers(n * k, 4), c(2 * m * n);
      run_op(
          "matmul",
          {JT_F32, m, n, k, transpose_a, transpose_b, transpose_a ? m : k, transpose_b ? k : n, n, 2, m * k, 0, m * n},
          {a.data(), b.data(), c.data()});
      for (int64_t q = 0; q < 2; q++)
        for (int64_t i = 0; i < m; i++)
          for (int64_t j = 0; j < n; j++) {
            float sum = 0;
            for (int64_t l = 0; l < k; l++)
              sum += a[q * m * k + (transpose_a ? l * m + i : i * k + l)] * b[transpose_b ? j * k + l : l * n + j];
            ASSERT_EQ(c[q * m * n + i * n + j], sum);
          }
    }
  }
}

struct Conv {
  int64_t n = 2, c = 4, h = 6, w = 5, o = 6, kh = 3, kw = 2, sh = 2, sw = 1, top = 1, left = 0, bottom = 1, right = 2;
  int64_t dh = 1, dw = 2, groups = 2;
  int64_t oh = (h + top + bottom - dh * (kh - 1) - 1) / sh + 1, ow = (w + left + right - dw * (kw - 1) - 1) / sw + 1;
  std::vector<int64_t> params(int64_t dtype) const {
    return {dtype, n, c, h, w, o, kh, kw, sh, sw, top, left, bottom, right, dh, dw, groups};
  }
  // term(x index, w index, y index) for each product of the convolution
  template <class Term>
  void each(Term term) const {
    for (int64_t q = 0; q < n; q++)
      for (int64_t f = 0; f < o; f++)
        for (int64_t i = 0; i < oh; i++)
          for (int64_t j = 0; j < ow; j++)
            for (int64_t g = 0; g < c / groups; g++)
              for (int64_t a = 0; a < kh; a++)
                for (int64_t b = 0; b < kw; b++) {
                  int64_t y = i * sh + a * dh - top, x = j * sw + b * dw - left;
                  if (y < 0 || y >= h || x < 0 || x >= w) continue;
                  int64_t channel = f / (o / groups) * (c / groups) + g;
                  term(((q * h + y) * w + x) * c + channel, ((f * (c / groups) + g) * kh + a) * kw + b,
                       ((q * oh + i) * ow + j) * o + f);
                }
  }
};

TEST_F(CpuBackendTest, ConvolutionAndItsGradients) {
  Conv s;
  std::vector<float> x = numbers(s.n * s.c * s.h * s.w, 5), w = numbers(s.o * s.c / s.groups * s.kh * s.kw, 6);
  std::vector<float> y(s.n * s.o * s.oh * s.ow), dz = numbers(y.size(), 7);
  std::vector<float> dx(x.size()), dw(w.size()), y2(y.size()), dx2(x.size()), dw2(w.size());
  s.each([&](int64_t i, int64_t j, int64_t k) {
    y2[k] += x[i] * w[j];
    dx2[i] += dz[k] * w[j];
    dw2[j] += dz[k] * x[i];
  });
  run_op("conv2d", s.params(JT_F32), {x.data(), w.data(), y.data()});
  run_op("conv2d_grad_x", s.params(JT_F32), {dz.data(), w.data(), dx.data()});
  run_op("conv2d_grad_w", s.params(JT_F32), {dz.data(), x.data(), dw.data()});
  EXPECT_EQ(y, y2);
  EXPECT_EQ(dx, dx2);
  EXPECT_EQ(dw, dw2);
}

// Memory of a host that has zones on either side of every block, and looks at them when it comes back.
struct Zones {
  static constexpr size_t kZone = 4096;
  int64_t blocks = 0, live = 0;
  static void* alloc(void* host, size_t bytes, size_t);
  static void free(void* host, void* p, size_t bytes, size_t);
};
struct ZonedHost : Host {
  Zones zones;
  ZonedHost() { api.alloc = Zones::alloc, api.free = Zones::free; }
};
void* Zones::alloc(void* host, size_t bytes, size_t) {
  Zones& z = static_cast<ZonedHost*>(static_cast<Host*>(host))->zones;
  z.blocks++, z.live++;
  auto* p = static_cast<unsigned char*>(std::aligned_alloc(64, (bytes + 63) / 64 * 64 + 2 * kZone));
  std::memset(p, 0xa5, bytes + 2 * kZone);
  return p + kZone;
}
void Zones::free(void* host, void* p, size_t bytes, size_t) {
  static_cast<ZonedHost*>(static_cast<Host*>(host))->zones.live--;
  auto* at = static_cast<unsigned char*>(p) - kZone;
  for (size_t i = 0; i < kZone; i++)
    EXPECT_TRUE(at[i] == 0xa5 && at[kZone + bytes + i] == 0xa5) << bytes << " bytes, overrun at " << i;
  std::free(at);
}

// Weights that come again are packed the second time, where kernels of that form read packed ones at all.
TEST_F(CpuBackendTest, PackedOperandsFitTheMemoryAskedFor) {
  auto conv = [](int64_t c, int64_t o, int64_t k, int64_t groups) {
    Conv s;
    s.c = c, s.o = o, s.kh = s.kw = k, s.groups = groups, s.sh = s.sw = s.dh = s.dw = 1, s.left = s.right = 1;
    s.oh = s.h + 2 - (k - 1), s.ow = s.w + 2 - (k - 1);
    return s;
  };
  ZonedHost zoned;
  jt_be_device* own = nullptr;
  ASSERT_EQ(cpu->open(&zoned.api, &own), JT_OK) << zoned.error;
  uint64_t content = 1;
  auto thrice = [&](const char* name, std::vector<int64_t> params, std::vector<float>& x, std::vector<float>& w,
                    size_t results) {
    jt_be_op* op = nullptr;
    size_t bytes = 0;
    ASSERT_EQ(cpu->op_create(own, name, params.data(), params.size(), &bytes, &op), JT_OK) << zoned.error;
    std::vector<char> workspace(bytes);
    std::vector<float> plain(results), known(results);
    content++;
    for (int i = 0; i < 3; i++) {
      void* pointers[] = {x.data(), w.data(), plain.data()};
      ASSERT_EQ(cpu->op_run(own, op, pointers, 3, workspace.data()), JT_OK);
      pointers[2] = known.data();
      const uint64_t contents[] = {0, content, 0};
      ASSERT_EQ(cpu->op_run_known(own, op, pointers, contents, 3, workspace.data()), JT_OK);
      ASSERT_EQ(plain, known) << name << ", run " << i;
    }
    cpu->op_release(own, op);
  };
  for (const Conv& s : {conv(4, 6, 3, 2), conv(3, 3, 3, 3), conv(16, 16, 3, 16), conv(32, 64, 3, 32), conv(8, 16, 3, 4),
                        conv(5, 7, 1, 1), conv(64, 33, 3, 1), conv(130, 70, 2, 1), conv(1, 20, 3, 1)}) {
    std::vector<float> x = numbers(s.n * s.c * s.h * s.w, 5), w = numbers(s.o * s.c / s.groups * s.kh * s.kw, 6);
    thrice("conv2d", s.params(JT_F32), x, w, s.n * s.o * s.oh * s.ow);
  }
  for (int64_t n : {1, 7, 33, 130})
    for (int64_t k : {1, 5, 64, 300}) {
      std::vector<float> x = numbers(40 * k, 5), w = numbers(n * k, 6);
      thrice("matmul", {JT_F32, 40, n, k, 0, 1, k, k, n, 1, 0, 0, 0}, x, w, 40 * n);
    }
  EXPECT_GT(zoned.zones.blocks, 10);
  cpu->close(own);
  EXPECT_EQ(zoned.zones.live, 0);
}

TEST_F(CpuBackendTest, PoolingAndItsGradients) {
  const int64_t n = 2, c = 3, h = 6, w = 7, oh = 3, ow = 4;
  std::vector<int64_t> params = {JT_F32, n, c, h, w, 2, 3, 2, 2, 0, 1, 0, 1};
  std::vector<float> x = numbers(n * c * h * w, 8), y(n * c * oh * ow), mean(y.size()), dz = numbers(y.size(), 9);
  std::vector<float> dx(x.size()), dx2(x.size()), da(x.size()), da2(x.size());
  std::vector<int32_t> index(y.size());
  run_op("max_pool2d", params, {x.data(), y.data(), index.data()});
  run_op("max_pool2d_grad", params, {dz.data(), index.data(), dx.data()});
  run_op("avg_pool2d", params, {x.data(), mean.data()});
  run_op("avg_pool2d_grad", params, {dz.data(), da.data()});
  for (int64_t p = 0; p < n * c; p++)
    for (int64_t i = 0; i < oh; i++)
      for (int64_t j = 0; j < ow; j++) {
        int64_t at = ((p / c * oh + i) * ow + j) * c + p % c, winner = -1;
        float sum = 0;
        for (int64_t a = 0; a < 2; a++)
          for (int64_t b = 0; b < 3; b++) {
            int64_t column = j * 2 + b - 1;
            if (column < 0 || column >= w) continue;
            int64_t from = ((p / c * h + i * 2 + a) * w + column) * c + p % c;
            sum += x[from];
            da2[from] += dz[at] / 6;
            if (winner < 0 || x[from] > x[winner]) winner = from;
          }
        ASSERT_EQ(y[at], x[winner]);
        ASSERT_EQ(index[at], winner / c % (h * w));
        ASSERT_FLOAT_EQ(mean[at], sum / 6);
        dx2[winner] += dz[at];
      }
  EXPECT_EQ(dx, dx2);
  for (int32_t outside : {-1, -7, 41, 42, 1 << 30, INT32_MAX}) {  // of the first window
    std::vector<int32_t> bent(index.size(), outside);
    run_op("max_pool2d_grad", params, {dz.data(), bent.data(), dx.data()});
    EXPECT_EQ(dx[0], 0);
  }
  for (size_t i = 0; i < da.size(); i++) ASSERT_NEAR(da[i], da2[i], 1e-5);
}

// ---- errors ----
TEST_F(CpuBackendTest, DamagedTextIsInvalid) {
  for (const char* text : {"", "program", "program flat scalars 0 scratch 0", "program round scalars 0 scratch 0\n",
                           "program flat scalars 0 scratch 0\nouter:\n  store @0 f32 r0\n"}) {
    Text t{text};
    jt_be_source source = t.source();
    jt_be_kernel* kernel = reinterpret_cast<jt_be_kernel*>(1);
    EXPECT_EQ(cpu->compile(device, &source, &kernel), JT_E_INVALID) << text;
    EXPECT_EQ(kernel, nullptr);
    EXPECT_NE(host.error.find("program: line"), std::string::npos) << host.error;
  }
}

TEST_F(CpuBackendTest, StatusOfRenderPassesThrough) {
  Text t{kScaled, JT_E_NOMEM};
  jt_be_source source = t.source();
  jt_be_kernel* kernel = nullptr;
  EXPECT_EQ(cpu->compile(device, &source, &kernel), JT_E_NOMEM);
}

TEST_F(CpuBackendTest, LibraryOpsRefuseWhatTheyCannotDo) {
  jt_be_op* op = nullptr;
  size_t bytes = 0;
  auto fails = [&](jt_status expected, const char* name, std::vector<int64_t> params) {
    host.error.clear();
    EXPECT_EQ(create(name, params, &op, &bytes), expected) << name << ": " << host.error;
    EXPECT_EQ(op, nullptr);
    EXPECT_EQ(host.status, expected);
    EXPECT_FALSE(host.error.empty());
  };
  const int64_t huge = int64_t(1) << 62;
  fails(JT_E_UNSUPPORTED, "fft", {});
  fails(JT_E_INVALID, "matmul", {JT_F32, 1});
  fails(JT_E_INVALID, "matmul", {99, 1, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0, 0});
  fails(JT_E_INVALID, "matmul", {JT_F32, -1, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0, 0});
  fails(JT_E_INVALID, "matmul", {JT_F32, 1, 1, 1, 2, 0, 1, 1, 1, 1, 0, 0, 0});
  fails(JT_E_INVALID, "matmul", {JT_F32, 3, 3, 1, 0, 0, 1, 3, 2, 1, 0, 0, 0});
  fails(JT_E_INVALID, "matmul", {JT_F32, huge, huge, 1, 0, 0, 1, huge, huge, 1, 0, 0, 0});
  fails(JT_E_UNSUPPORTED, "matmul", {JT_BOOL, 1, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0, 0});
  Conv s;
  fails(JT_E_UNSUPPORTED, "conv2d", s.params(JT_F16));
  s.groups = 4;
  fails(JT_E_INVALID, "conv2d_grad_w", s.params(JT_F32));
  s.groups = 0;
  fails(JT_E_INVALID, "conv2d_grad_x", s.params(JT_F32));
  s.groups = 1, s.dh = huge;
  fails(JT_E_INVALID, "conv2d", s.params(JT_F32));
  for (const char* name : {"max_pool2d", "max_pool2d_grad", "avg_pool2d", "avg_pool2d_grad"}) {
    fails(JT_E_INVALID, name, {JT_F32, 1, 1, 4, 4, 0, 2, 2, 2, 0, 0, 0, 0});
    fails(JT_E_INVALID, name, {JT_F32, 1, 1, 4, 4, 2, 2, 0, 2, 0, 0, 0, 0});
    fails(JT_E_UNSUPPORTED, name, {JT_I32, 1, 1, 4, 4, 2, 2, 2, 2, 0, 0, 0, 0});
  }
}

// Fields that a host of minor 0 does not have are not looked at.
TEST(CpuBackend, AHostOfMinorZeroHasOneThread) {
  for (bool is_old : {false, true}) {
    Host host;
    host.settings = {{"cpu.grain", "0"}};
    host.api.threads = 7;
    host.api.parallel_for = [](void*, void (*body)(void*, int64_t), void* user, int64_t) { body(user, 0); };
    if (is_old) host.api.struct_size = offsetof(jt_host_api, threads);
    const jt_backend_api* cpu = jt_cpu_backend();
    jt_be_device* device = nullptr;
    ASSERT_EQ(cpu->open(&host.api, &device), JT_OK) << host.error;
    size_t bytes = 0;
    jt_be_op* op = nullptr;
    const int64_t product[] = {JT_F32, 700, 700, 20, 0, 0, 20, 700, 700, 1, 0, 0, 0};
    ASSERT_EQ(cpu->op_create(device, "matmul", product, std::size(product), &bytes, &op), JT_OK) << host.error;
    cpu->op_release(device, op);
    static size_t with_lanes;
    if (is_old) EXPECT_GE(with_lanes, 6 * bytes);
    else with_lanes = bytes;
    cpu->close(device);
  }
}
TEST(CpuBackend, RefusesAGrainThatIsNoNumber) {
  for (const char* grain : {"much", "-1", "5us"}) {
    Host host;
    host.settings = {{"cpu.grain", grain}};
    jt_be_device* device = nullptr;
    EXPECT_EQ(jt_cpu_backend()->open(&host.api, &device), JT_E_INVALID);
    EXPECT_NE(host.error.find(grain), std::string::npos) << host.error;
  }
}

TEST_F(CpuBackendTest, EveryFunctionRefusesBadArguments) {
  jt_be_device* none = nullptr;
  EXPECT_EQ(cpu->open(nullptr, &none), JT_E_INVALID);
  EXPECT_EQ(cpu->open(&host.api, nullptr), JT_E_INVALID);
  Host old;
  old.api.struct_size = 8;
  EXPECT_EQ(cpu->open(&old.api, &none), JT_E_ABI);
  cpu->close(nullptr);

  jt_be_kernel* kernel = nullptr;
  Text t{kScaled}, empty{nullptr};
  jt_be_source source = t.source(), no_text = empty.source(), no_render = t.source();
  no_render.render = nullptr;
  EXPECT_EQ(cpu->compile(nullptr, &source, &kernel), JT_E_INVALID);
  EXPECT_EQ(cpu->compile(device, nullptr, &kernel), JT_E_INVALID);
  EXPECT_EQ(cpu->compile(device, &source, nullptr), JT_E_INVALID);
  EXPECT_EQ(cpu->compile(device, &no_text, &kernel), JT_E_INVALID);
  EXPECT_EQ(cpu->compile(device, &no_render, &kernel), JT_E_INVALID);
  cpu->kernel_release(device, nullptr);

  kernel = compile(kScaled);
  alignas(64) static char scratch[1 << 16];
  float buffer[4] = {};
  int64_t args[] = {4, 1, word(buffer), 0, word(buffer), 0, 0};
  size_t bytes = 0;
  auto launch_fails = [&](jt_be_launch launch, void* with) {
    EXPECT_EQ(cpu->launch(device, kernel, &launch, with), JT_E_INVALID) << launch.begin << ".." << launch.end;
  };
  launch_fails({nullptr, 7, 0, 4}, scratch);
  launch_fails({args, 6, 0, 4}, scratch);
  launch_fails({args, 7, -1, 4}, scratch);
  launch_fails({args, 7, 0, 5}, scratch);
  launch_fails({args, 7, 3, 2}, scratch);
  launch_fails({args, 7, 1, 4}, scratch);
  launch_fails({args, 7, 0, 4}, nullptr);
  launch_fails({args, 7, 0, 4}, scratch + 8);
  jt_be_launch good{args, 7, 0, 4};
  EXPECT_EQ(cpu->launch(nullptr, kernel, &good, scratch), JT_E_INVALID);
  EXPECT_EQ(cpu->launch(device, nullptr, &good, scratch), JT_E_INVALID);
  EXPECT_EQ(cpu->launch(device, kernel, nullptr, scratch), JT_E_INVALID);
  EXPECT_EQ(cpu->scratch_bytes(device, nullptr, &good, &bytes), JT_E_INVALID);
  EXPECT_EQ(cpu->scratch_bytes(device, kernel, nullptr, &bytes), JT_E_INVALID);
  EXPECT_EQ(cpu->scratch_bytes(device, kernel, &good, nullptr), JT_E_INVALID);
  args[0] = -4;
  EXPECT_EQ(cpu->scratch_bytes(device, kernel, &good, &bytes), JT_E_INVALID);
  cpu->kernel_release(device, kernel);

  jt_be_op* op = nullptr;
  const int64_t params[] = {JT_F32, 2, 2, 2, 0, 0, 2, 2, 2, 1, 0, 0, 0};
  EXPECT_EQ(cpu->op_create(nullptr, "matmul", params, 13, &bytes, &op), JT_E_INVALID);
  EXPECT_EQ(cpu->op_create(device, nullptr, params, 13, &bytes, &op), JT_E_INVALID);
  EXPECT_EQ(cpu->op_create(device, "matmul", nullptr, 13, &bytes, &op), JT_E_INVALID);
  EXPECT_EQ(cpu->op_create(device, "matmul", params, 13, nullptr, &op), JT_E_INVALID);
  EXPECT_EQ(cpu->op_create(device, "matmul", params, 13, &bytes, nullptr), JT_E_INVALID);
  ASSERT_EQ(cpu->op_create(device, "matmul", params, 13, &bytes, &op), JT_OK);
  void* pointers[] = {buffer, buffer, nullptr};
  EXPECT_EQ(cpu->op_run(device, op, pointers, 3, scratch), JT_E_INVALID);
  EXPECT_EQ(cpu->op_run(device, op, pointers, 2, scratch), JT_E_INVALID);
  EXPECT_EQ(cpu->op_run(device, op, nullptr, 3, scratch), JT_E_INVALID);
  EXPECT_EQ(cpu->op_run(device, nullptr, pointers, 3, scratch), JT_E_INVALID);
  EXPECT_EQ(cpu->op_run(nullptr, op, pointers, 3, scratch), JT_E_INVALID);
  cpu->op_release(device, op);
  cpu->op_release(device, nullptr);
}

TEST(CpuBackendOpen, SettingsAreReadAndChecked) {
  const jt_backend_api* cpu = jt_cpu_backend();
  auto open = [&](const char* name, const char* value) {
    Host host;
    host.settings[name] = value;
    jt_be_device* device = nullptr;
    jt_status status = cpu->open(&host.api, &device);
    EXPECT_EQ(status == JT_OK, device != nullptr);
    cpu->close(device);
    return status;
  };
  for (const char* isa : {"", "best", "generic", "base"}) EXPECT_EQ(open("cpu.isa", isa), JT_OK) << isa;
  EXPECT_EQ(open("cpu.isa", "mmx"), JT_E_INVALID);
  EXPECT_EQ(open("cpu.tier", "vm"), JT_OK);
  EXPECT_EQ(open("cpu.tier", "auto"), JT_OK);
  EXPECT_EQ(open("cpu.tier", "tcc"), JT_OK);
  EXPECT_EQ(open("cpu.tier", "gcc"), JT_E_INVALID);
}

}  // namespace
