#include "core/graph/export_c.h"

#include <cstring>
#include <map>

#include "core/graph/library_c.h"
#include "core/kernel/lower.h"
#include "core/render/render_loops.h"

namespace jt {

namespace {

constexpr int64_t kAlign = 64;  // of what lies in the arena and among states

int64_t rounded_up(int64_t n) { return (n + kAlign - 1) / kAlign * kAlign; }

std::string literal(int64_t n) {
  return n == INT64_MIN ? std::string("(-9223372036854775807LL - 1)")
                        : text(n, n > INT32_MAX || n < INT32_MIN ? "LL" : "");
}

class Exporter {
 public:
  Exporter(const Graph& graph, const SizedPlan& plan, const std::string& name,
           std::span<const std::string_view> values)
      : graph_(graph), made_(plan), name_(name), values_(values) {}

  CFiles all() {
    if (graph_.n_draws) fail(JT_E_UNSUPPORTED, "export: the graph draws random numbers, which have no C text yet");
    place_states();
    const std::string plan = function_of(*made_.plan, *made_.sizing);
    const std::string run = run_function(plan);
    CFiles out;
    out.header = header();
    put(out.source, "/* ", name_, ".c: a static graph as C99. Made by jt; compile with -O2 and without -ffast-math.\n",
        " * Integers wrap (gcc, clang: -fwrapv), nothing is contracted (-ffp-contract=off); memory is little-endian. "
        "*/\n",
        "#include \"", name_, ".h\"\n#include <string.h>\n\n", kernels(), library_, constants_, functions_, run);
    return out;
  }

 private:
  template <class... Parts>
  static void put(std::string& out, const Parts&... parts) {
    (append(out, parts), ...);
  }

  // ---- values that outlive a run, or never change

  void place_states() {
    for (size_t i = 0; i < graph_.states.size(); i++) {
      state_at_.push_back(state_bytes_);
      if (graph_.states[i].next >= 0) state_bytes_ += rounded_up(std::max<int64_t>(1, graph_.state_type(i).bytes()));
    }
  }
  // An array of these bytes; its name.
  std::string constant(size_t value) {
    std::string_view bytes = values_[value];
    std::string name = text(name_, "_value", value);
    put(constants_, "static const unsigned long long ", name, "[] = {");
    for (size_t at = 0; at < std::max<size_t>(1, bytes.size()); at += 8) {
      uint64_t word = 0;
      if (at < bytes.size()) std::memcpy(&word, bytes.data() + at, std::min<size_t>(8, bytes.size() - at));
      put(constants_, at % 64 ? " " : "\n  ", word, "ull,");
    }
    put(constants_, "\n};\n");
    return name;
  }

  // ---- plans

  static std::string address(Location at, const Sizing& sizing) {
    switch (at.where) {
      case Where::input: return text("in[", at.index, ']');
      case Where::output: return text("out[", at.index, ']');
      default: return text("(arena + ", sizing.slots[size_t(at.index)].offset, ')');
    }
  }

  // The function that runs a plan; its name.
  std::string function_of(const Plan& plan, const Sizing& sizing) {
    const std::string name = text(name_, "_plan", n_plans_++);
    std::string body;
    bool is_guarded = plan.guard_outputs.empty();
    for (size_t i = 0; i < plan.steps.size(); i++) {
      if (!is_guarded && i >= plan.guarded_before) put_guards(body, plan), is_guarded = true;
      put_step(body, plan, sizing, i);
    }
    if (!is_guarded) put_guards(body, plan);
    put(functions_, "static int ", name, "(char *const *in, char *const *out, char *arena) {\n",
        "  (void)in, (void)out, (void)arena;\n", body, "  return 0;\n}\n");
    return name;
  }
  static void put_guards(std::string& out, const Plan& plan) {
    for (int32_t guard : plan.guard_outputs) put(out, "  if (*(const jt_i64 *)out[", guard, "]) return 1;\n");
  }

