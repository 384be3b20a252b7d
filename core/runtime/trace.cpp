#include "core/runtime/trace.h"

#include "core/base/text.h"

namespace jt {

constexpr size_t kMaxEvents = 1 << 20;  // the rest is dropped: a forgotten trace must not eat the host

void Trace::add(std::string name, const char* category, int64_t begin_ns, int64_t end_ns) {
  std::lock_guard lock(mutex_);
  if (events_.size() < kMaxEvents) events_.push_back({std::move(name), category, begin_ns, end_ns});
}

static void append_quoted(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (unsigned char c : text) {
    if (c == '"' || c == '\\') out += '\\', out += char(c);
    else if (c < 0x20) out += "\\u00", out += kHex[c >> 4], out += kHex[c & 15];
    else out += char(c);
  }
  out += '"';
}

bool Trace::start(std::string path) {
  std::lock_guard lock(mutex_);
  if (on_) return false;
  path_ = std::move(path);
  on_ = true;
  return true;
}
std::optional<Trace::Taken> Trace::stop() {
  std::lock_guard lock(mutex_);
  if (!on_) return {};
  Taken taken{path_, json()};
  on_ = false;
  events_.clear();
  return taken;
}

std::string Trace::json() const {
  std::string out = "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[";
  int64_t start = events_.empty() ? 0 : events_[0].begin_ns;
  for (const Event& e : events_) start = std::min(start, e.begin_ns);
  bool first = true;
  for (const Event& e : events_) {
    out += first ? "\n" : ",\n";
    first = false;
    out += "{\"name\":";
    append_quoted(out, e.name);
    append(out, text(",\"cat\":\"", e.category, "\",\"ph\":\"X\",\"pid\":1,\"tid\":1,\"ts\":",
                     double(e.begin_ns - start) / 1000, ",\"dur\":", double(e.end_ns - e.begin_ns) / 1000, "}"));
  }
  return out + "\n]}\n";
}

}  // namespace jt
