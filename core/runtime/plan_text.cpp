#include "core/runtime/plan_text.h"

#include <charconv>

#include "core/base/dtype.h"
#include "core/base/status.h"

namespace jt {

namespace {

constexpr const char* kKinds[] = {"kernel", "library", "copy", "fill", "region"};
constexpr const char* kWheres[] = {"input", "output", "arena"};
constexpr const char* kLayoutOfMap = "offset, extents, strides, lows and highs of the axes";

// ---- printing -------------------------------------------------------------------------------------------------------

// 12, or 12+3*where4: what a start moves.
void append_text_of(std::string& out, const Place& place) {
  append(out, place.base);
  for (const Place::Term& t : place.terms) append(out, text("+", t.factor, "*where", t.where));
}

class Printer {
 public:
  Printer(const Plan& plan, const Sizing& sizing) : plan_(plan), sizing_(sizing) {}

  std::string all() {
    line("plan budget ", plan_.budget, " ends ", plan_.can_end_before, " guarded ", plan_.guarded_before, " arena ",
         sizing_.arena_bytes, " scratch ", sizing_.scratch_bytes);
    for (const Slot& slot : sizing_.slots) line("slot ", slot.offset, " ", slot.bytes);
    for (const Scalar& s : plan_.scalars) print_scalar(s);
    for (size_t i = 0; i < plan_.output_from.size(); i++) print_output(i);
    for (size_t i = 0; i < plan_.result_output.size(); i++) {
      bool is_output = plan_.result_output[i] >= 0;
      line("result ", is_output ? "output " : "input ", is_output ? plan_.result_output[i] : plan_.result_input[i]);
    }
    for (size_t i = 0; i < sizing_.guards.size(); i++) {
      const Guard& g = sizing_.guards[i];
      line("guard ", plan_.guard_outputs[i], " ", g.size, " ", g.wraps, " ", g.is_unsigned, " ", g.who);
    }
    for (size_t i = 0; i < plan_.steps.size(); i++) print_step(plan_.steps[i], sizing_.steps[i]);
    return std::move(out_);
  }

 private:
  template <class... Parts>
  void line(const Parts&... parts) {
    (append(out_, parts), ...);
    out_ += '\n';
  }