  void put_step(std::string& out, const Plan& plan, const Sizing& sizing, size_t i) {
    const PlanStep& step = plan.steps[i];
    const Sizing::Step& size = sizing.steps[i];
    auto at = [&](size_t pointer) { return address(step.pointers[pointer].at, sizing); };
    switch (step.kind) {
      case PlanStep::kernel: return put_kernel(out, plan, sizing, i);
      case PlanStep::library: return put_library(out, step, size, sizing);
      case PlanStep::copy: return put(out, "  memmove(", at(0), ", ", at(1), ", ", size.bytes, ");\n");
      case PlanStep::fill: return put_fill(out, at(0), step, size);
      case PlanStep::region: return step.region_plan->loops ? put_loop(out, step, size, sizing)
                                                            : put_branch(out, step, size, sizing);
    }
  }

  void put_fill(std::string& out, const std::string& to, const PlanStep& step, const Sizing::Step& size) {
    static constexpr const char* kTypes[] = {"", "unsigned char", "unsigned short", "", "unsigned int",
                                             "",  "",              "",               "unsigned long long"};
    put(out, "  { ", kTypes[step.item], " *p = (void *)", to, "; jt_i64 i; for (i = 0; i < ", size.bytes / step.item,
        "; i++) p[i] = (", kTypes[step.item], ')', literal(step.pattern), "; }\n");
  }

  // Argument words as they are but for addresses, places and scalars, all of which are known.
  void put_kernel(std::string& out, const Plan& plan, const Sizing& sizing, size_t i) {
    const PlanStep& step = plan.steps[i];
    std::vector<std::string> words;
    for (int32_t w = 0; w < step.n_words; w++) words.push_back(literal(sizing.words[size_t(step.first_word + w)]));
    auto place = [&](int32_t number) { return sizing.places[size_t(number)].at(graph_.block.wheres); };
    for (const auto& s : step.scalars) {
      const Scalar& value = plan.scalars[size_t(s.scalar)];
      words[size_t(s.word)] = literal(argument_bits(s.type, value.dtype, value.bits));
    }
    for (const auto& p : step.pointers) {
      int64_t offset = p.offset ? place(p.offset) * p.item : 0;
      words[size_t(p.word)] = text("(jt_i64)(", address(p.at, sizing), offset ? text(" + ", offset) : "", ')');
    }
    std::vector<IndexMap> maps;
    for (auto [word, map] : step.map_words) maps.resize(std::max(maps.size(), size_t(map) + 1));
    for (size_t m = 0; m < maps.size(); m++) maps[m] = sizing.maps[size_t(step.first_map) + m];
    for (const auto& m : step.map_patches) {
      IndexMap& map = maps[size_t(m.map)];
      if (m.axis < 0) map.offset = place(m.lo);
      else map.lo[m.axis] = place(m.lo), map.hi[m.axis] = place(m.hi);
    }
    for (auto [word, map] : step.map_words)
      words[size_t(word)] = text("(jt_i64)", map_of(maps[size_t(map)]));
    put(out, "  { /* ", step.what, " */\n    jt_i64 A[", words.size(), "];\n");
    for (size_t w = 0; w < words.size(); w++) put(out, "    A[", w, "] = ", words[w], ";\n");
    put(out, "    ", kernel_of(step), "(A, 0, ", sizing.steps[i].outer, ");\n  }\n");
  }
  std::string kernel_of(const PlanStep& step) {
    auto [at, is_new] = kernels_.emplace(step.compiled->key, kernels_.size());
    return text(name_, "_kernel", at->second);
  }
  std::string map_of(const IndexMap& map) {
    constexpr size_t kWords = sizeof(IndexMap) / 8;
    static_assert(sizeof(IndexMap) % 8 == 0);
    std::string key(reinterpret_cast<const char*>(&map), sizeof map);
    auto [at, is_new] = maps_.emplace(std::move(key), text(name_, "_map", maps_.size()));
    if (!is_new) return at->second;
    int64_t words[kWords];
    std::memcpy(words, &map, sizeof map);
    put(constants_, "static const jt_i64 ", at->second, "[] = {");
    for (size_t w = 0; w < kWords; w++) put(constants_, w % 8 ? " " : "\n  ", literal(words[w]), ',');
    put(constants_, "\n};\n");
    return at->second;
  }
  std::string kernels() const {
    std::vector<Program> programs(kernels_.size());
    for (const auto& [key, number] : kernels_) programs[number] = parse_program(key);
    std::vector<NamedProgram> named;
    for (size_t i = 0; i < programs.size(); i++) named.push_back({text(name_, "_kernel", i), &programs[i]});
    std::string out = render_c99(named);
    const std::string kernel = text("\nvoid ", name_, "_kernel");  // nobody else's business
    for (size_t at = 0; (at = out.find(kernel, at)) != std::string::npos; at += kernel.size())
      out.insert(at + 1, "static ");
    return out;
  }

