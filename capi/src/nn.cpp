// nn: modules (core/module.h) behind handles.
#include <set>

#include "capi/src/checkpoint.h"
#include "core/grad/grad.h"
#include "core/io/safetensors.h"
#include "core/ir/build.h"
#include "core/module.h"

using namespace jt;
using namespace jt::capi;

static Module* unwrap(jt_module* module) { return reinterpret_cast<Module*>(module); }
static const Module* unwrap(const jt_module* module) { return reinterpret_cast<const Module*>(module); }
static jt_module* wrap(Module* module) { return reinterpret_cast<jt_module*>(module); }

static Module& own_module(Context& c, const char* what, jt_module* module) {
  require(module, what);
  if (unwrap(module)->context != &c) fail(JT_E_WRONG_CONTEXT, what, " belongs to another context");
  return *unwrap(module);
}

extern "C" jt_status jt_module_create(jt_context* ctx, const char* kind, size_t kind_len, const jt_attr* attrs,
                                      size_t attrs_len, jt_module** out) {
  if (out) *out = nullptr;
  return guarded("jt_module_create", ctx, [&](Context& c) {
    require(out, "out"), require(kind, "kind");
    if (attrs_len) require(attrs, "attrs");
    *out = wrap(Module::make(c, str("kind", kind, kind_len), std::span(attrs, attrs_len)));
  });
}
extern "C" void jt_module_retain(jt_module* module) {
  if (module) unwrap(module)->retain();
}
extern "C" void jt_module_release(jt_module* module) { Module::release(unwrap(module)); }
extern "C" const char* jt_module_kind(const jt_module* module) { return module ? unwrap(module)->kind() : nullptr; }

extern "C" jt_status jt_module_set_field(jt_context* ctx, jt_module* module, const jt_attr* attr) {
  return guarded("jt_module_set_field", ctx, [&](Context& c) {
    Module& m = own_module(c, "module", module);
    require(attr, "attr");
    m.layer.set(*attr);
  });
}

extern "C" jt_status jt_module_forward(jt_context* ctx, jt_module* module, jt_tensor* const* inputs, size_t inputs_len,
                                       jt_tensor** outputs, size_t outputs_len) {
  for (size_t i = 0; outputs && i < outputs_len; i++) outputs[i] = nullptr;
  return guarded("jt_module_forward", ctx, [&](Context& c) {
    Module& m = own_module(c, "module", module);
    if (inputs_len && !inputs) fail(JT_E_INVALID, m.kind(), ": inputs is NULL, but inputs_len is ", inputs_len);
    if (!outputs || !outputs_len) fail(JT_E_INVALID, m.kind(), ": outputs is NULL or empty");
    Recycling recycling(c.lists());
    List<Value> values(inputs_len);
    for (size_t i = 0; i < inputs_len; i++)
      if (inputs[i]) values[i] = operand(c, m.kind(), inputs[i]);
    if (inputs_len && !values[0]) fail(JT_E_INVALID, m.kind(), ": inputs[0] is NULL");
    c.flush_if_large();
    ModulePass pass(c);
    List<Value> results = pass.run(m, values);
    if (outputs_len > results.size())
      fail(JT_E_INVALID, m.kind(), ": gives ", results.size(), " results, not ", outputs_len);
    give_handles(c, results, outputs, outputs_len);
    pass.keep();
  });
}

// ---- the tree -------------------------------------------------------------------------------------------------------

extern "C" jt_status jt_module_set_training(jt_context* ctx, jt_module* module, jt_bool training) {
  return guarded("jt_module_set_training", ctx, [&](Context& c) {
    Recycling recycling(c.lists());
    for (Module* m : own_module(c, "module", module).family()) m->training = training != 0;
  });
}
extern "C" jt_bool jt_module_is_training(const jt_module* module) { return module && unwrap(module)->training; }

extern "C" jt_status jt_module_add_child(jt_context* ctx, jt_module* module, const char* name, size_t name_len,
                                         jt_module* child) {
  return guarded("jt_module_add_child", ctx, [&](Context& c) {
    Module &m = own_module(c, "module", module), &added = own_module(c, "child", child);
    require(name, "name");
    m.add_child(str("name", name, name_len), added);
  });
}
extern "C" size_t jt_module_child_count(const jt_module* module) {
  return module ? unwrap(module)->children().size() : 0;
}
extern "C" const char* jt_module_child_name(const jt_module* module, size_t i) {
  return i < jt_module_child_count(module) ? unwrap(module)->children()[i].name.c_str() : nullptr;
}

extern "C" jt_status jt_module_child(jt_context* ctx, jt_module* module, const char* name, size_t name_len,
                                     jt_module** out) {
  if (out) *out = nullptr;
  return guarded("jt_module_child", ctx, [&](Context& c) {
    require(out, "out"), require(name, "name");
    Module& found = own_module(c, "module", module).at(str("name", name, name_len));
    found.retain();
    *out = wrap(&found);
  });
}

// ---- tensors --------------------------------------------------------------------------------------------------------

static_assert(Module::parameters_part == uint32_t(JT_MODULE_PARAMETERS) &&
              Module::buffers_part == uint32_t(JT_MODULE_BUFFERS) && Module::state_part == uint32_t(JT_MODULE_STATE));

