#include "core/render/render_threads.h"

#include <algorithm>

#include "core/base/status.h"
#include "core/render/thread_stages.h"

namespace jt {

namespace {

using loops::FileText;

class ThreadKernels : public loops::ThreadStages {
 public:
  using ThreadStages::ThreadStages;

  std::string render() {
    std::string out = arguments();
    for (size_t k = 0; k < kernels_.size(); k++) out += kernel(k);
    return out;
  }

 private:
  std::string arguments() const {
    std::string out = "struct jt_arguments {\n";
    each_field(p_, s_, [&](const ThreadField& f) { out += text("  ", f.type(), f.name(), ";\n"); });
    return out + "};\n";
  }

  // ---- kernels ----

  std::string kernel(size_t number) {
    const ThreadKernel& k = kernels_[number];
    kernel_ = &k;
    for (const Stage& stage : p_.stages) {
      if (stage.level != Level::uniform) break;
      for (int i = stage.first; i < stage.last; i++) uniform(p_.instrs[size_t(i)]);
    }
    switch (s_.form) {
      case ThreadForm::elements: elements(); break;
      case ThreadForm::in_order: in_order(); break;
      case ThreadForm::sorted: number ? meeting() : one_by_one(); break;
      case ThreadForm::warp_rows: warp_rows(); break;
      case ThreadForm::block_rows: block_rows(); break;
      case ThreadForm::block_columns: block_columns(); break;
      default:
        if (k.level != Level::inner) outer_of_split();
        else if (s_.form == ThreadForm::split_rows) inner_rows();
        else inner_columns();
    }
    return text("extern \"C\" __global__ void __launch_bounds__(", threads_of(k), ") ", k.name(number),
        "(const struct jt_arguments A) {\n", take(), "}\n");
  }

  int threads_of(const ThreadKernel& k) const {
    switch (s_.form) {
      case ThreadForm::elements:
      case ThreadForm::in_order:
      case ThreadForm::sorted:
      case ThreadForm::block_rows: return kElementThreads;
      case ThreadForm::block_columns: return kColumns * column_threads(p_);
      case ThreadForm::split_columns:
        if (k.level == Level::inner) return kColumns * column_threads(p_);
        return kRowThreads;
      default: return kRowThreads;
    }
  }

  void elements() {
    int v = elements_per_thread(p_);
    if (v == 1) return one_by_one();
    line("const ", index_, " first = ", cast("A.begin"), " + (", cast("blockIdx.x"), " * ", kElementThreads,
        "u + threadIdx.x) * ", v, "u;");
    line("if (first >= ", cast("A.end"), ") return;");
    group_ = v;
    read_group();
    line("#pragma unroll");
    open(text("for (int j = 0; j < ", v, "; j++)"));
    line("const ", index_, " o = first + j;");
    bool has_effects = false;
    for_stages([&](const Instr& i) { has_effects |= touches_memory(i); });
    if (has_effects) line("if (j >= n) break;");
    declare_outer();
    walk_outer();
    for_stages([&](const Instr& i) { instr(i); });
    close();
    write_group();
    group_ = 0;
  }

  void one_by_one() {
    line("const ", index_, " o = ", cast("A.begin"), " + ", cast("blockIdx.x"), " * ", kElementThreads,
         "u + threadIdx.x;");
    line("if (o >= ", cast("A.end"), ") return;");
    declare_outer();
    walk_outer();
    for_stages([&](const Instr& i) { instr(i); });
  }
  // The first of those that go to one place combines them.
  void meeting() {
    const Instr& i = *std::ranges::find(p_.instrs, Code::scatter, &Instr::code);
    const char* place = type_of_places();
    line("const i64 n = A.end - A.begin, first = (i64)blockIdx.x * ", kElementThreads, " + threadIdx.x;");
    line("const ", place, " *sorted = (const ", place, " *)A.sorted;");
    line("if (first >= n) return;");
    line("const ", place, " at = sorted[first];");
    line("if (at < 0 || (first && sorted[first - 1] == at)) return;");
    line("for (i64 k = first; k < n && sorted[k] == at; k++)");
    line("  ", file_.use_scatter(Combine(i.sub), operand(i.operand).dtype), "(", pointer(i.operand, true), ", A.n",
         i.operand, ", at, ((const ", type_of(i.b), " *)A.values)[((const i64 *)A.order)[k]]);", origin(i));
  }

