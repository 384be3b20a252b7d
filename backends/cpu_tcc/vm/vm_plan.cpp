#include "backends/cpu_tcc/vm/vm_plan.h"

#include "core/base/status.h"

namespace jt::vm {

namespace {

template <class Entry>
Function at(const Primitives& primitives, const Entry& entry) {
  JT_CHECK(entry);
  Function f;
  f.entry = reinterpret_cast<const void*>(entry);
  f.primitive = number_of(primitives, &entry);
  return f;
}

Function of_broadcast(const Op& op, CType type, const Primitives& p) {
  if (op.kind == OpKind::repeat) return at(p, p.block->repeat[int(type)]);
  if (op.kind == OpKind::tile) return at(p, p.block->tile[int(type)]);
  return at(p, p.block->splat[int(type)]);
}

Function of_reduction(const Instr& i, CType type, const Primitives& p) {
  const ReduceFns& fns = p.block->reduce[i.sub][int(type)];
  Function f = at(p, fns.add);
  f.reduce = &fns;
  return f;
}

}  // namespace

Function function_of(const Program& program, const Op& op, const Primitives& p) {
  if (op.instr < 0) return of_broadcast(op, program.registers[size_t(op.a)].type, p);
  const Instr& i = program.instrs[size_t(op.instr)];
  const BlockPrimitives& block = *p.block;
  DType stored = op.operand >= 0 ? program.operands[size_t(op.operand)].dtype : DType(0);
  switch (op.kind) {
    case OpKind::scalar: return {};
    case OpKind::load_here:
    case OpKind::load_block: return at(p, block.load[stored]);
    case OpKind::load_mapped: return at(p, block.map_load[stored]);
    case OpKind::element:
    case OpKind::element_out:
      if (i.code == Code::random) return at(p, block.random);
      return at(p, (*p.element[int(i.type)])[i.prim][int(op.variant)]);
    case OpKind::block: return at(p, i.code == Code::narrow ? block.narrow[i.sub] : block.convert[int(i.type)][i.sub]);
    case OpKind::store_block: return at(p, block.store[stored]);
    case OpKind::store_mapped: return at(p, block.map_store[stored]);
    case OpKind::index: return at(p, block.map_index);
    case OpKind::gather: return at(p, block.gather[stored]);
    case OpKind::scatter: return at(p, block.scatter[i.sub][stored]);
    case OpKind::repeat:
    case OpKind::tile: break;  // broadcasts
    case OpKind::reduce_row:
    case OpKind::reduce_rows:
    case OpKind::reduce_column:
    case OpKind::reduce_bands: return of_reduction(i, program.registers[size_t(i.a)].type, p);
  }
  fail(JT_E_INTERNAL, "internal: no primitive for ", to_text(i));
}

VmPlan make_plan(const Program& program, const Primitives& primitives, Layout layout) {
  VmPlan plan{loops::make_plan(program, layout), {}, primitives.block->stream};
  plan.functions.resize(size_t(plan.ops));
  auto resolve = [&](const std::vector<Op>& ops) {
    for (const Op& op : ops) plan.functions[size_t(op.number)] = function_of(program, op, primitives);
  };
  resolve(plan.broadcasts);
  for (const PlanStage& stage : plan.stages) resolve(stage.before), resolve(stage.ops);
  return plan;
}

}  // namespace jt::vm
