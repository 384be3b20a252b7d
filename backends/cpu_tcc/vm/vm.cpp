#include "backends/cpu_tcc/vm/vm.h"

#include <string.h>

#include <new>

#include "backends/cpu_tcc/vm/vm_plan.h"
#include "core/base/status.h"

namespace jt::vm {

namespace {

int64_t reduction_width(const VmPlan& plan, int64_t inner) {
  return plan.layout == Layout::column ? column_width(plan.lane_bytes(), inner) : 1;
}

// One run: where it stands, and what it needs at hand. Lives on the stack; the arrays it points to are in scratch.
struct Machine {
  const VmPlan& plan;
  const int64_t* args;
  char* scratch;
  char** slots;
  IndexMap* maps;
  char* states;
  int64_t width, inner_extent;
  uint32_t streaming = 0;        // outputs, by bit
  int64_t outer = 0, inner = 0;  // first element of the current block
  int64_t count[3] = {1, 0, 0};  // elements of a block, by Level

  const IndexMap* map_of(const Op& op) const {
    return op.map >= 0 ? maps + op.map : reinterpret_cast<const IndexMap*>(args[op.word + 1]);
  }
  char* buffer(const Op& op) const { return reinterpret_cast<char*>(args[op.word]); }
  int64_t position(Level level) const {
    if (level == Level::uniform) return 0;
    return level == Level::outer ? outer : outer * inner_extent + inner;
  }
  char* here(const Op& op) const { return buffer(op) + position(op.operand_level) * op.size; }
  bool is_streamed(const Op& op) const { return op.stream >= 0 && streaming >> op.stream & 1; }
  char* take_home(const Op& op) const { return slots[op.dst] = scratch + op.home; }

  char* state_of(int reduction) const {
    char* state = states;
    for (int k = 0; k < reduction; k++) state += reduce_state_bytes(plan.reductions[k].type, width, inner_extent);
    return state;
  }
  bool is_output(const void* buffer) const {
    for (int word : plan.output_words)
      if (reinterpret_cast<const void*>(args[word]) == buffer) return true;
    return false;
  }

  struct Where {
    int64_t outer, inner;
    int along;
  };
  Where where(Level level) const {
    if (level == Level::uniform) return {0, 0, kAlongBoth};
    if (level == Level::outer) return {outer, 0, kAlongOuter};
    if (plan.layout == Layout::row) return {outer, inner, kAlongInner};
    if (plan.layout == Layout::rows) return {outer * inner_extent, 0, kAlongBoth};
    return {outer, inner, kAlongOuter};
  }

