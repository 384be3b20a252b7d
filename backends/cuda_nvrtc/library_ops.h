// library_ops: library ops by name and parameters (docs/ADD-A-BACKEND.md) -> kernels of this backend's own.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "backends/cuda_nvrtc/device.h"
#include "core/base/dtype.h"

namespace jt::cuda {

class LibraryOp {
 public:
  virtual ~LibraryOp() = default;
  virtual size_t workspace_bytes() const { return 0; }
  virtual void run(CuStream stream, void* const* pointers, CuPointer workspace) = 0;
};

// Throws JT_E_UNSUPPORTED, JT_E_INVALID.
std::unique_ptr<LibraryOp> make_library_op(Device& device, std::string_view name, std::span<const int64_t> params);
// Whether there is one, for results of that dtype.
bool offers(std::string_view name, DType dtype);

// What the files of ops define.
std::unique_ptr<LibraryOp> make_product(Device& device, std::string_view name, std::span<const int64_t> params);
std::unique_ptr<LibraryOp> make_of_lines(Device& device, std::string_view name, std::span<const int64_t> params);
std::unique_ptr<LibraryOp> make_pool(Device& device, std::string_view name, std::span<const int64_t> params);

}  // namespace jt::cuda
