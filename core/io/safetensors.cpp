#include "core/io/safetensors.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>
#include <unordered_set>

#include "core/base/status.h"

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
    {"BOOL", JT_BOOL}, {"I8", JT_I8},   {"I16", JT_I16}, {"I32", JT_I32}, {"I64", JT_I64},   {"U8", JT_U8},   {"U16", JT_U16},
    {"U32", JT_U32},   {"U64", JT_U64}, {"F16", JT_F16}, {"F32", JT_F32}, {"BF16", JT_BF16}, {"F64", JT_F64},
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
    if (extent == 0) is_empty = true;
    else if (__builtin_mul_overflow(bytes, extent, &bytes)) return std::nullopt;
  }
  return is_empty ? 0 : uint64_t(bytes);
}

// Length of the UTF-8 character at the front; 0 if it is none (overlong, surrogate, beyond U+10FFFF, cut off).
static size_t utf8_length(std::string_view s) {
  auto byte = [&](size_t i) { return i < s.size() ? (unsigned char)s[i] : 0u; };
  auto is_tail = [&](size_t i) { return (byte(i) & 0xc0) == 0x80; };
  unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return is_tail(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    bool is_overlong = lead == 0xe0 && byte(1) < 0xa0, is_surrogate = lead == 0xed && byte(1) > 0x9f;
    return is_tail(1) && is_tail(2) && !is_overlong && !is_surrogate ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    bool is_overlong = lead == 0xf0 && byte(1) < 0x90, is_too_large = lead == 0xf4 && byte(1) > 0x8f;
    return is_tail(1) && is_tail(2) && is_tail(3) && !is_overlong && !is_too_large ? 4 : 0;
  }
  return 0;
}

static bool is_utf8(std::string_view s) {
  while (!s.empty()) {
    size_t length = utf8_length(s);
    if (length == 0) return false;
    s.remove_prefix(length);
  }
  return true;
}

// A name as it may appear in a message: short, and free of what would break the line.
static std::string shown(std::string_view name) {
  constexpr size_t kShown = 60;
  std::string out;
  for (char c : name.substr(0, kShown)) out += (unsigned char)c < 0x20 ? '?' : c;
  return name.size() > kShown ? out + "..." : out;
}

// ---- the header, read ----

static void append_utf8(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out += char(code);
  } else if (code < 0x800) {
    out += {char(0xc0 | code >> 6), char(0x80 | (code & 63))};
  } else if (code < 0x10000) {
    out += {char(0xe0 | code >> 12), char(0x80 | (code >> 6 & 63)), char(0x80 | (code & 63))};
  } else {
    out += {char(0xf0 | code >> 18), char(0x80 | (code >> 12 & 63)), char(0x80 | (code >> 6 & 63)), char(0x80 | (code & 63))};
  }
}

// As much of JSON as a header needs: objects, strings, lists of non-negative integers. The caller says what comes next, so
// depth is fixed by the format and nothing recurses.
class HeaderReader {
 public:
  HeaderReader(std::string_view json, const std::string& origin) : json_(json), origin_(origin) {}

  template <class... Parts>
  [[noreturn]] void fail_here(const Parts&... parts) const {
    fail(JT_E_IO, "safetensors: '", origin_, "': header byte ", at_, ": ", parts...);
  }

  // Calls each(key) for every member, which must read the value.
  template <class Each>
  void object(Each each) {
    expect('{');
    if (accept('}')) return;
    do {
      std::string key = string();
      expect(':');
      each(key);
    } while (accept(','));
    expect('}');
  }

  template <class Each>
  void list(Each each) {
    expect('[');
    if (accept(']')) return;
    do each();
    while (accept(','));
    expect(']');
  }

  int64_t integer() {
    skip_space();
    size_t start = at_;
    int64_t value = 0;
    while (at_ < json_.size() && json_[at_] >= '0' && json_[at_] <= '9') {
      int digit = json_[at_] - '0';
      bool is_too_large = __builtin_mul_overflow(value, int64_t(10), &value) ||
                          __builtin_add_overflow(value, int64_t(digit), &value);
      if (is_too_large) fail_here("a number does not fit 63 bits");
      at_++;
    }
    if (at_ == start) fail_here("expected a non-negative integer, found ", found());
    if (json_[start] == '0' && at_ - start > 1) fail_here("a number begins with 0");
    return value;
  }

  std::string string() {
    expect('"');
    std::string out;
    for (;;) {
      if (at_ == json_.size()) fail_here("a string does not end");
      char c = json_[at_];
      if (c == '"') break;
      if ((unsigned char)c < 0x20) fail_here("a control character in a string");
      if (c == '\\') {
        at_++;
        escape(out);
        continue;
      }
      size_t length = utf8_length(json_.substr(at_));
      if (length == 0) fail_here("a string is not UTF-8");
      out += json_.substr(at_, length);
      at_ += length;
    }
    at_++;
    return out;
  }

