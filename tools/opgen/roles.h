// roles: what a parameter means, and what it is in C.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace opgen {

enum class Role : uint8_t {
  handle,            // of `type`: a context, a module
  seen_handle,       // the same, only looked at
  operand,           // a tensor
  seen,              // a tensor only looked at
  optional_operand,  // a tensor or none
  operand_list,
  optional_list,     // of which any may be none
  integer, real, boolean, dtype,
  enumeration,       // one of the values of `type`
  flags,             // a sum of values of `type`
  ints, text,
  texts,             // as many as the list behind it
  bytes,
  attrs, attr,       // named values: fields of a layer, attributes of an op
  sized_struct,      // of `type`, filled by the caller; may be none where the function says so
  callback, user,    // a function, and what it is called with
  out_tensor,
  out_tensors,       // as many as the caller asks for
  out_handle,
  out_number,        // of `type`
  out_text,
  out_bytes, out_ints,
  out_struct,        // of `type`, whose size the caller sets
  room,              // for a text; also tells how much it needs
};

struct RoleRow {
  Role role;
  std::string_view word;     // in capi/api.def
  std::string_view type;     // where the row of the function gives none
  std::string_view pattern;  // in C: $ is the name, @ the type; a callback's is its own
};
const RoleRow& row_of(Role role);
const RoleRow* role_called(std::string_view word);

struct Param {
  std::string name;
  Role role;
  std::string type;            // C's, where the role leaves it open
  bool is_required = true;
  std::string fallback;        // as the table says it; of lists empty: the empty list
  // Of fields of layers:
  std::string range;  // "count" >= 1, "size" >= 0, "unit" 0..1, "real" >= 0; "counts", "sizes" of lists; else empty
  int values = 0;              // of a list: how many, of which one may stand for all; 0: any number
  bool may_be_none = false;
  std::vector<std::string> words;  // of a text: those that it may be; empty: any

  std::string c_text() const;  // "const int64_t* dims, size_t dims_len"
};

// The words of "ctx dims:ints i:int(size_t)" as parameters. Throws std::runtime_error where one is no role.
std::vector<Param> params_of(std::string_view text);

}  // namespace opgen
