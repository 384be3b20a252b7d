// image_store: what NVRTC made of a text, on the disk: key -> one file in a private folder.
//
// A key is all that an image depends on; it is stored in full and compared in full. An entry that is short, long,
// changed anywhere or of another key is a miss, never an error. Files are replaced as a whole, so readers and writers
// of many processes need no lock.
#pragma once
#include <atomic>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/file.h"

namespace jt::cuda {

struct Image {
  std::string bytes;  // a cubin, or PTX that ends with a NUL
  std::string log;    // of the compiler: registers, stack, spills
};

class ImageStore {
 public:
  // Throws JT_E_IO if the folder cannot be made or others could change it.
  explicit ImageStore(const std::string& folder, const FileSystem& fs = kFileSystem) : folder_(folder, fs) {}
  std::optional<Image> load(std::string_view key) const;
  void save(std::string_view key, const Image& image);  // throws JT_E_IO
  void drop(std::string_view key) const;                // of an entry that a device does not take; none is no error
  static std::string file_name(std::string_view key);
  const std::string& path() const { return folder_.path(); }

  static constexpr uint64_t kMostBytes = 512 << 20;  // of all entries; beyond it the oldest half goes

 private:
  PrivateFolder folder_;
  std::atomic<uint32_t> saves_{0};
};

}  // namespace jt::cuda
