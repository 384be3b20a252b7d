#include "backends/cuda_nvrtc/kernel.h"

#include "core/base/text.h"
#include "core/render/render_threads.h"

namespace jt::cuda {

Module::Module(Device& device, Compiler::JobRef job) : device_(device) {
  const Image* image = &device.compiler().wait(job);
  CuResult result = load(*image);
  bool is_damaged = result == kCuInvalidImage && job->is_from_disk;
  if (is_damaged) {
    job = device.compiler().again(job, job->target);
    result = load(*(image = &device.compiler().wait(job)));
  }
  bool is_foreign = result == kCuInvalidImage || result == kCuNoBinaryForGpu || result == kCuInvalidPtx || result == kCuUnsupportedPtxVersion;
  if (is_foreign && !job->target.is_ptx) {
    device.take_text_from_now_on();
    job = device.compiler().again(job, device.target());
    result = load(*(image = &device.compiler().wait(job)));
  }
  device.check(result, "cuModuleLoadDataEx");
}
Module::~Module() {
  if (module_) device_.api().cuModuleUnload(module_);
}
CuResult Module::load(const Image& image) { return device_.api().cuModuleLoadDataEx(&module_, image.bytes.data(), 0, nullptr, nullptr); }

CuFunction Module::function(const std::string& name) {
  CuFunction out = nullptr;
  device_.check(device_.api().cuModuleGetFunction(&out, module_, name.c_str()), "cuModuleGetFunction " + name);
  return out;
}

// What no shape of arguments would help is refused before it is launched.
static void check_forms(const Program& program) {
  std::vector<int64_t> args(size_t(arg_of_scalar(program, program.scalars)), 0);
  IndexMap none{};
  for (size_t k = 0; k < program.operands.size(); k++)
    if (program.operands[k].access == Access::mapped) args[size_t(arg_of_operand(int(k))) + 1] = reinterpret_cast<int64_t>(&none);
  for (int64_t inner : {int64_t(1), int64_t(1) << 20}) {
    args[kArgOuter] = 1, args[kArgInner] = inner;
    render_threads(program, shape_for(program, args.data()));
    if (program.mode == Mode::flat) return;
  }
}

Kernel::Kernel(Device& device, Program program) : device_(device), program_(std::move(program)) { check_forms(program_); }

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

int64_t Kernel::scratch_bytes(const jt_be_launch& launch) {
  ThreadShape shape = variant(launch.args)->shape;
  return scratch_of(program_, shape, launch.args);
}

void Kernel::launch(const jt_be_launch& launch, CuStream stream, CuPointer scratch) {
  if (launch.begin >= launch.end) return;
  std::shared_ptr<Variant> v = variant(launch.args);
  load(*v);
  std::vector<uint64_t> packed = pack_threads(program_, v->shape, launch.args, launch.begin, launch.end, scratch);
  if (size_t bytes = packed.size() * sizeof packed[0]; bytes > device_.most_parameter_bytes())
    fail(JT_E_UNSUPPORTED, "cuda: a kernel has ", bytes, " bytes of arguments, this driver and NVRTC allow ", device_.most_parameter_bytes());
  for (size_t k = 0; k < v->kernels.size(); k++) {
    ThreadLaunch l = launch_of(program_, v->shape, v->kernels[k], launch.args, launch.begin, launch.end);
    if (!l.grid) continue;
    void* parameters[] = {packed.data()};
    std::string what = jt::text(v->kernels[k].name(k), " of ", program_.instrs.size(), " instructions, ", l.grid, " x ", l.block_x * l.block_y, " threads");
    device_.note_launch(what);
    device_.check(device_.api().cuLaunchKernel(v->functions[k], l.grid, 1, 1, l.block_x, l.block_y, 1, 0, stream, parameters, nullptr),
                  "cuLaunchKernel " + what);
    if (device_.waits_for_launches()) device_.check(device_.api().cuStreamSynchronize(stream), what);
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
