#include "core/render/render_loops.h"

#include "core/base/status.h"
#include "core/base/text.h"
#include "core/render/loop_text.h"

namespace jt {

namespace {

using namespace loops;

constexpr size_t kMostStreamedHere = 8;  // outputs, each with a block on the stack
constexpr int64_t kTurnedRows = kLanes;  // rows up to this length are reduced several at a time, turned on their side

// One layout of a program as one function.
class FunctionRenderer {
 public:
  FunctionRenderer(const Program& program, Layout layout, FileText& file)
      : plan_(make_plan(program, layout)), dialect_(file.dialect), file_(file),
        slots_(program, plan_, file.elements, file.dialect), out_(program, plan_, slots_, file) {
    if (dialect_.calls_host && slots_.home_bytes() > dialect_.most_stack)
      fail(JT_E_UNSUPPORTED, "kernel: ", slots_.home_bytes(), " bytes of blocks on the stack, more than ",
           dialect_.most_stack);
  }

  // What a walk over a row of up to Dialect::row_cache elements computed is kept for later walks.
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
  std::string render_streaming(const std::string& name) {
    std::string condition;
    for (size_t k = 0; k < plan_.streams.size(); k++)
      condition += text(k ? " || " : "", "(", out_.streaming_condition(k), ")");
    out_.streams = true;
    std::string out = render(text(dialect_.part, "streamed_", name));
    out_.streams = false;
    out += render(text(dialect_.part, "whole_", name));
    return out + text(dialect_.kernel, name, dialect_.parameters, " {\n", dialect_.extents, "  if (", condition,
                      ")\n    streamed_", name, dialect_.arguments, ";\n  else\n    whole_", name, dialect_.arguments,
                      ";\n}\n");
  }
  bool may_stream() const {
    return dialect_.calls_host && is_one_loop() && !plan_.streams.empty() && plan_.streams.size() <= kMostStreamedHere;
  }

  std::string render(const std::string& heading) {
    std::string uniform = render_uniform(), body = render_blocks();
    return text(heading, dialect_.parameters, " {\n", declarations(), uniform, body, "}\n");
  }

 private:
  std::string declarations() const {
    std::string lines(dialect_.extents);
    lines += out_.width();
    if (slots_.home_bytes()) lines += blocks(slots_.home_bytes());
    if (slots_.has_states()) lines += out_.states();
    if (out_.streams) lines += blocks(int64_t(plan_.streams.size()) * kBlock * 8) + out_.streaming();
    for (int slot : slots_.cached_slots())
      if (slots_.cached(slot) >= 0)
        lines += text("  ", file_.elements.type_name(slots_.type_of(slot)), " e", slot, "[",
                      dialect_.row_cache + kLanes, "];\n");
    return lines + slots_.declarations();
  }
  std::string blocks(int64_t bytes) const { return text("  ", with_count(dialect_.blocks, text(bytes)), "\n"); }

  std::string render_uniform() {
    out_.make_maps();
    for (const LoopStage& stage : slots_.stages())
      if (stage.level == Level::uniform) out_.render(stage.items);
    out_.render(slots_.broadcasts());
    return out_.take();
  }

  // A flat program that is one loop needs no blocks.
  bool is_one_loop() const {
    if (plan_.layout != Layout::flat || slots_.home_bytes()) return false;
    size_t items = 0;
    for (const LoopStage& stage : slots_.stages())
      if (stage.level != Level::uniform) items += stage.items.size();
    return items == 1 && slots_.stages().back().items.back().is_loop();
  }

  std::string render_blocks() {
    bool is_whole = is_one_loop() && !out_.streams;
    if (is_whole) out_.line("i64 o = begin, n = end - begin;");
    else out_.open_outer(dialect_.over_outer, slots_.block());
    for (const LoopStage& stage : slots_.stages()) {
      if (stage.level == Level::uniform) continue;
      out_.render(stage.before);
      if (stage.level == Level::inner && plan_.layout != Layout::rows) render_walk(stage);
      else out_.render(stage.items);
    }
    if (!is_whole) out_.close();
    return out_.take();
  }

