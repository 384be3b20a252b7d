// nn: trees of layers: a module is a Layer, the cells it keeps, and its children.
#include <algorithm>
#include <atomic>
#include <memory>
#include <set>

#include "capi/src/checkpoint.h"
#include "core/grad/grad.h"
#include "core/io/safetensors.h"
#include "core/ir/build.h"
#include "core/nn/layer.h"

using namespace jt;
using namespace jt::capi;

constexpr int kMaxDepth = 64;
constexpr size_t kMaxNames = 1 << 20;  // modules that are children of several multiply names

namespace {
struct Kept {
  std::string name;
  Cell* cell;  // counted; null: absent
  bool is_buffer;
};
struct Child {
  std::string name;
  jt_module* module;  // counted
};
}  // namespace

struct jt_module {
  std::atomic<int32_t> refs{1};
  Context* context;
  Layer layer;
  bool training = true;
  std::vector<Kept> kept;  // those of the layer, in its order, then those that a container was given
  std::vector<Child> children;
  std::vector<std::string> listed, next_listed;  // their capacity is kept
  std::string listed_path;
  jt_module* next_dead = nullptr;
  uint32_t mark = 0;  // of the last walk over a tree that saw it

  jt_module(Context& c, std::string_view kind, std::span<const jt_attr> attrs) : context(&c), layer(kind, attrs) { c.retain(); }
  ~jt_module() {
    for (Kept& k : kept) release(k.cell);
    context->release();
  }
  bool is_container() const { return layer_operands(layer.row()).inputs.empty() || is_sequential(); }
  bool is_sequential() const { return std::string_view(layer.row().name) == "Sequential"; }
};

// Neither recursion nor an allocation: modules that nobody holds any more are a list.
static void give_back(jt_module* module) noexcept {
  jt_module* dead = nullptr;
  auto drop = [&](jt_module* m) {
    if (m->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) m->next_dead = dead, dead = m;
  };
  if (module) drop(module);
  while (jt_module* m = dead) {
    dead = m->next_dead;
    for (Child& child : m->children) drop(child.module);
    delete m;
  }
}

static jt_module& own_module(Context& c, const char* what, jt_module* module) {
  require(module, what);
  if (module->context != &c) fail(JT_E_WRONG_CONTEXT, what, " belongs to another context");
  return *module;
}

// Random ops of one call of the user: they count only if all of it succeeds.
struct Draws {
  Context& c;
  Context::RandomState state = c.random();
  RandomPlace next() { return {state.seed, state.stream, state.counter++}; }
  void keep() { c.set_random(state); }
};

extern "C" jt_status jt_module_create(jt_context* ctx, const char* kind, size_t kind_len, const jt_attr* attrs, size_t attrs_len,
                                      jt_module** out) {
  if (out) *out = nullptr;
  return guarded("jt_module_create", ctx, [&](Context& c) {
    require(out, "out"), require(kind, "kind");
    if (attrs_len) require(attrs, "attrs");
    auto made = std::make_unique<jt_module>(c, str("kind", kind, kind_len), std::span(attrs, attrs_len));
    GradMode off(c.recorder(), false);
    const auto& states = made->layer.states();
    made->kept.reserve(states.size());
    Draws draws{c};
    for (size_t i = 0; i < states.size(); i++) {
      made->kept.push_back({states[i].name, nullptr, states[i].is_buffer});
      if (states[i].is_absent()) continue;
      bool is_drawn = states[i].initial.starts_with("normal") || states[i].initial.starts_with("fan");
      Value initial = made->layer.initial(c.recorder(), i, is_drawn ? draws.next() : RandomPlace());
      Cell* cell = made->kept.back().cell = c.cell(initial);
      if (!states[i].is_buffer) c.set_requires_grad(*cell, true);
    }
    draws.keep();
    *out = made.release();
  });
}
extern "C" void jt_module_retain(jt_module* module) {
  if (module) module->refs.fetch_add(1, std::memory_order_relaxed);
}
extern "C" void jt_module_release(jt_module* module) { give_back(module); }
extern "C" const char* jt_module_kind(const jt_module* module) { return module ? module->layer.row().name : nullptr; }

extern "C" jt_status jt_module_set_field(jt_context* ctx, jt_module* module, const jt_attr* attr) {
  return guarded("jt_module_set_field", ctx, [&](Context& c) {
    jt_module& m = own_module(c, "module", module);
    require(attr, "attr");
    m.layer.set(*attr);
  });
}

