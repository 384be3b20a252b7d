// module: jt_module as the tests write it: handles that release themselves, fields from text.
#pragma once
#include "tests/capi/capi.h"

#include <deque>
#include <map>
#include <sstream>

namespace jt::test {

// "in_features=3 kernel_size=[1,2] p=0.5 op=mean momentum=none" as attributes.
class Fields {
 public:
  explicit Fields(const std::string& text) {
    std::istringstream in(text);
    for (std::string word; in >> word;) add(word.substr(0, word.find('=')), word.substr(word.find('=') + 1));
  }
  Fields& add(const std::string& name, const std::string& value) {
    jt_attr a{};
    a.name = texts_.emplace_back(name).c_str();
    if (value == "none" && name == "momentum") {
      a.kind = JT_ATTR_F64, a.f64 = NAN;
    } else if (value[0] == '[') {
      std::vector<int64_t>& list = lists_.emplace_back();
      std::istringstream in(value.substr(1, value.size() - 2));
      for (std::string item; std::getline(in, item, ',');) list.push_back(std::stoll(item));
      a.kind = JT_ATTR_INTS, a.ints = list.data(), a.ints_len = list.size();
    } else if (std::isdigit(value[value.size() - 1]) && (std::isdigit(value[0]) || value[0] == '-')) {
      bool is_real = value.find_first_of(".e") != value.npos;
      a.kind = is_real ? JT_ATTR_F64 : JT_ATTR_I64;
      is_real ? a.f64 = std::stod(value) : double(a.i64 = std::stoll(value));
    } else {
      a.kind = JT_ATTR_STR, a.str = texts_.emplace_back(value).c_str(), a.str_len = JT_NUL;
    }
    attrs_.push_back(a);
    return *this;
  }
  Fields& dtype(jt_dtype t) {
    jt_attr a{};
    a.name = "dtype", a.kind = JT_ATTR_I64, a.i64 = t;
    attrs_.push_back(a);
    return *this;
  }
  const jt_attr* data() const { return attrs_.data(); }
  size_t size() const { return attrs_.size(); }

 private:
  std::vector<jt_attr> attrs_;
  std::deque<std::string> texts_;
  std::deque<std::vector<int64_t>> lists_;
};

struct Module {
  const Session& s;
  jt_module* handle = nullptr;

  Module(const Session& session, const char* kind, const std::string& fields = "")
      : Module(session, kind, Fields(fields)) {}
  Module(const Session& session, const char* kind, const Fields& fields) : s(session) {
    must(jt_module_create(s.ctx, kind, JT_NUL, fields.data(), fields.size(), &handle));
  }
  Module(const Module&) = delete;
  ~Module() { jt_module_release(handle); }
  operator jt_module*() const { return handle; }

  std::vector<Tensor> run(const std::vector<jt_tensor*>& inputs, size_t results = 1) const {
    std::vector<jt_tensor*> out(results);
    must(jt_module_forward(s.ctx, handle, inputs.data(), inputs.size(), out.data(), out.size()));
    return {out.begin(), out.end()};
  }
  Tensor operator()(jt_tensor* x) const { return run({x})[0]; }
  Tensor get(const std::string& name) const { return s.make(jt_module_get, handle, name.c_str(), JT_NUL); }
  void set(const std::string& name, jt_tensor* t) const { must(jt_module_set(s.ctx, handle, name.c_str(), JT_NUL, t)); }
  void add(const std::string& name, const Module& child) const {
    must(jt_module_add_child(s.ctx, handle, name.c_str(), JT_NUL, child));
  }
  void training(bool on) const { must(jt_module_set_training(s.ctx, handle, on)); }
  std::vector<std::string> names(uint32_t parts = JT_MODULE_STATE) const {
    size_t n = 0;
    must(jt_module_list(s.ctx, handle, parts, &n));
    std::vector<std::string> out;
    for (size_t i = 0; i < n; i++) out.push_back(jt_module_listed_name(handle, i));
    return out;
  }
  std::vector<Tensor> parameters() const {
    size_t n = 0;
    must(jt_module_parameters(s.ctx, handle, nullptr, 0, &n));
    std::vector<jt_tensor*> out(n);
    must(jt_module_parameters(s.ctx, handle, out.data(), n, nullptr));
    return {out.begin(), out.end()};
  }
};

}  // namespace jt::test
