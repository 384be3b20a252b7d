// graph: what the compiler makes of pending ops, as text.
#include "capi/src/guard.h"
#include "core/runtime/watch.h"

using namespace jt;
using namespace jt::capi;

extern "C" jt_status jt_graph_print(jt_context* ctx, jt_tensor* const* inputs, size_t inputs_len, jt_stage stage,
                                    char* dst, size_t dst_len, size_t* out_len) {
  return guarded("jt_graph_print", ctx, [&](Context& c) {
    if (inputs_len) require(inputs, "inputs");
    if (Dump::kStages.find(char(stage)) == std::string_view::npos) {
      std::string shown = stage > ' ' && stage < 127 ? text("'", char(stage), "'") : text(int(stage));
      fail(JT_E_INVALID, "stage ", shown, " is none of g, s, f, m, l, c, k, v, p");
    }
    std::vector<Ref> asked;
    for (size_t i = 0; i < inputs_len; i++) asked.push_back(operand(c, "inputs", inputs[i]));
    give_text(c.show(asked, char(stage)), dst, dst_len, out_len);
  });
}

extern "C" jt_status jt_context_set_dump(jt_context* ctx, const char* stages, size_t stages_len,
                                         void (*fn)(void*, jt_stage, const char*, size_t), void* user) {
  return guarded("jt_context_set_dump", ctx, [&](Context& c) {
    std::string letters(fn ? str("stages", stages, stages_len) : std::string_view());
    for (char letter : letters)
      if (Dump::kStages.find(letter) == std::string_view::npos)
        fail(JT_E_INVALID, "stages has '", letter, "', which is none of g, s, f, m, l, c, k, v, p");
    if (letters.empty()) return c.set_dump({}, nullptr);
    c.set_dump(letters,
               [fn, user](char stage, std::string_view text) { fn(user, jt_stage(stage), text.data(), text.size()); });
  });
}