  void append_place(int32_t number) { append_text_of(out_, sizing_.places[size_t(number)]); }
  void print_scalar(const Scalar& s) {
    append(out_, text("scalar ", s.dtype, " ", s.bits));
    if (s.fold == Op::data) out_ += " written";
    else if (s.fold != Op::constant) append(out_, text(" ", name(s.fold)));
    for (int32_t from : s.from)
      if (from >= 0) append(out_, text(" ", from));
    out_ += '\n';
  }
  void print_output(size_t i) {
    const BufferUse& use = sizing_.output_uses[i];
    append(out_, text("output ", sizing_.output_bytes[i], " ", use.what, " ", use.dtype));
    for (int a = 0; a < use.shape.rank; a++) append(out_, text(" ", use.shape[a]));
    if (plan_.output_from[i] >= 0) append(out_, text(" over ", plan_.output_from[i]));
    out_ += '\n';
  }
  void print_step(const PlanStep& step, const Sizing::Step& size) {
    line("step ", kKinds[step.kind], " outer ", size.outer, " bytes ", size.bytes, " item ", step.item, " pattern ",
         step.pattern, " joins ", step.may_join, " joined ", size.joined, " ", step.what);
    for (const auto& p : step.pointers) {
      append(out_, text("  ", p.writes ? "writes " : "reads ", p.word, " ", kWheres[int(p.at.where)], " ", p.at.index,
                        " item ", p.item, " at "));
      append_place(p.offset);
      out_ += '\n';
    }
    for (const auto& [word, map] : step.map_words) print_map(word, map, sizing_.maps[size_t(step.first_map + map)]);
    for (const auto& m : step.map_patches) {
      append(out_, text("  moves ", m.map, " ", m.axis, " "));
      append_place(m.lo), out_ += ' ', append_place(m.hi);
      out_ += '\n';
    }
    for (const auto& s : step.scalars) line("  takes ", s.word, " ", s.scalar, " ", name(s.type));
    if (step.region_plan) print_region(*step.region_plan, size);
    if (step.compiled) {
      append(out_, "  words");
      for (int32_t w = 0; w < step.n_words; w++) append(out_, text(" ", sizing_.words[size_t(step.first_word + w)]));
      out_ += '\n';
      print_program(step.compiled->key);
    }
    if (size.op) {
      append(out_, text("  op ", size.op->name));
      for (int64_t p : size.op->params) append(out_, text(" ", p));
      out_ += '\n';
    }
  }
  // Its bodies, each as a plan of its own.
  void print_region(const RegionPlan& region, const Sizing::Step& size) {
    line("  ", region.loops ? "loop of " : "branch of ", region.n_inputs, " params, ", region.n_results, " results, ",
         region.n_carried, " carried, workspace ", size.workspace_bytes);
    for (size_t b = 0; b < region.bodies.size(); b++) {
      std::string body = Printer(*region.bodies[b].plan, *size.bodies[b]).all();
      for (size_t at = 0, end; at < body.size(); at = end + 1)
        end = body.find('\n', at), line("  : ", std::string_view(body).substr(at, end - at));
    }
  }
  void print_map(int32_t word, int32_t map, const IndexMap& m) {
    int rank = m.outer_rank + m.inner_rank;
    append(out_, text("  map ", word, " ", map, " ", m.outer_rank, " ", m.inner_rank, " ", m.masked, " ", m.offset));
    for (const int64_t* list : {m.extent, m.stride, m.lo, m.hi})
      for (int k = 0; k < rank; k++) append(out_, text(" ", list[k]));
    out_ += '\n';
  }
  void print_program(std::string_view program) {
    while (!program.empty()) {
      size_t end = program.find('\n');
      line("  | ", program.substr(0, end));
      program.remove_prefix(end == program.npos ? program.size() : end + 1);
    }
  }

  const Plan& plan_;
  const Sizing& sizing_;
  std::string out_;
};

// ---- reading --------------------------------------------------------------------------------------------------------

class Reader {
 public:
  Reader(std::string_view text, KernelCache& kernels) : text_(text), kernels_(kernels) {}

  SizedPlan all() {
    if (!next_line() || word() != "plan") bad("begins with no `plan`");
    plan_->budget = labelled("budget"), plan_->can_end_before = size_t(labelled("ends"));
    plan_->guarded_before = size_t(labelled("guarded"));
    sizing_->arena_bytes = labelled("arena"), sizing_->scratch_bytes = labelled("scratch");
    end_of_line();
    while (next_line()) read_line();
    finish_step();
    check();
    if (to_text(*plan_, *sizing_) != text_) bad("is spelled in another way than it is printed");
    return {plan_, sizing_};
  }

 private:
  [[noreturn]] void bad(std::string_view what) const { fail(JT_E_INVALID, "plan: line ", line_number_, ": ", what); }

