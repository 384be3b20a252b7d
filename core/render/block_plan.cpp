#include "core/render/block_plan.h"

#include "core/base/element.h"
#include "core/base/status.h"

namespace jt::loops {

namespace {

bool is_computed_as_stored(DType d) {
  switch (d) {
    case JT_BOOL: case JT_I32: case JT_I64: case JT_U64: case JT_F32: case JT_F64: return true;
    default: return false;
  }
}

// A load may hand out the buffer itself unless the buffer can change under it: a write comes before the last read.
bool may_be_overwritten(const Program& program, size_t load) {
  int16_t reg = program.instrs[load].dst;
  bool written = false;
  for (size_t k = load + 1; k < program.instrs.size(); k++) {
    const Instr& i = program.instrs[k];
    if (written && (i.a == reg || i.b == reg || i.c == reg)) return true;
    written |= i.code == Code::store || i.code == Code::scatter || (i.code == Code::element && i.operand >= 0);
  }
  return false;
}

class Decoder {
 public:
  Decoder(const Program& program, Layout layout) : program_(program) {
    plan_.layout = layout;
    plan_.slots = int(program.registers.size());
    plan_.register_bytes = (int64_t(program.scratch_bytes) + 63) / 64 * 64;
  }

  BlockPlan decode() {
    for (const Operand& o : program_.operands)
      (o.is_output ? plan_.output_words : plan_.input_words)
          .push_back(arg_of_operand(int(&o - program_.operands.data())));
    for (const Stage& stage : program_.stages) {
      plan_.stages.push_back({stage.level, {}, {}, {}});
      stage_ = &plan_.stages.back();
      broadcasts_.clear();
      for (int k = stage.first; k < stage.last; k++) decode(k);
    }
    return std::move(plan_);
  }

 private:
  const Register& reg(int r) const {
    JT_CHECK(r >= 0 && r < int(program_.registers.size()));
    return program_.registers[r];
  }
  const Operand& operand(const Instr& i) const {
    JT_CHECK(i.operand >= 0 && i.operand < int(program_.operands.size()));
    return program_.operands[i.operand];
  }
  bool is_one_element(Level level) const { return plan_.is_one_element(level); }
  bool same_blocks(Level a, Level b) const {
    return a == b || (plan_.layout == Layout::column && a != Level::uniform && b != Level::uniform);
  }

  Op numbered(OpKind kind, Level space) {
    Op o(kind, space);
    o.number = plan_.ops++;
    return o;
  }
  Op op(OpKind kind, Level space, const Instr& i) {
    Op o = numbered(kind, space);
    o.instr = instr_;
    o.dst = i.dst;
    o.a = i.a;
    o.b = i.b;
    o.c = i.c;
    if (i.dst >= 0) {
      o.home = reg(i.dst).offset;
      o.dst_size = uint8_t(size_of(reg(i.dst).type));
    }
    return o;
  }

  void address(Op& o, const Instr& i) {
    const Operand& target = operand(i);
    o.operand = i.operand;
    o.word = arg_of_operand(i.operand);
    o.operand_level = target.level;
    o.size = uint8_t(size_of(target.dtype));
  }
  void stream(Op& o) {
    if (is_one_element(o.operand_level)) return;
    for (size_t k = 0; k < plan_.streams.size(); k++)
      if (plan_.streams[k].word == o.word) o.stream = int(k);
    if (o.stream >= 0 || plan_.streams.size() == kMostStreams) return;
    o.stream = int(plan_.streams.size());
    plan_.streams.push_back({o.word, o.operand_level, o.size});
  }
  bool needs_map(const Operand& o) const {
    bool turns = plan_.layout == Layout::column || plan_.layout == Layout::bands;
    return o.access == Access::mapped || (turns && o.level == Level::inner);
  }
  void map(Op& o, const Operand& target) {
    bool swaps = plan_.layout == Layout::bands && target.level == Level::inner,
         has_own = target.access == Access::mapped;
    if (has_own && !swaps) return;
    o.map = int16_t(plan_.synthetic_maps.size());
    plan_.synthetic_maps.push_back({target.level, swaps, has_own ? o.word + 1 : -1});
  }

  // The register as a block of `space`; a broadcast is made where it is not one.
  int16_t as_block(int16_t r, Level space) {
    const Register& source = reg(r);
    if (same_blocks(source.level, space) || is_one_element(space)) return r;
    JT_CHECK(source.level < space);
    for (const Broadcast& b : broadcasts_)
      if (b.source == r && b.space == space) return b.slot;
    bool repeats = plan_.layout == Layout::rows && source.level == Level::outer;
    bool tiles = plan_.layout == Layout::bands && source.level == Level::outer;
    Op o = numbered(repeats ? OpKind::repeat : tiles ? OpKind::tile : OpKind::block, space);
    o.a = r;
    o.dst = int16_t(plan_.slots++);
    o.home = plan_.register_bytes;
    plan_.register_bytes += kBlock * size_of(source.type);
    (source.level == Level::uniform ? plan_.broadcasts : stage_->before).push_back(o);
    broadcasts_.push_back({r, space, o.dst});
    return o.dst;
  }

