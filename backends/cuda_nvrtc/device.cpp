#include "backends/cuda_nvrtc/device.h"

#include "backends/cuda_nvrtc/module.h"
#include "core/base/text.h"

namespace jt::cuda {

namespace {

constexpr size_t kLaunchesTold = 64;

// After these every call fails the same way, until the process ends.
bool ends_the_context(CuResult r) {
  return (r >= 700 && r <= 719 && r != 708 && r != 712 && r != 713) || r == kCuUnknown;
}

}  // namespace

static uint32_t counted_forks() {
  watch_forks();
  return forks_before_us();
}

Device::Device(const jt_host_api& host)
    : host_(host), settings_(settings_of(host)), driver_(find_driver(settings_)), forks_(counted_forks()) {
  if (!driver_) fail(JT_E_UNSUPPORTED, "cuda: ", driver_.why_not);
  nvrtc_ = find_nvrtc(settings_, driver_.version);
  if (!nvrtc_) fail(JT_E_UNSUPPORTED, "cuda: ", nvrtc_.why_not);
  bool knows_index = host.struct_size >= offsetof(jt_host_api, reserved2);
  int index = knows_index ? host.device_index : 0;
  if (index < 0 || index >= driver_.devices)
    fail(JT_E_NOT_FOUND, "cuda: there is no device ", index, ", the driver has ", driver_.devices);
  check(api().cuDeviceGet(&device_, index), "cuDeviceGet");
  int major = 0, minor = 0;
  check(api().cuDeviceGetAttribute(&major, kCuCapabilityMajor, device_), "cuDeviceGetAttribute");
  check(api().cuDeviceGetAttribute(&minor, kCuCapabilityMinor, device_), "cuDeviceGetAttribute");
  check(api().cuDeviceGetAttribute(&processors_, kCuMultiprocessors, device_), "cuDeviceGetAttribute");
  cubin_ = choose_target(nvrtc_, driver_.version, major * 10 + minor, settings_.image);
  if (!cubin_.why_not.empty()) fail(JT_E_UNSUPPORTED, "cuda: ", cubin_.why_not);
  ptx_ = choose_target(nvrtc_, driver_.version, major * 10 + minor, "ptx");
  const char* waits = host.setting ? host.setting(host.host, "cuda.sync") : nullptr;
  waits_ = waits && std::string_view(waits) == "1";
  compiler_ = std::make_unique<Compiler>(nvrtc_, settings_);
  if (const std::string& problem = compiler_->cache_problem(); !problem.empty()) warn(problem);
  check(api().cuDevicePrimaryCtxRetain(&context_, device_), "cuDevicePrimaryCtxRetain");
}

Device::~Device() {
  // The compiler's threads are the parent's, and so are its locks if they held any: it stays.
  if (is_of_parent()) static_cast<void>(compiler_.release());
  else if (context_) api().cuDevicePrimaryCtxRelease_v2(device_);
}

std::shared_ptr<SharedModule> Device::module_of(const std::string& text) {
  std::lock_guard lock(mutex_);
  std::shared_ptr<SharedModule>& module = modules_[text];
  if (!module) module = std::make_shared<SharedModule>(*this, text);
  return module;
}

void Device::warn(const std::string& what) const {
  if (host_.log) host_.log(host_.host, 1, "cuda", what.data(), what.size());
}

Cublas* Device::cublas() {
  std::call_once(cublas_asked_, [&] {
    CublasLibrary library = open_cublas(settings_, nvrtc_);
    if (library) cublas_ = std::make_unique<Cublas>(std::move(library), settings_.uses_tf32);
    else if (settings_.cublas != "off") warn(library.why_not + "; products have kernels of their own");
  });
  return cublas_.get();
}
void Device::drop(CuStream stream) {
  if (cublas_) cublas_->drop(stream);
}
void Device::drop_all() {
  modules_.clear();
  if (cublas_) cublas_->drop_all();
}

Target Device::target() const { return takes_text_ ? ptx_ : cubin_; }
void Device::take_text_from_now_on() {
  if (!ptx_.why_not.empty())
    fail(JT_E_UNSUPPORTED, "cuda: the driver takes no cubin for sm_", cubin_.arch, ", and ", ptx_.why_not);
  takes_text_ = true;
}

// 4 KiB until CUDA 12.1, from then on almost 32.
size_t Device::most_parameter_bytes() const {
  return driver_.version >= 12010 && nvrtc_.version() >= 12010 ? 32764 : 4096;
}

void Device::note_launch(std::string_view what) {
  std::lock_guard lock(mutex_);
  if (launches_.size() == kLaunchesTold) launches_.pop_front();
  launches_.emplace_back(what);
}

std::string Device::last_launches() {
  std::string out;
  for (auto it = launches_.rbegin(); it != launches_.rend() && it - launches_.rbegin() < 8; ++it)
    out += (out.empty() ? "" : ", ") + *it;
  return out.empty() ? "none" : out;
}

void Device::check(CuResult result, const std::string& what) {
  if (result == kCuSuccess) [[likely]] return;
  if (result == kCuOutOfMemory) throw Error(JT_E_NOMEM, text("cuda: ", what, ": ", driver_.error(result)), result);
  if (!ends_the_context(result)) throw Error(JT_E_DEVICE, text("cuda: ", what, ": ", driver_.error(result)), result);
  std::lock_guard lock(mutex_);
  if (!lost_)
    lost_ = Error(JT_E_DEVICE_LOST, text("cuda: the device is lost: ", what, ": ", driver_.error(result),
        "; launched last: ", last_launches()), result);
  throw Error(*lost_);
}

Device::Current::Current(Device& device) : device_(device) {
  if (device.is_of_parent())
    fail(JT_E_FORKED,
         "cuda: the device was opened before this process was forked, which no driver's device survives; open it in "
         "the child");
  device.check(device.api().cuCtxGetCurrent(&before_), "cuCtxGetCurrent");
  changes_ = before_ != device.context_;
  if (changes_) device.check(device.api().cuCtxSetCurrent(device.context_), "cuCtxSetCurrent");
}
Device::Current::Current(Device& device, std::nothrow_t) noexcept : device_(device) {
  if (device.is_of_parent()) return;
  bool is_known = device.api().cuCtxGetCurrent(&before_) == kCuSuccess;
  changes_ = !is_known || before_ != device.context_;
  if (!changes_) return;
  // Twice: what is not given back now never is.
  if (device.api().cuCtxSetCurrent(device.context_) != kCuSuccess) device.api().cuCtxSetCurrent(device.context_);
}
Device::Current::~Current() {
  if (changes_) device_.api().cuCtxSetCurrent(before_);
}

}  // namespace jt::cuda
