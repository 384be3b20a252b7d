// cxx_compiler: g++ or clang++, found on the machine, as a compiler of kernels: programs in, movable machine code out.
//
// Several programs are one run of the compiler, of which starting is a good part. It reads the text from a file in
// memory and writes to one: no path, quote or folder of the host's can get in its way. Instructions are those of a
// named level, never those of the machine that happens to run.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "backends/cpu_tcc/tier/object_code.h"
#include "backends/cpu_tcc/vm/block_table.h"
#include "core/base/process.h"
#include "core/base/program.h"

namespace jt::cpu {

class CxxCompiler {
 public:
  // `wanted`: an absolute path, or a name looked for in `search_path` (folders separated by `:`; relative ones are
  // passed over);
  // empty: g++, else clang++. Null, and the reason, if there is none.
  static std::unique_ptr<CxxCompiler> find(std::string_view wanted, std::string_view search_path, vm::Isa isa,
                                           std::string* why_not);

  // Differs between compilers, their versions, and sets of options.
  const std::string& identity() const { return identity_; }
  const std::string& path() const { return command_.program; }
  void set_timeout(int milliseconds) { command_.timeout_ms = milliseconds; }

  // One per program, in order; `bytes` is empty where the program cannot be compiled, with a line about it in *why
  // (kept if already set). Blocks; any thread. Throws what render_gxx throws.
  std::vector<ObjectCode> compile(const std::vector<const Program*>& programs, bool is_background, Stop& stop,
                                  std::string* why, const ProcessSystem& system = kProcessSystem) const;

 private:
  Command command_;
  std::string identity_;
  vm::Isa isa_ = vm::Isa::base;
};

}  // namespace jt::cpu