  // Beside what a group reads and writes as a whole.
  bool touches_memory(const Instr& i) const {
    if (i.code == Code::gather || i.code == Code::scatter) return true;
    return (i.code == Code::load || i.code == Code::store) && !is_grouped(i.operand);
  }
  // A power of two owners; owner t has the addresses that are t modulo their number. What is not scattered is the first
  // one's.
  void in_order() {
    line("const i64 me = (i64)blockIdx.x * ", kElementThreads, " + threadIdx.x;");
    line("if (me >= A.owners) return;");
    open(text("for (", index_, " o = ", cast("A.begin"), "; o < ", cast("A.end"), "; o++)"));
    declare_outer();
    walk_outer();
    store_condition_ = "me == 0";
    for_stages([&](const Instr& i) { instr(i); });
    store_condition_.clear();
    close();
  }

  void warp_rows() {
    line("const int lane = threadIdx.x & 31;");
    line("const ", index_, " o = ", cast("A.begin"), " + ", cast("blockIdx.x"), " * ", kRowThreads / kWarp,
         "u + (threadIdx.x >> 5);");
    line("if (o >= ", cast("A.end"), ") return;");
    declare_outer();
    walk_outer();
    walk_stages("lane == 0", [&](const Stage& stage) {
      open_lanes(stage, 2);
      open(text("for (", index_, " l = lane; l < (", index_, ")A.I; l += 64)"));
      inner_lanes(stage, 2, "l + 32 * j", "A.I");
      close();
      for_reductions(stage, [&](int r, const std::string& name, const Instr& i) {
        line("r", i.dst, " = ", name, "_value(", name, "_warp(t", r, "[0], t", r, "[1]), A.I);");
      });
    });
  }

  void block_rows() {
    line("const int lane = threadIdx.x & 31;");
    line("const ", index_, " o = ", cast("A.begin"), " + ", cast("blockIdx.x"), ";");
    declare_outer();
    walk_outer();
    walk_stages("threadIdx.x == 0", [&](const Stage& stage) {
      bool reduces = false;
      for_reductions(stage, [&](int r, const std::string& name, const Instr&) {
        line("__shared__ ", name, "_t f", r, "[", kMostRowBlocks, "];");
      });
      open(text("for (", index_, " block = threadIdx.x >> 5; block < ", cast("A.blocks"),
                "; block += ", kElementThreads / kWarp, ")"));
      warp_of_block(stage);
      for_reductions(stage, [&](int r, const std::string& name, const Instr&) {
        line("const ", name, "_t v", r, " = ", name, "_warp(t", r, "[0], t", r, "[1]);");
        line("if (lane == 0) f", r, "[block] = v", r, ";");
        reduces = true;
      });
      close();
      if (reduces) line("__syncthreads();");
      for_reductions(stage, [&](int r, const std::string& name, const Instr& i) {
        line("r", i.dst, " = ", name, "_value(", name, "_fold(f", r, ", A.blocks, 1, A.I), A.I);");
      });
    });
  }

  // Threads beyond the last column do as the last one, and store nothing.
  void block_columns() {
    int y = column_threads(p_), lanes = kLanes / y;
    line("const ", index_, " column = ", cast("A.begin"), " + ", cast("blockIdx.x"), " * ", kColumns,
         "u + threadIdx.x;");
    line("const bool is_there = column < ", cast("A.end"), ";");
    line("const ", index_, " o = is_there ? column : ", cast("A.end"), " - 1;");
    declare_outer();
    walk_outer();
    walk_stages("is_there && threadIdx.y == 0", [&](const Stage& stage) {
      for_reductions(stage, [&](int r, const std::string& name, const Instr&) {
        line("__shared__ ", name, "_t f", r, "[", y, "][", kColumns, "], h", r, "[", kMostColumnBlocks, "][", kColumns,
             "];");
      });
      open(text("for (", index_, " block = 0; block < ", cast("A.blocks"), "; block++)"));
      column_block(stage, lanes, y, [&](int r) {
        line("if (threadIdx.y == 0) h", r, "[block][threadIdx.x] = f", r, "[0][threadIdx.x];");
      });
      close();
      for_reductions(stage, [&](int r, const std::string& name, const Instr& i) {
        line("r", i.dst, " = ", name, "_value(", name, "_fold(&h", r, "[0][threadIdx.x], A.blocks, ", kColumns,
             ", A.I), A.I);");
      });
    });
  }

