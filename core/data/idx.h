// idx: a file of the MNIST family -> one array. Two zero bytes, a dtype code, the rank, the extents, the
// values (big-endian).
//
// Plain or gzip, told apart by the first bytes, not by the name. Memory grows with what the file really
// holds, never with what its header claims.
#pragma once
#include <string>
#include <vector>

#include "core/base/dtype.h"
#include "core/base/file.h"

namespace jt {

struct IdxArray {
  DType dtype;
  std::vector<int64_t> dims;
  Bytes values;  // row-major, in the host's byte order
};

IdxArray read_idx(const std::string& path, const FileSystem& fs = kFileSystem);
// `origin` names the bytes in messages.
IdxArray parse_idx(ByteView file, const std::string& origin);

}  // namespace jt
