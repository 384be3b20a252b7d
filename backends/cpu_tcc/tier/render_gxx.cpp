#include "backends/cpu_tcc/tier/render_gxx.h"

#include "backends/cpu_tcc/tier/fused_stage.h"
#include "backends/cpu_tcc/tier/render_c.h"
#include "core/base/status.h"
#include "core/base/text.h"

namespace jt::cpu {

using namespace jt::vm;

namespace {

constexpr const char* kParameters = "(const i64 *A, i64 begin, i64 end, char *s, char *const *P)";
constexpr int64_t kMostStack = 64 << 10;  // of blocks in one function: threads of a host may have little
constexpr size_t kMostStreamedHere = 8;     // outputs, each with a block on the stack
constexpr int64_t kTurnedRows = kLanes;   // rows up to this length are reduced several at a time, turned on their side

constexpr const char* kHead =
    "typedef long long i64;\n"
    "typedef unsigned long long u64;\n"
    "#define JT_INF __builtin_inff()\n"
    "#define JT_NAN __builtin_nanf(\"\")\n"
    "#define FN static inline __attribute__((always_inline))\n"
    "#ifdef __clang__\n"
    "#define LOOP _Pragma(\"clang loop vectorize(assume_safety)\")\n"
    "#else\n"
    "#define LOOP _Pragma(\"GCC ivdep\")\n"
    "#endif\n";

// Lanes, folded by a halving tree; results of full blocks of lanes combined as a binary counter does.
constexpr const char* kReduceHelpers =
    "template <class F, class T> FN void begin_lanes(T *t) {\n"
    "  LOOP for (int l = 0; l < 64; l++) t[l] = F::none();\n"
    "}\n"
    "template <class F, class T> static __attribute__((noinline)) T fold_halves(const T *t) {\n"
    "  T a[32], b[16], c[8], d[4];\n"  // one loop a level, so that each stays in registers
    "  LOOP for (int l = 0; l < 32; l++) a[l] = F::of(t[l], t[l + 32]);\n"
    "  LOOP for (int l = 0; l < 16; l++) b[l] = F::of(a[l], a[l + 16]);\n"
    "  LOOP for (int l = 0; l < 8; l++) c[l] = F::of(b[l], b[l + 8]);\n"
    "  LOOP for (int l = 0; l < 4; l++) d[l] = F::of(c[l], c[l + 4]);\n"
    "  T x = F::of(d[0], d[2]), y = F::of(d[1], d[3]);\n"
    "  return F::of(x, y);\n"
    "}\n"
    "template <class F, class T> FN T fold(const T *t) {\n"
    "  T copy[64];\n"  // the lanes themselves have no address, so they may be registers
    "  LOOP for (int l = 0; l < 64; l++) copy[l] = t[l];\n"
    "  return fold_halves<F>(copy);\n"
    "}\n"
    "template <class F, class T> static __attribute__((noinline)) void add_block(T v, T *p, i64 block) {\n"
    "  int level = 0;\n"
    "  for (; block >> level & 1; level++) v = F::of(p[level], v);\n"
    "  p[level] = v;\n"
    "}\n"
    "template <class F, class T> FN void end_block(T *t, T *p, i64 block) {\n"
    "  add_block<F>(fold<F>(t), p, block);\n"
    "  begin_lanes<F>(t);\n"
    "}\n"
    "template <class F, class T> FN T end_row(T *t, T *p, i64 blocks) {\n"
    "  T v = fold<F>(t);\n"
    "  for (int level = 0; blocks >> level; level++)\n"
    "    if (blocks >> level & 1) v = F::of(p[level], v);\n"
    "  return v;\n"
    "}\n";

// One layout of a program as one function.
class FunctionRenderer {
 public:
  FunctionRenderer(const Program& program, Layout layout, FileText& file)
      : plan_(make_plan(program, *primitives(Isa::base), layout)), slots_(program, plan_, file.elements), out_{program, plan_, slots_, file, {}, 1, false} {
    if (slots_.home_bytes() > kMostStack)
      fail(JT_E_UNSUPPORTED, "kernel: ", slots_.home_bytes(), " bytes of blocks on the stack, more than ", kMostStack);
  }

  // What a walk over a row of up to SlotPlan::kRowCache elements computed is kept for later walks.
  bool has_repeated_work() const { return !slots_.cached_slots().empty(); }
  std::string render_cached(const std::string& heading) {
    slots_.use_caches(true);
    std::string out = render(heading);
    slots_.use_caches(false);
    return out;
  }

