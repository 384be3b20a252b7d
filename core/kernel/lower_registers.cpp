#include "core/kernel/lowering.h"

#include <algorithm>

namespace jt {

void Lowering::finish_segment(Level level) {
  auto& code = code_[int(level)];
  auto writes = [](const Instr& i) { return i.code == Code::store || i.code == Code::scatter; };
  std::stable_partition(code.begin(), code.end(), [&](const Instr& i) { return !writes(i); });
  if (level == Level::inner) {  // what the stage needs from outside it was emitted meanwhile: it goes before
    if (!code_[int(Level::outer)].empty()) finish_segment(Level::outer);
  }
  if (!code.empty()) segments_.push_back({level, std::move(code)});
  code.clear();
}

void Lowering::assemble() {
  if (!code_[int(Level::outer)].empty()) finish_segment(Level::outer);
  auto add = [&](Level level, const std::vector<Instr>& code) {
    int first = int(program().instrs.size());
    program().instrs.insert(program().instrs.end(), code.begin(), code.end());
    program().stages.push_back({level, first, int(program().instrs.size())});
  };
  if (!code_[int(Level::uniform)].empty()) add(Level::uniform, code_[int(Level::uniform)]);
  for (auto& [level, code] : segments_) add(level, code);
}

void Lowering::allocate_registers() {
  Program& p = program();
  std::vector<int> stage_of(p.registers.size(), -1), last(p.registers.size(), -1);
  std::vector<bool> crosses(p.registers.size(), false);
  for (int s = 0; s < int(p.stages.size()); s++) {
    for (int i = p.stages[s].first; i < p.stages[s].last; i++) {
      const Instr& instr = p.instrs[size_t(i)];
      if (instr.dst >= 0) stage_of[instr.dst] = instr.code == Code::reduce ? -2 : s;
      for (int r : {instr.a, instr.b, instr.c})
        if (r >= 0) last[r] = i, crosses[r] = crosses[r] || stage_of[r] != s;
    }
  }
  uint32_t end = 0;
  auto fresh = [&](CType type, Level level) {
    uint32_t bytes = level == Level::uniform ? 64 : uint32_t(kBlock * size_of(type));
    uint32_t offset = end;
    end += (bytes + 63) / 64 * 64 + (level == Level::uniform ? 0 : 64);
    return offset;
  };
  std::vector<std::pair<int, uint32_t>> idle[9];  // by element size: (free after instruction, offset)
  for (int s = 0; s < int(p.stages.size()); s++) {
    for (auto& list : idle) list.clear();
    for (int i = p.stages[s].first; i < p.stages[s].last; i++) {
      const Instr& instr = p.instrs[size_t(i)];
      if (instr.dst < 0) continue;
      Register& reg = p.registers[size_t(instr.dst)];
      bool shares = p.stages[s].level == reg.level && reg.level != Level::uniform && !crosses[instr.dst] &&
                    stage_of[instr.dst] == s;
      auto& list = idle[size_of(reg.type)];
      bool found = false;
      for (size_t k = 0; shares && k < list.size() && !found; k++) {
        if (list[k].first > i) continue;
        reg.offset = list[k].second;
        list[k].first = last[instr.dst] < 0 ? i : last[instr.dst];
        found = true;
      }
      if (found) continue;
      reg.offset = fresh(reg.type, reg.level);
      if (shares) list.push_back({last[instr.dst] < 0 ? i : last[instr.dst], reg.offset});
    }
  }
  p.scratch_bytes = end;
}

}  // namespace jt
