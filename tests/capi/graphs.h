// graphs: static graphs as the tests write them.
#pragma once
#include <unistd.h>

#include <filesystem>
#include <functional>

#include "tests/capi/capi.h"

namespace jt::test {

using Tensors = std::vector<Tensor>;
using Names = std::vector<const char*>;

inline std::vector<jt_tensor*> handles(const Tensors& all) { return {all.begin(), all.end()}; }
inline Tensors taken(const std::vector<jt_tensor*>& all) {
  Tensors out;
  for (jt_tensor* t : all) out.emplace_back(t);
  return out;
}

struct Graph {
  const Session& s;
  jt_graph* handle = nullptr;
  explicit Graph(const Session& session, jt_graph* taken = nullptr) : s(session), handle(taken) {}
  Graph(Graph&& o) noexcept : s(o.s), handle(std::exchange(o.handle, nullptr)) {}
  ~Graph() { jt_graph_release(handle); }
  Tensors operator()(const Tensors& in) const {
    std::vector<jt_tensor*> inputs = handles(in), out(jt_graph_count(handle, JT_GRAPH_OUTPUT));
    must(jt_graph_run(s.ctx, handle, inputs.data(), inputs.size(), out.data(), out.size()));
    return taken(out);
  }
  jt_graph_part_info part(jt_graph_part part, size_t i) const {
    jt_graph_part_info info{sizeof info};
    must(jt_graph_part_get(handle, part, i, &info));
    return info;
  }
  Names names(jt_graph_part kind) const {
    Names out;
    for (size_t i = 0; i < jt_graph_count(handle, kind); i++) out.push_back(part(kind, i).name);
    return out;
  }
  std::string text() const {
    size_t room = 0;
    must(jt_graph_text(handle, nullptr, 0, &room));
    std::string out(room, '\0');
    must(jt_graph_text(handle, out.data(), room, nullptr));
    out.pop_back();
    return out;
  }
  Tensor state(const char* name) const { return s.make(jt_graph_state, handle, name, JT_NUL); }
};

inline Tensors begin(const Session& s, const Tensors& examples, const Names& names = {}) {
  std::vector<jt_tensor*> in = handles(examples), out(in.size());
  must(jt_graph_begin(s.ctx, names.empty() ? nullptr : names.data(), in.data(), in.size(), out.data(), out.size()));
  return taken(out);
}
inline Graph end(const Session& s, const Tensors& outputs, const Names& names = {}) {
  std::vector<jt_tensor*> out = handles(outputs);
  Graph made(s);
  must(jt_graph_end(s.ctx, names.empty() ? nullptr : names.data(), out.data(), out.size(), &made.handle));
  return made;
}
using Body = std::function<Tensors(const Tensors&)>;
inline Graph traced(const Session& s, const Tensors& examples, const Body& body) {
  return end(s, body(begin(s, examples)));
}

inline std::vector<float> floats_of(const Session& s, const Tensors& all) {
  std::vector<float> out;
  for (const Tensor& t : all)
    for (float x : s.read(t)) out.push_back(x);
  return out;
}
inline std::string path_of(const char* name) {
  return (std::filesystem::temp_directory_path() / (std::string(name) + "." + std::to_string(getpid()))).string();
}

}  // namespace jt::test