  // Needs nothing in the scratch memory.
  bool is_free_of_scratch() const { return plan_.synthetic_maps.empty() && !slots_.has_states(); }

  // One loop over everything; or, where an output is streamed, over blocks.
  std::string render_streaming(const std::string& heading, const std::string& number) {
    std::string condition;
    for (size_t k = 0; k < plan_.streams.size(); k++) condition += text(k ? " || " : "", "(", streaming_condition(plan_, k), ")");
    out_.streams = true;
    std::string out = render(text("static void streamed", number));
    out_.streams = false;
    out += render(text("static void whole", number));
    return out + text(heading, kParameters, " {\n  i64 O = A[0];\n  if (", condition, ")\n    streamed", number,
                      "(A, begin, end, s, P);\n  else\n    whole", number, "(A, begin, end, s, P);\n}\n");
  }
  bool may_stream() const { return is_one_loop() && !plan_.streams.empty() && plan_.streams.size() <= kMostStreamedHere; }

  std::string render(const std::string& heading) {
    std::string uniform = render_uniform(), body = render_blocks(), text_of_function = text(heading, kParameters, " {\n");
    text_of_function += declarations() + uniform + body + "}\n";
    return text_of_function;
  }

 private:
  std::string declarations() {
    std::string lines = "  i64 O = A[0], I = A[1];\n";
    if (plan_.layout == Layout::column)
      lines += text("  i64 w = ", out_.call("column_width", kColumnWidth, text(plan_.lane_bytes(), ", I")), "\n");
    if (plan_.layout == Layout::bands) lines += text("  i64 w = ", kLanes, ";\n  while (w * O > ", kBlock, ") w /= 2;\n");
    if (slots_.home_bytes())
      lines += text("  char b[", slots_.home_bytes(), "] __attribute__((aligned(64)));\n");
    if (slots_.has_states()) {
      const char* width = plan_.layout == Layout::column ? "w" : plan_.layout == Layout::bands ? "O" : "1";
      for (size_t k = 0; k < plan_.reductions.size(); k++) {
        if (k == 0) lines += text("  char *t0 = s + ", plan_.states_at(), ";\n");
        if (k + 1 == plan_.reductions.size()) break;
        lines += text("  char *t", k + 1, " = t", k, " + ", out_.call("state_bytes", kReduceStateBytes,
                      text(int(plan_.reductions[k].type), ", ", width, ", I")), "\n");
      }
    }
    if (out_.streams) {
      lines += text("  char b[", plan_.streams.size() * kBlock * 8, "] __attribute__((aligned(64)));\n");
      for (size_t k = 0; k < plan_.streams.size(); k++)
        lines += text("  int q", k, " = ", streaming_condition(plan_, k), ";\n");
    }
    for (int slot : slots_.cached_slots())
      if (slots_.cached(slot) >= 0)
        lines += text("  ", ElementText::spelling(slots_.type_of(slot)), " e", slot, "[", SlotPlan::kRowCache + kLanes, "];\n");
    return lines + slots_.declarations();
  }

  std::string render_uniform() {
    for (size_t k = 0; k < plan_.synthetic_maps.size(); k++) {
      const SyntheticMap& map = plan_.synthetic_maps[k];
      std::string to = text("s + ", plan_.maps_at() + int64_t(k * sizeof(IndexMap))), own = map.word < 0 ? "0" : text("(char *)A[", map.word, "]");
      if (map.is_swapped) out_.line(out_.call("swapped_map", kSwappedMap, text(to, ", ", own, ", O, I")));
      else out_.line(out_.call("direct_map", kDirectMap, text(to, ", ", int(map.level == Level::inner), ", O, I")));
    }
    for (const FusedStage& stage : slots_.stages())
      if (stage.level == Level::uniform) out_.render(stage.items);
    out_.render(slots_.broadcasts());
    return out_.take();
  }

  // A flat program that is one loop needs no blocks.
  bool is_one_loop() const {
    if (plan_.layout != Layout::flat || slots_.home_bytes()) return false;
    size_t items = 0;
    for (const FusedStage& stage : slots_.stages())
      if (stage.level != Level::uniform) items += stage.items.size();
    return items == 1 && slots_.stages().back().items.back().is_loop;
  }

  void open_blocks(const std::string& width) {
    out_.open(text("for (i64 o = begin; o < end; o += ", width, ")"));
    out_.line("i64 n = end - o < ", width, " ? end - o : ", width, ";");
  }

