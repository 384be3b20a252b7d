// tcc_library: C99 text in, a function to call out: libtcc, loaded when it is first wanted, as a compiler.
//
// A compile takes about 0.06 ms and touches no file. Nothing that libtcc does ends or harms the process:
// running out of memory inside it is JT_E_NOMEM, and the next compile is as good as the first.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "backends/cpu_tcc/tcc/code_arena.h"
#include "backends/cpu_tcc/tcc/tcc_driver.h"

namespace jt::cpu {

// {name, address}: a function or object that the text declares and jt provides.
using TccSymbol = jt_tcc_symbol;

// Where libtcc's own memory comes from; the default is realloc and free.
struct TccMemory {
  // As realloc, told the old size; new size 0 frees and cannot fail. Null: there is no memory. Must not
  // throw.
  void* (*resize)(void* user, void* block, size_t old_size, size_t new_size) = nullptr;
  void* user = nullptr;
};

struct TccKernel {
  using Entry = void (*)();  // cast to what the text says it is
  Entry entry = nullptr;
  CodeBlock code;  // entry is valid as long as this lives
  bool from_disk = false;
};

// Thread-safe; libtcc compiles one text at a time, the others wait.
class TccCompiler {
 public:
  // Null, and the reason, if there is no usable libtcc. Without a path it is libjt_tcc.so beside the library
  // or program that holds jt, or in jt/ there. A path is absolute and may name any shared libtcc, which then
  // belongs to this compiler alone. Never looks in the current directory, in PATH or in the loader's search
  // path.
  static std::unique_ptr<TccCompiler> open(std::string_view explicit_path, std::string* why_not,
                                           TccMemory memory = {});
  ~TccCompiler();

  // Throws JT_E_COMPILE with libtcc's message and the line it is about, JT_E_NOMEM, or JT_E_UNSUPPORTED.
  // Warnings are errors. memcpy, memmove, memset and the 64-bit unsigned conversions need not be among the
  // symbols. The text may hold constant tables; static data that it writes to ends in a fault. It must not
  // use long double.
  TccKernel compile(std::string_view source, const char* entry, std::span<const TccSymbol> symbols,
                    CodeArena& arena);

  const std::string& path() const;
  // Bytes that libtcc holds now; 0 between compiles with libjt_tcc.so.
  size_t live_bytes() const;
  // For tests: the n-th allocation from now fails, once; 0 takes that back.
  void fail_at(long n);

 private:
  struct Library;
  explicit TccCompiler(std::shared_ptr<Library> library);
  std::shared_ptr<Library> library_;  // shared with kernels whose code lives in libtcc's heap
};

}  // namespace jt::cpu
