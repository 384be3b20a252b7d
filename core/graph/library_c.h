// library_c: library rows as C99 functions of plain loops, for exported graphs.
#pragma once
#include <string>
#include <string_view>

#include "core/base/dtype.h"

namespace jt {

// `static void FUNCTION(operands.., results.., params but the dtype..)`; what the params are: docs/ADD-A-BACKEND.md.
// Throws JT_E_UNSUPPORTED, naming row and dtype, where there is none.
std::string library_c(std::string_view row, DType dtype, std::string_view function);

}  // namespace jt
