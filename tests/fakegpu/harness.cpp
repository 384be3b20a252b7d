#include "tests/fakegpu/harness.h"

#include <fstream>
#include <sstream>

namespace fakegpu::test {

std::string checked_in_ptx(const std::string& name) {
  std::ifstream file(std::string(FAKEGPU_PTX) + "/" + name + ".ptx");
  EXPECT_TRUE(file) << name;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string kernel_text(const std::string& body, int parameters, int target) {
  std::string text = ".version 8.5\n.target sm_" + std::to_string(target) + "\n.address_size 64\n.visible .entry k(";
  for (int i = 0; i < parameters; ++i) text += (i ? ", .param .u64 p" : ".param .u64 p") + std::to_string(i);
  return text +
         ")\n{\n.reg .pred %p<16>;\n.reg .b16 %rs<64>;\n.reg .b32 %r<64>;\n.reg .f32 %f<64>;\n.reg .b64 %rd<64>;\n.reg "
         ".f64 %fd<64>;\n" +
         body + "\nret;\n}\n";
}

Gpu::Gpu() {
  fakegpu_restart();
  fakegpu_clear_findings();
  fakegpu_reset_counters();
  fakegpu_set_schedule("lazy");
  fakegpu_set_reverse(0);
  void* context = nullptr;
  EXPECT_EQ(cuInit(0), 0);
  EXPECT_EQ(cuDevicePrimaryCtxRetain(&context, 0), 0);
  EXPECT_EQ(cuCtxSetCurrent(context), 0);
}
Gpu::~Gpu() { fakegpu_restart(); }

void* Gpu::load(const std::string& text) {
  void* module = nullptr;
  cuModuleLoadData(&module, text.c_str());
  return module;
}
void* Gpu::function(void* module, const std::string& name) {
  void* function = nullptr;
  EXPECT_EQ(cuModuleGetFunction(&function, module, name.c_str()), 0) << name;
  return function;
}
uint64_t Gpu::allocate(size_t bytes) {
  uint64_t at = 0;
  EXPECT_EQ(cuMemAlloc_v2(&at, bytes), 0);
  return at;
}
std::string Gpu::last_finding() const {
  uint64_t n = fakegpu_finding_count();
  return n ? fakegpu_finding(n - 1) : "no finding";
}

}  // namespace fakegpu::test
