#include "core/render/render_threads.h"

#include <algorithm>

#include "core/base/status.h"
#include "core/render/file_text.h"

namespace jt {

namespace {

using loops::FileText;
using loops::Lines;

class ThreadText : public Lines {
 public:
  ThreadText(const Program& program, const ThreadShape& shape, FileText& file)
      : p_(program), s_(shape), file_(file), kernels_(kernels_of(program, shape)), kept_(kept_registers(program, kernels_)),
        index_(shape.is_wide ? "i64" : "unsigned") {}

  std::string render() {
    std::string out = arguments();
    for (size_t k = 0; k < kernels_.size(); k++) out += kernel(k);
    return out;
  }

 private:
  bool is_split() const { return s_.form == ThreadForm::split_rows || s_.form == ThreadForm::split_columns; }
  bool is_kept(int r) const { return std::find(kept_.begin(), kept_.end(), r) != kept_.end(); }
  const Operand& operand(int k) const { return p_.operands[size_t(k)]; }
  const char* type_of(int r) const { return file_.elements.type_name(p_.registers[size_t(r)].type); }

  std::string arguments() const {
    std::string out = "struct jt_arguments {\n";
    each_field(p_, s_, [&](const ThreadField& f) { out += text("  ", f.type(), f.name(), ";\n"); });
    return out + "};\n";
  }

  // ---- kernels ----

  std::string kernel(size_t number) {
    const ThreadKernel& k = kernels_[number];
    kernel_ = &k;
    int threads = s_.form == ThreadForm::elements || s_.form == ThreadForm::in_order ? kElementThreads
                  : s_.form == ThreadForm::split_columns && k.level == Level::inner  ? kColumns * column_threads(p_)
                                                                                     : kRowThreads;
    for (const Stage& stage : p_.stages) {
      if (stage.level != Level::uniform) break;
      for (int i = stage.first; i < stage.last; i++) uniform(p_.instrs[size_t(i)]);
    }
    switch (s_.form) {
      case ThreadForm::elements: elements(); break;
      case ThreadForm::in_order: in_order(); break;
      case ThreadForm::warp_rows: warp_rows(); break;
      default:
        if (k.level != Level::inner) outer_of_split();
        else if (s_.form == ThreadForm::split_rows) inner_rows();
        else inner_columns();
    }
    return text("extern \"C\" __global__ void __launch_bounds__(", threads, ") ", k.name(number), "(const struct jt_arguments A) {\n", take(), "}\n");
  }

  void elements() {
    int v = elements_per_thread(p_);
    line("const ", index_, " first = (", index_, ")A.begin + ((", index_, ")blockIdx.x * ", kElementThreads, "u + threadIdx.x) * ", v, "u;");
    line("if (first >= (", index_, ")A.end) return;");
    if (v == 1) {
      line("const ", index_, " o = first;");
      declare_outer();
      walk_outer();
      for_stages([&](const Instr& i) { instr(i); });
      return;
    }
    group_ = v;
    read_group(v);
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
    write_group(v);
    group_ = 0;
  }

  // Beside what a group reads and writes as a whole.
  bool touches_memory(const Instr& i) const {
    if (i.code == Code::gather || i.code == Code::scatter) return true;
    return (i.code == Code::load || i.code == Code::store) && !is_grouped(i.operand);
  }
  bool is_grouped(int k) const { return group_ && operand(k).access == Access::direct && operand(k).level == Level::outer; }
  std::vector<int> grouped(bool written) const {
    std::vector<bool> is(p_.operands.size());
    for_stages([&](const Instr& i) {
      bool writes = i.code == Code::store || (i.code == Code::element && i.operand >= 0), reads = i.code == Code::load;
      if (i.operand >= 0 && (written ? writes : reads) && is_grouped(i.operand)) is[size_t(i.operand)] = true;
    });
    std::vector<int> out;
    for (size_t k = 0; k < is.size(); k++)
      if (is[k]) out.push_back(int(k));
    return out;
  }

