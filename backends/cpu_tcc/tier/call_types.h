// call_types: how a rendered text names and declares the types of primitives that it calls. A bool is an int.
#pragma once
#include <cstddef>
#include <iterator>

namespace jt::cpu {

constexpr struct CallType {
  const char *name, *declaration;
} kCallTypes[] = {
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
constexpr size_t kTypes = std::size(kCallTypes);

}  // namespace jt::cpu
