// io: checkpoints: handles <-> a safetensors file.
#include "core/io/safetensors.h"

#include "capi/src/checkpoint.h"

using namespace jt;
using namespace jt::capi;

struct jt_checkpoint {
  OpenTensorFile file;
};

Value jt::capi::stored_value(Context& c, const OpenTensorFile& file, const OpenTensorFile::Entry& entry) {
  Value value = c.data(checked_type(entry.dtype, entry.dims.data(), entry.dims.size()), nullptr);
  file.read(entry, static_cast<char*>(host_room(c.read(value))));
  return value;
}

void jt::capi::write_checkpoint(Context& c, std::string_view path, std::span<const std::string> names,
                                std::span<const Ref> values) {
  if (!values.empty()) c.eval(values);
  std::vector<NamedTensor> tensors(values.size());
  for (size_t i = 0; i < values.size(); i++) {
    const Type& type = values[i].type();
    auto extents = type.shape.extents();
    tensors[i] = {names[i], type.dtype, {extents.begin(), extents.end()},
                  {static_cast<const char*>(host_bytes(c.read(values[i]))), size_t(type.bytes())}};
  }
  write_safetensors(std::string(path), tensors);
}

extern "C" jt_status jt_checkpoint_save(jt_context* ctx, const char* path, size_t path_len, const char* const* names,
                                        jt_tensor* const* inputs, size_t inputs_len) {
  return guarded("jt_checkpoint_save", ctx, [&](Context& c) {
    require(path, "path");
    if (inputs_len) require(names, "names"), require(inputs, "inputs");
    std::vector<Ref> values(inputs_len);
    std::vector<std::string> texts(inputs_len);
    for (size_t i = 0; i < inputs_len; i++)
      require(names[i], "names"), texts[i] = names[i], values[i] = operand(c, "inputs", inputs[i]);
    write_checkpoint(c, str("path", path, path_len), texts, values);
  });
}

extern "C" jt_status jt_checkpoint_open(const char* path, size_t path_len, jt_checkpoint** out) {
  if (out) *out = nullptr;
  return guarded("jt_checkpoint_open", [&] {
    require(path, "path"), require(out, "out");
    *out = new jt_checkpoint{OpenTensorFile(std::string(str("path", path, path_len)))};
  });
}

extern "C" size_t jt_checkpoint_count(const jt_checkpoint* checkpoint) {
  return checkpoint ? checkpoint->file.tensors().size() : 0;
}
extern "C" const char* jt_checkpoint_name(const jt_checkpoint* checkpoint, size_t i) {
  return i < jt_checkpoint_count(checkpoint) ? checkpoint->file.tensors()[i].name.c_str() : nullptr;
}

extern "C" jt_status jt_checkpoint_load(jt_context* ctx, const jt_checkpoint* checkpoint, const char* name,
                                        size_t name_len, jt_tensor** out) {
  if (out) *out = nullptr;
  return guarded("jt_checkpoint_load", ctx, [&](Context& c) {
    require(checkpoint, "checkpoint"), require(name, "name"), require(out, "out");
    std::string_view wanted = str("name", name, name_len);
    const OpenTensorFile::Entry* entry = checkpoint->file.find(wanted);
    if (!entry) fail(JT_E_NOT_FOUND, "the checkpoint has no tensor called '", wanted, "'");
    *out = wrap(c.cell(stored_value(c, checkpoint->file, *entry)));
  });
}

extern "C" void jt_checkpoint_release(jt_checkpoint* checkpoint) { delete checkpoint; }