  struct Vector { const char* type; int elements; };
  static Vector vector_of(DType d) {
    switch (size_of(d)) {
      case 1: return {"uchar4", 4};
      case 2: return {"ushort4", 4};
      case 4: return {d == JT_F32 ? "float4" : d == JT_U32 ? "uint4" : "int4", 4};
      default: return {d == JT_F64 ? "double2" : d == JT_U64 ? "ulonglong2" : "longlong2", 2};
    }
  }
  // A thread's elements lie in whole vectors, unless the array ends before, or does not begin where a vector may.
  void read_group(int v) {
    line("const int n = A.end - first < ", v, " ? (int)(A.end - first) : ", v, ";");
    std::string together;
    for (bool written : {false, true})
      for (int k : grouped(written)) together += text(together.empty() ? "" : " | ", "(u64)A.p", k);
    line("const bool whole = n == ", v, " && ((", together, ") & 15) == 0 && (first & ", v - 1, ") == 0;");
    for (int k : grouped(false)) {
      const char* type = file_.memory_type(operand(k).dtype);
      Vector vector = vector_of(operand(k).dtype);
      line(type, " b", k, "[", v, "];");
      open("if (whole)");
      for (int at = 0; at < v; at += vector.elements) {
        line("const ", vector.type, " v", at, " = *(const ", vector.type, " *)((const ", type, " *)A.p", k, " + first + ", at, ");");
        for (int e = 0; e < vector.elements; e++) line("b", k, "[", at + e, "] = (", type, ")v", at, ".", std::string(1, "xyzw"[e]), ";");
      }
      close();
      open("else");
      line("#pragma unroll");
      line("for (int j = 0; j < ", v, "; j++) b", k, "[j] = j < n ? ((const ", type, " *)A.p", k, ")[first + j] : 0;");
      close();
    }
    for (int k : grouped(true)) line(file_.memory_type(operand(k).dtype), " y", k, "[", v, "];");
  }
  void write_group(int v) {
    for (int k : grouped(true)) {
      const char* type = file_.memory_type(operand(k).dtype);
      Vector vector = vector_of(operand(k).dtype);
      open("if (whole)");
      for (int at = 0; at < v; at += vector.elements) {
        line(vector.type, " v", at, ";");
        for (int e = 0; e < vector.elements; e++) line("v", at, ".", std::string(1, "xyzw"[e]), " = y", k, "[", at + e, "];");
        line("*(", vector.type, " *)((", type, " *)A.p", k, " + first + ", at, ") = v", at, ";");
      }
      close();
      open("else");
      line("#pragma unroll");
      line("for (int j = 0; j < ", v, "; j++) if (j < n) ((", type, " *)A.p", k, ")[first + j] = y", k, "[j];");
      close();
    }
  }

  // A power of two owners; owner t has the addresses that are t modulo their number. What is not scattered is the first one's.
  void in_order() {
    line("const i64 me = (i64)blockIdx.x * ", kElementThreads, " + threadIdx.x;");
    line("if (me >= A.owners) return;");
    open(text("for (", index_, " o = (", index_, ")A.begin; o < (", index_, ")A.end; o++)"));
    declare_outer();
    walk_outer();
    store_condition_ = "me == 0";
    for_stages([&](const Instr& i) { instr(i); });
    store_condition_.clear();
    close();
  }

  void warp_rows() {
    line("const int lane = threadIdx.x & 31;");
    line("const ", index_, " o = (", index_, ")A.begin + (", index_, ")blockIdx.x * ", kRowThreads / kWarp, "u + (threadIdx.x >> 5);");
    line("if (o >= (", index_, ")A.end) return;");
    declare_outer();
    walk_outer();
    for (int s = kernel_->first_stage; s < kernel_->last_stage; s++) {
      const Stage& stage = p_.stages[size_t(s)];
      if (stage.level == Level::outer) {
        store_condition_ = "lane == 0";
        for (int i = stage.first; i < stage.last; i++) instr(p_.instrs[size_t(i)]);
        store_condition_.clear();
        continue;
      }
      open("");
      open_lanes(stage, 2);
      open(text("for (", index_, " l = lane; l < (", index_, ")A.I; l += 64)"));
      inner_lanes(stage, 2, "l + 32 * j", "A.I");
      close();
      for_reductions(stage, [&](int r, const std::string& name, const Instr& i) {
        line("r", i.dst, " = ", name, "_value(", name, "_warp(t", r, "[0], t", r, "[1]), A.I);");
      });
      close();
    }
  }

