#include "core/render/thread_stages.h"

#include <algorithm>

namespace jt::loops {

ThreadStages::ThreadStages(const Program& program, const ThreadShape& shape, FileText& file)
    : ThreadText(program, shape, file), kernels_(kernels_of(program, shape)),
      kept_(kept_registers(program, kernels_)) {}

bool ThreadStages::is_made_here(int r) const {
  bool is = false;
  for_stages([&](const Instr& i) { is |= i.dst == r; });
  if (kernel_->folds) {
    const Stage& before = p_.stages[size_t(kernel_->first_stage) - 1];
    for (int i = before.first; i < before.last; i++)
      is |= p_.instrs[size_t(i)].code == Code::reduce && p_.instrs[size_t(i)].dst == r;
  }
  return is;
}

void ThreadStages::declare_outer() {
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
    bool is_read = is_split() && std::ranges::count(kept_, int(r)) && !is_made_here(int(r));
    line(type_of(int(r)), " r", r, is_read ? text(" = ((const ", type_of(int(r)), " *)A.z", r, ")[o]") : "", ";");
  }
}

std::string ThreadStages::stop_of_block() const {
  std::string all = cast("A.I"), size = text(kReduceBlock, "u");
  return text(all, " - block * ", size, " < ", size, " ? ", all, " : (block + 1) * ", size);
}

void ThreadStages::open_lanes(const Stage& stage, int lanes) {
  for_reductions(stage, [&](int r, const std::string& name, const Instr&) {
    line(name, "_t t", r, "[", lanes, "];");
    line("#pragma unroll");
    line("for (int j = 0; j < ", lanes, "; j++) t", r, "[j] = ", name, "_none();");
  });
}

void ThreadStages::inner_lanes(const Stage& stage, int lanes, const std::string& place, const std::string& stop) {
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

void ThreadStages::warp_of_block(const Stage& stage) {
  open_lanes(stage, 2);
  line("const ", index_, " stop = ", stop_of_block(), ";");
  open(text("for (", index_, " l = block * ", kReduceBlock, "u + lane; l < stop; l += 64)"));
  inner_lanes(stage, 2, "l + 32 * j", "stop");
  close();
}

void ThreadStages::column_block(const Stage& stage, int lanes, int y, const std::function<void(int r)>& keep) {
  open_lanes(stage, lanes);
  line("const ", index_, " stop = ", stop_of_block(), ";");
  open("if (is_there)");
  open(text("for (", index_, " l = block * ", kReduceBlock, "u + threadIdx.y; l < stop; l += 64)"));
  inner_lanes(stage, lanes, text("l + ", y, " * j"), "stop");
  close();
  close();
  bool reduces = false;
  for_reductions(stage, [&](int r, const std::string& name, const Instr&) {
    reduces = true;
    for (int half = lanes / 2; half; half /= 2)
      for (int j = 0; j < half; j++)
        line("t", r, "[", j, "] = ", name, "_of(t", r, "[", j, "], t", r, "[", j + half, "]);");
    line("f", r, "[threadIdx.y][threadIdx.x] = t", r, "[0];");
    open(text("for (int half = ", y / 2, "; half; half /= 2)"));
    line("__syncthreads();");
    line("if (threadIdx.y < half) f", r, "[threadIdx.y][threadIdx.x] = ", name, "_of(f", r,
         "[threadIdx.y][threadIdx.x], f", r, "[threadIdx.y + half][threadIdx.x]);");
    close();
    keep(r);
  });
  if (reduces) line("__syncthreads();");
}

}  // namespace jt::loops