// ---- forward ---------------------------------------------------------------------------------------------------------

namespace {
// One call of the user: what buffers become is kept aside until all of it has succeeded.
struct Forward {
  Context& c;
  struct Update { Cell* cell; Value value; };
  List<Update> updates;
  Draws draws{c};

  Value value_of(const Cell* cell) const {
    if (!cell) return {};
    for (size_t i = updates.size(); i-- > 0;)
      if (updates[i].cell == cell) return updates[i].value;
    return c.value_of(*cell);
  }

  List<Value> run(jt_module& m, std::span<const Value> inputs, int depth) {
    if (depth > kMaxDepth) fail(JT_E_INVALID, "the modules are deeper than ", kMaxDepth);
    if (m.is_sequential() && !m.children.empty()) return chain(m, inputs, depth);
    List<Value> states;
    for (size_t i = 0; i < m.layer.states().size(); i++) states.push_back(value_of(m.kept[i].cell));
    auto random = [&] { return draws.next(); };
    LayerCall call{m.layer, states, inputs, m.training, random, {}, {}};
    forward(call);
    for (size_t i = 0; i < call.next.size(); i++)
      if (call.next[i]) updates.push_back({m.kept[i].cell, call.next[i]});
    return std::move(call.outputs);
  }

  List<Value> chain(jt_module& m, std::span<const Value> inputs, int depth) {
    if (inputs.size() != 1) fail(JT_E_INVALID, "Sequential: takes 1 operand, not ", inputs.size());
    List<Value> at(inputs.begin(), inputs.end());
    for (const Child& child : m.children) {
      at = run(*child.module, at, depth + 1);
      at.resize(1);
    }
    return at;
  }
};
}  // namespace

extern "C" jt_status jt_module_forward(jt_context* ctx, jt_module* module, jt_tensor* const* inputs, size_t inputs_len,
                                       jt_tensor** outputs, size_t outputs_len) {
  for (size_t i = 0; outputs && i < outputs_len; i++) outputs[i] = nullptr;
  return guarded("jt_module_forward", ctx, [&](Context& c) {
    jt_module& m = own_module(c, "module", module);
    const char* kind = m.layer.row().name;
    if (inputs_len && !inputs) fail(JT_E_INVALID, kind, ": inputs is NULL, but inputs_len is ", inputs_len);
    if (!outputs || !outputs_len) fail(JT_E_INVALID, kind, ": outputs is NULL or empty");
    Recycling recycling(c.lists());
    List<Value> values(inputs_len);
    for (size_t i = 0; i < inputs_len; i++)
      if (inputs[i]) values[i] = operand(c, kind, inputs[i]);
    if (inputs_len && !values[0]) fail(JT_E_INVALID, kind, ": inputs[0] is NULL");
    c.flush_if_large();
    Forward pass{c};
    List<Value> results = pass.run(m, values, 1);
    if (outputs_len > results.size()) fail(JT_E_INVALID, kind, ": gives ", results.size(), " results, not ", outputs_len);
    try {
      for (size_t i = 0; i < outputs_len; i++) outputs[i] = wrap(c.cell(results[i]));
    } catch (...) {
      for (size_t i = 0; i < outputs_len; i++) release(unwrap(outputs[i])), outputs[i] = nullptr;
      throw;
    }
    pass.draws.keep();
    for (Forward::Update& u : pass.updates) c.assign(*u.cell, u.value);
  });
}

// ---- the tree --------------------------------------------------------------------------------------------------------

// The module and all below it, each once.
static List<jt_module*> family(jt_module& module) {
  List<jt_module*> out;
  uint32_t mark = module.context->recorder().next_mark();
  auto see = [&](jt_module* m) {
    if (std::exchange(m->mark, mark) != mark) out.push_back(m);
  };
  see(&module);
  for (size_t i = 0; i < out.size(); i++)
    for (const Child& child : out[i]->children) see(child.module);
  return out;
}

extern "C" jt_status jt_module_set_training(jt_context* ctx, jt_module* module, jt_bool training) {
  return guarded("jt_module_set_training", ctx, [&](Context& c) {
    Recycling recycling(c.lists());
    for (jt_module* m : family(own_module(c, "module", module))) m->training = training != 0;
  });
}
extern "C" jt_bool jt_module_is_training(const jt_module* module) { return module && module->training; }

