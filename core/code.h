// code: an op of C source: its text with @macros expanded into a C function, which a backend compiles when it runs.
//
// The function is `void jt_code(void *const *p)`: p holds the arrays' addresses, then that of extents and strides, then that
// of the numbers; so its text knows ranks and dtypes only, and is the key of the cache of compiled ones.
#pragma once
#include <vector>

#include "core/ir/custom.h"
#include "core/runtime/runtime.h"

namespace jt {

struct CodeText {
  std::string source, header;
  std::vector<std::string> grad_sources;  // by input; empty: none
  std::vector<std::string> data_names;
  std::vector<double> data_values;
};

// Records it; the runtime outlives the nodes. Throws JT_E_INVALID naming what is wrong in a source, gradients' included.
Value record_code(Recorder& recorder, Runtime& runtime, std::string name, CodeText text, std::span<const Ref> inputs,
                  std::span<const Type> outputs);

// An array of the text: in0, out0, pout0, dout0.
struct CodeArray {
  std::string name, alias;  // alias: `out` where there is only out0
  Type type;
  bool is_output;
};
// The C text of the function.
std::string render_code(std::string_view who, const CodeText& text, std::string_view source, std::span<const CodeArray> arrays);

}  // namespace jt