  bool next_line() {
    if (at_ >= text_.size()) return false;
    line_number_++;
    size_t end = text_.find('\n', at_);
    if (end == text_.npos) bad("does not end with a line feed");
    rest_ = text_.substr(at_, end - at_);
    at_ = end + 1;
    return true;
  }
  bool has_more() {
    while (rest_.starts_with(' ')) rest_.remove_prefix(1);
    return !rest_.empty();
  }
  std::string_view word() {
    if (!has_more()) bad("ends too early");
    std::string_view found = rest_.substr(0, rest_.find(' '));
    rest_.remove_prefix(found.size());
    return found;
  }
  void end_of_line() {
    if (has_more()) bad(text("has more than it should: `", rest_.substr(0, 40), "`"));
  }
  int64_t number_in(std::string_view digits) const {
    int64_t value = 0;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size())
      bad(text("no number: `", digits.substr(0, 40), "`"));
    return value;
  }
  int64_t number() { return number_in(word()); }
  int32_t index() {
    int64_t n = number();
    if (n < -1 || n > INT32_MAX) bad(text(n, " is no index"));
    return int32_t(n);
  }
  int64_t labelled(std::string_view label) {
    if (word() != label) bad(text("has no `", label, "` where it should"));
    return number();
  }
  template <size_t N>
  int one_of(const char* const (&names)[N]) {
    std::string_view found = word();
    for (size_t i = 0; i < N; i++)
      if (found == names[i]) return int(i);
    bad(text("`", found.substr(0, 40), "` is unknown"));
  }
  DType dtype() {
    DType t = dtype_named(word());
    if (!is_dtype(t)) bad("names no dtype");
    return t;
  }
  int32_t place() {
    Place read = place_of();
    if (read == Place()) return 0;
    sizing_->places.push_back(std::move(read));
    return int32_t(sizing_->places.size()) - 1;
  }
  Place place_of() {
    std::string_view all = word();
    Place out;
    size_t plus = all.find('+', 1);
    out.base = number_in(all.substr(0, plus));
    while (plus != all.npos) {
      size_t next = all.find('+', plus + 1), times = all.find("*where", plus);
      if (times == all.npos || times > next) bad("is no place that a start moves");
      int64_t where = number_in(all.substr(times + 6, next - times - 6));
      if (where < 0 || where > INT32_MAX) bad("names no start");
      out.terms.push_back({int32_t(where), number_in(all.substr(plus + 1, times - plus - 1))});
      plus = next;
    }
    return out;
  }

