#include "backends/cpu_tcc/vm/vm.h"

#include <string.h>

#include <algorithm>
#include <new>

#include "backends/cpu_tcc/vm/inner_split.h"
#include "backends/cpu_tcc/vm/machine.h"
#include "core/base/status.h"

namespace jt::vm {

using loops::is_narrow, loops::band_indices, loops::kShortRow;

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
  const void* at = plan.of(op).map_load(home, buffer(op), map_of(op), w.outer, w.inner, n, w.along,
                                        op.b >= 0 ? slots[op.b] : nullptr);
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
        plan.of(op).element(home, a, b, op.c >= 0 ? slots[op.c] : nullptr, n);
        slots[op.dst] = home;
        break;
      }
      case OpKind::element_out: {
        bool streams = is_streamed(op);
        char* to = streams ? scratch + op.home : here(op);
        plan.of(op).element(to, a, b, op.c >= 0 ? slots[op.c] : nullptr, n);
        slots[op.dst] = to;
        if (streams) plan.stream(here(op), to, n * op.size);
        break;
      }
      case OpKind::scalar: slots[op.dst] = reinterpret_cast<char*>(const_cast<int64_t*>(args + op.word)); break;
      case OpKind::load_here: load_here(op, n); break;
      case OpKind::load_block: plan.of(op).block(take_home(op), here(op), n); break;
      case OpKind::load_mapped: load_mapped(op, n); break;
      case OpKind::block: plan.of(op).block(scratch + op.home, a, n); slots[op.dst] = scratch + op.home; break;
      case OpKind::repeat: plan.of(op).repeat(take_home(op), a, count[int(Level::outer)], inner_extent); break;
      case OpKind::tile: plan.of(op).repeat(take_home(op), a, count[int(Level::outer)], indices); break;
      case OpKind::store_block:
        if (is_streamed(op)) plan.stream(here(op), a, n * op.size);
        else plan.of(op).block(here(op), a, n);
        break;
      case OpKind::store_mapped: {
        Where w = where(op.operand_level);
        plan.of(op).map_store(buffer(op), a, map_of(op), w.outer, w.inner, n, w.along);
        break;
      }
      case OpKind::index: {
        Where w = where(op.operand_level);
        plan.of(op).map_index(reinterpret_cast<int64_t*>(take_home(op)), map_of(op), w.outer, w.inner, n, w.along);
        break;
      }
      case OpKind::gather:
        plan.of(op).gather(scratch + op.home, buffer(op), reinterpret_cast<const int64_t*>(a), args[op.word + 1], n, b);
        slots[op.dst] = scratch + op.home;
        break;
      case OpKind::scatter:
        plan.of(op).scatter(buffer(op), reinterpret_cast<const int64_t*>(a), b, args[op.word + 1], n);
        break;
      case OpKind::reduce_row: plan.of(op).reduce->add(state_of(op.reduction), a, n); break;
      case OpKind::reduce_column: plan.of(op).reduce->column_add(state_of(op.reduction), a, n); break;
      case OpKind::reduce_bands: {
        int64_t columns = count[int(Level::outer)];
        plan.of(op).reduce->bands(state_of(op.reduction), a, columns, n / columns);
        break;
      }
      case OpKind::reduce_rows:
        plan.of(op).reduce->rows(scratch + op.home, a, count[int(Level::outer)], inner_extent);
        slots[op.dst] = scratch + op.home;
        break;
    }
  }
}

// What a walk of the inner space needs once: its broadcasts.
void Machine::begin_inner_stage(const PlanStage& stage) {
  int64_t& n = count[int(Level::inner)];
  n = std::min(indices, inner_extent) * (has_columns() ? count[int(Level::outer)] : 1);
  if (plan.layout == Layout::rows) n = count[int(Level::outer)] * inner_extent;
  run_ops(stage.before);
}

// Walks a part of the inner space of the current outer block, with reductions that begin there.
void Machine::walk_inner(const PlanStage& stage, int64_t from, int64_t to) {
  int64_t& n = count[int(Level::inner)];
  int64_t columns = has_columns() ? count[int(Level::outer)] : 1;
  for (int r : stage.reduces) reduce_begin(state_of(r), columns);
  for (inner = from; inner < to; inner += indices) {
    n = std::min(indices, to - inner) * columns;
    run_ops(stage.ops);
  }
  inner = 0;
}

void Machine::end_reduction(int reduction, char* to) const {
  const ReduceFns& fns = plan.of(plan.reductions[size_t(reduction)]);
  if (has_columns()) fns.column_end(state_of(reduction), to, count[int(Level::outer)]);
  else fns.end(state_of(reduction), to);
}

