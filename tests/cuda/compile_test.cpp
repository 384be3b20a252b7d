// What NVRTC makes of the texts for threads: an image for every architecture, without stack or spills where a thread
// has elements.
#include <gtest/gtest.h>

#include <sys/resource.h>
#include <unistd.h>

#include <set>

#include "backends/cuda_nvrtc/compiler.h"
#include "backends/cuda_nvrtc/product_text.h"
#include "tests/cuda/seen_texts.h"

namespace jt::test {

namespace {

using namespace jt::cuda;

Settings settings() {
  Settings s;
  s.library_folder = JT_NVRTC_FOLDER, s.compile_threads = 2;
  return s;
}

struct Text {
  std::string text, origin;
  bool is_of_elements;
};

// One text for each way in which a row, a layout or a dtype differs from the others.
std::vector<Text> texts() {
  std::vector<Text> out;
  std::set<std::string> known;
  auto wanted = [](const Case& c) {
    Kind kind = def(c.row).kind;
    if (kind == Kind::element) return (c.layout == "contiguous" && c.dtype == JT_F32) || (c.row == Op::add
        && c.dtype % 3 == 0) || (c.row == Op::floor_div && c.layout == "padded");
    if (kind == Kind::reduce) return (c.dtype == JT_F32 || (c.dtype == JT_I64 && c.layout == "row"))
        && (c.layout == "row" || c.layout == "long row" || c.layout == "long column");
    return c.row == Op::cast ? c.dtype == JT_F32 || c.dtype == JT_F16
                             : kind != Kind::library && kind != Kind::composite;
  };
  each_launch(wanted, JT_VECTORS, [&](const Case& c, const SeenLaunch& launch) {
    ThreadShape shape = shape_for(launch.program, launch.args);
    std::string text = render_threads(launch.program, shape);
    if (!known.insert(text).second) return;
    out.push_back(
        {text, jt::text(name(c.row), " ", name(c.dtype), ", ", c.layout), shape.form == ThreadForm::elements});
  });
  return out;
}

}  // namespace

TEST(Compile, TextsCompileForEveryArchitecture) {
  if (settings().library_folder.empty()) GTEST_SKIP() << "skipped: no NVRTC";
  NvrtcLibrary nvrtc = find_nvrtc(settings(), 0);
  ASSERT_TRUE(nvrtc) << nvrtc.why_not;
  Compiler compiler(nvrtc, settings());
  std::vector<Text> all = texts();
  EXPECT_GT(all.size(), 150u);
  struct Made {
    const Text& text;
    int arch;
    Compiler::JobRef job;
  };
  std::vector<Made> made;
  // All of them for one, a share for each of the others.
  const int archs[] = {90, 75, 80, 100, 120};
  for (size_t a = 0; a < std::size(archs); a++)
    for (size_t i = a; i < all.size(); i += a ? 8 : 1) {
      Target target = choose_target(nvrtc, nvrtc.version(), archs[a], "cubin");
      ASSERT_EQ(target.why_not, "");
      ASSERT_EQ(target.arch, archs[a]);
      made.push_back({all[i], archs[a], compiler.start(all[i].text, target)});
    }
  for (const Made& m : made) {
    SCOPED_TRACE(text(m.text.origin, " for sm_", m.arch));
    const Image* image = nullptr;
    ASSERT_NO_THROW(image = &compiler.wait(m.job)) << m.text.text;
    EXPECT_EQ(image->bytes.substr(1, 3), "ELF");
    if (m.text.is_of_elements) {
      EXPECT_NE(image->log.find(" 0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads"), std::string::npos)
          << image->log << m.text.text;
    }
  }
}

TEST(Compile, ProductsNeedNoStack) {
  if (settings().library_folder.empty()) GTEST_SKIP() << "skipped: no NVRTC";
  NvrtcLibrary nvrtc = find_nvrtc(settings(), 0);
  Compiler compiler(nvrtc, settings());
  const Tile threads[] = {{128, 128, 8, 8}, {64, 64, 4, 4}, {32, 32, 2, 2}},
             warps[] = {{128, 128, 64, 32, true}, {64, 64, 32, 32, true}};
  struct Made {
    std::string origin;
    Compiler::JobRef job;
  };
  std::vector<Made> made;
  auto add = [&](const ProductText& text, int arch) {
    made.push_back({jt::text("kind ", int(text.kind), " ", name(text.dtype), ", tile ", text.tile.m, " for sm_", arch),
                    compiler.start(render_product(text), choose_target(nvrtc, nvrtc.version(), arch, "cubin"))});
  };
  for (int arch : {75, 80, 90, 100, 120}) {
    for (const Tile& tile : threads) {
      add({ProductKind::matmul, JT_F32, JT_F32, tile, false, true}, arch);
      if (arch != 90) continue;
      for (ProductKind kind : {ProductKind::conv2d, ProductKind::conv2d_grad_x, ProductKind::conv2d_grad_w})
        add({kind, JT_F32, JT_F32, tile, kind == ProductKind::conv2d_grad_w, kind == ProductKind::conv2d_grad_w}, arch);
    }
    for (const Tile& tile : warps)
      for (bool along : {false, true})
        for (jt_dtype result : {JT_F32, along ? JT_F16 : JT_BF16})
          if (arch >= 80) add({ProductKind::matmul, along ? JT_F16 : JT_BF16, result, tile, along, along}, arch);
  }
  for (const Made& m : made) {
    SCOPED_TRACE(m.origin);
    const Image* image = nullptr;
    ASSERT_NO_THROW(image = &compiler.wait(m.job));
    size_t product = image->log.find("Function properties for jt_product");
    ASSERT_NE(product, std::string::npos) << image->log;
    EXPECT_EQ(image->log.substr(product).find("0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads"),
              image->log.substr(product).find("0 bytes stack frame")) << image->log;
    EXPECT_NE(image->log.substr(product, 200).find("0 bytes stack frame"), std::string::npos) << image->log;
  }
}

TEST(Compile, AnErrorHasTheCompilersWords) {
  if (settings().library_folder.empty()) GTEST_SKIP() << "skipped: no NVRTC";
  NvrtcLibrary nvrtc = find_nvrtc(settings(), 0);
  Compiler compiler(nvrtc, settings());
  auto job = compiler.start("__global__ void k() { undeclared(); }", choose_target(nvrtc, nvrtc.version(), 90, ""));
  try {
    compiler.wait(job);
    FAIL() << "it compiles";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), JT_E_COMPILE);
    EXPECT_NE(e.message().find("identifier \"undeclared\" is undefined"), std::string::npos) << e.message();
  }
}

