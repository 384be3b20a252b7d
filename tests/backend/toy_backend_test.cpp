// The toy backend of examples/ loads, runs what it can and says what it cannot.
#include <gtest/gtest.h>

#include <dlfcn.h>
#include <jt/jt_backend.h>

#include <cstring>
#include <string>

namespace {

std::string last_error;

// As the host of this version: no alloc, no free (docs/ADD-A-BACKEND.md).
const jt_host_api kHost = {
    sizeof(jt_host_api), JT_BACKEND_ABI_MINOR, nullptr,
    [](void*, jt_status, int64_t, const char* message, size_t len) { last_error.assign(message, len); },
    [](void*, int32_t, const char*, const char*, size_t) {},
    nullptr,
    nullptr,
    [](void*, const char*) -> const char* { return nullptr; },
};

struct ToyBackendTest : ::testing::Test {
  void* library = dlopen(JT_TOY_BACKEND, RTLD_NOW | RTLD_LOCAL);
  const jt_backend_api* toy = nullptr;
  jt_be_device* device = nullptr;
  void SetUp() override {
    ASSERT_TRUE(library) << dlerror();
    auto entry = reinterpret_cast<jt_backend_entry_fn>(dlsym(library, JT_BACKEND_ENTRY_NAME));
    ASSERT_TRUE(entry);
    toy = entry(JT_BACKEND_ABI_MINOR);
    ASSERT_EQ(toy->open(&kHost, &device), JT_OK);
  }
  void TearDown() override {
    toy->close(device);
    dlclose(library);
  }
  jt_status compile(const char* text, jt_be_kernel** out) {
    jt_be_source source = {sizeof source, text, strlen(text), const_cast<char*>(text),
                           [](void* user, jt_be_dialect, const char** t, size_t* len) {
                             *t = static_cast<const char*>(user);
                             *len = strlen(*t);
                             return JT_OK;
                           }};
    return toy->compile(device, &source, out);
  }
};

TEST_F(ToyBackendTest, RunsAnElementWiseProgram) {
  jt_be_kernel* kernel = nullptr;
  ASSERT_EQ(compile("program flat scalars 1 scratch 6400\n"
                    "@0 f32 direct outer\n"
                    "@1 f32 direct outer output\n"
                    "r0 f32 uniform at 0\n"
                    "r1 f32 outer at 64\n"
                    "r2 f32 outer at 2112\n"
                    "r3 f32 outer at 4160\n"
                    "uniform:\n"
                    "  r0 = scalar s0 f32\n"
                    "outer:\n"
                    "  r1 = load @0 f32\n"
                    "  r2 = mul f32 r1 r0\n"
                    "  r3 = relu f32 r2 -> @1\n",
                    &kernel), JT_OK) << last_error;
  float x[4] = {-1, 2, -3, 4}, z[4] = {9, 9, 9, 9}, factor = 2.5f;
  int64_t args[] = {4, 1, reinterpret_cast<int64_t>(x), 0, reinterpret_cast<int64_t>(z), 0, 0};
  std::memcpy(&args[6], &factor, sizeof factor);
  jt_be_launch launch = {args, 7, 0, 3};
  ASSERT_EQ(toy->launch(device, kernel, &launch, nullptr), JT_OK) << last_error;
  EXPECT_EQ(z[0], 0);
  EXPECT_EQ(z[1], 5);
  EXPECT_EQ(z[2], 0);
  EXPECT_EQ(z[3], 9);
  launch.args_len = 6;
  EXPECT_EQ(toy->launch(device, kernel, &launch, nullptr), JT_E_INVALID);
  toy->kernel_release(device, kernel);
}

TEST_F(ToyBackendTest, SaysWhatItCannotDo) {
  jt_be_kernel* kernel = nullptr;
  EXPECT_EQ(compile("program row scalars 0 scratch 0\n", &kernel), JT_E_UNSUPPORTED);
  EXPECT_EQ(last_error, "toy: not interpreted here: program row scalars 0 scratch 0");
  EXPECT_EQ(compile("program flat scalars 0 scratch 0\n@0 f64 direct outer\n", &kernel), JT_E_UNSUPPORTED);
  EXPECT_EQ(compile("program flat scalars 0 scratch 0\nouter:\n  r0 = load @0 f32\n", &kernel), JT_E_UNSUPPORTED);
  EXPECT_EQ(compile("", &kernel), JT_E_INVALID);
  EXPECT_EQ(kernel, nullptr);
  jt_be_op* op = nullptr;
  size_t bytes = 0;
  EXPECT_EQ(toy->op_create(device, "matmul", nullptr, 0, &bytes, &op), JT_E_UNSUPPORTED);
  EXPECT_EQ(last_error, "toy: no library ops: matmul");
}

}  // namespace