  void read_line() {
    if (rest_.starts_with("  | ")) {
      program_ += rest_.substr(4), program_ += '\n';
      return;
    }
    std::string_view what = word();
    if (what == "slot") sizing_->slots.push_back({number(), number()});
    else if (what == "scalar") read_scalar();
    else if (what == "output") read_output();
    else if (what == "result") read_result();
    else if (what == "guard") read_guard();
    else if (what == "step") read_step();
    else if (plan_->steps.empty()) bad("comes before the first step");
    else if (what == "reads" || what == "writes") read_pointer(what == "writes");
    else if (what == "map") read_map();
    else if (what == "moves") read_moves();
    else if (what == "takes") read_takes();
    else if (what == "words") read_words();
    else if (what == "op") read_op();
    else bad(text("`", what.substr(0, 40), "` is unknown"));
    end_of_line();
  }
  CType ctype() {
    std::string_view found = word();
    for (int t = 0; t < kCTypes; t++)
      if (found == name(CType(t))) return CType(t);
    bad("names no compute type");
  }
  void read_scalar() {
    Scalar s{dtype(), number()};
    s.fold = Op::constant;
    if (has_more()) {
      std::string_view how = word();
      s.fold = how == "written" ? Op::data : op_named(how);
      if (s.fold == Op::count || (s.fold != Op::data && kind_of(s.fold) != Kind::element && s.fold != Op::cast))
        bad("names no op that folds");
    }
    for (int k = 0; has_more(); k++) {
      if (k == 3) bad("has more than three operands");
      s.from[k] = index();
      if (s.from[k] < 0 || size_t(s.from[k]) >= plan_->scalars.size()) bad("names no earlier scalar");
    }
    if (s.fold == Op::data) plan_->written.push_back(int32_t(plan_->scalars.size()));
    else plan_->has_folds |= s.fold != Op::constant;
    plan_->scalars.push_back(s);
  }
  static Kind kind_of(Op op) { return def(op).kind; }
  void read_output() {
    sizing_->output_bytes.push_back(number());
    Op op = op_named(word());
    BufferUse use{op == Op::count ? "data" : name(op), dtype(), Shape()};
    int32_t from = -1;
    while (has_more()) {
      std::string_view next = word();
      if (next == "over") from = index();
      else use.shape.push(number_in(next));
    }
    sizing_->output_uses.push_back(use), plan_->output_from.push_back(from);
  }
  void read_result() {
    bool is_output = word() == "output";
    plan_->result_output.push_back(-1), plan_->result_input.push_back(-1);
    (is_output ? plan_->result_output : plan_->result_input).back() = index();
  }
  void read_guard() {
    plan_->guard_outputs.push_back(index());
    Guard g;
    g.size = number(), g.wraps = word() == "true", g.is_unsigned = word() == "true", g.who = word();
    sizing_->guards.push_back(std::move(g));
  }
  void read_step() {
    finish_step();
    PlanStep& step = plan_->steps.emplace_back();
    Sizing::Step& size = sizing_->steps.emplace_back();
    step.kind = PlanStep::Kind(one_of(kKinds));
    if (step.kind == PlanStep::region)
      fail(JT_E_UNSUPPORTED, "plan: line ", line_number_, ": a loop or branch is not read from text");
    size.outer = labelled("outer"), size.bytes = labelled("bytes");
    step.item = labelled("item"), step.pattern = labelled("pattern");
    if (word() != "joins") bad("has no `joins` where it should");
    step.may_join = word() == "true";
    size.joined = labelled("joined");
    has_more();
    step.what = rest_;
    rest_ = {};
    step.first_word = int32_t(sizing_->words.size()), step.first_map = int32_t(sizing_->maps.size());
  }
  void read_pointer(bool writes) {
    PlanStep::Pointer p{index(), {}, 0, writes, 0};
    p.at.where = Where(one_of(kWheres));
    p.at.index = index();
    p.item = labelled("item");
    if (word() != "at") bad("has no `at` where it should");
    p.offset = place();
    plan_->steps.back().pointers.push_back(std::move(p));
  }
  void read_map() {
    int32_t w = index(), number_of_map = index();
    IndexMap m{};
    m.outer_rank = index(), m.inner_rank = index();
    m.masked = uint32_t(number()), m.offset = number();
    int rank = m.outer_rank + m.inner_rank;
    if (m.outer_rank < 0 || m.inner_rank < 0 || rank > kMapRank)
      bad(text("has another number of axes than 0 to ", kMapRank, "; wanted: ", kLayoutOfMap));
    for (int64_t* list : {m.extent, m.stride, m.lo, m.hi})
      for (int k = 0; k < rank; k++) list[k] = number();
    if (size_t(plan_->steps.back().first_map + number_of_map) != sizing_->maps.size()) bad("is out of turn");
    plan_->steps.back().map_words.push_back({w, number_of_map});
    sizing_->maps.push_back(m);
  }
  void read_moves() {
    PlanStep::MapPatch m{};
    m.map = index(), m.axis = index();
    m.lo = place(), m.hi = place();
    plan_->steps.back().map_patches.push_back(std::move(m));
  }
  void read_takes() {
    PlanStep::ScalarPatch s{};
    s.word = index(), s.scalar = index();
    s.type = ctype();
    plan_->steps.back().scalars.push_back(s);
  }
  void read_words() {
    PlanStep& step = plan_->steps.back();
    if (step.n_words) bad("is the second of its kind in this step");
    while (has_more()) sizing_->words.push_back(number()), step.n_words++;
  }
  void read_op() {
    std::string op(word());
    std::vector<int64_t> params;
    while (has_more()) params.push_back(number());
    sizing_->steps.back().op = kernels_.library(op.c_str(), params);
  }
  void finish_step() {
    if (plan_->steps.empty()) return;
    PlanStep& step = plan_->steps.back();
    if (!program_.empty()) step.compiled = kernels_.get(parse_program(program_), step.what);
    program_.clear();
    if ((step.kind == PlanStep::kernel) != bool(step.compiled)) bad("ends a step that has no program, or one too many");
    if ((step.kind == PlanStep::library) != bool(sizing_->steps.back().op))
      bad("ends a step that has no op, or one too many");
  }

