#include "backends/cpu_tcc/vm/inner_split.h"

#include <string.h>

namespace jt::vm {

int64_t partial_bytes(const VmPlan& plan, const InnerChunks& chunks, int64_t width) {
  return chunks.count * int64_t(plan.reductions.size()) * width * kPartialBytes;
}

namespace {

struct Partials {
  const InnerSplit& split;
  const Machine& machine;
  // Of all columns, dense.
  char* of(int64_t chunk, int reduction) const {
    int64_t row = chunk * int64_t(machine.plan.reductions.size()) + reduction;
    return split.partials + row * machine.width * kPartialBytes;
  }
};

// A machine of its own at the same place: it sees the registers of outer and uniform values, and writes none of them.
Machine lane_machine(const InnerSplit& split, const Machine& from, int64_t lane) {
  Machine m = from;
  m.split = nullptr;
  m.scratch = split.lane_scratch + lane * split.lane_bytes;
  m.slots = reinterpret_cast<char**>(m.scratch + m.plan.slots_at());
  m.states = m.scratch + m.plan.states_at();
  memcpy(m.slots, from.slots, size_t(m.plan.slots) * sizeof(char*));
  return m;
}

// One column of one reduction.
class Tree {
 public:
  Tree(const ReduceFns& fns, CType type) : fns_(fns), size_(size_of(type)) {}

  void add(const char* chunk, int64_t number) {
    char value[kPartialBytes];
    memcpy(value, chunk, size_t(size_));
    int level = 0;
    for (; number >> level & 1; level++) combine(levels_[level], value, value);
    memcpy(levels_[level], value, size_t(size_));
  }
  // rest: of the last, shorter chunk; null: there is none.
  void end(const char* rest, int64_t whole_chunks, char* to) {
    bool has_value = rest != nullptr;
    char value[kPartialBytes];
    if (rest) memcpy(value, rest, size_t(size_));
    for (int level = 0; whole_chunks >> level; level++) {
      if (!(whole_chunks >> level & 1)) continue;
      if (has_value) combine(levels_[level], value, value);
      else memcpy(value, levels_[level], size_t(size_));
      has_value = true;
    }
    memcpy(to, value, size_t(size_));
  }

 private:
  // A row of two elements is reduced to the combination of them.
  void combine(const char* earlier, const char* later, char* to) const {
    alignas(8) char pair[2 * kPartialBytes], result[kPartialBytes];
    memcpy(pair, earlier, size_t(size_));
    memcpy(pair + size_, later, size_t(size_));
    fns_.rows(result, pair, 1, 2);
    memcpy(to, result, size_t(size_));
  }
  static constexpr int kLevels = 8;
  static_assert(InnerChunks::kMost < 1 << kLevels);
  const ReduceFns& fns_;
  const int64_t size_;
  char levels_[kLevels][kPartialBytes];
};

}  // namespace

void run_split(const InnerSplit& split, Machine& machine, const PlanStage& stage) {
  const InnerChunks& chunks = split.chunks;
  const Partials partials{split, machine};
  split.lanes.each({chunks.count, split.ns}, split.lanes_count, [&](int64_t begin, int64_t end, int64_t lane) {
    Machine m = lane_machine(split, machine, lane);
    m.begin_inner_stage(stage);
    for (int64_t chunk = begin; chunk < end; chunk++) {
      int64_t from = chunk * chunks.length, to = std::min(chunks.extent, from + chunks.length);
      m.walk_inner(stage, from, to);
      for (int r : stage.reduces) m.end_reduction(r, partials.of(chunk, r));
    }
  });
  int64_t whole = chunks.extent / chunks.length;
  int64_t columns = machine.has_columns() ? machine.count[int(Level::outer)] : 1;
  for (int r : stage.reduces) {
    const PlanReduction& reduction = machine.plan.reductions[size_t(r)];
    int64_t size = size_of(reduction.type);
    char* to = machine.slots[reduction.dst] = machine.scratch + reduction.home;
    for (int64_t column = 0; column < columns; column++) {
      Tree tree(machine.plan.of(reduction), reduction.type);
      for (int64_t chunk = 0; chunk < whole; chunk++) tree.add(partials.of(chunk, r) + column * size, chunk);
      const char* rest = whole < chunks.count ? partials.of(whole, r) + column * size : nullptr;
      tree.end(rest, whole, to + column * size);
    }
  }
}

}  // namespace jt::vm