  void put_library(std::string& out, const PlanStep& step, const Sizing::Step& size, const Sizing& sizing) {
    const LibraryOp& op = *size.op;
    if (op.name.empty()) fail(JT_E_UNSUPPORTED, "export: ", step.what, " is C code of the program's");
    const std::string function = text(name_, '_', op.name, '_', DType(op.params[0]));
    if (libraries_.emplace(function, true).second)
      library_ += library_c(op.name, DType(op.params[0]), function);
    put(out, "  ", function, '(');
    for (size_t p = 0; p < step.pointers.size(); p++)
      put(out, p ? ", (void *)" : "(void *)", address(step.pointers[p].at, sizing));
    for (size_t p = 1; p < op.params.size(); p++) put(out, ", ", literal(op.params[p]));
    put(out, ");\n");
  }

  // ---- regions: as run_steps has them

  void put_branch(std::string& out, const PlanStep& step, const Sizing::Step& size, const Sizing& sizing) {
    const RegionPlan& r = *step.region_plan;
    auto at = [&](size_t pointer) { return address(step.pointers[pointer].at, sizing); };
    const size_t first_result = 1 + size_t(r.n_inputs);
    for (size_t side : {size_t(0), size_t(1)}) {
      const RegionPlan::Body& body = r.bodies[side];
      const Sizing& inner = *size.bodies[side];
      const std::string function = function_of(*body.plan, inner);
      put(out, side ? "  else {\n" : text("  if (*(const unsigned char *)", at(0), ") {\n"));
      put_arrays(out, r.n_inputs, body.home.size());
      for (size_t k = 0; k < size_t(r.n_inputs); k++) put(out, "    i_[", k, "] = ", at(1 + k), ";\n");
      for (size_t o = 0; o < body.home.size(); o++)
        put(out, "    o_[", o, "] = ", at(first_result + size_t(body.home[o])), ";\n");
      const std::string workspace = at(first_result + size_t(r.n_results));
      put(out, "    if (", function, "(i_, o_, ", workspace, ")) return 1;\n");
      for (const auto& move : body.moves)
        put(out, "    memmove(", at(first_result + size_t(move.result)), ", ",
            inside(move.from, inner, workspace), ", ", size.result_bytes[size_t(move.result)], ");\n");
      put(out, "  }\n");
    }
  }
  static void put_arrays(std::string& out, int64_t inputs, size_t outputs) {
    put(out, "    char *i_[", inputs + 1, "], *o_[", outputs + 1, "];\n    (void)i_, (void)o_;\n");
  }
  // A value of a body, from where the body is called.
  static std::string inside(Location at, const Sizing& inner, const std::string& workspace) {
    switch (at.where) {
      case Where::input: return text("i_[", at.index, ']');
      case Where::output: return text("o_[", at.index, ']');
      default: return text('(', workspace, " + ", inner.slots[size_t(at.index)].offset, ')');
    }
  }

