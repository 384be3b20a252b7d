#include "backends/cpu_tcc/tier/primitive_calls.h"

#include <cstddef>
#include <iterator>

#include "backends/cpu_tcc/vm/vm_plan.h"
#include "core/base/status.h"

namespace jt::cpu {

using namespace jt::vm;

namespace {

constexpr struct CallType {
  const char *name, *declaration;
} kTypes[] = {
    {"element", "void element(char *, char *, char *, char *, i64)"},
    {"block", "void block(char *, char *, i64)"},
    {"repeat", "void repeat(char *, char *, i64, i64)"},
    {"map_load", "char *map_load(char *, char *, char *, i64, i64, i64, int, char *)"},
    {"map_store", "void map_store(char *, char *, char *, i64, i64, i64, int)"},
    {"map_index", "void map_index(char *, char *, i64, i64, i64, int)"},
    {"gather", "void gather(char *, char *, char *, i64, i64, char *)"},
    {"scatter", "void scatter(char *, char *, char *, i64, i64)"},
    {"reduce_begin", "void reduce_begin(char *, i64)"},
    {"reduce_end", "void reduce_end(char *, char *)"},
    {"state_bytes", "i64 state_bytes(int, i64, i64)"},
    {"column_width", "i64 column_width(i64, i64)"},
    {"direct_map", "void direct_map(char *, int, i64, i64)"},
    {"swapped_map", "void swapped_map(char *, char *, i64, i64)"},
    {"copy", "char *copy(char *, char *, i64)"},
};

// Places of functions in ReduceFns.
constexpr int kEnd = offsetof(ReduceFns, end) / sizeof(void*),
              kColumnAdd = offsetof(ReduceFns, column_add) / sizeof(void*),
              kColumnEnd = offsetof(ReduceFns, column_end) / sizeof(void*),
              kRows = offsetof(ReduceFns, rows) / sizeof(void*), kBands = offsetof(ReduceFns, bands) / sizeof(void*);

}  // namespace

std::string PrimitiveCalls::call(std::string_view type, int number, const std::string& arguments) {
  for (size_t k = 0; k < std::size(kTypes); k++)
    if (type == kTypes[k].name) used_ |= 1u << k;
  return text("((", type, " *)P[", number, "])(", arguments, ");");
}

std::string PrimitiveCalls::call(Helper helper, const std::string& arguments) {
  switch (helper) {
    case Helper::reduce_begin: return call("reduce_begin", kReduceBegin, arguments);
    case Helper::state_bytes: return call("state_bytes", kReduceStateBytes, arguments);
    case Helper::column_width: return call("column_width", kColumnWidth, arguments);
    case Helper::direct_map: return call("direct_map", kDirectMap, arguments);
    case Helper::swapped_map: return call("swapped_map", kSwappedMap, arguments);
    case Helper::copy: return call("copy", kCopy, arguments);
    case Helper::stream: return call("block", kStream, arguments);
  }
  return "";
}

std::string PrimitiveCalls::call(const Program& program, const Op& op, const std::string& arguments) {
  int number = function_of(program, op, *primitives(Isa::base)).primitive;
  switch (op.kind) {
    case OpKind::element:
    case OpKind::element_out: return call("element", number, arguments);
    case OpKind::scalar:
    case OpKind::load_here:
    case OpKind::load_block:
    case OpKind::block:
    case OpKind::store_block:
    case OpKind::reduce_row: return call("block", number, arguments);
    case OpKind::load_mapped: return call("map_load", number, arguments);
    case OpKind::repeat:
    case OpKind::tile: return call("repeat", number, arguments);
    case OpKind::store_mapped: return call("map_store", number, arguments);
    case OpKind::index: return call("map_index", number, arguments);
    case OpKind::gather: return call("gather", number, arguments);
    case OpKind::scatter: return call("scatter", number, arguments);
    case OpKind::reduce_column: return call("block", number + kColumnAdd, arguments);
    case OpKind::reduce_rows: return call("repeat", number + kRows, arguments);
    case OpKind::reduce_bands: return call("repeat", number + kBands, arguments);
  }
  return "";
}

std::string PrimitiveCalls::end_reduction(const PlanReduction& reduction, bool of_columns,
                                          const std::string& arguments) {
  const Primitives& base = *primitives(Isa::base);  // for their numbers, which all levels share
  int number = number_of(base, &base.block->reduce[int(reduction.kind)][int(reduction.type)]);
  return call(of_columns ? "block" : "reduce_end", number + (of_columns ? kColumnEnd : kEnd), arguments);
}

std::string PrimitiveCalls::declarations() const {
  std::string lines;
  for (size_t k = 0; k < std::size(kTypes); k++)
    if (used_ >> k & 1) lines += text("typedef ", kTypes[k].declaration, ";\n");
  return lines;
}

}  // namespace jt::cpu