static Child* child_named(jt_module& module, std::string_view name) {
  for (Child& child : module.children)
    if (child.name == name) return &child;
  return nullptr;
}
static Kept* kept_named(jt_module& module, std::string_view name) {
  for (Kept& kept : module.kept)
    if (kept.name == name) return &kept;
  return nullptr;
}
static void check_name(std::string_view name) {
  if (name.empty() || name.find('.') != name.npos || name.find('\0') != name.npos)
    fail(JT_E_INVALID, "name '", name, "' is empty or has a dot");
}
static void check_container(const jt_module& module) {
  if (!module.is_container()) fail(JT_E_INVALID, module.layer.row().name, ": is no container; Module and Sequential are");
}

extern "C" jt_status jt_module_add_child(jt_context* ctx, jt_module* module, const char* name, size_t name_len, jt_module* child) {
  return guarded("jt_module_add_child", ctx, [&](Context& c) {
    jt_module &m = own_module(c, "module", module), &added = own_module(c, "child", child);
    require(name, "name");
    std::string_view text = str("name", name, name_len);
    check_name(text), check_container(m);
    for (jt_module* below : family(added))
      if (below == &m) fail(JT_E_INVALID, "the child '", text, "' holds the module itself");
    if (kept_named(m, text)) fail(JT_E_INVALID, "the module has a tensor called '", text, "'");
    if (Child* old = child_named(m, text)) {
      jt_module_retain(&added);
      give_back(std::exchange(old->module, &added));
      return;
    }
    m.children.push_back({std::string(text), &added});
    jt_module_retain(&added);
  });
}
extern "C" size_t jt_module_child_count(const jt_module* module) { return module ? module->children.size() : 0; }
extern "C" const char* jt_module_child_name(const jt_module* module, size_t i) {
  return i < jt_module_child_count(module) ? module->children[i].name.c_str() : nullptr;
}

// The module at a path; the empty path is the module itself.
static jt_module& at_path(jt_module& module, std::string_view path) {
  jt_module* at = &module;
  for (std::string_view rest = path; !rest.empty();) {
    std::string_view name = rest.substr(0, rest.find('.'));
    rest.remove_prefix(std::min(rest.size(), name.size() + 1));
    Child* child = child_named(*at, name);
    if (!child) fail(JT_E_NOT_FOUND, "no module is called '", path, "'");
    at = child->module;
  }
  return *at;
}

extern "C" jt_status jt_module_child(jt_context* ctx, jt_module* module, const char* name, size_t name_len, jt_module** out) {
  if (out) *out = nullptr;
  return guarded("jt_module_child", ctx, [&](Context& c) {
    require(out, "out"), require(name, "name");
    jt_module& found = at_path(own_module(c, "module", module), str("name", name, name_len));
    jt_module_retain(&found);
    *out = &found;
  });
}

// ---- tensors ---------------------------------------------------------------------------------------------------------

namespace {
struct Named {
  std::string name;
  Cell* cell;
};
// visit(name, cell) for each tensor; `path` is where m is, and is so again afterwards.
template <class Visit>
void each_named(jt_module& m, std::string& path, uint32_t parts, int depth, const Visit& visit) {
  if (depth > kMaxDepth) fail(JT_E_INVALID, "the modules are deeper than ", kMaxDepth);
  size_t here = path.size();
  for (const Kept& kept : m.kept) {
    if (!kept.cell || !(parts & (kept.is_buffer ? JT_MODULE_BUFFERS : JT_MODULE_PARAMETERS))) continue;
    visit(path += kept.name, kept.cell);
    path.resize(here);
  }
  for (const Child& child : m.children) {
    (path += child.name) += '.';
    each_named(*child.module, path, parts, depth + 1, visit);
    path.resize(here);
  }
}
std::vector<Named> named(jt_module& module, uint32_t parts) {
  std::vector<Named> out;
  std::string path;
  each_named(module, path, parts, 1, [&](const std::string& name, Cell* cell) {
    out.push_back({name, cell});
    if (out.size() > kMaxNames) fail(JT_E_INVALID, "the modules have more than ", kMaxNames, " names");
  });
  return out;
}
}  // namespace