  std::string render_blocks() {
    bool is_open = true;
    switch (plan_.layout) {
      case Layout::flat:
        if (is_one_loop() && !out_.streams) {
          is_open = false;
          out_.line("i64 o = begin, n = end - begin;");
        } else {
          open_blocks(text(kBlock));
        }
        break;
      case Layout::column: open_blocks("w"); break;
      case Layout::bands:
        out_.line("i64 o = 0, n = O;");
        out_.open("");
        break;
      case Layout::rows:
        out_.line("i64 w = ", kBlock, " / I;");
        open_blocks("w");
        out_.line("i64 m = n * I, at = o * I;");
        break;
      case Layout::row: out_.open("for (i64 o = begin; o < end; o++)");
    }
    for (const FusedStage& stage : slots_.stages()) {
      if (stage.level == Level::uniform) continue;
      out_.render(stage.before);
      if (stage.level == Level::inner && plan_.layout != Layout::rows) render_walk(stage);
      else out_.render(stage.items);
    }
    if (is_open) out_.close();
    return out_.take();
  }

  // The inner space of an outer block, index by index or block by block.
  void render_walk(const FusedStage& stage) {
    bool bands = plan_.layout == Layout::bands, columns = plan_.layout == Layout::column || bands;
    out_.open("");
    for (int r : stage.reduces) out_.begin_reduction(r, columns ? "n" : "1");
    int64_t block = stage.needs_blocks ? kBlock : kReduceBlock;
    out_.open(bands     ? text("for (i64 i = 0; i < I; i += w)")
              : columns ? text("for (i64 i = 0; i < I; i++)")
                        : text("for (i64 i = 0; i < I; i += ", block, ")"));
    if (bands) out_.line("i64 m = (I - i < w ? I - i : w) * n, at = i * n;");
    if (!columns) out_.line("i64 m = I - i < ", block, " ? I - i : ", block, ", at = o * I + i;");
    out_.render(stage.items);
    for (int r : stage.reduces) out_.end_reduction_block(r);
    out_.close();
    for (int r : stage.reduces) out_.end_reduction(r, columns);
    out_.close();
  }

  const VmPlan plan_;
  SlotPlan slots_;
  FusedText out_;
};

std::string render_kernel(const Program& program, const std::string& number, FileText& file) {
  std::string heading = text("extern \"C\" void k", number);
  if (program.mode == Mode::flat) {
    FunctionRenderer flat(program, Layout::flat, file);
    return flat.may_stream() ? flat.render_streaming(heading, number) : flat.render(heading);
  }
  if (program.mode == Mode::column) {
    std::string out = FunctionRenderer(program, Layout::bands, file).render("static void bands" + number);
    out += FunctionRenderer(program, Layout::column, file).render("static void column" + number);
    return out + text(heading, kParameters, " {\n  if (A[0] > 0 && A[0] <= ", kNarrow, " && begin == 0 && end == A[0])\n    bands", number,
                      "(A, begin, end, s, P);\n  else\n    column", number, "(A, begin, end, s, P);\n}\n");
  }
  FunctionRenderer rows(program, Layout::rows, file), row(program, Layout::row, file);
  int64_t turned = row.is_free_of_scratch() ? kTurnedRows : kShortRow;
  std::string out = rows.render("static void rows" + number);
  out += row.render("static void row" + number);
  bool caches = row.has_repeated_work();
  if (caches) out += row.render_cached("static void cached" + number);
  out += text(heading, kParameters, " {\n  if (A[1] > 0 && A[1] <= ", turned, ")\n    rows", number, "(A, begin, end, s, P);\n");
  if (caches) out += text("  else if (A[1] <= ", SlotPlan::kRowCache, ")\n    cached", number, "(A, begin, end, s, P);\n");
  return out + text("  else\n    row", number, "(A, begin, end, s, P);\n}\n");
}

}  // namespace

std::string render_gxx(std::span<const Program* const> programs, Isa isa) {
  FileText file(isa);
  std::string kernels;
  for (size_t k = 0; k < programs.size(); k++) {
    try {
      kernels += render_kernel(*programs[k], text(k), file);
    } catch (const Error& error) {
      if (error.code() != JT_E_UNSUPPORTED) throw;
      kernels += text("// k", k, ": ", error.message(), "\n");
    }
  }
  std::string out = kHead + file.function_types() + file.elements.definitions();
  if (file.has_reductions()) out += file.reduction_types() + kReduceHelpers;
  return out + kernels;
}

}  // namespace jt::cpu
