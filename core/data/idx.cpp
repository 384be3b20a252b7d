#include "core/data/idx.h"

#include <zlib.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/base/status.h"

namespace jt {

struct IdxDType {
  unsigned char code;
  DType dtype;
};
static constexpr IdxDType kIdxDTypes[] = {
    {0x08, JT_U8}, {0x09, JT_I8}, {0x0b, JT_I16}, {0x0c, JT_I32}, {0x0d, JT_F32}, {0x0e, JT_F64},
};

// ---- sources: plain bytes, or what gzip packed ----

class Source {
 public:
  Source(ByteView file, const std::string& origin) : file_(file), origin_(origin) {
    is_packed_ = file.size() >= 2 && (unsigned char)file[0] == 0x1f && (unsigned char)file[1] == 0x8b;
    if (!is_packed_) return;
    if (inflateInit2(&stream_, 16 + MAX_WBITS) != Z_OK)
      fail(JT_E_NOMEM, "idx: '", origin_, "': no memory to unpack it");
  }
  Source(const Source&) = delete;
  ~Source() {
    if (is_packed_) inflateEnd(&stream_);
  }

  // Up to `size` bytes; fewer only where the file ends.
  size_t take(char* to, size_t size) { return is_packed_ ? unpack(to, size) : copy(to, size); }

  // Bytes left in a plain file; for a packed one, the most that deflate can make of what is left.
  uint64_t at_most_left() const {
    constexpr uint64_t kBestRatio = 1032, kSlack = 1 << 16;
    return is_packed_ ? (file_.size() - fed_ + stream_.avail_in) * kBestRatio + kSlack : file_.size() - fed_;
  }

 private:
  size_t copy(char* to, size_t size) {
    size_t piece = std::min(size, file_.size() - fed_);
    if (piece) std::memcpy(to, file_.data() + fed_, piece);
    fed_ += piece;
    return piece;
  }

  size_t unpack(char* to, size_t size) {
    constexpr size_t kPiece = 1u << 30;  // zlib counts in 32 bits
    size_t done = 0;
    while (done < size && !is_finished_) {
      if (stream_.avail_in == 0) {
        stream_.next_in = (Bytef*)(file_.data() + fed_);
        stream_.avail_in = uInt(std::min(kPiece, file_.size() - fed_));
        fed_ += stream_.avail_in;
      }
      uInt room = uInt(std::min(kPiece, size - done));
      stream_.next_out = (Bytef*)(to + done);
      stream_.avail_out = room;
      int code = inflate(&stream_, Z_NO_FLUSH);
      done += room - stream_.avail_out;
      if (code == Z_STREAM_END)
        finish();
      else if (code == Z_BUF_ERROR)
        fail(JT_E_IO, "idx: '", origin_, "': the gzip data ends after ", file_.size(), " bytes, too early");
      else if (code == Z_MEM_ERROR)
        fail(JT_E_NOMEM, "idx: '", origin_, "': no memory to unpack it");
      else if (code != Z_OK)
        fail(JT_E_IO, "idx: '", origin_,
             "': damaged gzip data: ", stream_.msg ? stream_.msg : "a dictionary is asked for");
    }
    return done;
  }

  void finish() {
    is_finished_ = true;
    size_t left = file_.size() - fed_ + stream_.avail_in;
    if (left)
      fail(JT_E_IO, "idx: '", origin_, "': ", left, " bytes follow the end of the gzip data, 0 expected");
  }

  ByteView file_;
  const std::string& origin_;
  size_t fed_ = 0;  // plain: taken; packed: handed to zlib
  bool is_packed_ = false, is_finished_ = false;
  z_stream stream_ = {};
};

// ---- the array ----

static std::string hex(const unsigned char* bytes, size_t size) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (size_t i = 0; i < size; i++) out += {kHex[bytes[i] >> 4], kHex[bytes[i] & 15]};
  return out;
}

static IdxArray read_header(Source& source, const std::string& origin) {
  unsigned char head[4];
  size_t got = source.take((char*)head, 4);
  if (got < 4) fail(JT_E_IO, "idx: '", origin, "' holds ", got, " bytes, its magic number alone takes 4");
  IdxArray array{JT_DTYPE_FORCE32, {}, {}};
  for (const IdxDType& row : kIdxDTypes)
    if (row.code == head[2]) array.dtype = row.dtype;
  bool is_idx = head[0] == 0 && head[1] == 0 && is_dtype(array.dtype);
  if (!is_idx)
    fail(JT_E_IO, "idx: '", origin, "' begins with ", hex(head, 4),
         ", expected 0000, a dtype code (08 to 0e) and a rank");
  if (head[3] > JT_MAX_RANK)
    fail(JT_E_IO, "idx: '", origin, "' has ", unsigned(head[3]), " axes, at most ", JT_MAX_RANK, " allowed");
  for (unsigned axis = 0; axis < head[3]; axis++) {
    unsigned char e[4];
    got = source.take((char*)e, 4);
    if (got < 4)
      fail(JT_E_IO, "idx: '", origin, "' ends within its header: ", unsigned(head[3]), " axes claimed, ",
           axis, " given");
    array.dims.push_back(int64_t(uint32_t(e[0]) << 24 | uint32_t(e[1]) << 16 | uint32_t(e[2]) << 8 | e[3]));
  }
  return array;
}

static uint64_t claimed_bytes(const IdxArray& array, const std::string& origin) {
  int64_t bytes = int64_t(size_of(array.dtype));
  std::span<const int64_t> dims = array.dims;
  bool is_too_large = false;
  for (int64_t extent : dims) is_too_large |= extent && __builtin_mul_overflow(bytes, extent, &bytes);
  if (is_too_large)
    fail(JT_E_IO, "idx: '", origin, "' claims the shape ", dims, ", which does not fit 63 bits");
  return std::ranges::count(dims, 0) ? 0 : uint64_t(bytes);
}

// At most wanted + 1 bytes: one more shows that the file is too long.
static Bytes read_values(Source& source, uint64_t wanted) {
  uint64_t most = std::min(wanted, source.at_most_left());
  Bytes values = make_bytes(size_t(most) + 1);
  values.size = source.take(values.data.get(), values.size);
  return values;
}

static void swap_to_host(Bytes& values, size_t element) {
  if (element == 1 || std::endian::native == std::endian::big) return;
  for (size_t at = 0; at < values.size; at += element)
    std::reverse(values.data.get() + at, values.data.get() + at + element);
}

IdxArray parse_idx(ByteView file, const std::string& origin) {
  Source source(file, origin);
  IdxArray array = read_header(source, origin);
  uint64_t claimed = claimed_bytes(array, origin);
  array.values = read_values(source, claimed);
  uint64_t held = array.values.size;
  if (held != claimed) {
    char sink[4096];
    while (size_t more = source.take(sink, sizeof sink)) held += more;
    fail(JT_E_IO, "idx: '", origin, "' holds ", held, " bytes of data, its header says ", claimed);
  }
  swap_to_host(array.values, size_of(array.dtype));
  return array;
}

IdxArray read_idx(const std::string& path, const FileSystem& fs) {
  Bytes file = read_file(path, SIZE_MAX, fs);
  return parse_idx(file.view(), path);
}

}  // namespace jt
