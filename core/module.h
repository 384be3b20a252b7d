// module: trees of layers: a module is a layer (core/nn/layer.h), the cells that it keeps, and its children.
//
//   Sequential                       names: "0.weight", "0.bias", "2.weight", "2.bias"
//     0: Linear  weight, bias        a module may be the child of several: its tensors then have several names
//     1: ReLU                        a container (Module, Sequential) may also be given tensors of its own
//     2: Linear  weight, bias
//
// Counted, of one context, used on its thread; counts go from any thread.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/context.h"
#include "core/nn/layer.h"

namespace jt {

class Module {
 public:
  // One count is the caller's. Parameters begin with values from the context's random state.
  static Module* make(Context& context, std::string_view kind, std::span<const jt_attr> attrs);
  void retain() { refs_.fetch_add(1, std::memory_order_relaxed); }
  static void release(Module* module) noexcept;  // may be null

  Context* const context;
  Layer layer;
  bool training = true;

  const char* kind() const { return layer.row().name; }
  bool is_container() const { return layer.operands().inputs.empty() || is_sequential(); }
  bool is_sequential() const { return std::string_view(kind()) == "Sequential"; }

  // ---- the tree ----
  struct Child {
    std::string name;
    Module* module;  // counted
  };
  std::span<const Child> children() const { return children_; }
  Module* child(std::string_view name) const;  // null: there is none
  void add_child(std::string_view name, Module& child);
  // The module at a dotted path; the empty path is the module itself. Throws JT_E_NOT_FOUND.
  Module& at(std::string_view path);
  // The module and all below it, each once.
  List<Module*> family();

  // ---- tensors ----
  enum Part : uint32_t { parameters_part = 1, buffers_part = 2, state_part = 3 };
  // visit(name, cell) for each tensor; those of a module before those of its children. `path` is scratch.
  template <class Visit>
  void each_tensor(uint32_t parts, std::string& path, const Visit& visit) const {
    size_t names = 0;
    path.clear();
    each_tensor(parts, path, 1, names, visit);
  }
  // Each once, in the order of first names.
  List<Cell*> parameters() const;
  // Of this very module; null: there is none, or it is absent.
  Cell* tensor(std::string_view name) const;
  // cell null: an optional tensor becomes absent.
  void set_tensor(std::string_view name, Cell* cell);

  // Names of the latest list; their capacity is kept.
  std::vector<std::string> listed;
  size_t list(uint32_t parts);

 private:
  friend class ModulePass;
  Module(Context& c, std::string_view kind, std::span<const jt_attr> attrs);
  ~Module();
  struct Kept {
    std::string name;
    Cell* cell;  // counted; null: absent
    bool is_buffer;
  };
  static constexpr int kMaxDepth = 64;
  static constexpr size_t kMaxNames = 1 << 20;  // modules that are children of several multiply names
  static void check_depth(int depth);
  static void check_names(size_t names);
  const Kept* kept(std::string_view name) const;
  bool is_optional(const Kept& kept) const;
  void add_parameters(int depth, List<Cell*>& out) const;
  template <class Visit>
  void each_tensor(uint32_t parts, std::string& path, int depth, size_t& names, const Visit& visit) const;

  std::atomic<int32_t> refs_{1};
  std::vector<Kept> kept_;  // those of the layer, in its order, then those that a container was given
  std::vector<Child> children_;
  std::vector<std::string> next_listed_;
  std::string listed_path_;
  Module* next_released_ = nullptr;
  uint32_t mark_ = 0;  // of the last walk over a tree that saw it
};

// One forward of the user's: what buffers become, and the random numbers drawn, count once it has been kept.
class ModulePass {
 public:
  explicit ModulePass(Context& c) : context_(c), random_(c.random()) {}
  List<Value> run(Module& m, std::span<const Value> inputs);
  void keep();

 private:
  List<Value> run(Module& m, std::span<const Value> inputs, int depth);
  List<Value> chain(Module& m, std::span<const Value> inputs, int depth);
  Value value_of(const Cell* cell) const;
  Context& context_;
  Context::RandomState random_;
  List<Context::Assignment> updates_;
};

template <class Visit>
void Module::each_tensor(uint32_t parts, std::string& path, int depth, size_t& names, const Visit& visit) const {
  check_depth(depth);
  size_t here = path.size();
  for (const Kept& kept : kept_) {
    if (!kept.cell || !(parts & (kept.is_buffer ? buffers_part : parameters_part))) continue;
    check_names(++names);
    visit(path += kept.name, kept.cell);
    path.resize(here);
  }
  for (const Child& child : children_) {
    (path += child.name) += '.';
    child.module->each_tensor(parts, path, depth + 1, names, visit);
    path.resize(here);
  }
}

}  // namespace jt