  // One stage: a warp has a block of a row.
  void inner_rows() {
    const Stage& stage = p_.stages[size_t(kernel_->first_stage)];
    line("const int lane = threadIdx.x & 31;");
    line("const ", index_, " w = (", index_, ")blockIdx.x * ", kRowThreads / kWarp, "u + (threadIdx.x >> 5);");
    line("const ", index_, " o = (", index_, ")A.begin + w / (", index_, ")A.blocks, block = w % (", index_, ")A.blocks;");
    line("if (o >= (", index_, ")A.end) return;");
    declare_outer();
    walk_outer();
    open_lanes(stage, 2);
    line("const ", index_, " stop = (", index_, ")A.I - block * ", kReduceBlock, "u < ", kReduceBlock, "u ? (", index_, ")A.I : (block + 1) * ", kReduceBlock, "u;");
    open(text("for (", index_, " l = block * ", kReduceBlock, "u + lane; l < stop; l += 64)"));
    inner_lanes(stage, 2, "l + 32 * j", "stop");
    close();
    for_reductions(stage, [&](int r, const std::string& name, const Instr&) {
      line("const ", name, "_t v", r, " = ", name, "_warp(t", r, "[0], t", r, "[1]);");
      line("if (lane == 0) ((", name, "_t *)A.t", r, ")[", partial("o", "block"), "] = v", r, ";");
    });
  }

  // One stage: 32 columns, a block of each; thread (x, y) has lanes y, y + Y, .. of column x.
  void inner_columns() {
    const Stage& stage = p_.stages[size_t(kernel_->first_stage)];
    int y = column_threads(p_), lanes = kLanes / y;
    line("const ", index_, " w = blockIdx.x / (", index_, ")A.blocks, block = blockIdx.x % (", index_, ")A.blocks;");
    line("const ", index_, " o = (", index_, ")A.begin + w * ", kColumns, "u + threadIdx.x;");
    line("const bool is_there = o < (", index_, ")A.end;");
    open_lanes(stage, lanes);
    line("const ", index_, " stop = (", index_, ")A.I - block * ", kReduceBlock, "u < ", kReduceBlock, "u ? (", index_, ")A.I : (block + 1) * ", kReduceBlock, "u;");
    open("if (is_there)");
    declare_outer();
    walk_outer();
    open(text("for (", index_, " l = block * ", kReduceBlock, "u + threadIdx.y; l < stop; l += 64)"));
    inner_lanes(stage, lanes, text("l + ", y, " * j"), "stop");
    close();
    close();
    for_reductions(stage, [&](int r, const std::string& name, const Instr&) {
      for (int half = lanes / 2; half; half /= 2)
        for (int j = 0; j < half; j++) line("t", r, "[", j, "] = ", name, "_of(t", r, "[", j, "], t", r, "[", j + half, "]);");
      line("__shared__ ", name, "_t f", r, "[", y, "][", kColumns, "];");
      line("f", r, "[threadIdx.y][threadIdx.x] = t", r, "[0];");
      open(text("for (int half = ", y / 2, "; half; half /= 2)"));
      line("__syncthreads();");
      line("if (threadIdx.y < half) f", r, "[threadIdx.y][threadIdx.x] = ", name, "_of(f", r, "[threadIdx.y][threadIdx.x], f", r,
           "[threadIdx.y + half][threadIdx.x]);");
      close();
      line("if (threadIdx.y == 0 && is_there) ((", name, "_t *)A.t", r, ")[", partial("o", "block"), "] = f", r, "[0][threadIdx.x];");
    });
  }

