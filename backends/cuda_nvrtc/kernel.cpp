#include "backends/cuda_nvrtc/kernel.h"

#include "core/base/text.h"
#include "core/render/render_threads.h"

namespace jt::cuda {

// What no shape of arguments would help is refused before it is launched.
static void check_forms(const Program& program) {
  std::vector<int64_t> args(size_t(arg_of_scalar(program, program.scalars)), 0);
  IndexMap none{};
  for (size_t k = 0; k < program.operands.size(); k++)
    if (program.operands[k].access == Access::mapped)
      args[size_t(arg_of_operand(int(k))) + 1] = reinterpret_cast<int64_t>(&none);
  for (int64_t inner : {int64_t(1), int64_t(1) << 20}) {
    args[kArgOuter] = 1, args[kArgInner] = inner;
    render_threads(program, shape_for(program, args.data()));
    if (program.mode == Mode::flat) return;
  }
}

Kernel::Kernel(Device& device, Program program) : device_(device), program_(std::move(program)) {
  check_forms(program_);
}

std::shared_ptr<Kernel::Variant> Kernel::variant(const int64_t* args) {
  ThreadShape shape = shape_for(program_, args, device_.settings().is_wide);
  std::lock_guard lock(mutex_);
  std::shared_ptr<Variant>& v = variants_[shape];
  if (v) return v;
  auto made = std::make_shared<Variant>();
  made->kernels = kernels_of(program_, shape);
  made->job = device_.compiler().start(render_threads(program_, shape), device_.target());
  made->shape = std::move(shape);
  return v = std::move(made);
}

void Kernel::load(Variant& v) {
  std::lock_guard lock(v.mutex);
  if (v.module) return;
  auto module = std::make_unique<Module>(device_, v.job);
  for (size_t k = 0; k < v.kernels.size(); k++) v.functions.push_back(module->function(v.kernels[k].name(k)));
  v.module = std::move(module);
}

std::shared_ptr<LibraryOp> Kernel::sort_of(Variant& v, int64_t n) {
  std::lock_guard lock(v.mutex);
  if (v.sorted == n) return v.sort;
  const int64_t params[] = {v.shape.is_wide ? JT_I64 : JT_I32, 1, n, 1, 0};
  v.sort = make_of_lines(device_, "sort", params), v.sorted = n;
  return v.sort;
}

int64_t Kernel::scratch_bytes(const jt_be_launch& launch) {
  std::shared_ptr<Variant> v = variant(launch.args);
  int64_t bytes = scratch_of(program_, v->shape, launch.args);
  if (v->shape.form != ThreadForm::sorted) return bytes;
  return bytes + int64_t(sort_of(*v, launch.args[kArgOuter])->workspace_bytes());
}

void Kernel::launch(const jt_be_launch& launch, CuStream stream, CuPointer scratch) {
  if (launch.begin >= launch.end) return;
  std::shared_ptr<Variant> v = variant(launch.args);
  load(*v);
  std::vector<uint64_t> packed = pack_threads(program_, v->shape, launch.args, launch.begin, launch.end, scratch);
  for (size_t k = 0; k < v->kernels.size(); k++) {
    if (k == 1 && v->shape.form == ThreadForm::sorted) {
      ScatterScratch at = scatter_scratch(program_, v->shape, launch.args);
      void* pointers[3];
      for (int i = 0; i < 3; i++)
        pointers[i] = reinterpret_cast<void*>(scratch + uint64_t(i == 0 ? at.places : i == 1 ? at.sorted : at.order));
      sort_of(*v, launch.end - launch.begin)->run(stream, pointers, scratch + uint64_t(at.end));
    }
    ThreadLaunch l = launch_of(program_, v->shape, v->kernels[k], launch.args, launch.begin, launch.end);
    if (!l.grid) continue;
    cuda::launch(device_, v->functions[k], l.grid, l.block_x, l.block_y, stream, packed,
                 jt::text(v->kernels[k].name(k), " of ", program_.instrs.size(), " instructions, ", l.grid, " x ",
                     l.block_x * l.block_y, " threads"));
  }
}

void Kernel::prepare() {
  std::vector<std::shared_ptr<Variant>> all;
  {
    std::lock_guard lock(mutex_);
    for (auto& [shape, v] : variants_) all.push_back(v);
  }
  for (auto& v : all) load(*v);
}

std::string Kernel::text() {
  std::lock_guard lock(mutex_);
  return variants_.empty() ? std::string() : variants_.begin()->second->job->text;
}
int64_t Kernel::compile_ns() {
  std::lock_guard lock(mutex_);
  int64_t sum = 0;
  for (auto& [shape, v] : variants_) sum += v->module ? v->job->ns : 0;
  return sum;
}
bool Kernel::is_from_disk() {
  std::lock_guard lock(mutex_);
  return !variants_.empty() && variants_.begin()->second->job->is_from_disk;
}

}  // namespace jt::cuda
