// data: files of examples -> tensors.
#include "core/data/idx.h"

#include "capi/src/guard.h"

using namespace jt;
using namespace jt::capi;

extern "C" jt_status jt_idx_load(jt_context* ctx, const char* path, size_t path_len, jt_tensor** out) {
  if (out) *out = nullptr;
  return guarded("jt_idx_load", ctx, [&](Context& c) {
    require(path, "path"), require(out, "out");
    auto array = read_idx(std::string(str("path", path, path_len)));
    Type type = checked_type(array.dtype, array.dims.data(), array.dims.size());
    *out = wrap(c.cell(c.data(type, array.values.data.get())));
  });
}