  // An outer element has a thread, or a warp whose threads know the same.
  void outer_of_split() {
    bool by_warp = s_.folds_by_warp;
    if (by_warp) line("const int lane = threadIdx.x & 31;");
    std::string number = by_warp ? text("blockIdx.x * ", kRowThreads / kWarp, "u + (threadIdx.x >> 5)") : text("blockIdx.x * ", kRowThreads, "u + threadIdx.x");
    line("const ", index_, " o = (", index_, ")A.begin + ", number, ";");
    line("if (o >= (", index_, ")A.end) return;");
    declare_outer();
    walk_outer();
    if (kernel_->folds)
      for_reductions(p_.stages[size_t(kernel_->first_stage) - 1], [&](int r, const std::string& name, const Instr& i) {
        line("r", i.dst, " = ", name, "_value(", name, by_warp ? "_fold_by_warp" : "_fold", "((const ", name, "_t *)A.t", r, " + ",
             by_warp ? "(i64)o * A.blocks, A.blocks" : "o, A.blocks, A.O", ", A.I), A.I);");
      });
    store_condition_ = by_warp ? "lane == 0" : "";
    for_stages([&](const Instr& i) { instr(i); });
    for (int r : kept_)
      if (is_made_here(r)) line(by_warp ? "if (lane == 0) " : "", "((", type_of(r), " *)A.z", r, ")[o] = r", r, ";");
    store_condition_.clear();
  }
  bool is_made_here(int r) const {
    bool is = false;
    for_stages([&](const Instr& i) { is |= i.dst == r; });
    if (kernel_->folds) {
      const Stage& before = p_.stages[size_t(kernel_->first_stage) - 1];
      for (int i = before.first; i < before.last; i++) is |= p_.instrs[size_t(i)].code == Code::reduce && p_.instrs[size_t(i)].dst == r;
    }
    return is;
  }
  std::string partial(const char* o, const char* block) const {
    return s_.folds_by_warp ? text("(i64)", o, " * A.blocks + ", block) : text("(i64)", block, " * A.O + ", o);
  }

  // ---- parts ----

  template <class Visit>
  void for_stages(Visit visit) const {
    for (int s = kernel_->first_stage; s < kernel_->last_stage; s++)
      for (int i = p_.stages[size_t(s)].first; i < p_.stages[size_t(s)].last; i++) visit(p_.instrs[size_t(i)]);
  }
  template <class Visit>
  void for_reductions(const Stage& stage, Visit visit) {
    for (int i = stage.first; i < stage.last; i++) {
      const Instr& r = p_.instrs[size_t(i)];
      if (r.code == Code::reduce) visit(i, file_.use_reduction(Reduction(r.sub), p_.registers[size_t(r.a)].type), r);
    }
  }

  // Outer registers of this kernel: those that earlier kernels kept are read.
  void declare_outer() {
    std::vector<bool> is_used(p_.registers.size());
    auto use = [&](const Instr& i) {
      for (int r : {i.dst, i.a, i.b, i.c})
        if (r >= 0 && p_.registers[size_t(r)].level == Level::outer) is_used[size_t(r)] = true;
    };
    for_stages(use);
    if (kernel_->folds) {
      const Stage& before = p_.stages[size_t(kernel_->first_stage) - 1];
      for (int i = before.first; i < before.last; i++)
        if (p_.instrs[size_t(i)].code == Code::reduce) is_used[size_t(p_.instrs[size_t(i)].dst)] = true;
    }
    for (size_t r = 0; r < is_used.size(); r++) {
      if (!is_used[r]) continue;
      bool is_read = is_split() && is_kept(int(r)) && !is_made_here(int(r));
      line(type_of(int(r)), " r", r, is_read ? text(" = ((const ", type_of(int(r)), " *)A.z", r, ")[o]") : "", ";");
    }
  }

