// cases: what a backend is judged by: small graphs of one row each, over dtypes, layouts and modes, with numbers.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "core/ir/eval.h"

namespace jt {

struct Case {
  Op row;
  DType dtype;         // of what the row reads
  std::string layout;  // how that lies, or what the case is about
  std::string graph;   // text of a block
  std::vector<HostValue> params;
};

// Element rows, casts and reductions, made from the op table; calls visit for each.
void each_table_case(const std::function<void(const Case&)>& visit);
// The graphs of a file of vectors (tests/ir/data/vectors.txt): movement, index, library, random and composite rows.
void each_file_case(const std::string& path, const std::function<void(const Case&)>& visit);

}  // namespace jt
