// runtime: what a jt_runtime handle is.
#pragma once
#include <jt/jt_runtime.h>

#include <atomic>
#include <memory>
#include <string>

#include "core/runtime/runtime.h"

struct jt_runtime {
  std::atomic<int32_t> refs{1};
  jt_runtime_desc desc{};
  std::shared_ptr<jt::Runtime> shared;
};

namespace jt::capi {
// The table that JT_STATS prints.
std::string stats_table(Runtime& runtime);
}  // namespace jt::capi
