#include "core/module.h"

#include <algorithm>

#include "core/grad/grad.h"
#include "core/tracing.h"

namespace jt {

static RandomPlace next_place(const Context& c, Context::RandomState& s) {
  c.check_may_draw();
  return {s.seed, s.stream, s.counter++};
}

Module::Module(Context& c, std::string_view kind, std::span<const jt_attr> attrs) : context(&c), layer(kind, attrs) {
  c.retain();
}
Module::~Module() {
  for (Kept& k : kept_) jt::release(k.cell);
  context->release();
}

Module* Module::make(Context& c, std::string_view kind, std::span<const jt_attr> attrs) {
  auto drop = [](Module* m) { release(m); };
  std::unique_ptr<Module, decltype(drop)> made(new Module(c, kind, attrs), drop);
  GradMode off(c.recorder(), false);
  Context::RandomState random = c.random();
  const auto& states = made->layer.states();
  made->kept_.reserve(states.size());
  for (size_t i = 0; i < states.size(); i++) {
    made->kept_.push_back({states[i].name, nullptr, states[i].is_buffer});
    if (states[i].is_absent()) continue;
    bool is_drawn = states[i].initial.starts_with("normal") || states[i].initial.starts_with("fan");
    Value initial = made->layer.initial(c.recorder(), i, is_drawn ? next_place(c, random) : RandomPlace());
    Cell* cell = made->kept_.back().cell = c.cell(initial);
    if (!states[i].is_buffer) c.set_requires_grad(*cell, true);
  }
  c.set_random(random);
  return made.release();
}

// Neither recursion nor an allocation: modules that nobody holds any more are a list.
void Module::release(Module* module) noexcept {
  Module* gone = nullptr;
  auto drop = [&](Module* m) {
    if (m->refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) m->next_released_ = gone, gone = m;
  };
  if (module) drop(module);
  while (Module* m = gone) {
    gone = m->next_released_;
    for (Child& child : m->children_) drop(child.module);
    delete m;
  }
}

// ---- the tree -------------------------------------------------------------------------------------------------------

void Module::check_depth(int depth) {
  if (depth > kMaxDepth) fail(JT_E_INVALID, "the modules are deeper than ", kMaxDepth);
}
void Module::check_names(size_t names) {
  if (names > kMaxNames) fail(JT_E_INVALID, "the modules have more than ", kMaxNames, " names");
}
static void check_name(std::string_view name) {
  if (name.empty() || name.find('.') != name.npos || name.find('\0') != name.npos)
    fail(JT_E_INVALID, "name '", name, "' is empty or has a dot");
}

Module* Module::child(std::string_view name) const {
  for (const Child& child : children_)
    if (child.name == name) return child.module;
  return nullptr;
}

void Module::add_child(std::string_view name, Module& added) {
  check_name(name);
  if (!is_container()) fail(JT_E_INVALID, kind(), ": is no container; Module and Sequential are");
  for (Module* below : added.family())
    if (below == this) fail(JT_E_INVALID, "the child '", name, "' holds the module itself");
  if (kept(name)) fail(JT_E_INVALID, "the module has a tensor called '", name, "'");
  auto old = std::ranges::find(children_, name, &Child::name);
  if (old == children_.end()) old = children_.insert(old, {std::string(name), nullptr});
  added.retain();
  release(std::exchange(old->module, &added));
}

Module& Module::at(std::string_view path) {
  Module* at = this;
  for (std::string_view rest = path; !rest.empty();) {
    std::string_view name = rest.substr(0, rest.find('.'));
    rest.remove_prefix(std::min(rest.size(), name.size() + 1));
    at = at->child(name);
    if (!at) fail(JT_E_NOT_FOUND, "no module is called '", path, "'");
  }
  return *at;
}

List<Module*> Module::family() {
  List<Module*> out;
  uint32_t mark = context->recorder().next_mark();
  auto see = [&](Module* m) {
    if (std::exchange(m->mark_, mark) != mark) out.push_back(m);
  };
  see(this);
  for (size_t i = 0; i < out.size(); i++)
    for (const Child& child : out[i]->children_) see(child.module);
  return out;
}

// ---- tensors --------------------------------------------------------------------------------------------------------

const Module::Kept* Module::kept(std::string_view name) const {
  auto it = std::ranges::find(kept_, name, &Kept::name);
  return it == kept_.end() ? nullptr : &*it;
}
Cell* Module::tensor(std::string_view name) const {
  const Kept* found = kept(name);
  return found ? found->cell : nullptr;
}

size_t Module::list(uint32_t parts) {
  size_t n = 0;
  each_tensor(parts, listed_path_, [&](const std::string& name, Cell*) {
    if (n == next_listed_.size()) next_listed_.emplace_back();
    next_listed_[n++] = name;
  });
  next_listed_.resize(n);
  std::swap(listed, next_listed_);
  return n;
}

// Modules are met in the order of first names on the way down.
void Module::add_parameters(int depth, List<Cell*>& out) const {
  check_depth(depth);
  for (const Kept& kept : kept_)
    if (kept.cell && !kept.is_buffer) out.push_back(kept.cell);
  check_names(out.size());
  for (const Child& child : children_) child.module->add_parameters(depth + 1, out);
}
List<Cell*> Module::parameters() const {
  List<Cell*> all, out;
  add_parameters(1, all);
  List<std::pair<Cell*, size_t>> places;
  for (size_t i = 0; i < all.size(); i++) places.push_back({all[i], i});
  std::ranges::sort(places);
  for (size_t i = places.size(); i-- > 1;)
    if (places[i].first == places[i - 1].first) all[places[i].second] = nullptr;
  for (Cell* cell : all)
    if (cell) out.push_back(cell);
  return out;
}

// One of the layer's that its row lets be absent.
bool Module::is_optional(const Kept& kept) const {
  size_t i = size_t(&kept - kept_.data());
  return i < layer.states().size() && layer.states()[i].is_absent();
}

static void check_replacement(const Module& m, std::string_view name, const Type& old, const Type& by) {
  if (!same_extents(by.shape, old.shape))
    fail(JT_E_SHAPE, m.kind(), ": ", name, " has shape ", old.shape, ", not ", by.shape);
  if (by.dtype != old.dtype) fail(JT_E_DTYPE, m.kind(), ": ", name, " is ", old.dtype, ", not ", by.dtype);
}

void Module::set_tensor(std::string_view name, Cell* cell) {
  Kept* old = const_cast<Kept*>(kept(name));
  if (!cell) {
    if (!old || !is_optional(*old)) fail(JT_E_INVALID, kind(), ": tensor is NULL, and '", name, "' is not optional");
    return jt::release(std::exchange(old->cell, nullptr));
  }
  if (old) {
    if (old->cell && !is_optional(*old)) check_replacement(*this, name, old->cell->type, cell->type);
    jt::retain(cell);
    return jt::release(std::exchange(old->cell, cell));
  }
  if (!is_container()) fail(JT_E_NOT_FOUND, kind(), ": no tensor is called '", name, "'");
  check_name(name);
  if (child(name)) fail(JT_E_INVALID, "the module has a child called '", name, "'");
  kept_.push_back({std::string(name), cell, !cell->requires_grad});
  jt::retain(cell);
}

// ---- forward --------------------------------------------------------------------------------------------------------

Value ModulePass::value_of(const Cell* cell) const {
  if (!cell) return {};
  for (size_t i = updates_.size(); i-- > 0;)
    if (updates_[i].cell == cell) return updates_[i].value;
  return context_.value_of(*cell);
}

List<Value> ModulePass::run(Module& m, std::span<const Value> inputs) {
  if (Tracing* tracing = context_.tracing()) tracing->name(m);
  return run(m, inputs, 1);
}

List<Value> ModulePass::run(Module& m, std::span<const Value> inputs, int depth) {
  Module::check_depth(depth);
  if (m.is_sequential() && !m.children_.empty()) return chain(m, inputs, depth);
  List<Value> states;
  for (size_t i = 0; i < m.layer.states().size(); i++) states.push_back(value_of(m.kept_[i].cell));
  auto random = [&] { return next_place(context_, random_); };
  LayerCall call{m.layer, states, inputs, m.training, random, {}, {}};
  forward(call);
  for (size_t i = 0; i < call.next.size(); i++)
    if (call.next[i]) updates_.push_back({m.kept_[i].cell, call.next[i]});
  return std::move(call.outputs);
}

List<Value> ModulePass::chain(Module& m, std::span<const Value> inputs, int depth) {
  if (inputs.size() != 1) fail(JT_E_INVALID, "Sequential: takes 1 operand, not ", inputs.size());
  List<Value> at(inputs.begin(), inputs.end());
  for (const Module::Child& child : m.children()) {
    at = run(*child.module, at, depth + 1);
    at.resize(1);
  }
  return at;
}

void ModulePass::keep() {
  context_.set_random(random_);
  for (Context::Assignment& u : updates_) context_.assign(*u.cell, u.value);
}

}  // namespace jt
