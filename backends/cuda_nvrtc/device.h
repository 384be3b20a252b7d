// device: one GPU: its context, its target, whoever compiles for it, and whether it is lost.
#pragma once
#include <jt/jt_backend.h>

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <string>

#include "backends/cuda_nvrtc/compiler.h"
#include "backends/cuda_nvrtc/cublas.h"
#include "backends/cuda_nvrtc/toolkit.h"
#include "core/base/fork.h"

namespace jt::cuda {

class SharedModule;

class Device {
 public:
  // Throws JT_E_UNSUPPORTED, with what is missing, or what the driver says.
  explicit Device(const jt_host_api& host);
  ~Device();
  Device(const Device&) = delete;

  const Settings& settings() const { return settings_; }
  const CuDriver& api() const { return driver_.api; }
  Compiler& compiler() { return *compiler_; }
  Target target() const;
  void take_text_from_now_on();  // the driver takes no cubins
  size_t most_parameter_bytes() const;
  // the process was forked since: the driver knows nothing here
  bool is_of_parent() const { return forks_ != forks_before_us(); }
  bool waits_for_launches() const { return waits_; }
  int processors() const { return processors_; }
  // Ops of one text share what is compiled of it.
  std::shared_ptr<SharedModule> module_of(const std::string& text);
  // Opened when it is first asked for; null where there is none that serves, which is logged.
  Cublas* cublas();
  void warn(const std::string& what) const;
  // While the device's context is the thread's:
  void drop(CuStream stream);  // before the stream goes
  void drop_all();             // before the device goes

  // Throws what a result means: JT_E_NOMEM, JT_E_DEVICE, or JT_E_DEVICE_LOST with the first error and what was launched
  // last.
  void check(CuResult result, const std::string& what);
  void note_launch(std::string_view what);

  // The device's context is the thread's while it lives; then what was.
  class Current {
   public:
    explicit Current(Device& device);
    Current(Device& device, std::nothrow_t) noexcept;  // as far as that goes: for giving things back
    ~Current();
    Current(const Current&) = delete;

   private:
    Device& device_;
    CuContext before_ = nullptr;
    bool changes_ = false;
  };

 private:
  std::string last_launches();
  const jt_host_api& host_;
  const Settings settings_;
  DriverLibrary driver_;
  NvrtcLibrary nvrtc_;
  CuDevice device_ = 0;
  CuContext context_ = nullptr;
  Target cubin_, ptx_;
  std::atomic<bool> takes_text_{false};
  const uint32_t forks_;
  bool waits_ = false;
  int processors_ = 1;
  std::unique_ptr<Compiler> compiler_;
  std::mutex mutex_;
  std::deque<std::string> launches_;
  std::optional<Error> lost_;
  std::map<std::string, std::shared_ptr<SharedModule>> modules_;
  std::once_flag cublas_asked_;
  std::unique_ptr<Cublas> cublas_;
};

}  // namespace jt::cuda