  void run_ops(const std::vector<Op>& ops);
  void load_here(const Op& op, int64_t n);
  void load_mapped(const Op& op, int64_t n);
  void run_inner_stage(const PlanStage& stage);
  void run_block();
  void make_maps();
};

void Machine::load_here(const Op& op, int64_t n) {
  char* at = here(op);
  if (op.copy && is_output(buffer(op))) {
    memcpy(take_home(op), at, n * op.size);
  } else {
    slots[op.dst] = at;
  }
}

void Machine::load_mapped(const Op& op, int64_t n) {
  Where w = where(op.operand_level);
  char* home = scratch + op.home;
  const void* at = op.map_load(home, buffer(op), map_of(op), w.outer, w.inner, n, w.along, op.b >= 0 ? slots[op.b] : nullptr);
  if (op.copy && at != home) {
    memcpy(home, at, n * op.dst_size);
    at = home;
  }
  slots[op.dst] = static_cast<char*>(const_cast<void*>(at));
}

void Machine::run_ops(const std::vector<Op>& ops) {
  for (const Op& op : ops) {
    const int64_t n = count[int(op.space)];
    const char *a = op.a >= 0 ? slots[op.a] : nullptr, *b = op.b >= 0 ? slots[op.b] : nullptr;
    switch (op.kind) {
      case OpKind::element: {
        char* home = scratch + op.home;
        op.element(home, a, b, op.c >= 0 ? slots[op.c] : nullptr, n);
        slots[op.dst] = home;
        break;
      }
      case OpKind::element_out: {
        bool streams = is_streamed(op);
        char* to = streams ? scratch + op.home : here(op);
        op.element(to, a, b, op.c >= 0 ? slots[op.c] : nullptr, n);
        slots[op.dst] = to;
        if (streams) plan.stream(here(op), to, n * op.size);
        break;
      }
      case OpKind::scalar: slots[op.dst] = reinterpret_cast<char*>(const_cast<int64_t*>(args + op.word)); break;
      case OpKind::load_here: load_here(op, n); break;
      case OpKind::load_block: op.block(take_home(op), here(op), n); break;
      case OpKind::load_mapped: load_mapped(op, n); break;
      case OpKind::block: op.block(scratch + op.home, a, n); slots[op.dst] = scratch + op.home; break;
      case OpKind::repeat: op.repeat(take_home(op), a, count[int(Level::outer)], inner_extent); break;
      case OpKind::store_block:
        if (is_streamed(op)) plan.stream(here(op), a, n * op.size);
        else op.block(here(op), a, n);
        break;
      case OpKind::store_mapped: {
        Where w = where(op.operand_level);
        op.map_store(buffer(op), a, map_of(op), w.outer, w.inner, n, w.along);
        break;
      }
      case OpKind::index: {
        Where w = where(op.operand_level);
        op.map_index(reinterpret_cast<int64_t*>(take_home(op)), map_of(op), w.outer, w.inner, n, w.along);
        break;
      }
      case OpKind::gather:
        op.gather(scratch + op.home, buffer(op), reinterpret_cast<const int64_t*>(a), args[op.word + 1], n, b);
        slots[op.dst] = scratch + op.home;
        break;
      case OpKind::scatter:
        op.scatter(buffer(op), reinterpret_cast<const int64_t*>(a), b, args[op.word + 1], n);
        break;
      case OpKind::reduce_row: op.reduce->add(state_of(op.reduction), a, n); break;
      case OpKind::reduce_column: op.reduce->column_add(state_of(op.reduction), a, n); break;
      case OpKind::reduce_rows:
        op.reduce->rows(scratch + op.home, a, count[int(Level::outer)], inner_extent);
        slots[op.dst] = scratch + op.home;
        break;
    }
  }
}

// Walks the inner space of the current outer block.
void Machine::run_inner_stage(const PlanStage& stage) {
  int64_t& n = count[int(Level::inner)];
  bool columns = plan.layout == Layout::column;
  n = columns ? count[int(Level::outer)] : inner_extent < kBlock ? inner_extent : kBlock;
  if (plan.layout == Layout::rows) n = count[int(Level::outer)] * inner_extent;
  run_ops(stage.before);
  if (plan.layout == Layout::rows) return run_ops(stage.ops);
  for (int r : stage.reduces) reduce_begin(state_of(r), columns ? count[int(Level::outer)] : 1);
  for (inner = 0; inner < inner_extent; inner += columns ? 1 : kBlock) {
    if (!columns) n = inner_extent - inner < kBlock ? inner_extent - inner : kBlock;
    run_ops(stage.ops);
  }
  inner = 0;
  for (int r : stage.reduces) {
    const PlanReduction& reduction = plan.reductions[r];
    char* home = slots[reduction.dst] = scratch + reduction.home;
    if (columns) reduction.fns->column_end(state_of(r), home, count[int(Level::outer)]);
    else reduction.fns->end(state_of(r), home);
  }
}

void Machine::run_block() {
  for (const PlanStage& stage : plan.stages) {
    if (stage.level == Level::uniform) continue;
    if (stage.level == Level::inner) {
      run_inner_stage(stage);
    } else {
      run_ops(stage.before);
      run_ops(stage.ops);
    }
  }
}

void Machine::make_maps() {
  for (size_t k = 0; k < plan.synthetic_maps.size(); k++)
    direct_map(maps + k, plan.synthetic_maps[k] == Level::inner, args[kArgOuter], inner_extent);
}

int64_t block_step(const Machine& m) {
  switch (m.plan.layout) {
    case Layout::flat: return kBlock;
    case Layout::row: return 1;
    case Layout::rows: return kBlock / m.inner_extent;
    case Layout::column: return m.width;
  }
  return 1;
}

}  // namespace

VmCode::VmCode(const Program& program, const Primitives& primitives) {
  Layout layout = program.mode == Mode::flat ? Layout::flat : program.mode == Mode::row ? Layout::row : Layout::column;
  plan_ = std::make_unique<VmPlan>(make_plan(program, primitives, layout));
  if (layout == Layout::row) short_rows_ = std::make_unique<VmPlan>(make_plan(program, primitives, Layout::rows));
}
VmCode::~VmCode() = default;
VmCode::VmCode(VmCode&&) noexcept = default;
VmCode& VmCode::operator=(VmCode&&) noexcept = default;

const VmPlan& VmCode::plan_for(const int64_t* args) const {
  int64_t inner = args[kArgInner];
  return short_rows_ && inner > 0 && inner <= kShortRow ? *short_rows_ : *plan_;
}

int64_t VmCode::scratch_bytes(const int64_t* args) const {
  const VmPlan& plan = plan_for(args);
  int64_t bytes = plan.states_at();
  int64_t width = reduction_width(plan, args[kArgInner]);
  for (const PlanReduction& r : plan.reductions) bytes += reduce_state_bytes(r.type, width, args[kArgInner]);
  return bytes;
}

void VmCode::run(const int64_t* args, int64_t begin, int64_t end, char* scratch) const noexcept {
  const VmPlan& plan = plan_for(args);
  char **slots = reinterpret_cast<char**>(scratch + plan.slots_at()), *states = scratch + plan.states_at();
  IndexMap* maps = reinterpret_cast<IndexMap*>(scratch + plan.maps_at());
  Machine m{plan, args, scratch, slots, maps, states, reduction_width(plan, args[kArgInner]),
            args[kArgInner]};
  m.streaming = plan.streaming(args);
  m.make_maps();
  for (const PlanStage& stage : plan.stages)
    if (stage.level == Level::uniform) m.run_ops(stage.ops);
  for (Op op : plan.broadcasts) {
    op.block(scratch + op.home, m.slots[op.a], kBlock);
    m.slots[op.dst] = scratch + op.home;
  }
  int64_t step = block_step(m);
  for (int64_t at = begin; at < end; at += step) {
    m.outer = at;
    m.count[int(Level::outer)] = end - at < step ? end - at : step;
    m.run_block();
  }
  if (m.streaming) store_fence();
}

void run_program(const Program& program, const Primitives& primitives, const int64_t* args) {
  VmCode code(program, primitives);
  std::align_val_t alignment{64};
  char* scratch = static_cast<char*>(::operator new(code.scratch_bytes(args) + 64, alignment));
  code.run(args, 0, args[kArgOuter], scratch);
  ::operator delete(scratch, alignment);
}

}  // namespace jt::vm
