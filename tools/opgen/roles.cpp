#include "tools/opgen/roles.h"

#include <stdexcept>

namespace opgen {

static constexpr RoleRow kRoles[] = {
    {Role::handle, "handle", "", "@* $"},
    {Role::seen_handle, "seen_handle", "", "const @* $"},
    {Role::operand, "operand", "", "jt_tensor* $"},
    {Role::seen, "seen", "", "const jt_tensor* $"},
    {Role::optional_operand, "optional_operand", "", "jt_tensor* $"},
    {Role::operand_list, "operand_list", "", "jt_tensor* const* $, size_t $_len"},
    {Role::optional_list, "optional_list", "", "jt_tensor* const* $, size_t $_len"},
    {Role::integer, "int", "int64_t", "@ $"},
    {Role::real, "float", "double", "@ $"},
    {Role::boolean, "bool", "", "jt_bool $"},
    {Role::dtype, "dtype", "", "jt_dtype $"},
    {Role::enumeration, "enum", "", "@ $"},
    {Role::flags, "flags", "", "uint32_t $"},
    {Role::ints, "ints", "", "const int64_t* $, size_t $_len"},
    {Role::text, "text", "", "const char* $, size_t $_len"},
    {Role::texts, "texts", "", "const char* const* $"},
    {Role::bytes, "bytes", "", "const void* $, size_t $_len"},
    {Role::attrs, "attrs", "", "const jt_attr* $, size_t $_len"},
    {Role::attr, "attr", "", "const jt_attr* $"},
    {Role::sized_struct, "struct", "", "const @* $"},
    {Role::callback, "callback", "", ""},
    {Role::user, "user", "", "void* $"},
    {Role::out_tensor, "out_tensor", "", "jt_tensor** $"},
    {Role::out_tensors, "out_tensors", "", "jt_tensor** $, size_t $_len"},
    {Role::out_handle, "out_handle", "", "@** $"},
    {Role::out_number, "out_number", "", "@* $"},
    {Role::out_text, "out_text", "", "const char** $"},
    {Role::out_bytes, "out_bytes", "", "void* $, size_t $_len"},
    {Role::out_ints, "out_ints", "", "int64_t* $, size_t $_len, size_t* out_len"},
    {Role::out_struct, "out_struct", "", "@* $"},
    {Role::room, "room", "", "char* $, size_t $_len, size_t* out_len"},
};
static_assert(sizeof kRoles / sizeof *kRoles == size_t(Role::room) + 1);

const RoleRow& row_of(Role role) { return kRoles[int(role)]; }

const RoleRow* role_called(std::string_view word) {
  for (const RoleRow& row : kRoles)
    if (row.word == word) return &row;
  return nullptr;
}

std::string Param::c_text() const {
  std::string out;
  for (char c : row_of(role).pattern) out += c == '$' ? name : c == '@' ? type : std::string(1, c);
  return out;
}

static Param param_of(std::string_view word) {
  if (word == "ctx") return {"ctx", Role::handle, "jt_context"};
  if (word == "rt") return {"rt", Role::handle, "jt_runtime"};
  size_t colon = word.find(':'), open = word.find('(');
  std::string_view role = colon == word.npos ? "" : word.substr(colon + 1, open == word.npos ? open : open - colon - 1);
  const RoleRow* row = role_called(role);
  if (!row) throw std::runtime_error("capi/api.def: no role in '" + std::string(word) + "'");
  Param out{std::string(word.substr(0, colon)), row->role, std::string(row->type)};
  if (open != word.npos) out.type = word.substr(open + 1, word.size() - open - 2);
  return out;
}

std::vector<Param> params_of(std::string_view text) {
  std::vector<Param> out;
  while (!text.empty()) {
    std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    if (!word.empty()) out.push_back(param_of(word));
  }
  return out;
}

}  // namespace opgen
