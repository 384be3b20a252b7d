// safetensors: named tensors <-> one file: 8 bytes of header length, a JSON header, the values.
//
// The readers trust nothing: lengths, offsets, names and dtypes are checked against the bytes present before
// anything is allocated by them, and the values must be covered by the tensors without gap or overlap. What
// it accepts, the format's reference implementation accepts too. Names and metadata keep their order in the
// header; values are laid out by falling element size, so that every tensor begins at a multiple of its
// element size (the format allows no gaps).
#pragma once
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/base/dtype.h"
#include "core/base/file.h"

namespace jt {

struct NamedTensor {
  std::string name;
  DType dtype;
  std::vector<int64_t> dims;
  // Row-major, little-endian. Read from foreign files it may be unaligned for its dtype.
  ByteView bytes;
};

using Metadata = std::vector<std::pair<std::string, std::string>>;

struct TensorFile {
  std::vector<NamedTensor> tensors;
  Metadata metadata;
  Bytes storage;  // what the tensors point into
};

// A file held open: its header is read and checked at once, the values of a tensor when they are asked for.
class OpenTensorFile {
 public:
  struct Entry {
    std::string name;
    DType dtype;
    std::vector<int64_t> dims;
    uint64_t begin, end;  // bytes within the file
  };
  explicit OpenTensorFile(const std::string& path, const FileSystem& fs = kFileSystem);
  const std::vector<Entry>& tensors() const { return tensors_; }
  const Entry* find(std::string_view name) const;  // null: there is none
  const Metadata& metadata() const { return metadata_; }
  // Its values, checked, to `to`; any thread.
  void read(const Entry& entry, char* to) const;

 private:
  FileReader file_;
  std::vector<Entry> tensors_;
  Metadata metadata_;
};

void write_safetensors(const std::string& path, std::span<const NamedTensor> tensors,
                       const Metadata& metadata = {}, const FileSystem& fs = kFileSystem);
TensorFile read_safetensors(const std::string& path, const FileSystem& fs = kFileSystem);
// `origin` names the bytes in messages.
TensorFile parse_safetensors(Bytes storage, const std::string& origin);

}  // namespace jt