  void put_loop(std::string& out, const PlanStep& step, const Sizing::Step& size, const Sizing& sizing) {
    const RegionPlan& r = *step.region_plan;
    const RegionPlan::Body& body = r.bodies[0];
    const Sizing& inner = *size.bodies[0];
    const std::string function = function_of(*body.plan, inner);
    auto at = [&](size_t pointer) { return address(step.pointers[pointer].at, sizing); };
    const size_t n_carried = size_t(r.n_carried), first_result = size_t(r.n_inputs) + 1;
    const std::string workspace = at(first_result + size_t(r.n_results));
    auto result_at = [&](size_t k) { return at(first_result + k); };
    auto second = [&](size_t k) { return text('(', workspace, " + ", size.second_at[k], ')'); };
    auto now = [&](size_t k) {
      return r.stays[k] ? result_at(k) : text("(odd ? ", second(k), " : ", result_at(k), ')');
    };
    auto next = [&](size_t k) {
      return r.stays[k] ? result_at(k) : text("(odd ? ", result_at(k), " : ", second(k), ')');
    };
    auto row = [&](size_t k) { return text('(', result_at(k), " + round * ", size.result_bytes[k], ')'); };

    put(out, "  {\n    jt_i64 round = 0, trips = *(const jt_i64 *)", at(0), ";\n    int goes_on;\n");
    put_arrays(out, r.n_inputs, body.home.size());
    if (size.most >= 0) put(out, "    if (trips > ", literal(size.most), ") trips = ", literal(size.most), ";\n");
    put(out, "    goes_on = trips > 0 && *(const unsigned char *)", at(1), ";\n");
    for (size_t k = 0; k < n_carried; k++)
      put(out, "    memmove(", result_at(k), ", ", at(2 + k), ", ", size.result_bytes[k], ");\n");
    put(out, "    while (goes_on) {\n      const int odd = (int)(round & 1);\n      (void)odd;\n");
    put(out, "      i_[0] = ", workspace, " + ", size.round_at, ";\n");
    if (r.uses_round) put(out, "      *(jt_i64 *)i_[0] = round;\n");
    for (size_t k = 0; k + 1 < size_t(r.n_inputs); k++)
      put(out, "      i_[", 1 + k, "] = ", k < n_carried ? now(k) : at(2 + k), ";\n");
    for (size_t o = 0; o < body.home.size(); o++) {
      size_t home = size_t(body.home[o]);
      put(out, "      o_[", o, "] = ",
          body.home[o] < 0   ? text(workspace, " + ", size.condition_at)
          : home < n_carried ? next(home)
                             : row(home),
          ";\n");
    }
    put(out, "      if (", function, "(i_, o_, ", workspace, ")) return 1;\n");
    for (const auto& move : body.moves) {
      size_t k = size_t(move.result);
      put(out, "      memmove(", k < n_carried ? next(k) : row(k), ", ", inside(move.from, inner, workspace), ", ",
          size.result_bytes[k], ");\n");
    }
    put(out, "      goes_on = ++round < trips");
    if (r.has_condition) put(out, " && *(const unsigned char *)", inside(r.condition, inner, workspace));
    put(out, ";\n    }\n");
    for (size_t k = 0; k < n_carried; k++)
      if (!r.stays[k])
        put(out, "    if (round & 1) memmove(", result_at(k), ", ", second(k), ", ", size.result_bytes[k], ");\n");
    for (size_t k = n_carried; k < size_t(r.n_results); k++)
      put(out, "    if (", literal(size.most), " > round) memset(", row(k), ", 0, (size_t)(", literal(size.most),
          " - round) * ", size.result_bytes[k], ");\n");
    put(out, "  }\n");
  }

  // ---- the function that programs call

  std::string run_function(const std::string& plan) {
    const Plan& p = *made_.plan;
    const Sizing& s = *made_.sizing;
    std::string out, init, after;
    arena_bytes_ = rounded_up(s.arena_bytes);
    put(out, "\nint ", name_, "_run(const void *const *inputs, void *const *outputs, void *states, void *arena) {\n",
        "  char *in[", graph_.block.params.size() + 1, "], *out[", s.output_bytes.size() + 1, "];\n",
        "  (void)inputs, (void)outputs, (void)states, (void)in, (void)out;\n");
    for (size_t i = 0; i < graph_.inputs.size(); i++) put(out, "  in[", i, "] = (char *)inputs[", i, "];\n");
    for (size_t i = 0; i < graph_.states.size() + graph_.constants.size(); i++) {
      bool changes = i < graph_.states.size() && graph_.states[i].next >= 0;
      std::string from = constant(i);
      put(out, "  in[", graph_.inputs.size() + i, "] = ",
          changes ? text("(char *)states + ", state_at_[i]) : text("(char *)", from), ";\n");
      if (changes)
        put(init, "  memcpy((char *)states + ", state_at_[i], ", ", from, ", ", graph_.state_type(i).bytes(), ");\n");
    }
    // Where the results are wanted: outputs of the program, then states.
    std::vector<std::string> wanted, lies(s.output_bytes.size());
    for (size_t i = 0; i < graph_.outputs.size(); i++) wanted.push_back(text("outputs[", i, ']'));
    for (size_t i = 0; i < graph_.states.size(); i++)
      if (graph_.states[i].next >= 0) wanted.push_back(text("in[", graph_.first_state() + i, ']'));
    for (size_t o = 0; o < lies.size(); o++)
      if (p.output_from[o] >= 0) lies[o] = text("in[", p.output_from[o], ']');
    for (size_t r = 0; r < graph_.outputs.size(); r++)
      if (int32_t o = p.result_output[r]; o >= 0 && lies[size_t(o)].empty()) lies[size_t(o)] = "(char *)" + wanted[r];
    for (size_t o = 0; o < lies.size(); o++) {
      if (lies[o].empty()) {  // a state that is read until the end, or a guard
        lies[o] = text("(char *)arena + ", arena_bytes_);
        arena_bytes_ += rounded_up(std::max<int64_t>(1, s.output_bytes[o]));
      }
      put(out, "  out[", o, "] = ", lies[o], ";\n");
    }
    for (size_t r = 0; r < wanted.size(); r++) {
      int32_t o = p.result_output[r];
      std::string from = o >= 0 ? text("out[", o, ']') : text("in[", p.result_input[r], ']');
      put(after, "  if ((void *)", wanted[r], " != (void *)", from, ") memcpy(", wanted[r], ", ", from, ", ",
          graph_.block.results[r].type().bytes(), ");\n");
    }
    put(out, "  if (", plan, "(in, out, arena)) return 1;\n", after, "  return 0;\n}\n");
    if (state_bytes_) put(out, "void ", name_, "_init(void *states) {\n", init, "}\n");
    return out;
  }

