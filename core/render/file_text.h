// file_text: what the kernels of one file share -> the definitions at its head, each once, in an order that does not
// depend on who asked for it first.
#pragma once
#include <set>
#include <string>
#include <string_view>

#include "core/base/program.h"
#include "core/render/element_text.h"
#include "core/render/layout_text.h"

namespace jt::loops {

class FileText {
 public:
  FileText(const Dialect& dialect, HostCalls* host) : dialect(dialect), host(host), elements(dialect) {}

  const Dialect& dialect;
  HostCalls* const host;
  ElementText elements;

  // Names of functions, which will be defined.
  std::string use_reduction(Reduction r, CType type);  // the NAME in Dialect::reduction
  std::string use_load_map(DType dtype);               // (p, map, o, i, fill)
  std::string use_store_map(DType dtype);              // (p, map, o, i, value)
  std::string use_place_in_map();                      // (map, o, i), -1 outside
  std::string use_gather(DType dtype);                 // (p, count, at, fill)
  std::string use_scatter(Combine combine, DType dtype);  // (p, count, at, value)
  std::string use_random();                            // (element, counter, key)

  // Expressions.
  std::string loaded(DType dtype, const std::string& element);  // what lies in memory, as its compute type
  std::string stored(DType dtype, const std::string& value);
  std::string narrowed(DType dtype, CType type, const std::string& value);  // loaded(stored(value))
  std::string converted(CType from, CType to, const std::string& value);
  const char* memory_type(DType dtype) const { return dialect.stored[dtype]; }
  const char* block_type(CType type) const;  // of a value in a block
  std::string from_block(CType type, const std::string& element) const;

  std::string head() const;

 private:
  std::string use(std::string_view helper);
  std::string combined(Combine combine, CType type, const std::string& old);
  std::string define(std::string name, const std::string& definition);

  std::set<std::string, std::less<>> helpers_;
  struct Definition {
    std::string name, text;
    bool operator<(const Definition& other) const { return name < other.name; }
  };
  std::set<Definition> definitions_, reductions_;
};

inline bool is_half(DType d) { return d == JT_F16 || d == JT_BF16; }
inline bool is_float(CType t) { return t == CType::f32 || t == CType::f64; }

}  // namespace jt::loops
