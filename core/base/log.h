// log: where messages go. Nothing is printed unless the host gave a sink, or allowed the environment to ask for one.
#pragma once
#include <cstdint>

#include "core/base/text.h"

namespace jt {

enum class LogLevel : int32_t { error = 0, warning = 1, info = 2, debug = 3 };

struct Logger {
  void (*sink)(void* user, int32_t level, const char* domain, const char* message, size_t length) = nullptr;
  void* user = nullptr;
  LogLevel level = LogLevel::warning;

  bool wants(LogLevel l) const { return sink && l <= level; }
  template <class... Parts>
  void operator()(LogLevel l, const char* domain, const Parts&... parts) const {
    if (!wants(l)) return;
    std::string message = text(parts...);
    sink(user, int32_t(l), domain, message.data(), message.size());
  }
};

}  // namespace jt
