// index_expr: the index strings of reindex ("i0*2+i2-1, i1"): comma-separated integer expressions of the coordinates
// i0, i1, .. with + - * / % and parentheses; / and % round towards minus infinity. They become postfix code; its
// integers are arguments of kernels, its shape is structure.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

namespace jt {

struct IndexStep {
  enum Kind : uint8_t { coordinate, integer, add, sub, mul, div, mod, neg } kind;
  int64_t value = 0;  // number of the coordinate, or the integer
};
using IndexExpr = std::vector<IndexStep>;  // postfix

// Parses `text` into one expression per axis; an error names `who`, the text and the place.
std::vector<IndexExpr> parse_index_exprs(std::string_view who, std::string_view text, int coordinates);
// The same, thrown away: also checks that there are `axes` of them.
void check_index_exprs(std::string_view who, std::string_view text, int coordinates, int axes);

}  // namespace jt
