#include "core/render/layout_text.h"

namespace jt::loops {

using Helper = HostCalls::Helper;

std::string LayoutText::origin(const Op& op) const {
  if (op.instr < 0) return text("  // block of r", op.a);
  return "  // " + to_text(instr(op));
}

const char* LayoutText::count(Level level) const {
  if (level == Level::uniform) return "1";
  if (level == Level::inner) return plan_.layout == Layout::column ? "n" : "m";
  return plan_.layout == Layout::row ? "1" : "n";
}

std::string LayoutText::here(const Op& op) const {
  if (op.operand_level == Level::uniform) return pointer(op.word);
  const char* position = op.operand_level == Level::outer ? "o" : "at";
  return op.size == 1 ? text(pointer(op.word), " + ", position)
                      : text(pointer(op.word), " + ", position, " * ", int(op.size));
}

std::string LayoutText::where(const Op& op) const {
  auto say = [&](const char* outer, const char* inner, int along) {
    return text(outer, ", ", inner, ", ", count(op.space), ", ", along);
  };
  if (op.operand_level == Level::uniform) return say("0", "0", kAlongBoth);
  if (op.operand_level == Level::outer) return say("o", "0", kAlongOuter);
  if (plan_.layout == Layout::row) return say("o", "i", kAlongInner);
  if (plan_.layout == Layout::rows || plan_.layout == Layout::bands) return say("at", "0", kAlongBoth);
  return say("o", "i", kAlongOuter);
}

static std::string scratch_map(const BlockPlan& plan, int64_t map) {
  return text("s + ", plan.maps_at() + map * int64_t(sizeof(IndexMap)));
}

std::string LayoutText::map_of(const Op& op) const {
  return op.map < 0 ? pointer(op.word + 1) : scratch_map(plan_, op.map);
}

std::string LayoutText::width() const {
  if (plan_.layout == Layout::column)
    return text("  i64 w = ", host_->call(Helper::column_width, text(plan_.lane_bytes(), ", I")), "\n");
  if (plan_.layout == Layout::bands) return text("  i64 w = ", kLanes, ";\n  while (w * O > ", kBlock, ") w /= 2;\n");
  return "";
}

std::string LayoutText::states() const {
  std::string lines;
  const char* width = plan_.layout == Layout::column ? "w" : plan_.layout == Layout::bands ? "O" : "1";
  for (size_t k = 0; k < plan_.reductions.size(); k++) {
    if (k == 0) lines += text("  char *t0 = s + ", plan_.states_at(), ";\n");
    if (k + 1 == plan_.reductions.size()) break;
    std::string arguments = text(int(plan_.reductions[k].type), ", ", width, ", I");
    lines += text("  char *t", k + 1, " = t", k, " + ", host_->call(Helper::state_bytes, arguments), "\n");
  }
  return lines;
}

std::string LayoutText::streaming_condition(size_t output) const {
  const StreamedOutput& o = plan_.streams[output];
  std::string claim = text("O", o.level == Level::inner ? " * I" : "", " > ", kStreamBytes / o.size);
  for (int word : plan_.input_words) claim += text(" && A[", o.word, "] != A[", word, "]");
  return claim;
}

std::string LayoutText::streaming() const {
  std::string lines;
  for (size_t k = 0; k < plan_.streams.size(); k++) lines += text("  int q", k, " = ", streaming_condition(k), ";\n");
  return lines;
}

void LayoutText::make_maps() {
  for (size_t k = 0; k < plan_.synthetic_maps.size(); k++) {
    const SyntheticMap& map = plan_.synthetic_maps[k];
    std::string to = scratch_map(plan_, int64_t(k)), own = map.word < 0 ? "0" : pointer(map.word);
    if (map.is_swapped) line(host_->call(Helper::swapped_map, text(to, ", ", own, ", O, I")));
    else line(host_->call(Helper::direct_map, text(to, ", ", int(map.level == Level::inner), ", O, I")));
  }
}

void LayoutText::open_outer(std::string_view over_outer, int64_t block) {
  auto open_blocks = [&](const std::string& width) {
    open(text("for (i64 o = begin; o < end; o += ", width, ")"));
    line("i64 n = end - o < ", width, " ? end - o : ", width, ";");
  };
  switch (plan_.layout) {
    case Layout::flat: return open_blocks(text(block));
    case Layout::column: return open_blocks("w");
    case Layout::bands:
      line("i64 o = 0;");
      line("i64 n = O;");
      return open("");
    case Layout::rows:
      line("i64 w = ", kBlock, " / I;");
      open_blocks("w");
      line("i64 m = n * I;");
      return line("i64 at = o * I;");
    case Layout::row: return open(over_outer);
  }
}

}  // namespace jt::loops
