// export_c: a graph and its plan -> one C99 file and its header, which need nothing of jt.
//
// Kernels are the texts of render_c99, so their bits are those of every tier; library ops are plain loops. Every plan,
// of the graph or of a block that a loop or branch owns, is a function of addresses. Nothing is static but constants:
// what a run needs is handed to it, so runs may go on at once on several threads.
#pragma once
#include <string>

#include "core/graph/graph.h"
#include "core/runtime/plan.h"

namespace jt {

struct CFiles {
  std::string source, header;
};

// name: a C identifier that all symbols begin with. values: the bytes of each state, then of each constant.
// Throws JT_E_UNSUPPORTED, naming the op, for what has no C text.
CFiles export_c(const Graph& graph, const SizedPlan& plan, const std::string& name,
                std::span<const std::string_view> values);

}  // namespace jt
