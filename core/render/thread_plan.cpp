#include "core/render/thread_plan.h"

#include <algorithm>
#include <cstring>

#include "core/base/status.h"
#include "core/render/element_text.h"

namespace jt {

namespace {

const Instr& scatter_of(const Program& p) { return *std::ranges::find(p.instrs, Code::scatter, &Instr::code); }

const IndexMap& map_of(const int64_t* args, int operand) {
  return *reinterpret_cast<const IndexMap*>(args[arg_of_operand(operand) + 1]);
}
int rank_of(const IndexMap& m) { return m.outer_rank + m.inner_rank; }

bool is_same_walk(const IndexMap& a, const IndexMap& b) {
  if (a.outer_rank != b.outer_rank || a.inner_rank != b.inner_rank) return false;
  return std::equal(a.extent, a.extent + rank_of(a), b.extent);
}

constexpr int64_t kNarrow = int64_t(1) << 31;
bool is_narrow(__int128 x) { return x > -kNarrow && x < kNarrow; }

// Whether all offsets that the map gives, and those on the way there, fit.
bool is_narrow(const IndexMap& m) {
  __int128 reach = m.offset < 0 ? -__int128(m.offset) : __int128(m.offset);
  for (int k = 0; k < rank_of(m); k++) {
    __int128 step = m.stride[k] < 0 ? -__int128(m.stride[k]) : __int128(m.stride[k]);
    reach += step * std::max<int64_t>(m.extent[k], 1);
  }
  return is_narrow(reach);
}

bool has(const Program& p, Code code) {
  return std::any_of(p.instrs.begin(), p.instrs.end(), [&](const Instr& i) { return i.code == code; });
}

int64_t reduce_blocks(const int64_t* args) {
  return std::max<int64_t>(1, (args[kArgInner] + kReduceBlock - 1) / kReduceBlock);
}

ThreadForm form_for(const Program& p, const int64_t* args) {
  bool has_inner = p.mode != Mode::flat;
  if (has(p, Code::scatter)) {
    if (has_inner) fail(JT_E_UNSUPPORTED, "kernel: a scatter beside an inner space");
    constexpr int64_t kFew = 512, kMost = int64_t(1) << 30;  // of what is sorted
    bool is_one = std::ranges::count(p.instrs, Code::scatter, &Instr::code) == 1;
    int64_t n = args[kArgOuter];
    return is_one && n >= kFew && n <= kMost ? ThreadForm::sorted : ThreadForm::in_order;
  }
  if (!has_inner) return ThreadForm::elements;
  // Fewer rows than this leave most of a device idle; so do long rows that are not split.
  constexpr int64_t kFewRows = 512, kFewBlocks = 64;
  int64_t outer = args[kArgOuter], inner = args[kArgInner], blocks = reduce_blocks(args);
  if (p.mode == Mode::column) {
    bool is_whole = blocks == 1 || (blocks <= kMostColumnBlocks && outer >= kFewBlocks * kColumns);
    return is_whole ? ThreadForm::block_columns : ThreadForm::split_columns;
  }
  if (inner <= kReduceBlock / 4 || (inner <= kReduceBlock && outer >= kFewRows)) return ThreadForm::warp_rows;
  bool is_whole = blocks <= 4 || (blocks <= kMostRowBlocks && outer >= kFewBlocks);
  return is_whole ? ThreadForm::block_rows : ThreadForm::split_rows;
}

bool is_split(ThreadForm f) { return f == ThreadForm::split_rows || f == ThreadForm::split_columns; }
bool has_blocks(ThreadForm f) { return is_split(f) || f == ThreadForm::block_rows || f == ThreadForm::block_columns; }

}  // namespace

std::string to_text(const ThreadShape& s) {
  std::string out = text("form ", int(s.form), s.is_wide ? " wide" : "", s.folds_by_warp ? " warp" : "");
  for (const ThreadShape::Walk& w : s.walks) out += text(" walk ", w.outer_rank, "+", w.inner_rank);
  for (size_t k = 0; k < s.walk_of.size(); k++)
    if (s.walk_of[k] >= 0) out += text(" @", k, ":", s.walk_of[k], "/", s.masked[k]);
  return out;
}

ThreadShape shape_for(const Program& p, const int64_t* args, bool wide) {
  ThreadShape s;
  s.form = form_for(p, args);
  s.is_wide = wide || !is_narrow(__int128(args[kArgOuter]) * std::max<int64_t>(args[kArgInner], 1));
  s.walk_of.assign(p.operands.size(), -1), s.masked.assign(p.operands.size(), 0);
  std::vector<const IndexMap*> walked;
  for (size_t k = 0; k < p.operands.size(); k++) {
    if (p.operands[k].access != Access::mapped) continue;
    const IndexMap& m = map_of(args, int(k));
    s.is_wide |= !is_narrow(m);
    s.masked[k] = m.masked & uint32_t((uint64_t(1) << rank_of(m)) - 1);
    auto same = std::find_if(walked.begin(), walked.end(), [&](const IndexMap* w) { return is_same_walk(*w, m); });
    s.walk_of[k] = int(same - walked.begin());
    if (same == walked.end()) walked.push_back(&m), s.walks.push_back({m.outer_rank, m.inner_rank});
  }
  if (s.form == ThreadForm::sorted) s.is_wide |= !is_narrow(args[arg_of_operand(scatter_of(p).operand) + 1]);
  s.folds_by_warp = is_split(s.form) && reduce_blocks(args) > kWarp;
  return s;
}

std::vector<ThreadKernel> kernels_of(const Program& p, const ThreadShape& shape) {
  std::vector<ThreadKernel> out;
  int first = 0, n = int(p.stages.size());
  while (first < n && p.stages[size_t(first)].level == Level::uniform) first++;
  if (shape.form == ThreadForm::sorted) return {{first, n, false, Level::outer}, {n, n, false, Level::outer}};
  if (!is_split(shape.form)) return {{first, n, false, Level::outer}};
  bool folds = false;
  for (int s = first; s < n; s++) {
    Level level = p.stages[size_t(s)].level;
    bool reduces = false;
    for (int i = p.stages[size_t(s)].first; i < p.stages[size_t(s)].last; i++)
      reduces |= p.instrs[size_t(i)].code == Code::reduce;
    if (folds && level == Level::inner) out.push_back({s, s, true, Level::outer}), folds = false;
    out.push_back({s, s + 1, folds, level});
    folds = reduces;
  }
  return out;
}

int elements_per_thread(const Program& p) {
  constexpr size_t kMostInstrs = 24;
  bool is_near = false;
  size_t widest = 0;
  for (const Operand& o : p.operands) {
    if (o.level == Level::uniform) continue;
    if (o.access != Access::direct) return 1;  // neighbours are read by neighbours
    is_near = true;
    widest = std::max(widest, size_of(o.dtype));
  }
  if (!is_near || p.instrs.size() > kMostInstrs) return 1;
  for (const Instr& i : p.instrs) {
    if (i.code == Code::random) return 1;
    if (i.code == Code::element && ElementText::is_costly(i.prim, i.type)) return 1;
  }
  return widest == 8 ? 2 : 4;  // 16 bytes of the widest: a warp's vectors lie without gaps
}

int column_threads(const Program& p) {
  for (const Instr& i : p.instrs) {
    bool is_place =
        i.code == Code::reduce && (Reduction(i.sub) == Reduction::argmax || Reduction(i.sub) == Reduction::argmin);
    if (is_place || (i.code == Code::element && ElementText::is_costly(i.prim, i.type))) return 32;
  }
  return p.instrs.size() > 24 ? 32 : 8;
}

std::vector<int> kept_registers(const Program& p, const std::vector<ThreadKernel>& kernels) {
  std::vector<int> made(p.registers.size(), -1), out;
  std::vector<bool> is_kept(p.registers.size());
  for (size_t k = 0; k < kernels.size(); k++) {
    auto instrs_of = [&](int stage, auto&& visit) {
      for (int i = p.stages[size_t(stage)].first; i < p.stages[size_t(stage)].last; i++) visit(p.instrs[size_t(i)]);
    };
    // A reduction is made where its partial results are combined.
    if (kernels[k].folds)
      instrs_of(kernels[k].first_stage - 1, [&](const Instr& i) {
        if (i.code == Code::reduce) made[size_t(i.dst)] = int(k);
      });
    for (int s = kernels[k].first_stage; s < kernels[k].last_stage; s++)
      instrs_of(s, [&](const Instr& i) {
        for (int r : {i.a, i.b, i.c}) {
          if (r < 0 || p.registers[size_t(r)].level == Level::uniform || made[size_t(r)] == int(k)) continue;
          if (p.registers[size_t(r)].level == Level::inner)
            fail(JT_E_UNSUPPORTED, "kernel: an inner value of another stage");
          is_kept[size_t(r)] = true;
        }
        if (i.dst >= 0 && i.code != Code::reduce) made[size_t(i.dst)] = int(k);
      });
  }
  for (size_t r = 0; r < is_kept.size(); r++)
    if (is_kept[r]) out.push_back(int(r));
  return out;
}

std::vector<int> reductions_of(const Program& p) {
  std::vector<int> out;
  for (size_t i = 0; i < p.instrs.size(); i++)
    if (p.instrs[i].code == Code::reduce) out.push_back(int(i));
  return out;
}

int bytes_of_partial(const Program& p, const Instr& i) {
  Reduction r = Reduction(i.sub);
  return r == Reduction::argmax || r == Reduction::argmin ? 16 : size_of(p.registers[size_t(i.a)].type);
}

// ---- arguments ------------------------------------------------------------------------------------------------------

std::string ThreadField::name() const {
  switch (kind) {
    case outer: return "O";
    case inner: return "I";
    case begin: return "begin";
    case end: return "end";
    case blocks: return "blocks";
    case owners: return "owners";
    case address: return text("p", of);
    case count: return text("n", of);
    case offset: return text("at", of);
    case stride: return text("s", of, "_", axis);
    case low: return text("l", of, "_", axis);
    case range: return text("h", of, "_", axis);
    case extent: return text("e", of, "_", axis);
    case magic: return text("m", of, "_", axis);
    case scalar: return text("c", of);
    case partial: return text("t", of);
    case kept: return text("z", of);
    case places: return "places";
    case sorted: return "sorted";
    case order: return "order";
    case values: return "values";
  }
  return {};
}
const char* ThreadField::type() const {
  switch (kind) {
    case address:
    case partial:
    case kept:
    case places:
    case sorted:
    case order:
    case values: return "char *";
    case magic:
    case scalar: return "u64 ";
    default: return "i64 ";
  }
}

void each_field(const Program& p, const ThreadShape& s, const std::function<void(const ThreadField&)>& visit) {
  using F = ThreadField;
  for (F::Kind kind : {F::outer, F::inner, F::begin, F::end}) visit({kind});
  if (has_blocks(s.form)) visit({F::blocks});
  if (s.form == ThreadForm::in_order) visit({F::owners});
  for (int k = 0; k < int(p.operands.size()); k++) {
    visit({F::address, k});
    if (p.operands[size_t(k)].access == Access::whole) visit({F::count, k});
    if (s.walk_of[size_t(k)] < 0) continue;
    visit({F::offset, k});
    const ThreadShape::Walk& walk = s.walks[size_t(s.walk_of[size_t(k)])];
    for (int axis = 0; axis < walk.outer_rank + walk.inner_rank; axis++) {
      visit({F::stride, k, axis});
      if (s.masked[size_t(k)] >> axis & 1) visit({F::low, k, axis}), visit({F::range, k, axis});
    }
  }
  for (int w = 0; w < int(s.walks.size()); w++)
    for (int axis = 0; axis < s.walks[size_t(w)].outer_rank + s.walks[size_t(w)].inner_rank; axis++) {
      if (axis == 0 || axis == s.walks[size_t(w)].outer_rank) continue;  // what is left of the index
      visit({F::extent, w, axis});
      if (!s.is_wide) visit({F::magic, w, axis});
    }
  for (int k = 0; k < p.scalars; k++) visit({F::scalar, k});
  if (s.form == ThreadForm::sorted)
    for (F::Kind kind : {F::places, F::sorted, F::order, F::values}) visit({kind});
  if (!is_split(s.form)) return;
  for (int r : reductions_of(p)) visit({F::partial, r});
  for (int r : kept_registers(p, kernels_of(p, s))) visit({F::kept, r});
}

uint64_t magic_divisor(int64_t extent) {
  uint64_t d = uint64_t(std::max<int64_t>(extent, 1));
  uint64_t shift = 0;
  while ((uint64_t(1) << shift) < d) shift++;
  uint64_t multiplier = ((uint64_t(1) << 32) * ((uint64_t(1) << shift) - d)) / d + 1;
  return multiplier | shift << 32;
}

namespace {

// Addresses of one owner each: unless what is written is also read, by the same element.
int64_t owners_of(const Program& p, const int64_t* args) {
  int64_t most = 1;
  std::vector<bool> reads(p.operands.size()), writes(p.operands.size());
  for (const Instr& i : p.instrs) {
    if (i.code == Code::load || i.code == Code::gather) reads[size_t(i.operand)] = true;
    if (i.code == Code::store || i.code == Code::scatter || (i.code == Code::element && i.operand >= 0))
      writes[size_t(i.operand)] = true;
  }
  for (size_t w = 0; w < writes.size(); w++) {
    if (!writes[w]) continue;
    for (size_t r = 0; r < reads.size(); r++)
      if (reads[r] && args[arg_of_operand(int(r))] == args[arg_of_operand(int(w))]) return 1;
    if (p.operands[w].access == Access::whole) most = std::max(most, args[arg_of_operand(int(w)) + 1]);
  }
  int64_t owners = 1;
  while (owners < most && owners < kMostOwners) owners *= 2;
  return owners;
}

int64_t aligned(int64_t bytes) { return (bytes + 63) / 64 * 64; }

// Scratch memory: partial results, then registers that are kept.
int64_t lay_out(const Program& p, const ThreadShape& s, const int64_t* args,
                std::vector<std::pair<ThreadField, int64_t>>* at) {
  if (!is_split(s.form)) return 0;
  int64_t end = 0;
  auto place = [&](ThreadField field, int64_t bytes) {
    if (at) at->push_back({field, end});
    end += aligned(bytes);
  };
  for (int r : reductions_of(p))
    place({ThreadField::partial, r}, bytes_of_partial(p, p.instrs[size_t(r)]) * args[kArgOuter] * reduce_blocks(args));
  for (int r : kept_registers(p, kernels_of(p, s)))
    place({ThreadField::kept, r}, size_of(p.registers[size_t(r)].type) * args[kArgOuter]);
  return end;
}

}  // namespace

ScatterScratch scatter_scratch(const Program& p, const ThreadShape& s, const int64_t* args) {
  int64_t n = args[kArgOuter], place = s.is_wide ? 8 : 4;
  ScatterScratch out{};
  out.sorted = aligned(n * place), out.order = out.sorted + aligned(n * place), out.values = out.order + aligned(n * 8);
  out.end = out.values + aligned(n * int64_t(size_of(p.registers[size_t(scatter_of(p).b)].type)));
  return out;
}

int64_t scratch_of(const Program& p, const ThreadShape& s, const int64_t* args) {
  return s.form == ThreadForm::sorted ? scatter_scratch(p, s, args).end : lay_out(p, s, args, nullptr);
}

std::vector<uint64_t> pack_threads(const Program& p, const ThreadShape& s, const int64_t* args, int64_t begin,
    int64_t end, uint64_t scratch) {
  std::vector<std::pair<ThreadField, int64_t>> places;
  lay_out(p, s, args, &places);
  ScatterScratch kept{};
  if (s.form == ThreadForm::sorted) kept = scatter_scratch(p, s, args);
  std::vector<const IndexMap*> walked(s.walks.size());
  for (size_t k = 0; k < s.walk_of.size(); k++)
    if (s.walk_of[k] >= 0) walked[size_t(s.walk_of[k])] = &map_of(args, int(k));
  std::vector<uint64_t> out;
  each_field(p, s, [&](const ThreadField& f) {
    auto value = [&]() -> uint64_t {
      switch (f.kind) {
        case ThreadField::outer: return uint64_t(args[kArgOuter]);
        case ThreadField::inner: return uint64_t(args[kArgInner]);
        case ThreadField::begin: return uint64_t(begin);
        case ThreadField::end: return uint64_t(end);
        case ThreadField::blocks: return uint64_t(reduce_blocks(args));
        case ThreadField::owners: return uint64_t(owners_of(p, args));
        case ThreadField::address: return uint64_t(args[arg_of_operand(f.of)]);
        case ThreadField::count: return uint64_t(args[arg_of_operand(f.of) + 1]);
        case ThreadField::offset: return uint64_t(map_of(args, f.of).offset);
        case ThreadField::stride: return uint64_t(map_of(args, f.of).stride[f.axis]);
        // Coordinates are not negative, so neither need limits be.
        case ThreadField::low: return uint64_t(std::max<int64_t>(map_of(args, f.of).lo[f.axis], 0));
        case ThreadField::range: {
          const IndexMap& m = map_of(args, f.of);
          return uint64_t(
              std::max<int64_t>(std::min(m.hi[f.axis], m.extent[f.axis]) - std::max<int64_t>(m.lo[f.axis], 0), 0));
        }
        case ThreadField::extent: return uint64_t(std::max<int64_t>(walked[size_t(f.of)]->extent[f.axis], 1));
        case ThreadField::magic: return magic_divisor(walked[size_t(f.of)]->extent[f.axis]);
        case ThreadField::scalar: return uint64_t(args[arg_of_scalar(p, f.of)]);
        case ThreadField::partial:
        case ThreadField::kept:
          for (auto& [field, at] : places)
            if (field.kind == f.kind && field.of == f.of) return scratch + uint64_t(at);
          return 0;
        case ThreadField::places: return scratch + uint64_t(kept.places);
        case ThreadField::sorted: return scratch + uint64_t(kept.sorted);
        case ThreadField::order: return scratch + uint64_t(kept.order);
        case ThreadField::values: return scratch + uint64_t(kept.values);
      }
      return 0;
    };
    out.push_back(value());
  });
  return out;
}

ThreadLaunch launch_of(const Program& p, const ThreadShape& s, const ThreadKernel& kernel, const int64_t* args,
    int64_t begin, int64_t end) {
  int64_t n = end - begin;
  auto groups = [](int64_t count, int64_t of) -> unsigned {
    int64_t grid = (count + of - 1) / of;
    if (grid > INT32_MAX) fail(JT_E_UNSUPPORTED, "kernel: ", count, " elements are more than one launch can do");
    return unsigned(grid);
  };
  if (n <= 0) return {0, 1, 1};
  switch (s.form) {
    case ThreadForm::elements:
      return {groups(n, int64_t(kElementThreads) * elements_per_thread(p)), kElementThreads, 1};
    case ThreadForm::in_order: return {groups(owners_of(p, args), kElementThreads), kElementThreads, 1};
    case ThreadForm::sorted: return {groups(n, kElementThreads), kElementThreads, 1};
    case ThreadForm::warp_rows: return {groups(n, kRowThreads / kWarp), kRowThreads, 1};
    case ThreadForm::block_rows: return {groups(n, 1), kElementThreads, 1};
    case ThreadForm::block_columns: return {groups(n, kColumns), kColumns, unsigned(column_threads(p))};
    case ThreadForm::split_rows:
    case ThreadForm::split_columns: break;
  }
  constexpr int kWarps = kRowThreads / kWarp;
  if (kernel.level != Level::inner) return {groups(n, s.folds_by_warp ? kWarps : kRowThreads), kRowThreads, 1};
  int64_t blocks = reduce_blocks(args);
  if (s.form == ThreadForm::split_rows) return {groups(n * blocks, kWarps), kRowThreads, 1};
  return {groups((n + kColumns - 1) / kColumns * blocks, 1), kColumns, unsigned(column_threads(p))};
}

}  // namespace jt