  void end() {
    skip_space();
    if (at_ != json_.size()) fail_here("expected the end, found ", found());
  }

 private:
  void skip_space() {
    while (at_ < json_.size() && (json_[at_] == ' ' || json_[at_] == '\n' || json_[at_] == '\r' || json_[at_] == '\t')) at_++;
  }
  bool accept(char c) {
    skip_space();
    if (at_ == json_.size() || json_[at_] != c) return false;
    at_++;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail_here("expected '", c, "', found ", found());
  }
  std::string found() const {
    if (at_ == json_.size()) return "the end";
    unsigned char c = (unsigned char)json_[at_];
    return c >= 0x20 && c < 0x7f ? text("'", char(c), "'") : text("byte ", unsigned(c));
  }
  uint32_t hex4() {
    uint32_t value = 0;
    for (int i = 0; i < 4; i++, at_++) {
      char c = at_ < json_.size() ? json_[at_] : '?';
      if (c >= '0' && c <= '9') value = value * 16 + uint32_t(c - '0');
      else if (c >= 'a' && c <= 'f') value = value * 16 + uint32_t(c - 'a' + 10);
      else if (c >= 'A' && c <= 'F') value = value * 16 + uint32_t(c - 'A' + 10);
      else fail_here("\\u wants four hex digits");
    }
    return value;
  }
  void escape(std::string& out) {
    constexpr std::string_view kLetters = "\"\\/bfnrt", kMeaning = "\"\\/\b\f\n\r\t";
    char letter = at_ < json_.size() ? json_[at_] : '?';
    if (size_t i = kLetters.find(letter); i != kLetters.npos) {
      out += kMeaning[i];
      at_++;
      return;
    }
    if (letter != 'u') fail_here("unknown escape in a string");
    at_++;
    uint32_t code = hex4();
    if (code >= 0xd800 && code < 0xdc00) {
      bool has_low = json_.substr(at_, 2) == "\\u";
      if (has_low) at_ += 2;
      uint32_t low = has_low ? hex4() : 0;
      if (low < 0xdc00 || low > 0xdfff) fail_here("half of a surrogate pair in a string");
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code >= 0xdc00 && code < 0xe000) {
      fail_here("half of a surrogate pair in a string");
    }
    append_utf8(out, code);
  }

  std::string_view json_;
  const std::string& origin_;
  size_t at_ = 0;
};

struct TensorEntry {
  NamedTensor tensor;
  uint64_t begin, end;  // within the values
};

static DType format_dtype(const HeaderReader& reader, const std::string& tensor, const std::string& wanted) {
  for (const FormatDType& row : kFormatDTypes)
    if (wanted == row.name) return row.dtype;
  reader.fail_here("tensor '", shown(tensor), "' has dtype '", shown(wanted), "', which jt does not hold");
}

static TensorEntry read_entry(HeaderReader& reader, const std::string& name) {
  TensorEntry entry{{name}, 0, 0};
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
    reader.fail_here("tensor '", shown(tensor.name), "' spans bytes ", entry.begin, " to ", entry.end, " of ", held);
  if (entry.end - entry.begin != *wanted)
    reader.fail_here("tensor '", shown(tensor.name), "' of shape ", dims, " and dtype ", name(tensor.dtype), " takes ", *wanted,
                     " bytes, its data_offsets span ", entry.end - entry.begin);
}

static void check_name(const HeaderReader& reader, const std::string& name, std::unordered_set<std::string>& seen) {
  if (name.size() > kMaxName) reader.fail_here("a name of ", name.size(), " bytes, at most ", kMaxName, " allowed");
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
      fail(JT_E_IO, "safetensors: '", origin, "': tensor '", shown(entry->tensor.name), "' begins at ", entry->begin,
           ", the one before it ends at ", covered);
    covered = entry->end;
  }
  if (covered != held)
    fail(JT_E_IO, "safetensors: '", origin, "' holds ", held, " bytes of values, its tensors take ", covered);
}

static void check_bools(const NamedTensor& tensor, const std::string& origin) {
  if (tensor.dtype != JT_BOOL) return;
  for (char value : tensor.bytes)
    if (value != 0 && value != 1)
      fail(JT_E_IO, "safetensors: '", origin, "': tensor '", shown(tensor.name), "' is BOOL and holds the byte ",
           unsigned((unsigned char)value));
}