extern "C" jt_status jt_module_list(jt_context* ctx, jt_module* module, uint32_t parts, size_t* out_len) {
  if (out_len) *out_len = 0;
  return guarded("jt_module_list", ctx, [&](Context& c) {
    Module& m = own_module(c, "module", module);
    require(out_len, "out_len");
    if (!parts || parts & ~uint32_t(JT_MODULE_STATE))
      fail(JT_E_INVALID, "parts ", parts, " is no sum of jt_module_part");
    *out_len = m.list(parts);
  });
}
extern "C" const char* jt_module_listed_name(const jt_module* module, size_t i) {
  return module && i < unwrap(module)->listed.size() ? unwrap(module)->listed[i].c_str() : nullptr;
}

extern "C" jt_status jt_module_parameters(jt_context* ctx, jt_module* module, jt_tensor** outputs, size_t outputs_len,
                                          size_t* out_len) {
  for (size_t i = 0; outputs && i < outputs_len; i++) outputs[i] = nullptr;
  if (out_len) *out_len = 0;
  return guarded("jt_module_parameters", ctx, [&](Context& c) {
    Recycling recycling(c.lists());
    List<Cell*> cells = own_module(c, "module", module).parameters();
    if (!outputs && !out_len) fail(JT_E_INVALID, "outputs and out_len are NULL");
    if (out_len) *out_len = cells.size();
    if (!outputs) return;
    if (outputs_len < cells.size())
      fail(JT_E_INVALID, "outputs has room for ", outputs_len, " parameters, there are ", cells.size());
    for (size_t i = 0; i < cells.size(); i++) retain(cells[i]), outputs[i] = capi::wrap(cells[i]);
  });
}

// "a.b.weight" as the module at a.b and "weight".
static std::pair<Module*, std::string_view> place_of(Context& c, jt_module* module, const char* name, size_t name_len) {
  Module& m = own_module(c, "module", module);
  require(name, "name");
  std::string_view path = str("name", name, name_len);
  size_t dot = path.rfind('.');
  if (dot == path.npos) return {&m, path};
  return {&m.at(path.substr(0, dot)), path.substr(dot + 1)};
}

extern "C" jt_status jt_module_get(jt_context* ctx, jt_module* module, const char* name, size_t name_len,
                                   jt_tensor** out) {
  if (out) *out = nullptr;
  return guarded("jt_module_get", ctx, [&](Context& c) {
    require(out, "out");
    auto [at, last] = place_of(c, module, name, name_len);
    Cell* cell = at->tensor(last);
    if (!cell) fail(JT_E_NOT_FOUND, at->kind(), ": no tensor is called '", last, "'");
    retain(cell);
    *out = capi::wrap(cell);
  });
}

extern "C" jt_status jt_module_set(jt_context* ctx, jt_module* module, const char* name, size_t name_len,
                                   jt_tensor* tensor) {
  return guarded("jt_module_set", ctx, [&](Context& c) {
    auto [at, last] = place_of(c, module, name, name_len);
    at->set_tensor(last, tensor ? &own_cell(c, "tensor", tensor) : nullptr);
  });
}

// ---- checkpoints ----------------------------------------------------------------------------------------------------

namespace {
struct Named {
  std::string name;
  Cell* cell;
};
std::vector<Named> state_of(const Module& module) {
  std::vector<Named> out;
  std::string path;
  module.each_tensor(Module::state_part, path,
                     [&](const std::string& name, Cell* cell) { out.push_back({name, cell}); });
  return out;
}
}  // namespace

extern "C" jt_status jt_module_save(jt_context* ctx, jt_module* module, const char* path, size_t path_len) {
  return guarded("jt_module_save", ctx, [&](Context& c) {
    std::vector<std::string> names;
    std::vector<Ref> values;
    for (Named& n : state_of(own_module(c, "module", module)))
      names.push_back(std::move(n.name)), values.push_back(c.value_of(*n.cell));
    require(path, "path");
    write_checkpoint(c, str("path", path, path_len), names, values);
  });
}

extern "C" jt_status jt_module_load(jt_context* ctx, jt_module* module, const char* path, size_t path_len,
                                    uint32_t flags) {
  return guarded("jt_module_load", ctx, [&](Context& c) {
    std::vector<Named> all = state_of(own_module(c, "module", module));
    require(path, "path");
    if (flags & ~uint32_t(JT_LOAD_PARTIAL)) fail(JT_E_INVALID, "flags has unknown bits: ", flags);
    bool is_partial = flags & JT_LOAD_PARTIAL;
    OpenTensorFile file(std::string(str("path", path, path_len)));
    std::set<std::string_view> known;
    for (const Named& n : all) known.insert(n.name);
    for (const OpenTensorFile::Entry& t : file.tensors())
      if (!is_partial && !known.count(t.name))
        fail(JT_E_NOT_FOUND, "the module has no tensor called '", t.name, "', the file has");
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

// ---- the table ------------------------------------------------------------------------------------------------------

extern "C" size_t jt_layer_count(void) { return layer_rows().size(); }
extern "C" const char* jt_layer_name(size_t i) { return i < jt_layer_count() ? layer_rows()[i].name : nullptr; }
extern "C" const char* jt_layer_fields(size_t i) { return i < jt_layer_count() ? layer_rows()[i].fields : nullptr; }
extern "C" const char* jt_layer_doc(size_t i) { return i < jt_layer_count() ? layer_rows()[i].doc : nullptr; }