extern "C" jt_status jt_module_list(jt_context* ctx, jt_module* module, uint32_t parts, size_t* out_len) {
  if (out_len) *out_len = 0;
  return guarded("jt_module_list", ctx, [&](Context& c) {
    jt_module& m = own_module(c, "module", module);
    require(out_len, "out_len");
    if (!parts || parts & ~uint32_t(JT_MODULE_STATE)) fail(JT_E_INVALID, "parts ", parts, " is no sum of jt_module_part");
    size_t n = 0;
    m.listed_path.clear();
    each_named(m, m.listed_path, parts, 1, [&](const std::string& name, Cell*) {
      if (n == m.next_listed.size()) m.next_listed.emplace_back();
      m.next_listed[n++] = name;
      if (n > kMaxNames) fail(JT_E_INVALID, "the modules have more than ", kMaxNames, " names");
    });
    m.next_listed.resize(n);
    std::swap(m.listed, m.next_listed);
    *out_len = n;
  });
}
extern "C" const char* jt_module_listed_name(const jt_module* module, size_t i) {
  return module && i < module->listed.size() ? module->listed[i].c_str() : nullptr;
}

// Each once, in the order of first names, which is the order in which modules are first met on the way down.
static void add_parameters(const jt_module& m, int depth, List<Cell*>& out) {
  if (depth > kMaxDepth) fail(JT_E_INVALID, "the modules are deeper than ", kMaxDepth);
  for (const Kept& kept : m.kept)
    if (kept.cell && !kept.is_buffer) out.push_back(kept.cell);
  if (out.size() > kMaxNames) fail(JT_E_INVALID, "the modules have more than ", kMaxNames, " names");
  for (const Child& child : m.children) add_parameters(*child.module, depth + 1, out);
}
static List<Cell*> parameters(const jt_module& module) {
  List<Cell*> all, out;
  add_parameters(module, 1, all);
  List<std::pair<Cell*, size_t>> places;
  for (size_t i = 0; i < all.size(); i++) places.push_back({all[i], i});
  std::ranges::sort(places);
  for (size_t i = places.size(); i-- > 1;)
    if (places[i].first == places[i - 1].first) all[places[i].second] = nullptr;
  for (Cell* cell : all)
    if (cell) out.push_back(cell);
  return out;
}

extern "C" jt_status jt_module_parameters(jt_context* ctx, jt_module* module, jt_tensor** outputs, size_t outputs_len, size_t* out_len) {
  for (size_t i = 0; outputs && i < outputs_len; i++) outputs[i] = nullptr;
  if (out_len) *out_len = 0;
  return guarded("jt_module_parameters", ctx, [&](Context& c) {
    Recycling recycling(c.lists());
    List<Cell*> cells = parameters(own_module(c, "module", module));
    if (!outputs && !out_len) fail(JT_E_INVALID, "outputs and out_len are NULL");
    if (out_len) *out_len = cells.size();
    if (!outputs) return;
    if (outputs_len < cells.size()) fail(JT_E_INVALID, "outputs has room for ", outputs_len, " parameters, there are ", cells.size());
    for (size_t i = 0; i < cells.size(); i++) retain(cells[i]), outputs[i] = wrap(cells[i]);
  });
}

// "a.b.weight" as the module at a.b and "weight".
static std::pair<jt_module*, std::string_view> place_of(Context& c, jt_module* module, const char* name, size_t name_len) {
  jt_module& m = own_module(c, "module", module);
  require(name, "name");
  std::string_view path = str("name", name, name_len);
  size_t dot = path.rfind('.');
  if (dot == path.npos) return {&m, path};
  return {&at_path(m, path.substr(0, dot)), path.substr(dot + 1)};
}

extern "C" jt_status jt_module_get(jt_context* ctx, jt_module* module, const char* name, size_t name_len, jt_tensor** out) {
  if (out) *out = nullptr;
  return guarded("jt_module_get", ctx, [&](Context& c) {
    require(out, "out");
    auto [at, last] = place_of(c, module, name, name_len);
    Kept* kept = kept_named(*at, last);
    if (!kept || !kept->cell) fail(JT_E_NOT_FOUND, at->layer.row().name, ": no tensor is called '", last, "'");
    retain(kept->cell);
    *out = wrap(kept->cell);
  });
}

static void check_replacement(const jt_module& m, const Kept& old, const Cell& cell) {
  if (!old.cell) return;
  if (!same_extents(cell.type.shape, old.cell->type.shape))
    fail(JT_E_SHAPE, m.layer.row().name, ": ", old.name, " has shape ", old.cell->type.shape, ", not ", cell.type.shape);
  if (cell.type.dtype != old.cell->type.dtype)
    fail(JT_E_DTYPE, m.layer.row().name, ": ", old.name, " is ", old.cell->type.dtype, ", not ", cell.type.dtype);
}

