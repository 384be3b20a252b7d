// kernel_store: machine code of kernels on the disk: key -> one file in a private folder -> code that can be called.
//
// Only code without addresses may be saved (see render_c.h). A key holds everything that the code depends on; it is
// stored in full and compared in full. An entry that is short, long, changed anywhere, of another key or another
// library is a miss, never an error. Files are replaced as a whole, so readers and writers of many processes need no
// lock.
#pragma once
#include <atomic>
#include <string>
#include <string_view>

#include "backends/cpu_tcc/tcc/tcc_library.h"
#include "core/base/file.h"

namespace jt::cpu {

class KernelStore {
 public:
  // Throws JT_E_IO if the folder cannot be made or others could change it. `build` stands for all that is not in the
  // keys.
  KernelStore(const std::string& folder, std::string build, const FileSystem& fs = kFileSystem);

  // No entry: a miss. Throws nothing else than what the arena throws.
  TccKernel load(std::string_view key, CodeArena& arena) const;
  // Throws JT_E_IO. Code that is not in an arena is not saved.
  void save(std::string_view key, const TccKernel& kernel);

  std::string file_name(std::string_view key) const;
  const std::string& path() const { return folder_.path(); }

  static constexpr uint64_t kMostBytes = 256 << 20;  // of all entries; beyond it the oldest half goes

 private:

  PrivateFolder folder_;
  std::string build_;
  std::atomic<uint32_t> saves_{0};
};

// Differs between two builds of the library: their version, their primitives' numbers and the linker's build id.
std::string build_id();

}  // namespace jt::cpu