  void open_lanes(const Stage& stage, int lanes) {
    for_reductions(stage, [&](int r, const std::string& name, const Instr&) {
      line(name, "_t t", r, "[", lanes, "];");
      line("#pragma unroll");
      line("for (int j = 0; j < ", lanes, "; j++) t", r, "[j] = ", name, "_none();");
    });
  }
  // The elements of a thread's lanes, one of each.
  void inner_lanes(const Stage& stage, int lanes, const std::string& place, const std::string& stop) {
    line("#pragma unroll");
    open(text("for (int j = 0; j < ", lanes, "; j++)"));
    line("const ", index_, " i = ", place, ";");
    open(text("if (i < (", index_, ")", stop, ")"));
    std::vector<bool> is_made(p_.registers.size());
    for (int i = stage.first; i < stage.last; i++) {
      int r = p_.instrs[size_t(i)].dst;
      if (r < 0 || p_.instrs[size_t(i)].code == Code::reduce || is_made[size_t(r)]) continue;
      is_made[size_t(r)] = true;
      line(type_of(r), " r", r, ";");
    }
    walk_inner(stage);
    for (int i = stage.first; i < stage.last; i++) {
      const Instr& in = p_.instrs[size_t(i)];
      if (in.code != Code::reduce) {
        instr(in);
        continue;
      }
      std::string name = file_.use_reduction(Reduction(in.sub), p_.registers[size_t(in.a)].type);
      line("t", i, "[j] = ", name, "_put(t", i, "[j], r", in.a, ", i);", origin(in));
    }
    close();
    close();
  }

  // ---- maps ----

  const ThreadShape::Walk* walk_of(int k) const {
    int w = s_.walk_of[size_t(k)];
    return w < 0 ? nullptr : &s_.walks[size_t(w)];
  }
  // Mapped operands of instructions of this kernel or stage, each once.
  std::vector<int> mapped(const std::function<bool(Level)>& wanted) const {
    std::vector<bool> is(p_.operands.size());
    for_stages([&](const Instr& i) {
      if (i.operand >= 0 && i.code != Code::scalar && s_.walk_of[size_t(i.operand)] >= 0 && wanted(operand(i.operand).level)) is[size_t(i.operand)] = true;
    });
    std::vector<int> out;
    for (size_t k = 0; k < is.size(); k++)
      if (is[k]) out.push_back(int(k));
    return out;
  }

  // Coordinates of `index` along axes [first, first + rank), the last one first.
  void coordinates(int w, int first, int rank, const char* index) {
    if (rank == 0) return;
    std::string left = index;
    for (int axis = first + rank - 1; axis > first; axis--) {
      std::string quotient = text("d", w, "_", axis);
      if (s_.is_wide) line("const i64 ", quotient, " = ", left, " / A.e", w, "_", axis, ";");
      else line("const unsigned ", quotient, " = jt_quotient(", left, ", A.m", w, "_", axis, ");");
      line("const ", index_, " x", w, "_", axis, " = ", left, " - ", quotient, " * (", index_, ")A.e", w, "_", axis, ";");
      left = quotient;
    }
    line("const ", index_, " x", w, "_", first, " = ", left, ";");
  }
  std::string sum_of_steps(int k, int first, int rank) const {
    std::string out;
    for (int axis = first; axis < first + rank; axis++) out += text(" + x", s_.walk_of[size_t(k)], "_", axis, " * (", index_, ")A.s", k, "_", axis);
    return out;
  }
  // `x` of limits along these axes; at zero where there are no coordinates.
  std::string limits(int k, int first, int rank, bool at_zero) const {
    std::string out;
    for (int axis = first; axis < first + rank; axis++) {
      if (!(s_.masked[size_t(k)] >> axis & 1)) continue;
      std::string x = at_zero ? "0" : text("x", s_.walk_of[size_t(k)], "_", axis);
      const char* as_unsigned = s_.is_wide ? "u64" : "unsigned";
      out += text(out.empty() ? "" : " && ", "(", as_unsigned, ")(", x, " - (", index_, ")A.l", k, "_", axis, ") < (", as_unsigned, ")A.h", k, "_", axis);
    }
    return out;
  }

