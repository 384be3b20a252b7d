#include "backends/cpu_tcc/tier/tier.h"

#include <chrono>

#include "backends/cpu_tcc/tier/render_c.h"
#include "core/base/status.h"

namespace jt::cpu {

namespace {

constexpr int kWarning = 1, kInfo = 2;

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

Tier::Tier(const vm::Primitives& primitives, TierSettings settings, Log log)
    : primitives_(primitives), by_number_(vm::by_number(primitives)), settings_(std::move(settings)), log_(std::move(log)) {
  const std::string& tier = settings_.tier;
  if (tier != "vm" && tier != "tcc" && tier != "auto")
    log_(kWarning, text("cpu.tier: '", tier, "' is none of vm, tcc, auto; auto is taken"));
  if (tier == "vm") return;
  std::string why_not;
  arena_ = CodeArena::open(&why_not);
  if (!arena_) complain(said_failed_, why_not);
  if (!arena_ || settings_.cache_folder.empty()) return;
  try {
    // The setting is part of the build: another libtcc makes other code.
    store_ = std::make_unique<KernelStore>(settings_.cache_folder, text(build_id(), " tcc ", settings_.tcc));
  } catch (const Error& error) {
    log_(kWarning, text("kernels are not kept on the disk: ", error.message()));
  }
}

// One line for all kernels that go the same way.
void Tier::complain(std::atomic<bool>& once, std::string_view message) {
  if (once.exchange(true)) return;
  log_(settings_.tier == "tcc" ? kWarning : kInfo, text("the block VM runs what cannot be compiled: ", message));
}

TieredKernel Tier::compile(const Program& program, std::string_view key) {
  int64_t begin = now_ns();
  TieredKernel kernel{vm::VmCode(program, primitives_)};
  if (arena_) {
    try {
      kernel.machine_ = machine_code(program, key);
      kernel.code_ = reinterpret_cast<TieredKernel::Code>(kernel.machine_.entry);
      kernel.primitives_ = by_number_.data();
    } catch (const Error& error) {
      failed_++;
      complain(said_failed_, error.message());
    }
  }
  kernel.compile_ns_ = now_ns() - begin;
  return kernel;
}

TccKernel Tier::machine_code(const Program& program, std::string_view key) {
  if (store_) {
    TccKernel kernel = store_->load(key, *arena_);
    if (kernel.entry) {
      loaded_++;
      return kernel;
    }
  }
  TccKernel kernel = compiler().compile(render_c(program), "k", {}, *arena_);
  compiled_++;
  if (store_ && !is_read_only_) {
    try {
      store_->save(key, kernel);
    } catch (const Error& error) {
      if (!is_read_only_.exchange(true))
        log_(kWarning, text("kernels are not kept on the disk: ", error.message()));
    }
  }
  return kernel;
}

TccCompiler& Tier::compiler() {
  std::lock_guard<std::mutex> guard(opening_);
  if (!compiler_ && why_no_compiler_.empty()) compiler_ = TccCompiler::open(settings_.tcc, &why_no_compiler_);
  if (!compiler_) throw Error(JT_E_UNSUPPORTED, why_no_compiler_);
  return *compiler_;
}

}  // namespace jt::cpu
