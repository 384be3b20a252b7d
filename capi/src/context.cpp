// context: the C functions on a context.
#include "capi/src/guard.h"

using namespace jt;
using namespace jt::capi;

extern "C" void jt_context_retain(jt_context* ctx) {
  if (ctx) unwrap(ctx)->retain();
}
extern "C" void jt_context_release(jt_context* ctx) {
  if (!ctx) return;
  DefaultFpuMode mode;
  unwrap(ctx)->release();
}

extern "C" jt_status jt_context_set_seed(jt_context* ctx, int64_t seed) {
  return guarded("jt_context_set_seed", ctx, [&](Context& c) { c.seed(seed); });
}

extern "C" jt_status jt_context_get_random(jt_context* ctx, jt_random_place* inout) {
  return guarded("jt_context_get_random", ctx, [&](Context& c) {
    const Context::RandomState now = c.random();
    jt_random_place place = {};
    place.seed = now.seed, place.stream = now.stream, place.counter = now.counter;
    fill_sized("inout", inout, place);
  });
}
extern "C" jt_status jt_context_set_random(jt_context* ctx, const jt_random_place* place) {
  return guarded("jt_context_set_random", ctx, [&](Context& c) {
    require(place, "place");
    const jt_random_place given = sized("place", place);
    c.set_random({given.seed, given.stream, given.counter});
  });
}

extern "C" jt_status jt_context_set_grad_mode(jt_context* ctx, jt_bool grad_mode, jt_bool* out_previous) {
  return guarded("jt_context_set_grad_mode", ctx, [&](Context& c) {
    if (out_previous) *out_previous = c.recorder().grad_mode;
    c.recorder().grad_mode = grad_mode != 0;
  });
}

extern "C" jt_status jt_context_set_autocast(jt_context* ctx, jt_dtype dtype, jt_dtype* out_previous) {
  return guarded("jt_context_set_autocast", ctx, [&](Context& c) {
    if (dtype != JT_F16 && dtype != JT_BF16 && dtype != JT_F32)
      fail(JT_E_DTYPE, "dtype is ", is_dtype(int(dtype)) ? name(dtype) : "none", ", not f16, bf16 or f32");
    if (out_previous) *out_previous = c.recorder().low_precision;
    c.recorder().low_precision = dtype;
  });
}

extern "C" jt_status jt_context_set_device(jt_context* ctx, int32_t device, int32_t* out_previous) {
  return guarded("jt_context_set_device", ctx, [&](Context& c) {
    int previous = c.set_device(device);
    if (out_previous) *out_previous = previous;
  });
}

extern "C" jt_status jt_context_set_line(jt_context* ctx, uint32_t line) {
  return guarded("jt_context_set_line", ctx, [&](Context& c) { c.recorder().line = line; });
}

extern "C" jt_status jt_context_set_watch(jt_context* ctx, jt_status (*watch)(void*, int64_t, int64_t), void* user) {
  return guarded("jt_context_set_watch", ctx, [&](Context& c) { c.set_watch(watch, user); });
}

extern "C" jt_status jt_sync(jt_context* ctx) {
  return guarded("jt_sync", ctx, [](Context& c) { c.eval_all(), c.wait(); });
}
