// idx: a file of the MNIST family -> one array. Two zero bytes, a dtype code, the rank, the extents, the
// values (big-endian).
//
// Plain or gzip, told apart by the first bytes, not by the name. The file is read piece by piece, its values to where
// the caller makes room for them; that grows with what the file can hold, never with what its header claims.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "core/base/dtype.h"
#include "core/base/file.h"

namespace jt {

struct IdxHeader {
  DType dtype = JT_DTYPE_FORCE32;
  std::vector<int64_t> dims;
};
// Room for `bytes` of values, which come row-major and in the host's byte order; may throw.
using IdxRoom = std::function<char*(const IdxHeader& header, size_t bytes)>;
void read_idx(const std::string& path, const IdxRoom& room, const FileSystem& fs = kFileSystem);

struct IdxArray : IdxHeader {
  Bytes values;
};
IdxArray read_idx(const std::string& path, const FileSystem& fs = kFileSystem);
// `origin` names the bytes in messages.
IdxArray parse_idx(ByteView file, const std::string& origin);

}  // namespace jt