  // That everything named exists.
  void check() const {
    auto demand = [this](bool claim, std::string_view what) {
      if (!claim) bad(what);
    };
    auto exists = [&](Location at) {
      if (at.where == Where::arena) return at.index >= 0 && size_t(at.index) < sizing_->slots.size();
      return at.index >= 0 && (at.where == Where::input || size_t(at.index) < plan_->output_from.size());
    };
    for (const Slot& slot : sizing_->slots)
      demand(slot.offset >= 0 && slot.bytes >= 0 && slot.bytes <= sizing_->arena_bytes &&
                 slot.offset <= sizing_->arena_bytes - slot.bytes,
             "a slot lies outside of the arena");
    for (int32_t output : plan_->result_output)
      demand(output < int32_t(plan_->output_from.size()), "a result is no output");
    for (int32_t output : plan_->guard_outputs)
      demand(output >= 0 && size_t(output) < sizing_->output_bytes.size() && sizing_->output_bytes[size_t(output)] == 8,
             "a guard is no output of 8 bytes");
    demand(plan_->guarded_before <= plan_->can_end_before, "something is written over before the guards are known");
    for (size_t s = 0; s < plan_->steps.size(); s++) {
      const PlanStep& step = plan_->steps[s];
      size_t next_map = s + 1 < plan_->steps.size() ? size_t(plan_->steps[s + 1].first_map) : sizing_->maps.size();
      int32_t maps = int32_t(next_map) - step.first_map;
      size_t wanted = step.kind == PlanStep::copy ? 2 : step.kind == PlanStep::fill ? 1 : 0;
      demand(step.pointers.size() >= wanted && (step.kind != PlanStep::fill || step.item > 0),
             "a copy or a fill lacks where from or where to");
      demand(step.kind != PlanStep::library || step.pointers.size() <= 8, "an op has too many operands");
      for (const auto& p : step.pointers) {
        demand(exists(p.at), "a pointer is nowhere");
        demand(step.kind != PlanStep::kernel || (p.word >= 0 && p.word < step.n_words), "a pointer is no argument");
      }
      for (const auto& [w, map] : step.map_words)
        demand(w >= 0 && w < step.n_words && map >= 0 && map < maps, "a map is no argument");
      for (const auto& m : step.map_patches)
        demand(m.map >= 0 && m.map < maps && m.axis >= -1 && m.axis < kMapRank, "a start moves no map");
      for (const auto& t : step.scalars) {
        bool exists_both =
            t.word >= 0 && t.word < step.n_words && t.scalar >= 0 && size_t(t.scalar) < plan_->scalars.size();
        demand(exists_both, "a scalar is no argument");
      }
      bool has_kernel_behind = s + 1 < plan_->steps.size() && plan_->steps[s + 1].kind == PlanStep::kernel;
      demand(sizing_->steps[s].joined < 0 || (step.kind == PlanStep::library && has_kernel_behind),
             "nothing comes behind an op that is joined");
      if (!step.compiled) continue;
      Program program = parse_program(step.compiled->key);
      demand(step.n_words == arg_of_scalar(program, program.scalars), "a program takes another number of words");
    }
  }

  std::string_view text_, rest_;
  size_t at_ = 0;
  int64_t line_number_ = 0;
  KernelCache& kernels_;
  std::string program_;  // of the step, so far
  std::shared_ptr<Plan> plan_ = std::make_shared<Plan>();
  std::shared_ptr<Sizing> sizing_ = std::make_shared<Sizing>(Sizing{.places = {Place()}});
};

}  // namespace

std::string to_text(const Plan& plan, const Sizing& sizing) { return Printer(plan, sizing).all(); }

SizedPlan parse_plan(std::string_view text, KernelCache& kernels) { return Reader(text, kernels).all(); }

}  // namespace jt