  // q3 and k3 of operands that are not uniform: the whole offset of outer ones.
  void walk_outer() {
    auto is_wanted = [](Level l) { return l != Level::uniform; };
    std::vector<bool> is_walked(s_.walks.size());
    for (int k : mapped(is_wanted)) {
      const ThreadShape::Walk& walk = *walk_of(k);
      int w = s_.walk_of[size_t(k)];
      if (!is_walked[size_t(w)]) coordinates(w, 0, walk.outer_rank, "o");
      is_walked[size_t(w)] = true;
      line("const ", index_, " q", k, " = (", index_, ")A.at", k, sum_of_steps(k, 0, walk.outer_rank), ";");
      std::string inside = limits(k, 0, walk.outer_rank, false);
      if (operand(k).level == Level::outer)
        if (std::string more = limits(k, walk.outer_rank, walk.inner_rank, true); !more.empty()) inside += (inside.empty() ? "" : " && ") + more;
      if (s_.masked[size_t(k)]) line("const bool k", k, " = ", inside.empty() ? "true" : inside, ";");
    }
  }
  void walk_inner(const Stage& stage) {
    std::vector<bool> is_walked(s_.walks.size()), is_done(p_.operands.size());
    for (int i = stage.first; i < stage.last; i++) {
      int k = p_.instrs[size_t(i)].operand;
      if (k < 0 || p_.instrs[size_t(i)].code == Code::scalar || s_.walk_of[size_t(k)] < 0 || operand(k).level != Level::inner || is_done[size_t(k)]) continue;
      is_done[size_t(k)] = true;
      const ThreadShape::Walk& walk = *walk_of(k);
      int w = s_.walk_of[size_t(k)];
      if (!is_walked[size_t(w)]) coordinates(w, walk.outer_rank, walk.inner_rank, "i");
      is_walked[size_t(w)] = true;
      line("const ", index_, " qi", k, " = q", k, sum_of_steps(k, walk.outer_rank, walk.inner_rank), ";");
      std::string inside = limits(k, walk.outer_rank, walk.inner_rank, false);
      if (s_.masked[size_t(k)]) line("const bool ki", k, " = k", k, inside.empty() ? "" : " && ", inside, ";");
    }
  }

  // Where an operand's element is, as an index of signed type, and when it is there (empty: always).
  std::string place(int k) const {
    const Operand& op = operand(k);
    if (op.access == Access::direct) {
      if (op.level == Level::uniform) return "0";
      return op.level == Level::outer ? "o" : text("o * (", index_, ")A.I + i");
    }
    const char* as_signed = s_.is_wide ? "" : "(int)";
    if (op.level == Level::uniform) return text(as_signed, "A.at", k);
    return text(as_signed, op.level == Level::outer ? "q" : "qi", k);
  }
  std::string condition(int k) const {
    if (s_.walk_of[size_t(k)] < 0 || !s_.masked[size_t(k)]) return {};
    const ThreadShape::Walk& walk = *walk_of(k);
    if (operand(k).level == Level::uniform) return limits(k, 0, walk.outer_rank + walk.inner_rank, true);
    return text(operand(k).level == Level::outer ? "k" : "ki", k);
  }

  // ---- instructions ----

  std::string origin(const Instr& i) const { return "  // " + to_text(i); }
  static std::string reg(int r) { return r < 0 ? "" : text("r", r); }
  std::string pointer(int k, bool is_written) const {
    return text("((", is_written ? "" : "const ", file_.memory_type(operand(k).dtype), " *)A.p", k, ")");
  }

  void uniform(const Instr& i) {
    std::string type = type_of(i.dst);
    if (i.code == Code::scalar) {
      CType t = i.type;
      std::string word = text("A.c", i.operand);
      std::string value = t == CType::f32   ? text("__int_as_float((int)", word, ")")
                          : t == CType::f64 ? text("__longlong_as_double((i64)", word, ")")
                          : t == CType::b8  ? text("(unsigned char)(", word, " & 255) != 0")
                                            : text("(", type, ")", word);
      return line("const ", type, " r", i.dst, " = ", value, ";", origin(i));
    }
    line(type, " r", i.dst, ";");
    instr(i);
  }