extern "C" jt_status jt_module_set(jt_context* ctx, jt_module* module, const char* name, size_t name_len, jt_tensor* tensor) {
  return guarded("jt_module_set", ctx, [&](Context& c) {
    auto [at, last] = place_of(c, module, name, name_len);
    Kept* kept = kept_named(*at, last);
    if (!tensor) {
      bool is_optional = kept && size_t(kept - at->kept.data()) < at->layer.states().size() &&
                         at->layer.states()[size_t(kept - at->kept.data())].is_absent();
      if (!is_optional) fail(JT_E_INVALID, at->layer.row().name, ": tensor is NULL, and '", last, "' is not optional");
      release(std::exchange(kept->cell, nullptr));
      return;
    }
    Cell& cell = own_cell(c, "tensor", tensor);
    if (kept) {
      bool is_optional = !kept->cell || (size_t(kept - at->kept.data()) < at->layer.states().size() &&
                                         at->layer.states()[size_t(kept - at->kept.data())].is_absent());
      if (!is_optional) check_replacement(*at, *kept, cell);
      retain(&cell);
      release(std::exchange(kept->cell, &cell));
      return;
    }
    if (!at->is_container()) fail(JT_E_NOT_FOUND, at->layer.row().name, ": no tensor is called '", last, "'");
    check_name(last);
    if (child_named(*at, last)) fail(JT_E_INVALID, "the module has a child called '", last, "'");
    at->kept.push_back({std::string(last), &cell, !cell.requires_grad});
    retain(&cell);
  });
}

// ---- checkpoints -----------------------------------------------------------------------------------------------------

extern "C" jt_status jt_module_save(jt_context* ctx, jt_module* module, const char* path, size_t path_len) {
  return guarded("jt_module_save", ctx, [&](Context& c) {
    std::vector<std::string> names;
    std::vector<Ref> values;
    for (Named& n : named(own_module(c, "module", module), JT_MODULE_STATE))
      names.push_back(std::move(n.name)), values.push_back(c.value_of(*n.cell));
    require(path, "path");
    write_checkpoint(c, str("path", path, path_len), names, values);
  });
}

extern "C" jt_status jt_module_load(jt_context* ctx, jt_module* module, const char* path, size_t path_len, uint32_t flags) {
  return guarded("jt_module_load", ctx, [&](Context& c) {
    std::vector<Named> all = named(own_module(c, "module", module), JT_MODULE_STATE);
    require(path, "path");
    if (flags & ~uint32_t(JT_LOAD_PARTIAL)) fail(JT_E_INVALID, "flags has unknown bits: ", flags);
    bool is_partial = flags & JT_LOAD_PARTIAL;
    OpenTensorFile file(std::string(str("path", path, path_len)));
    std::set<std::string_view> known;
    for (const Named& n : all) known.insert(n.name);
    for (const OpenTensorFile::Entry& t : file.tensors())
      if (!is_partial && !known.count(t.name)) fail(JT_E_NOT_FOUND, "the module has no tensor called '", t.name, "', the file has");
    GradMode off(c.recorder(), false);
    std::vector<std::pair<Cell*, Value>> values;
    for (const Named& n : all) {
      const OpenTensorFile::Entry* t = file.find(n.name);
      if (!t && is_partial) continue;
      if (!t) fail(JT_E_NOT_FOUND, "the file has no tensor called '", n.name, "'");
      Type type = checked_type(t->dtype, t->dims.data(), t->dims.size());
      AtDevice there(c.recorder(), c.value_of(*n.cell).ref().node->device);
      if (!same_extents(type.shape, n.cell->type.shape))
        fail(JT_E_SHAPE, "'", n.name, "' has shape ", n.cell->type.shape, ", in the file ", type.shape);
      values.emplace_back(n.cell, ops::cast(stored_value(c, file, *t), n.cell->type.dtype));
    }
    for (auto& [cell, value] : values) c.assign(*cell, value);
  });
}

// ---- the table -------------------------------------------------------------------------------------------------------

extern "C" size_t jt_layer_count(void) { return layer_rows().size(); }
extern "C" const char* jt_layer_name(size_t i) { return i < jt_layer_count() ? layer_rows()[i].name : nullptr; }
extern "C" const char* jt_layer_fields(size_t i) { return i < jt_layer_count() ? layer_rows()[i].fields : nullptr; }
extern "C" const char* jt_layer_doc(size_t i) { return i < jt_layer_count() ? layer_rows()[i].doc : nullptr; }