  std::string header() const {
    std::string out, upper = name_;
    for (char& c : upper) c = c >= 'a' && c <= 'z' ? char(c - 32) : c;
    auto list = [&](std::string_view what, size_t n, auto name_of, auto type_of) {
      for (size_t i = 0; i < n; i++)
        put(out, " *   ", what, '[', i, "]  ", printable(name_of(i)), ": ", type_of(i), '\n');
    };
    put(out, "/* ", name_, ".h: a static graph as C99, made by jt.\n");
    list("inputs", graph_.inputs.size(), [&](size_t i) { return graph_.inputs[i]; },
         [&](size_t i) { return graph_.input_type(i); });
    list("outputs", graph_.outputs.size(), [&](size_t i) { return graph_.outputs[i]; },
         [&](size_t i) { return graph_.output_type(i); });
    put(out, " * Elements are dense, row-major. */\n#ifndef ", upper, "_H\n#define ", upper, "_H\n",
        "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n#define ", upper, "_ARENA_BYTES ",
        std::max<int64_t>(1, arena_bytes_), "\n#define ", upper, "_STATE_BYTES ", state_bytes_, "\n\n");
    if (state_bytes_)
      put(out, "/* Gives the states, ", upper, "_STATE_BYTES aligned to 8, their values as of the export. */\nvoid ",
          name_, "_init(void *states);\n");
    put(out, "/* One run. arena: ", upper, "_ARENA_BYTES aligned to 8, of no meaning between runs. states: NULL where ",
        "there are none.\n * Returns 0, or 1 where an index is out of range: then outputs have no meaning, and states ",
        "are as before. */\nint ", name_,
        "_run(const void *const *inputs, void *const *outputs, void *states, void *arena);\n\n",
        "#ifdef __cplusplus\n}\n#endif\n#endif\n");
    return out;
  }
  // In a comment.
  static std::string printable(std::string name) {
    for (char& c : name)
      if (c < ' ' || c > '~' || c == '*' || c == '/' || c == '\\') c = '_';
    return name;
  }

  const Graph& graph_;
  const SizedPlan& made_;
  const std::string name_;
  std::span<const std::string_view> values_;
  std::vector<int64_t> state_at_;
  int64_t state_bytes_ = 0, arena_bytes_ = 0;
  int n_plans_ = 0;
  std::map<std::string, size_t> kernels_;    // by program: number
  std::map<std::string, std::string> maps_;  // by bytes: name
  std::map<std::string, bool> libraries_;    // by function
  std::string library_, constants_, functions_;
};

}  // namespace

CFiles export_c(const Graph& graph, const SizedPlan& plan, const std::string& name,
                std::span<const std::string_view> values) {
  bool is_identifier = !name.empty() && !(name[0] >= '0' && name[0] <= '9');
  for (char c : name)
    is_identifier &= c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  if (!is_identifier || name.size() > 200) fail(JT_E_INVALID, "export: '", name, "' is no C identifier");
  return Exporter(graph, plan, name, values).all();
}

}  // namespace jt
