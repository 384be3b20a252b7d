#include "core/base/flags.h"

#include <stdlib.h>

namespace jt {

static void read(std::string& into, const char* variable) {
  if (const char* value = ::secure_getenv(variable)) into = value;
}

Flags flags_from_environment() {
  Flags flags;
#define JT_READ_FLAG(field, variable, fallback, doc) read(flags.field, variable);
  JT_FLAGS(JT_READ_FLAG)
  read(flags.xdg_cache_home, "XDG_CACHE_HOME");
  read(flags.home, "HOME");
  read(flags.path, "PATH");
  flags.may_read_environment = true;
  return flags;
}

bool set_flag(Flags& flags, std::string_view field, std::string_view value) {
#define JT_SET_FLAG(name, variable, fallback, doc) \
  if (field == #name) return flags.name = value, true;
  JT_FLAGS(JT_SET_FLAG)
  return false;
}

const std::string* find_flag(const Flags& flags, std::string_view field) {
#define JT_FIND_FLAG(name, variable, fallback, doc) \
  if (field == #name) return &flags.name;
  JT_FLAGS(JT_FIND_FLAG)
  if (field == "path") return &flags.path;
  return nullptr;
}

const char* environment_setting(const Flags& flags, std::string_view name) {
  if (!flags.may_read_environment) return nullptr;
  bool has_dot = name.find('.') != name.npos;
  std::string variable = has_dot ? "JT_" : "";
  for (char c : name) variable += c == '.' ? '_' : has_dot && c >= 'a' && c <= 'z' ? char(c - 'a' + 'A') : c;
  return ::secure_getenv(variable.c_str());
}

}  // namespace jt