void Machine::run_inner_stage(const PlanStage& stage) {
  if (split) return run_split(*split, *this, stage);
  begin_inner_stage(stage);
  if (plan.layout == Layout::rows) return run_ops(stage.ops);
  walk_inner(stage, 0, inner_extent);
  for (int r : stage.reduces) {
    const PlanReduction& reduction = plan.reductions[r];
    end_reduction(r, slots[reduction.dst] = scratch + reduction.home);
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
  for (size_t k = 0; k < plan.synthetic_maps.size(); k++) {
    const SyntheticMap& map = plan.synthetic_maps[k];
    const auto* own = map.word < 0 ? nullptr : reinterpret_cast<const IndexMap*>(args[map.word]);
    if (map.is_swapped) swapped_map(maps + k, own, args[kArgOuter], inner_extent);
    else direct_map(maps + k, map.level == Level::inner, args[kArgOuter], inner_extent);
  }
}

static int64_t block_step(const Machine& m) {
  switch (m.plan.layout) {
    case Layout::flat: return kBlock;
    case Layout::row: return 1;
    case Layout::rows: return kBlock / m.inner_extent;
    case Layout::column:
    case Layout::bands: return m.width;
  }
  return 1;
}

static bool has(const Program& program, Code code, uint8_t sub) {
  for (const Instr& i : program.instrs)
    if (i.code == code && i.sub == sub) return true;
  return false;
}

VmCode::VmCode(const Program& program, const Primitives& primitives) {
  Layout layout = program.mode == Mode::flat ? Layout::flat : program.mode == Mode::row ? Layout::row : Layout::column;
  plan_ = std::make_unique<VmPlan>(make_plan(program, primitives, layout));
  if (layout == Layout::row) few_ = std::make_unique<VmPlan>(make_plan(program, primitives, Layout::rows));
  if (layout == Layout::column) few_ = std::make_unique<VmPlan>(make_plan(program, primitives, Layout::bands));
  // Where the greatest element is cannot be told from where it is in each part.
  finds_places_ =
      has(program, Code::reduce, uint8_t(Reduction::argmax)) || has(program, Code::reduce, uint8_t(Reduction::argmin));
}
VmCode::~VmCode() = default;
VmCode::VmCode(VmCode&&) noexcept = default;
VmCode& VmCode::operator=(VmCode&&) noexcept = default;

const VmPlan& VmCode::plan_for(const int64_t* args, int64_t begin, int64_t end) const {
  if (!few_) return *plan_;
  int64_t outer = args[kArgOuter], inner = args[kArgInner];
  bool are_few =
      few_->layout == Layout::rows ? inner > 0 && inner <= kShortRow : is_narrow(outer) && begin == 0 && end == outer;
  return are_few ? *few_ : *plan_;
}
const VmPlan& VmCode::plan_for(const int64_t* args) const { return plan_for(args, 0, args[kArgOuter]); }

// A range of few columns is not walked in bands: it needs what columns need.
int64_t VmCode::scratch_bytes(const int64_t* args) const {
  return std::max(scratch_bytes(plan_for(args), args), scratch_bytes(plan_for(args, 0, 0), args));
}
int64_t VmCode::scratch_bytes(const VmPlan& plan, const int64_t* args) {
  int64_t bytes = plan.states_at();
  int64_t width = reduction_width(plan, args);
  for (const PlanReduction& r : plan.reductions) bytes += reduce_state_bytes(r.type, width, args[kArgInner]);
  return VmPlan::aligned(bytes);
}

int64_t VmCode::outer_step(const int64_t* args) const {
  constexpr int64_t kColumns = 16;  // a cache line of floats
  switch (plan_for(args).layout) {
    case Layout::flat: return kBlock;
    case Layout::row: return 1;
    case Layout::rows: return kBlock / args[kArgInner];
    case Layout::column: return kColumns;
    case Layout::bands: return args[kArgOuter];
  }
  return 1;
}

int64_t VmCode::inner_chunks(const int64_t* args) const {
  Layout layout = plan_for(args).layout;
  bool walks_inner = layout == Layout::row || layout == Layout::column || layout == Layout::bands;
  return walks_inner && !finds_places_ ? InnerChunks(args[kArgInner]).count : 1;
}

int64_t VmCode::split_scratch_bytes(const int64_t* args, int64_t lanes) const {
  const VmPlan& plan = plan_for(args);
  int64_t width = std::max(reduction_width(plan, args), reduction_width(plan_for(args, 0, 0), args));
  return (lanes + 1) * scratch_bytes(args) + partial_bytes(plan, InnerChunks(args[kArgInner]), width);
}

Machine VmCode::machine(const VmPlan& plan, const int64_t* args, char* scratch) {
  int64_t indices = plan.layout == Layout::column  ? 1
                    : plan.layout == Layout::bands ? band_indices(args[kArgOuter])
                                                   : kBlock;
  return {plan,
          args,
          scratch,
          reinterpret_cast<char**>(scratch + plan.slots_at()),
          reinterpret_cast<IndexMap*>(scratch + plan.maps_at()),
          scratch + plan.states_at(),
          reduction_width(plan, args),
          args[kArgInner],
          indices};
}

void VmCode::run(const int64_t* args, int64_t begin, int64_t end, char* scratch) const noexcept {
  run(args, begin, end, scratch, nullptr);
}

void VmCode::run_split(const int64_t* args, int64_t begin, int64_t end, char* scratch, const cpu::Lanes& lanes,
                       int64_t count, double ns) const noexcept {
  int64_t bytes = scratch_bytes(args);
  InnerSplit split{InnerChunks(args[kArgInner]), lanes, count, ns, bytes, scratch + bytes,
                   scratch + (count + 1) * bytes};
  run(args, begin, end, scratch, &split);
}

void VmCode::run(const int64_t* args, int64_t begin, int64_t end, char* scratch,
                 const InnerSplit* split) const noexcept {
  const VmPlan& plan = plan_for(args, begin, end);
  Machine m = machine(plan, args, scratch);
  m.split = split;
  m.streaming = split ? 0 : plan.streaming(args);  // a lane of a split does not end with a fence
  m.make_maps();
  for (const PlanStage& stage : plan.stages)
    if (stage.level == Level::uniform) m.run_ops(stage.ops);
  for (const Op& op : plan.broadcasts) {
    plan.of(op).block(scratch + op.home, m.slots[op.a], kBlock);
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