  // One stage: a warp has a block of a row.
  void inner_rows() {
    const Stage& stage = p_.stages[size_t(kernel_->first_stage)];
    line("const int lane = threadIdx.x & 31;");
    line("const ", index_, " w = ", cast("blockIdx.x"), " * ", kRowThreads / kWarp, "u + (threadIdx.x >> 5);");
    line("const ", index_, " o = ", cast("A.begin"), " + w / ", cast("A.blocks"), ", block = w % ", cast("A.blocks"),
         ";");
    line("if (o >= ", cast("A.end"), ") return;");
    declare_outer();
    walk_outer();
    warp_of_block(stage);
    for_reductions(stage, [&](int r, const std::string& name, const Instr&) {
      line("const ", name, "_t v", r, " = ", name, "_warp(t", r, "[0], t", r, "[1]);");
      line("if (lane == 0) ((", name, "_t *)A.t", r, ")[", partial("o", "block"), "] = v", r, ";");
    });
  }

  // One stage: 32 columns, a block of each; thread (x, y) has lanes y, y + Y, .. of column x.
  void inner_columns() {
    const Stage& stage = p_.stages[size_t(kernel_->first_stage)];
    int y = column_threads(p_), lanes = kLanes / y;
    line("const ", index_, " w = blockIdx.x / ", cast("A.blocks"), ", block = blockIdx.x % ", cast("A.blocks"), ";");
    line("const ", index_, " column = ", cast("A.begin"), " + w * ", kColumns, "u + threadIdx.x;");
    line("const bool is_there = column < ", cast("A.end"), ";");
    line("const ", index_, " o = is_there ? column : ", cast("A.end"), " - 1;");
    declare_outer();
    walk_outer();
    for_reductions(stage, [&](int r, const std::string& name, const Instr&) { line("__shared__ ", name, "_t f", r, "[",
        y, "][", kColumns, "];"); });
    column_block(stage, lanes, y, [&](int r) {
      std::string name =
          file_.use_reduction(Reduction(p_.instrs[size_t(r)].sub), p_.registers[size_t(p_.instrs[size_t(r)].a)].type);
      line("if (threadIdx.y == 0 && is_there) ((", name, "_t *)A.t", r, ")[", partial("o", "block"), "] = f", r,
           "[0][threadIdx.x];");
    });
  }

  // An outer element has a thread, or a warp whose threads know the same.
  void outer_of_split() {
    bool by_warp = s_.folds_by_warp;
    if (by_warp) line("const int lane = threadIdx.x & 31;");
    std::string number = by_warp ? text("blockIdx.x * ", kRowThreads / kWarp, "u + (threadIdx.x >> 5)")
        : text("blockIdx.x * ", kRowThreads, "u + threadIdx.x");
    line("const ", index_, " o = ", cast("A.begin"), " + ", number, ";");
    line("if (o >= ", cast("A.end"), ") return;");
    declare_outer();
    walk_outer();
    if (kernel_->folds)
      for_reductions(p_.stages[size_t(kernel_->first_stage) - 1], [&](int r, const std::string& name, const Instr& i) {
        line("r", i.dst, " = ", name, "_value(", name, by_warp ? "_fold_by_warp" : "_fold", "((const ", name,
             "_t *)A.t", r, " + ", by_warp ? "(i64)o * A.blocks, A.blocks" : "o, A.blocks, A.O", ", A.I), A.I);");
      });
    store_condition_ = by_warp ? "lane == 0" : "";
    for_stages([&](const Instr& i) { instr(i); });
    for (int r : kept_)
      if (is_made_here(r)) line(by_warp ? "if (lane == 0) " : "", "((", type_of(r), " *)A.z", r, ")[o] = r", r, ";");
    store_condition_.clear();
  }
  std::string partial(const char* o, const char* block) const {
    return s_.folds_by_warp ? text("(i64)", o, " * A.blocks + ", block) : text("(i64)", block, " * A.O + ", o);
  }
};

constexpr std::string_view kQuotient =
    "FN unsigned jt_quotient(unsigned n, u64 magic) { return (__umulhi(n, (unsigned)magic) + n) >> (unsigned)(magic >> "
    "32); }\n";

}  // namespace

std::string render_threads(const Program& program, const ThreadShape& shape, const Dialect& dialect) {
  FileText file(dialect, nullptr);
  ThreadKernels kernels(program, shape, file);
  std::string body = kernels.render();
  return file.head() + std::string(kQuotient) + body;
}

}  // namespace jt