// The limit of the process is not NVRTC's to lift, and PTX is text that ends with a NUL.
TEST(Compile, TheProcessStaysAsItIs) {
  if (settings().library_folder.empty()) GTEST_SKIP() << "skipped: no NVRTC";
  NvrtcLibrary nvrtc = find_nvrtc(settings(), 0);
  rlimit before{}, after{};
  getrlimit(RLIMIT_STACK, &before);
  Compiler compiler(nvrtc, settings());
  auto job = compiler.start("extern \"C\" __global__ void k() {}", choose_target(nvrtc, nvrtc.version(), 90, "ptx"));
  const Image& image = compiler.wait(job);
  getrlimit(RLIMIT_STACK, &after);
  EXPECT_EQ(before.rlim_cur, after.rlim_cur);
  EXPECT_NE(image.bytes.find(".target sm_90"), std::string::npos) << image.bytes;
  EXPECT_EQ(image.bytes.back(), '\0');
}

TEST(Compile, ImagesAreKeptOnTheDisk) {
  if (settings().library_folder.empty()) GTEST_SKIP() << "skipped: no NVRTC";
  Settings s = settings();
  s.cache_folder = testing::TempDir() + "jt_cuda_compile_test_" + std::to_string(getpid());
  NvrtcLibrary nvrtc = find_nvrtc(s, 0);
  Target target = choose_target(nvrtc, nvrtc.version(), 90, "");
  const char* text = "extern \"C\" __global__ void k(float *x) { x[threadIdx.x] += 1; }";
  std::string first, second, third;
  {
    Compiler compiler(nvrtc, s);
    auto job = compiler.start(text, target);
    first = compiler.wait(job).bytes;
    EXPECT_FALSE(job->is_from_disk);
  }
  Compiler compiler(nvrtc, s);
  auto job = compiler.start(text, target);
  second = compiler.wait(job).bytes;
  EXPECT_TRUE(job->is_from_disk);
  auto anew = compiler.again(job, target);
  third = compiler.wait(anew).bytes;
  EXPECT_FALSE(anew->is_from_disk);
  EXPECT_EQ(first, second);
  EXPECT_EQ(first, third);
  EXPECT_FALSE(compiler.start(text, choose_target(nvrtc, nvrtc.version(), 80, ""))->is_from_disk);
}

}  // namespace jt::test