TensorFile parse_safetensors(Buffer storage, const std::string& origin) {
  if (storage.size < 8) fail(JT_E_IO, "safetensors: '", origin, "' holds ", storage.size, " bytes, the length alone takes 8");
  uint64_t header_size = 0;
  for (int i = 7; i >= 0; i--) header_size = header_size << 8 | (unsigned char)storage.data[i];
  uint64_t following = storage.size - 8;
  if (header_size > following)
    fail(JT_E_IO, "safetensors: '", origin, "': header of ", header_size, " bytes claimed, ", following, " bytes follow");
  if (header_size > kMaxHeader)
    fail(JT_E_IO, "safetensors: '", origin, "': header of ", header_size, " bytes, at most ", kMaxHeader, " allowed");
  std::string_view json(storage.data.get() + 8, header_size);
  uint64_t held = following - header_size;

  TensorFile file;
  std::vector<TensorEntry> entries;
  std::unordered_set<std::string> seen;
  HeaderReader reader(json, origin);
  if (json.empty() || json[0] != '{') reader.fail_here("the header does not begin with '{'");
  reader.object([&](const std::string& key) {
    check_name(reader, key, seen);
    if (key == kMetadataKey) {
      file.metadata = read_metadata(reader);
      return;
    }
    entries.push_back(read_entry(reader, key));
    check_extent(reader, entries.back(), held);
  });
  reader.end();
  check_coverage(entries, held, origin);

  const char* values = storage.data.get() + 8 + header_size;
  for (TensorEntry& entry : entries) {
    entry.tensor.bytes = {values + entry.begin, size_t(entry.end - entry.begin)};
    check_bools(entry.tensor, origin);
    file.tensors.push_back(std::move(entry.tensor));
  }
  file.storage = std::move(storage);
  return file;
}

TensorFile read_safetensors(const std::string& path, const FileSystem& fs) {
  return parse_safetensors(read_file(path, SIZE_MAX, fs), path);
}

// ---- the header, written ----

static void append_json(std::string& out, std::string_view value) {
  constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (char c : value) {
    if (c == '"' || c == '\\') (out += '\\') += c;
    else if ((unsigned char)c < 0x20) append(out, std::string{'\\', 'u', '0', '0', kHex[c >> 4], kHex[c & 15]});
    else out += c;
  }
  out += '"';
}

static void check_key(std::string_view kind, const std::string& key, std::unordered_set<std::string>& seen) {
  if (!is_utf8(key)) fail(JT_E_INVALID, "safetensors: the name of a ", kind, " is not UTF-8: '", shown(key), "'");
  if (key.find('\0') != key.npos) fail(JT_E_INVALID, "safetensors: a ", kind, " name holds a NUL: '", key.c_str(), "'");
  if (key.size() > kMaxName)
    fail(JT_E_INVALID, "safetensors: a ", kind, " name has ", key.size(), " bytes, at most ", kMaxName, " allowed");
  if (!seen.insert(key).second) fail(JT_E_INVALID, "safetensors: two of the name '", shown(key), "'");
}

static void check_tensor(const NamedTensor& tensor, std::unordered_set<std::string>& seen) {
  check_key("tensor", tensor.name, seen);
  std::span<const int64_t> dims = tensor.dims;
  if (tensor.name == kMetadataKey) fail(JT_E_INVALID, "safetensors: a tensor may not be called ", kMetadataKey);
  if (!is_dtype(tensor.dtype)) fail(JT_E_DTYPE, "safetensors: tensor '", shown(tensor.name), "' has no valid dtype");
  if (dims.size() > JT_MAX_RANK)
    fail(JT_E_SHAPE, "safetensors: tensor '", shown(tensor.name), "' has ", dims.size(), " axes, at most ", JT_MAX_RANK);
  std::optional<uint64_t> wanted = dense_bytes(tensor.dtype, dims);
  if (!wanted || *wanted != tensor.bytes.size())
    fail(JT_E_SHAPE, "safetensors: tensor '", shown(tensor.name), "' of shape ", dims, " and dtype ", name(tensor.dtype),
         " takes ", wanted ? text(*wanted) : "too many", " bytes, given ", tensor.bytes.size());
}

// Where each tensor goes: falling element size, then the caller's order.
static std::vector<size_t> order_of_values(std::span<const NamedTensor> tensors) {
  std::vector<size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), size_t(0));
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return size_of(tensors[a].dtype) > size_of(tensors[b].dtype); });
  return order;
}

static std::string header_of(std::span<const NamedTensor> tensors, const Metadata& metadata, std::span<const size_t> order) {
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
    json += text(":{\"dtype\":\"", format_name(tensor.dtype), "\",\"shape\":", dims, ",\"data_offsets\":[", begins[i], ",",
                 begins[i] + tensor.bytes.size(), "]}");
  }
  json += '}';
  json.append((kAlignment - (8 + json.size()) % kAlignment) % kAlignment, ' ');
  return json;
}

void write_safetensors(const std::string& path, std::span<const NamedTensor> tensors, const Metadata& metadata,
                       const FileSystem& fs) {
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
  std::vector<ByteView> parts{length, bytes_of(json)};
  for (size_t index : order) parts.push_back(tensors[index].bytes);
  write_file(path, parts, fs);
}

}  // namespace jt
