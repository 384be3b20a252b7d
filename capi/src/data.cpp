// data: files of examples -> tensors.
#include "core/data/idx.h"

#include "capi/src/guard.h"

using namespace jt;
using namespace jt::capi;

extern "C" jt_status jt_idx_load(jt_context* ctx, const char* path, size_t path_len, jt_tensor** out) {
  if (out) *out = nullptr;
  return guarded("jt_idx_load", ctx, [&](Context& c) {
    require(path, "path"), require(out, "out");
    Value value;
    read_idx(std::string(str("path", path, path_len)), [&](const IdxHeader& header, size_t) {
      value = c.data(checked_type(header.dtype, header.dims.data(), header.dims.size()), nullptr);
      return static_cast<char*>(host_room(c.read(value)));
    });
    *out = wrap(c.cell(value));
  });
}
