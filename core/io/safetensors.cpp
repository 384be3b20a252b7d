#include "core/io/safetensors.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <unordered_set>

#include "core/base/status.h"
#include "core/base/utf8.h"
#include "core/io/header_reader.h"

namespace jt {

// Caps of the format's reference implementation, and jt's own.
constexpr size_t kMaxHeader = 100'000'000;
constexpr size_t kMaxName = 1024;
constexpr size_t kAlignment = 64;  // of the first value within the file
constexpr const char* kMetadataKey = "__metadata__";

struct FormatDType {
  const char* name;
  DType dtype;
};
static constexpr FormatDType kFormatDTypes[] = {
    {"BOOL", JT_BOOL}, {"I8", JT_I8},     {"I16", JT_I16}, {"I32", JT_I32}, {"I64", JT_I64},
    {"U8", JT_U8},     {"U16", JT_U16},   {"U32", JT_U32}, {"U64", JT_U64}, {"F16", JT_F16},
    {"F32", JT_F32},   {"BF16", JT_BF16}, {"F64", JT_F64},
};
static_assert(std::size(kFormatDTypes) == kDTypes);

static const char* format_name(DType dtype) {
  for (const FormatDType& row : kFormatDTypes)
    if (row.dtype == dtype) return row.name;
  return nullptr;
}

// Bytes of a dense tensor; nothing if the count does not fit 63 bits, even where a zero extent would hide it.
static std::optional<uint64_t> dense_bytes(DType dtype, std::span<const int64_t> dims) {
  int64_t bytes = int64_t(size_of(dtype));
  bool is_empty = false;
  for (int64_t extent : dims) {
    if (extent < 0) return std::nullopt;
    if (extent == 0)
      is_empty = true;
    else if (__builtin_mul_overflow(bytes, extent, &bytes))
      return std::nullopt;
  }
  return is_empty ? 0 : uint64_t(bytes);
}

// ---- the header, read ----

struct TensorEntry {
  NamedTensor tensor;
  uint64_t begin, end;  // within the values
};
struct FileHeader {
  std::vector<TensorEntry> entries;
  Metadata metadata;
};

static DType format_dtype(const HeaderReader& reader, const std::string& tensor, const std::string& wanted) {
  for (const FormatDType& row : kFormatDTypes)
    if (wanted == row.name) return row.dtype;
  reader.fail_here("tensor '", shown(tensor), "' has dtype '", shown(wanted), "', which jt does not hold");
}

static TensorEntry read_entry(HeaderReader& reader, const std::string& name) {
  TensorEntry entry{{name, JT_DTYPE_FORCE32, {}, {}}, 0, 0};
  bool has_dtype = false, has_shape = false, has_offsets = false;
  auto once = [&](bool& seen, const char* key) {
    if (seen) reader.fail_here("tensor '", shown(name), "' has '", key, "' twice");
    seen = true;
  };
  reader.object([&](const std::string& key) {
    if (key == "dtype") {
      once(has_dtype, "dtype");
      entry.tensor.dtype = format_dtype(reader, name, reader.string());
    } else if (key == "shape") {
      once(has_shape, "shape");
      reader.list([&] {
        if (entry.tensor.dims.size() == JT_MAX_RANK)
          reader.fail_here("tensor '", shown(name), "' has more than ", JT_MAX_RANK, " axes");
        entry.tensor.dims.push_back(reader.integer());
      });
    } else if (key == "data_offsets") {
      once(has_offsets, "data_offsets");
      int count = 0;
      reader.list([&] {
        uint64_t offset = uint64_t(reader.integer());
        (count == 0 ? entry.begin : entry.end) = offset;
        if (++count > 2) reader.fail_here("tensor '", shown(name), "' has more than 2 data_offsets");
      });
      if (count < 2) reader.fail_here("tensor '", shown(name), "' has ", count, " data_offsets, 2 expected");
    } else {
      reader.fail_here("tensor '", shown(name), "' has the unknown key '", shown(key), "'");
    }
  });
  const char* missing = !has_dtype ? "dtype" : !has_shape ? "shape" : !has_offsets ? "data_offsets" : nullptr;
  if (missing) reader.fail_here("tensor '", shown(name), "' lacks '", missing, "'");
  return entry;
}

static void check_extent(const HeaderReader& reader, const TensorEntry& entry, uint64_t held) {
  const NamedTensor& tensor = entry.tensor;
  std::span<const int64_t> dims = tensor.dims;
  std::optional<uint64_t> wanted = dense_bytes(tensor.dtype, dims);
  if (!wanted) reader.fail_here("tensor '", shown(tensor.name), "' of shape ", dims, " does not fit 63 bits");
  bool is_inside = entry.begin <= entry.end && entry.end <= held;
  if (!is_inside)
    reader.fail_here("tensor '", shown(tensor.name), "' spans bytes ", entry.begin, " to ", entry.end, " of ",
                     held);
  if (entry.end - entry.begin != *wanted)
    reader.fail_here("tensor '", shown(tensor.name), "' of shape ", dims, " and dtype ", name(tensor.dtype),
                     " takes ", *wanted, " bytes, its data_offsets span ", entry.end - entry.begin);
}

static void check_name(const HeaderReader& reader, const std::string& name,
                       std::unordered_set<std::string>& seen) {
  if (name.size() > kMaxName)
    reader.fail_here("a name of ", name.size(), " bytes, at most ", kMaxName, " allowed");
  if (name.find('\0') != name.npos) reader.fail_here("a name holds a NUL");
  if (!seen.insert(name).second) reader.fail_here("'", shown(name), "' appears twice");
}

static Metadata read_metadata(HeaderReader& reader) {
  Metadata metadata;
  std::unordered_set<std::string> seen;
  reader.object([&](const std::string& key) {
    check_name(reader, key, seen);
    metadata.emplace_back(key, reader.string());
  });
  return metadata;
}

// Every byte of the values belongs to exactly one tensor.
static void check_coverage(std::span<const TensorEntry> entries, uint64_t held, const std::string& origin) {
  std::vector<const TensorEntry*> sorted;
  for (const TensorEntry& entry : entries) sorted.push_back(&entry);
  // By end as well: an empty tensor may share its begin with a full one.
  std::sort(sorted.begin(), sorted.end(), [](const TensorEntry* a, const TensorEntry* b) {
    return std::pair(a->begin, a->end) < std::pair(b->begin, b->end);
  });
  uint64_t covered = 0;
  for (const TensorEntry* entry : sorted) {
    if (entry->begin != covered)
      fail(JT_E_IO, "safetensors: '", origin, "': tensor '", shown(entry->tensor.name), "' begins at ",
           entry->begin, ", the one before it ends at ", covered);
    covered = entry->end;
  }
  if (covered != held)
    fail(JT_E_IO, "safetensors: '", origin, "' holds ", held, " bytes of values, its tensors take ", covered);
}

static void check_bools(DType dtype, const std::string& tensor, ByteView bytes, const std::string& origin) {
  if (dtype != JT_BOOL) return;
  for (char value : bytes)
    if (value != 0 && value != 1)
      fail(JT_E_IO, "safetensors: '", origin, "': tensor '", shown(tensor),
           "' is BOOL and holds the byte ", unsigned((unsigned char)value));
}

// The length of the header of a file of `size` bytes that begins with these eight.
static uint64_t header_size_of(const char* first, uint64_t size, const std::string& origin) {
  uint64_t header_size = 0;
  for (int i = 7; i >= 0; i--) header_size = header_size << 8 | (unsigned char)first[i];
  uint64_t following = size - 8;
  if (header_size > following)
    fail(JT_E_IO, "safetensors: '", origin, "': header of ", header_size, " bytes claimed, ", following,
         " bytes follow");
  if (header_size > kMaxHeader)
    fail(JT_E_IO, "safetensors: '", origin, "': header of ", header_size, " bytes, at most ", kMaxHeader,
         " allowed");
  return header_size;
}
static void check_size(uint64_t size, const std::string& origin) {
  if (size < 8) fail(JT_E_IO, "safetensors: '", origin, "' holds ", size, " bytes, the length alone takes 8");
}

// held: bytes of values behind the header.
static FileHeader read_header(std::string_view json, uint64_t held, const std::string& origin) {
  FileHeader header;
  std::unordered_set<std::string> seen;
  HeaderReader reader(json, origin);
  if (json.empty() || json[0] != '{') reader.fail_here("the header does not begin with '{'");
  reader.object([&](const std::string& key) {
    check_name(reader, key, seen);
    if (key == kMetadataKey) {
      header.metadata = read_metadata(reader);
      return;
    }
    header.entries.push_back(read_entry(reader, key));
    check_extent(reader, header.entries.back(), held);
  });
  reader.end();
  check_coverage(header.entries, held, origin);
  return header;
}

TensorFile parse_safetensors(Bytes storage, const std::string& origin) {
  check_size(storage.size, origin);
  uint64_t header_size = header_size_of(storage.data.get(), storage.size, origin);
  FileHeader header = read_header({storage.data.get() + 8, header_size}, storage.size - 8 - header_size, origin);
  TensorFile file;
  file.metadata = std::move(header.metadata);
  const char* values = storage.data.get() + 8 + header_size;
  for (TensorEntry& entry : header.entries) {
    entry.tensor.bytes = {values + entry.begin, size_t(entry.end - entry.begin)};
    check_bools(entry.tensor.dtype, entry.tensor.name, entry.tensor.bytes, origin);
    file.tensors.push_back(std::move(entry.tensor));
  }
  file.storage = std::move(storage);
  return file;
}

static void read_whole(const FileReader& file, uint64_t at, char* to, size_t size) {
  size_t got = file.read(at, to, size);
  if (got < size)
    fail(JT_E_IO, "safetensors: '", file.path(), "' ends after ", at + got, " bytes; it held ", file.size(),
         " when it was opened");
}

OpenTensorFile::OpenTensorFile(const std::string& path, const FileSystem& fs) : file_(path, fs) {
  char first[8];
  check_size(file_.size(), path);
  read_whole(file_, 0, first, 8);
  uint64_t header_size = header_size_of(first, file_.size(), path), values = 8 + header_size;
  Bytes json = make_bytes(header_size);
  read_whole(file_, 8, json.data.get(), header_size);
  FileHeader header = read_header({json.data.get(), header_size}, file_.size() - values, path);
  for (TensorEntry& e : header.entries)
    tensors_.push_back(
        {std::move(e.tensor.name), e.tensor.dtype, std::move(e.tensor.dims), values + e.begin, values + e.end});
  metadata_ = std::move(header.metadata);
}

const OpenTensorFile::Entry* OpenTensorFile::find(std::string_view name) const {
  for (const Entry& entry : tensors_)
    if (entry.name == name) return &entry;
  return nullptr;
}

void OpenTensorFile::read(const Entry& entry, char* to) const {
  size_t size = size_t(entry.end - entry.begin);
  read_whole(file_, entry.begin, to, size);
  check_bools(entry.dtype, entry.name, {to, size}, file_.path());
}

TensorFile read_safetensors(const std::string& path, const FileSystem& fs) {
  return parse_safetensors(read_file(path, SIZE_MAX, fs), path);
}

// ---- the header, written ----

static void append_json(std::string& out, std::string_view value) {
  constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (char c : value) {
    if (c == '"' || c == '\\')
      (out += '\\') += c;
    else if ((unsigned char)c < 0x20)
      append(out, std::string{'\\', 'u', '0', '0', kHex[c >> 4], kHex[c & 15]});
    else
      out += c;
  }
  out += '"';
}

static void check_key(std::string_view kind, const std::string& key, std::unordered_set<std::string>& seen) {
  if (!is_utf8(key))
    fail(JT_E_INVALID, "safetensors: the name of a ", kind, " is not UTF-8: '", shown(key), "'");
  if (key.find('\0') != key.npos)
    fail(JT_E_INVALID, "safetensors: a ", kind, " name holds a NUL: '", key.c_str(), "'");
  if (key.size() > kMaxName)
    fail(JT_E_INVALID, "safetensors: a ", kind, " name has ", key.size(), " bytes, at most ", kMaxName,
         " allowed");
  if (!seen.insert(key).second) fail(JT_E_INVALID, "safetensors: two of the name '", shown(key), "'");
}

static void check_tensor(const NamedTensor& tensor, std::unordered_set<std::string>& seen) {
  check_key("tensor", tensor.name, seen);
  std::span<const int64_t> dims = tensor.dims;
  if (tensor.name == kMetadataKey)
    fail(JT_E_INVALID, "safetensors: a tensor may not be called ", kMetadataKey);
  if (!is_dtype(tensor.dtype))
    fail(JT_E_DTYPE, "safetensors: tensor '", shown(tensor.name), "' has no valid dtype");
  if (dims.size() > JT_MAX_RANK)
    fail(JT_E_SHAPE, "safetensors: tensor '", shown(tensor.name), "' has ", dims.size(), " axes, at most ",
         JT_MAX_RANK);
  std::optional<uint64_t> wanted = dense_bytes(tensor.dtype, dims);
  if (!wanted || *wanted != tensor.bytes.size())
    fail(JT_E_SHAPE, "safetensors: tensor '", shown(tensor.name), "' of shape ", dims, " and dtype ",
         name(tensor.dtype), " takes ", wanted ? text(*wanted) : "too many", " bytes, given ",
         tensor.bytes.size());
}

// Where each tensor goes: falling element size, then the caller's order.
static std::vector<size_t> order_of_values(std::span<const NamedTensor> tensors) {
  std::vector<size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), size_t(0));
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return size_of(tensors[a].dtype) > size_of(tensors[b].dtype); });
  return order;
}