  std::string element(const Instr& i) {
    if (!ElementText::is_printable(i.prim, i.type)) fail(JT_E_UNSUPPORTED, "kernel: no text for ", to_text(i));
    int arity = kElementFacts[i.prim].arity;
    return text(file_.elements.use(i.prim, i.type), "(r", i.a, arity > 1 ? ", " + reg(i.b) : "", arity > 2 ? ", " + reg(i.c) : "", ")");
  }

  std::string load(const Instr& i) {
    int k = i.operand;
    DType d = operand(k).dtype;
    if (is_grouped(k)) return file_.loaded(d, text("b", k, "[j]"));
    std::string inside = condition(k), element = file_.loaded(d, text(pointer(k, false), "[", place(k), "]"));
    if (inside.empty()) return element;
    return text(inside, " ? (", type_of(i.dst), ")(", element, ") : ", i.b < 0 ? text("(", type_of(i.dst), ")0") : reg(i.b));
  }
  void store(int k, const std::string& value) {
    std::string stored = file_.stored(operand(k).dtype, value);
    if (is_grouped(k)) return line("y", k, "[j] = ", stored, ";");
    std::string when = condition(k);
    if (!store_condition_.empty()) when += (when.empty() ? "" : " && ") + store_condition_;
    if (operand(k).level == Level::inner) when = condition(k);
    line(when.empty() ? "" : text("if (", when, ") "), pointer(k, true), "[", place(k), "] = ", stored, ";");
  }

  void instr(const Instr& i) {
    auto assign = [&](const std::string& given) { line("r", i.dst, " = ", given, ";", origin(i)); };
    switch (i.code) {
      case Code::scalar: return uniform(i);
      case Code::load: return assign(load(i));
      case Code::store: return store(i.operand, reg(i.a));
      case Code::element:
        assign(element(i));
        if (i.operand >= 0) store(i.operand, reg(i.dst));
        return;
      case Code::narrow: return assign(file_.narrowed(DType(i.sub), i.type, reg(i.a)));
      case Code::convert: return assign(file_.converted(CType(i.sub), i.type, reg(i.a)));
      case Code::index: {
        std::string inside = condition(i.operand);
        return assign(text(inside.empty() ? "" : inside + " ? ", "(i64)(", place(i.operand), ")", inside.empty() ? "" : " : -1ll"));
      }
      case Code::gather:
        return assign(text(file_.use_gather(operand(i.operand).dtype), "(", pointer(i.operand, false), ", A.n", i.operand, ", r", i.a, ", ",
                           i.b < 0 ? "0" : reg(i.b), ")"));
      case Code::scatter:
        return line("if ((r", i.a, " & (A.owners - 1)) == me) ", file_.use_scatter(Combine(i.sub), operand(i.operand).dtype), "(",
                    pointer(i.operand, true), ", A.n", i.operand, ", r", i.a, ", r", i.b, ");", origin(i));
      case Code::random: return assign(text(file_.use_random(), "(r", i.a, ", r", i.c, ", r", i.b, ")"));
      case Code::reduce: fail(JT_E_INTERNAL, "internal: a reduction outside an inner stage");
    }
  }

  const Program& p_;
  const ThreadShape& s_;
  FileText& file_;
  const std::vector<ThreadKernel> kernels_;
  const std::vector<int> kept_;
  const std::string index_;
  const ThreadKernel* kernel_ = nullptr;
  std::string store_condition_;  // who stores what all threads of a row know
  int group_ = 0;
};

constexpr std::string_view kQuotient =
    "FN unsigned jt_quotient(unsigned n, u64 magic) { return (__umulhi(n, (unsigned)magic) + n) >> (unsigned)(magic >> 32); }\n";

}  // namespace

std::string render_threads(const Program& program, const ThreadShape& shape, const Dialect& dialect) {
  FileText file(dialect, nullptr);
  ThreadText kernels(program, shape, file);
  std::string body = kernels.render();
  return file.head() + std::string(kQuotient) + body;
}

}  // namespace jt
