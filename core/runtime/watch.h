// watch: who looks on while graphs are compiled and run: the program, which may end that, and readers of JT_DUMP.
#pragma once
#include <functional>
#include <string>
#include <string_view>

#include "core/base/status.h"

namespace jt {

// Who wants to see which stages (letters of JT_DUMP) of what is compiled.
struct Dump {
  static constexpr std::string_view kStages = "gsfmlckvp";
  std::string stages;
  std::function<void(char stage, std::string_view text)> sink;
  void show(char stage, const std::string& text) const {
    if (sink) sink(stage, text);
  }
  bool wants(char stage) const { return stages.find(stage) != stages.npos; }
};

// While it lives, a function of the host runs inside an evaluation.
class InCallback {
 public:
  explicit InCallback(bool& flag) : flag_(flag) { flag_ = true; }
  ~InCallback() { flag_ = false; }
  InCallback(const InCallback&) = delete;

 private:
  bool& flag_;
};

// An evaluation that the program itself ended: nothing failed, and what did not run is still pending.
class Interrupted : public Error {
 public:
  using Error::Error;
  explicit Interrupted(const Error& e) : Error(e) {}
};

// The program's function that looks on while a context evaluates, and may end that; see jt_context_set_watch.
struct Watch {
  jt_status (*function)(void* user, int64_t compiled, int64_t to_compile) = nullptr;
  void* user = nullptr;
  bool* in_callback = nullptr;
  void look(int64_t compiled = 0, int64_t to_compile = 0) const {
    if (function) [[unlikely]] call(compiled, to_compile);
  }

 private:
  void call(int64_t compiled, int64_t to_compile) const {
    jt_status status;
    {
      InCallback inside(*in_callback);
      status = function(user, compiled, to_compile);
    }
    if (status != JT_OK) throw Interrupted(status, "the program ended the evaluation");
  }
};

}  // namespace jt
