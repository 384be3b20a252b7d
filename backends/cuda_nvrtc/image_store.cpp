#include "backends/cuda_nvrtc/image_store.h"

#include <algorithm>
#include <cstring>

#include "core/base/hash.h"

namespace jt::cuda {

namespace {

constexpr char kMagic[8] = {'j', 't', 'c', 'u', 'd', 'a', '1', '\n'};
constexpr size_t kLargestEntry = 256 << 20;
constexpr uint32_t kSavesPerSweep = 256;

// An entry is a Header, the key, the log, the image.
struct Header {
  char magic[8];
  uint64_t key_size, log_size, image_size;
  uint64_t checksum[2];  // of all before it in the header, then of the rest
};
static_assert(sizeof(Header) == 48);

Header make_header(std::string_view key, std::string_view log, std::string_view image) {
  Header header;
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.key_size = key.size(), header.log_size = log.size(), header.image_size = image.size();
  for (uint64_t seed : {1, 2}) {
    uint64_t hash = hash_bytes(&header, offsetof(Header, checksum), seed);
    for (std::string_view part : {key, log, image}) hash = hash_bytes(part.data(), part.size(), hash);
    header.checksum[seed - 1] = hash;
  }
  return header;
}

}  // namespace

std::string ImageStore::file_name(std::string_view key) {
  std::string name;
  for (uint64_t seed : {3, 4}) {
    uint64_t hash = hash_bytes(key.data(), key.size(), seed);
    for (int shift = 60; shift >= 0; shift -= 4) name += "0123456789abcdef"[hash >> shift & 15];
  }
  return name + ".jtc";
}

std::optional<Image> ImageStore::load(std::string_view key) const {
  Bytes file;
  try {
    file = folder_.read(file_name(key), kLargestEntry);
  } catch (const std::exception&) {
    return {};
  }
  std::string_view rest(file.data.get(), file.size);
  Header found;
  if (rest.size() < sizeof found) return {};
  std::memcpy(&found, rest.data(), sizeof found);
  rest.remove_prefix(sizeof found);
  if (found.key_size != key.size() || rest.substr(0, key.size()) != key) return {};
  rest.remove_prefix(key.size());
  if (found.log_size > rest.size() || found.image_size != rest.size() - found.log_size) return {};
  Image out{std::string(rest.substr(found.log_size)), std::string(rest.substr(0, found.log_size))};
  Header expected = make_header(key, out.log, out.bytes);
  if (std::memcmp(&found, &expected, sizeof found) != 0) return {};
  return out;
}

void ImageStore::save(std::string_view key, const Image& image) {
  Header header = make_header(key, image.log, image.bytes);
  ByteView parts[] = {
      {reinterpret_cast<const char*>(&header), sizeof header}, view_of(key), view_of(image.log), view_of(image.bytes)};
  if (saves_++ % kSavesPerSweep == 0) folder_.keep_below(kMostBytes);
  folder_.write(file_name(key), parts);
}

void ImageStore::drop(std::string_view key) const {
  try {
    folder_.remove(file_name(key));
  } catch (const std::exception&) {  // the next load is a miss or the same entry
  }
}

}  // namespace jt::cuda