  void decode(int k) {
    const Instr& i = program_.instrs[k];
    instr_ = k;
    switch (i.code) {
      case Code::scalar: return scalar(i);
      case Code::load: return load(i, k);
      case Code::store: return store(i, i.a);
      case Code::element: return element(i);
      case Code::narrow:
      case Code::convert: return block(i);
      case Code::index: return index(i);
      case Code::gather: return gather(i);
      case Code::scatter: return scatter(i);
      case Code::random: return random(i);
      case Code::reduce: return reduce(i);
    }
  }

  void scalar(const Instr& i) {
    Op o = op(OpKind::scalar, Level::uniform, i);
    o.word = arg_of_scalar(program_, i.operand);
    stage_->ops.push_back(o);
  }

  void load(const Instr& i, int k) {
    const Operand& from = operand(i);
    bool mapped = needs_map(from), here = !mapped && is_computed_as_stored(from.dtype);
    JT_CHECK(reg(i.dst).type == ctype_of(from.dtype));
    JT_CHECK(same_blocks(reg(i.dst).level, from.level) || is_one_element(from.level));
    Op o = op(mapped ? OpKind::load_mapped : here ? OpKind::load_here : OpKind::load_block, from.level, i);
    address(o, i);
    o.copy = may_be_overwritten(program_, k);
    if (mapped) map(o, from);
    stage_->ops.push_back(o);
  }

  void store(const Instr& i, int16_t source) {
    const Operand& to = operand(i);
    JT_CHECK(reg(source).type == ctype_of(to.dtype));
    bool mapped = needs_map(to);
    Op o = numbered(mapped ? OpKind::store_mapped : OpKind::store_block, to.level);
    o.instr = instr_;
    o.a = as_block(source, to.level);
    address(o, i);
    if (mapped) map(o, to);
    else if (is_computed_as_stored(to.dtype)) stream(o);
    stage_->ops.push_back(o);
  }

  void element(const Instr& i) {
    JT_CHECK(i.prim < kElements);
    const ElementFacts& facts = kElementFacts[i.prim];
    Level space = reg(i.dst).level;
    bool straight = i.operand >= 0 && !needs_map(operand(i)) && is_computed_as_stored(operand(i).dtype);
    Op o = op(straight ? OpKind::element_out : OpKind::element, space, i);
    if (facts.arity == 2 && !is_one_element(space)) {
      bool one_a = is_one_element(reg(i.a).level), one_b = is_one_element(reg(i.b).level);
      if (one_b) o.variant = Variant::vs;
      else if (one_a) o.variant = Variant::sv;
    }
    if (o.variant != Variant::sv) o.a = as_block(i.a, space);
    if (facts.arity > 1 && o.variant != Variant::vs) o.b = as_block(i.b, space);
    if (facts.arity > 2) o.c = as_block(i.c, space);
    if (straight) {
      address(o, i);
      stream(o);
    }
    stage_->ops.push_back(o);
    if (i.operand >= 0 && !straight) store(i, i.dst);
  }

  void block(const Instr& i) {
    Op o = op(OpKind::block, reg(i.dst).level, i);
    o.a = as_block(i.a, o.space);
    stage_->ops.push_back(o);
  }

  void index(const Instr& i) {
    const Operand& of = operand(i);
    Op o = op(OpKind::index, reg(i.dst).level, i);
    address(o, i);
    map(o, of);
    stage_->ops.push_back(o);
  }

  void gather(const Instr& i) {
    Op o = op(OpKind::gather, reg(i.dst).level, i);
    address(o, i);
    o.a = as_block(i.a, o.space);
    stage_->ops.push_back(o);
  }

  void scatter(const Instr& i) {
    Op o = op(OpKind::scatter, stage_->level, i);
    address(o, i);
    o.a = as_block(i.a, o.space);
    o.b = as_block(i.b, o.space);
    stage_->ops.push_back(o);
  }

  void random(const Instr& i) {
    Op o = op(OpKind::element, reg(i.dst).level, i);
    o.a = as_block(i.a, o.space);
    o.b = as_block(i.b, o.space);
    o.c = as_block(i.c, o.space);
    stage_->ops.push_back(o);
  }

  void reduce(const Instr& i) {
    CType type = reg(i.a).type;
    OpKind kind = plan_.layout == Layout::row     ? OpKind::reduce_row
                  : plan_.layout == Layout::rows  ? OpKind::reduce_rows
                  : plan_.layout == Layout::bands ? OpKind::reduce_bands
                                                  : OpKind::reduce_column;
    Op o = op(kind, Level::inner, i);
    o.a = as_block(i.a, Level::inner);
    if (plan_.layout != Layout::rows) {
      o.reduction = int(plan_.reductions.size());
      plan_.reductions.push_back({Reduction(i.sub), type, i.dst, o.home, o.number});
      stage_->reduces.push_back(o.reduction);
    }
    stage_->ops.push_back(o);
  }

  struct Broadcast {
    int16_t source;
    Level space;
    int16_t slot;
  };

  const Program& program_;
  BlockPlan plan_;
  PlanStage* stage_ = nullptr;
  int instr_ = -1;
  std::vector<Broadcast> broadcasts_;
};

}  // namespace

BlockPlan make_plan(const Program& program, Layout layout) { return Decoder(program, layout).decode(); }

}  // namespace jt::loops
