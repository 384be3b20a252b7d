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

namespace {

// Bytes in order, of a file or in memory.
struct Feed {
  uint64_t size;
  std::function<size_t(uint64_t at, char* to, size_t size)> read;  // fewer only at the end
};

class Source {
 public:
  Source(Feed feed, const std::string& origin) : feed_(std::move(feed)), origin_(origin) {
    unsigned char magic[2] = {};
    is_packed_ = feed_.read(0, (char*)magic, 2) == 2 && magic[0] == 0x1f && magic[1] == 0x8b;
    if (!is_packed_) return;
    piece_ = make_bytes(kPiece);
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
    return is_packed_ ? packed_left() * kBestRatio + kSlack : left_in_feed();
  }

 private:
  static constexpr size_t kPiece = size_t(1) << 18;

  uint64_t left_in_feed() const { return feed_.size > fed_ ? feed_.size - fed_ : 0; }
  uint64_t packed_left() const { return left_in_feed() + stream_.avail_in; }
  size_t copy(char* to, size_t size) {
    size_t piece = feed_.read(fed_, to, size);
    fed_ += piece;
    return piece;
  }

  size_t unpack(char* to, size_t size) {
    constexpr size_t kRoom = 1u << 30;  // zlib counts in 32 bits
    size_t done = 0;
    while (done < size && !is_finished_) {
      if (stream_.avail_in == 0) {
        stream_.next_in = (Bytef*)piece_.data.get();
        stream_.avail_in = uInt(copy(piece_.data.get(), piece_.size));
      }
      uInt room = uInt(std::min(kRoom, size - done));
      stream_.next_out = (Bytef*)(to + done);
      stream_.avail_out = room;
      int code = inflate(&stream_, Z_NO_FLUSH);
      done += room - stream_.avail_out;
      if (code == Z_STREAM_END)
        finish();
      else if (code == Z_BUF_ERROR)
        fail(JT_E_IO, "idx: '", origin_, "': the gzip data ends after ", fed_, " bytes, too early");
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
    if (uint64_t left = packed_left())
      fail(JT_E_IO, "idx: '", origin_, "': ", left, " bytes follow the end of the gzip data, 0 expected");
  }

  const Feed feed_;
  const std::string& origin_;
  Bytes piece_;       // packed bytes, as they are read
  uint64_t fed_ = 0;  // taken from the feed
  bool is_packed_ = false, is_finished_ = false;
  z_stream stream_ = {};
};

}  // namespace

// ---- the array ----

static std::string hex(const unsigned char* bytes, size_t size) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (size_t i = 0; i < size; i++) out += {kHex[bytes[i] >> 4], kHex[bytes[i] & 15]};
  return out;
}

static IdxHeader read_header(Source& source, const std::string& origin) {
  unsigned char head[4];
  size_t got = source.take((char*)head, 4);
  if (got < 4) fail(JT_E_IO, "idx: '", origin, "' holds ", got, " bytes, its magic number alone takes 4");
  IdxHeader array;
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

static uint64_t claimed_bytes(const IdxHeader& array, const std::string& origin) {
  int64_t bytes = int64_t(size_of(array.dtype));
  std::span<const int64_t> dims = array.dims;
  bool is_too_large = false;
  for (int64_t extent : dims) is_too_large |= extent && __builtin_mul_overflow(bytes, extent, &bytes);
  if (is_too_large)
    fail(JT_E_IO, "idx: '", origin, "' claims the shape ", dims, ", which does not fit 63 bits");
  return std::ranges::count(dims, 0) ? 0 : uint64_t(bytes);
}

static void swap_to_host(char* values, size_t size, size_t element) {
  if (element == 1 || std::endian::native == std::endian::big) return;
  for (size_t at = 0; at < size; at += element) std::reverse(values + at, values + at + element);
}

static void read_array(Feed feed, const std::string& origin, const IdxRoom& room) {
  Source source(std::move(feed), origin);
  IdxHeader header = read_header(source, origin);
  uint64_t claimed = claimed_bytes(header, origin), held = 0;
  if (claimed <= source.at_most_left()) {
    char* values = room(header, size_t(claimed));
    held = source.take(values, size_t(claimed));
    if (held == claimed) swap_to_host(values, size_t(claimed), size_of(header.dtype));
  }
  Bytes sink = make_bytes(size_t(1) << 16);
  while (size_t more = source.take(sink.data.get(), sink.size)) held += more;
  if (held != claimed)
    fail(JT_E_IO, "idx: '", origin, "' holds ", held, " bytes of data, its header says ", claimed);
}

static IdxArray array_of(Feed feed, const std::string& origin) {
  IdxArray array;
  read_array(std::move(feed), origin, [&](const IdxHeader& header, size_t bytes) {
    static_cast<IdxHeader&>(array) = header;
    array.values = make_bytes(bytes);
    return array.values.data.get();
  });
  return array;
}

IdxArray parse_idx(ByteView file, const std::string& origin) {
  auto read = [file](uint64_t at, char* to, size_t size) {
    size_t piece = at < file.size() ? std::min(size, file.size() - size_t(at)) : 0;
    if (piece) std::memcpy(to, file.data() + at, piece);
    return piece;
  };
  return array_of({file.size(), read}, origin);
}

static Feed feed_of(const FileReader& file) {
  return {file.size(), [&file](uint64_t at, char* to, size_t size) { return file.read(at, to, size); }};
}

void read_idx(const std::string& path, const IdxRoom& room, const FileSystem& fs) {
  FileReader file(path, fs);
  read_array(feed_of(file), path, room);
}

IdxArray read_idx(const std::string& path, const FileSystem& fs) {
  FileReader file(path, fs);
  return array_of(feed_of(file), path);
}

}  // namespace jt