  // The inner space of an outer block, index by index or block by block.
  void render_walk(const LoopStage& stage) {
    bool bands = plan_.layout == Layout::bands, columns = plan_.has_columns();
    out_.open("");
    for (int r : stage.reduces) out_.begin_reduction(r, columns ? "n" : "1");
    int64_t block = stage.needs_blocks ? slots_.block() : kReduceBlock;
    out_.open(bands     ? text("for (i64 i = 0; i < I; i += w)")
              : columns ? text("for (i64 i = 0; i < I; i++)")
                        : text("for (i64 i = 0; i < I; i += ", block, ")"));
    if (bands) out_.line("i64 m = (I - i < w ? I - i : w) * n, at = i * n;");
    if (!columns) out_.line("i64 m = I - i < ", block, " ? I - i : ", block, ", at = o * I + i;");
    if (!columns) out_.line("(void)at;");
    out_.render(stage.items);
    for (int r : stage.reduces) out_.end_reduction_block(r);
    out_.close();
    for (int r : stage.reduces) out_.end_reduction(r, columns);
    out_.close();
  }

  const BlockPlan plan_;
  const Dialect& dialect_;
  FileText& file_;
  SlotPlan slots_;
  LoopText out_;
};

std::string render_kernel(const Program& program, const std::string& name, FileText& file) {
  const Dialect& dialect = file.dialect;
  std::string heading = text(dialect.kernel, name);
  if (program.mode == Mode::flat) {
    FunctionRenderer flat(program, Layout::flat, file);
    return flat.may_stream() ? flat.render_streaming(name) : flat.render(heading);
  }
  auto part = [&](const char* layout) { return text(dialect.part, layout, "_", name); };
  auto call = [&](const char* layout) { return text("    ", layout, "_", name, dialect.arguments, ";\n"); };
  if (!dialect.calls_host) {
    FunctionRenderer row(program, Layout::row, file);
    if (!row.has_repeated_work()) return row.render(heading);
    return row.render(part("row")) + row.render_cached(part("cached")) +
           text(heading, dialect.parameters, " {\n  if (A[1] <= ", dialect.row_cache, ")\n", call("cached"), "  else\n",
                call("row"), "}\n");
  }
  if (program.mode == Mode::column) {
    std::string out = FunctionRenderer(program, Layout::bands, file).render(part("bands"));
    out += FunctionRenderer(program, Layout::column, file).render(part("column"));
    return out + text(heading, dialect.parameters, " {\n  if (A[0] > 0 && A[0] <= ", kNarrow,
                      " && begin == 0 && end == A[0])\n", call("bands"), "  else\n", call("column"), "}\n");
  }
  FunctionRenderer rows(program, Layout::rows, file), row(program, Layout::row, file);
  int64_t turned = row.is_free_of_scratch() ? kTurnedRows : kShortRow;
  std::string out = rows.render(part("rows"));
  out += row.render(part("row"));
  bool caches = row.has_repeated_work();
  if (caches) out += row.render_cached(part("cached"));
  out += text(heading, dialect.parameters, " {\n  if (A[1] > 0 && A[1] <= ", turned, ")\n", call("rows"));
  if (caches) out += text("  else if (A[1] <= ", dialect.row_cache, ")\n", call("cached"));
  return out + "  else\n" + call("row") + "}\n";
}

}  // namespace

std::string render_loops(std::span<const NamedProgram> programs, const Dialect& dialect, HostCalls* host) {
  JT_CHECK(dialect.calls_host == (host != nullptr));
  FileText file(dialect, host);
  std::string kernels;
  for (const NamedProgram& p : programs) {
    try {
      kernels += render_kernel(*p.program, p.name, file);
    } catch (const Error& error) {
      // Whoever has functions of blocks has another way to run it.
      if (!host || error.code() != JT_E_UNSUPPORTED) throw;
      kernels += text("// ", p.name, ": ", error.message(), "\n");
    }
  }
  return file.head() + kernels;
}

std::string render_c99(std::span<const NamedProgram> programs) { return render_loops(programs, c99_dialect()); }

}  // namespace jt
