#include "backends/cpu_tcc/tier/tcc_tier.h"

#include <math.h>

#include <cstring>

#include "backends/cpu_tcc/tier/render_c.h"
#include "core/base/status.h"

namespace jt::cpu {

constexpr int kWarning = 1, kInfo = 2;

TccTier::TccTier(const vm::Primitives& primitives, TccSettings settings, Log log)
    : primitives_(vm::by_number(primitives)), settings_(std::move(settings)), log_(std::move(log)) {
  arena_ = CodeArena::open(&why_no_code_);
  if (!arena_) fall_back(why_no_code_);
  if (!arena_ || settings_.cache_folder.empty()) return;
  try {
    // Another libtcc makes other code, so its path is part of the build.
    store_ = std::make_unique<KernelStore>(settings_.cache_folder, text(build_id(), " tcc ", settings_.library));
  } catch (const Error& error) {
    log_(kWarning, text("kernels are not kept on the disk: ", error.message()));
  }
}

// One line for all kernels that go the same way.
void TccTier::fall_back(std::string_view why) {
  if (has_fallen_back_.exchange(true)) return;
  log_(settings_.tier == "tcc" ? kWarning : kInfo, text("the block VM runs what cannot be compiled: ", why));
}

TccKernel TccTier::compile(const Program& program, std::string_view key) {
  if (!arena_) return {};
  try {
    return load_or_compile(program, key);
  } catch (const Error& error) {
    failed_++;
    fall_back(error.message());
    return {};
  }
}

TccKernel TccTier::compile_code(std::string_view source) {
  static const TccSymbol kMath[] = {
#define JT_MATH_1(name)                                                            \
  {#name, reinterpret_cast<const void*>(static_cast<double (*)(double)>(::name))}, \
      {#name "f", reinterpret_cast<const void*>(static_cast<float (*)(float)>(::name##f))},
#define JT_MATH_2(name)                                                                    \
  {#name, reinterpret_cast<const void*>(static_cast<double (*)(double, double)>(::name))}, \
      {#name "f", reinterpret_cast<const void*>(static_cast<float (*)(float, float)>(::name##f))},
#define JT_MATH_3(name)                                                                            \
  {#name, reinterpret_cast<const void*>(static_cast<double (*)(double, double, double)>(::name))}, \
      {#name "f", reinterpret_cast<const void*>(static_cast<float (*)(float, float, float)>(::name##f))},
#include "core/base/math_names.inc"
  };
  if (!arena_) fail(JT_E_UNSUPPORTED, "there is no executable memory: ", why_no_code_);
  return compiler().compile(source, "jt_code", kMath, *arena_);
}

TccKernel TccTier::load_or_compile(const Program& program, std::string_view key) {
  if (store_) {
    TccKernel kernel = store_->load(key, *arena_);
    if (kernel.entry) {
      loaded_++;
      kernel.from_disk = true;
      return kernel;
    }
  }
  std::string source = render_c(program);
  TccKernel kernel = compiler().compile(source, "k", {}, *arena_);
  compiled_++;
  if (store_ && !is_read_only_ && is_movable(source, kernel)) save(key, kernel);
  return kernel;
}

// Whether this libtcc makes code without addresses: compiled once more, elsewhere, it is the same. Asked of one kernel.
bool TccTier::is_movable(const std::string& source, const TccKernel& kernel) {
  if (has_moved_) return true;
  TccKernel twin = compiler().compile(source, "k", {}, *arena_);
  bool is_same = twin.code.data() && twin.code.size() == kernel.code.size() &&
                 std::memcmp(twin.code.data(), kernel.code.data(), twin.code.size()) == 0;
  (is_same ? has_moved_ : is_read_only_) = true;
  return is_same;
}

void TccTier::save(std::string_view key, const TccKernel& kernel) {
  try {
    store_->save(key, kernel);
  } catch (const Error& error) {
    if (!is_read_only_.exchange(true)) log_(kWarning, text("kernels are not kept on the disk: ", error.message()));
  }
}

TccCompiler& TccTier::compiler() {
  std::lock_guard guard(opening_);
  if (!compiler_ && why_no_compiler_.empty()) compiler_ = TccCompiler::open(settings_.library, &why_no_compiler_);
  if (!compiler_) throw Error(JT_E_UNSUPPORTED, why_no_compiler_);
  return *compiler_;
}

}  // namespace jt::cpu