static std::string header_of(std::span<const NamedTensor> tensors, const Metadata& metadata,
                             std::span<const size_t> order) {
  std::vector<uint64_t> begins(tensors.size());
  uint64_t at = 0;
  for (size_t index : order) {
    begins[index] = at;
    at += tensors[index].bytes.size();
  }
  std::string json = "{";
  if (!metadata.empty()) {
    append_json(json, kMetadataKey);
    for (size_t i = 0; i < metadata.size(); i++) {
      json += i ? "," : ":{";
      append_json(json, metadata[i].first);
      json += ':';
      append_json(json, metadata[i].second);
    }
    json += '}';
  }
  for (size_t i = 0; i < tensors.size(); i++) {
    const NamedTensor& tensor = tensors[i];
    if (json.size() > 1) json += ',';
    append_json(json, tensor.name);
    std::span<const int64_t> dims = tensor.dims;
    json += text(":{\"dtype\":\"", format_name(tensor.dtype), "\",\"shape\":", dims, ",\"data_offsets\":[",
                 begins[i], ",", begins[i] + tensor.bytes.size(), "]}");
  }
  json += '}';
  json.append((kAlignment - (8 + json.size()) % kAlignment) % kAlignment, ' ');
  return json;
}

void write_safetensors(const std::string& path, std::span<const NamedTensor> tensors,
                       const Metadata& metadata, const FileSystem& fs) {
  std::unordered_set<std::string> names, keys;
  for (const NamedTensor& tensor : tensors) check_tensor(tensor, names);
  for (const auto& [key, value] : metadata) {
    check_key("metadata entry", key, keys);
    if (!is_utf8(value)) fail(JT_E_INVALID, "safetensors: metadata '", shown(key), "' is not UTF-8");
  }
  std::vector<size_t> order = order_of_values(tensors);
  std::string json = header_of(tensors, metadata, order);
  if (json.size() > kMaxHeader)
    fail(JT_E_INVALID, "safetensors: header of ", json.size(), " bytes, at most ", kMaxHeader, " allowed");
  char length[8];
  for (int i = 0; i < 8; i++) length[i] = char(uint64_t(json.size()) >> (8 * i));
  std::vector<ByteView> parts{length, view_of(json)};
  for (size_t index : order) parts.push_back(tensors[index].bytes);
  write_file(path, parts, fs);
}

}  // namespace jt
