// code: an op of C source: its text with @macros expanded into a C function, which a backend compiles when it runs.
//
// The function is `void jt_code(void *const *p)`: p holds the arrays' addresses, then that of extents and strides, then
// that of the numbers; so its text knows ranks and dtypes only, and is the key of the cache of compiled ones.
#pragma once
#include <memory>
#include <unordered_map>
#include <vector>

#include "core/ir/custom.h"
#include "core/runtime/runtime.h"

namespace jt {

// As the caller wrote it; nothing in it is owned.
struct CodeSource {
  std::string_view name, source, header;
  std::span<const std::string_view> grad_sources;  // by input; empty: none
  std::span<const std::string_view> data_names;
  std::span<const double> data_values;
};

// The C functions of one source on operands of these ranks and dtypes.
struct CodeText {
  std::string name, source, header;
  std::vector<std::string> grad_sources, data_names;
  std::vector<uint16_t> types;  // of the inputs, then of the outputs: dtype and rank
  std::string rendered;
  std::vector<std::shared_ptr<const CodeText>> gradients;  // by input; null: none
};

// Texts of a context by their sources, so that a source that comes again is not read again. Bounded.
class CodeCache {
 public:
  // Throws JT_E_INVALID naming what is wrong in a source, gradients' included.
  std::shared_ptr<const CodeText> get(const CodeSource& source, std::span<const Ref> inputs,
                                      std::span<const Type> outputs);

 private:
  std::unordered_multimap<uint64_t, std::shared_ptr<const CodeText>> by_hash_;
};

// Records it; runtime and cache outlive the nodes.
Value record_code(Recorder& recorder, Runtime& runtime, CodeCache& cache, const CodeSource& source,
                  std::span<const Ref> inputs, std::span<const Type> outputs);

}  // namespace jt
