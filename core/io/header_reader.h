// header_reader: the JSON header of a safetensors file -> its values, one by one, as the caller asks for
// them.
//
// As much of JSON as such a header needs: objects, strings, lists of non-negative integers. The caller says
// what comes next, so depth is fixed by the format and nothing recurses. Whatever else is found is an Error
// naming the file and the byte.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/status.h"

namespace jt {

class HeaderReader {
 public:
  HeaderReader(std::string_view json, const std::string& origin) : json_(json), origin_(origin) {}

  template <class... Parts>
  [[noreturn]] void fail_here(const Parts&... parts) const {
    fail(JT_E_IO, "safetensors: '", origin_, "': header byte ", at_, ": ", parts...);
  }

  // Calls each(key) for every member, which must read the value.
  template <class Each>
  void object(Each each) {
    expect('{');
    if (accept('}')) return;
    do {
      std::string key = string();
      expect(':');
      each(key);
    } while (accept(','));
    expect('}');
  }

  template <class Each>
  void list(Each each) {
    expect('[');
    if (accept(']')) return;
    do each();
    while (accept(','));
    expect(']');
  }

  int64_t integer();
  std::string string();
  void end();

 private:
  void skip_space();
  bool accept(char c);
  void expect(char c);
  std::string found() const;
  uint32_t hex4();
  void escape(std::string& out);

  std::string_view json_;
  const std::string& origin_;
  size_t at_ = 0;
};

}  // namespace jt
