#include "core/runtime/runtime.h"

#include "core/base/file.h"
#include "core/base/status.h"

namespace jt {

static Flags with_cache_folder(Flags flags) {
  if (flags.cache_dir.empty()) flags.cache_dir = cache_path(flags.xdg_cache_home.c_str(), flags.home.c_str());
  if (flags.cache_dir == "off") flags.cache_dir.clear();
  return flags;
}

Runtime::Runtime(RuntimeOptions options)
    : flags(with_cache_folder(std::move(options.flags))),
      log(options.log),
      pool(std::make_shared<BufferPool>(options.allocator)),
      backend_library(std::move(options.backend_library)),
      device(options.backend, flags, log),
      kernels(device) {
  pool->set_limit(options.memory_limit);
  pool->poison_freed = flags.check != "0";
  if (!flags.trace.empty()) trace.start();
  timing = !flags.stats.empty() && flags.stats != "0";
}

Runtime::~Runtime() {
  if (flags.trace.empty()) return;
  try {
    write_file(flags.trace, trace.json());
  } catch (const Error& e) {
    log(LogLevel::error, "trace", e.message());
  }
}

}  // namespace jt
