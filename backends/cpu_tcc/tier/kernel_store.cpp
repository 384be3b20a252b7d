#include "backends/cpu_tcc/tier/kernel_store.h"

#include <elf.h>
#include <link.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "backends/cpu_tcc/vm/primitives.h"
#include "core/base/hash.h"
#include "core/base/status.h"

namespace jt::cpu {

namespace {

constexpr char kMagic[8] = {'j', 't', 'k', 'e', 'r', 'n', '1', '\n'};
constexpr std::string_view kSuffix = ".jtk";
constexpr size_t kLargestEntry = 16 << 20;
constexpr uint32_t kSavesPerSweep = 256;

// An entry is a Header, the build, the key, the code.
struct Header {
  char magic[8];
  uint64_t build_size, key_size, code_size, entry_offset;
  uint64_t checksum[2];  // of all before it in the header, then of the rest
};
static_assert(sizeof(Header) == 56);

void put_checksum(Header& header, std::string_view build, std::string_view key, std::string_view code) {
  for (uint64_t seed : {1, 2}) {
    uint64_t hash = hash_bytes(&header, offsetof(Header, checksum), seed);
    for (std::string_view part : {build, key, code}) hash = hash_bytes(part.data(), part.size(), hash);
    header.checksum[seed - 1] = hash;
  }
}

Header make_header(std::string_view build, std::string_view key, std::string_view code, uint64_t entry_offset) {
  Header header;
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.build_size = build.size();
  header.key_size = key.size();
  header.code_size = code.size();
  header.entry_offset = entry_offset;
  put_checksum(header, build, key, code);
  return header;
}

// The code of an entry of this build and key; empty if the file is anything else.
std::string_view code_in(std::string_view file, std::string_view build, std::string_view key, uint64_t& entry_offset) {
  size_t before_code = sizeof(Header) + build.size() + key.size();
  if (file.size() <= before_code) return {};
  Header found;
  std::memcpy(&found, file.data(), sizeof found);
  std::string_view code = file.substr(before_code);
  if (found.entry_offset >= code.size()) return {};
  Header expected = make_header(build, key, code, found.entry_offset);
  if (std::memcmp(&found, &expected, sizeof found) != 0) return {};
  if (file.substr(sizeof found, build.size()) != build) return {};
  if (file.substr(sizeof found + build.size(), key.size()) != key) return {};
  entry_offset = found.entry_offset;
  return code;
}

void append_hex(std::string& out, uint64_t word) {
  for (int shift = 60; shift >= 0; shift -= 4) out += "0123456789abcdef"[word >> shift & 15];
}

// What a block holds, without the zeros that fill its last page.
std::string_view code_of(const CodeBlock& block) {
  std::string_view code(static_cast<const char*>(block.data()), block.size());
  return code.substr(0, code.find_last_not_of('\0') + 1);
}

}  // namespace

KernelStore::KernelStore(const std::string& folder, std::string build, const FileSystem& fs)
    : folder_(folder, fs), build_(std::move(build)) {}

std::string KernelStore::file_name(std::string_view key) const {
  std::string name;
  for (uint64_t seed : {3, 4})
    append_hex(name, hash_bytes(key.data(), key.size(), hash_bytes(build_.data(), build_.size(), seed)));
  return name.append(kSuffix);
}

TccKernel KernelStore::load(std::string_view key, CodeArena& arena) const {
  Bytes file;
  try {
    file = folder_.read(file_name(key), kLargestEntry);
  } catch (const std::exception&) {
    return {};
  }
  uint64_t entry_offset = 0;
  std::string_view code = code_in({file.data.get(), file.size}, build_, key, entry_offset);
  if (code.empty()) return {};
  TccKernel kernel;
  kernel.code = arena.allocate(code.size());
  std::memcpy(kernel.code.data(), code.data(), code.size());
  kernel.code.make_executable();
  kernel.entry = reinterpret_cast<TccKernel::Entry>(static_cast<char*>(kernel.code.data()) + entry_offset);
  return kernel;
}

void KernelStore::save(std::string_view key, const TccKernel& kernel) {
  if (!kernel.code.data()) return;
  std::string_view code = code_of(kernel.code);
  uint64_t entry_offset = reinterpret_cast<uintptr_t>(kernel.entry) - reinterpret_cast<uintptr_t>(code.data());
  JT_CHECK(entry_offset < code.size());
  Header header = make_header(build_, key, code, entry_offset);
  ByteView parts[] = {
      {reinterpret_cast<const char*>(&header), sizeof header}, view_of(build_), view_of(key), view_of(code)};
  if (saves_++ % kSavesPerSweep == 0) folder_.keep_below(kMostBytes);
  folder_.write(file_name(key), parts);
}

namespace {

// The note in which the linker leaves a hash of the file; of the loaded file that holds `address`.
struct BuildNote {
  uintptr_t address;
  std::string hex;
};

std::string note_in(const char* at, size_t size) {
  while (size >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) note;
    std::memcpy(&note, at, sizeof note);
    size_t name_size = (note.n_namesz + 3u) / 4 * 4, value_size = (note.n_descsz + 3u) / 4 * 4;
    size_t whole = sizeof note + name_size + value_size;
    if (whole > size) break;
    const char* name = at + sizeof note;
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && std::memcmp(name, "GNU", 4) == 0) {
      std::string hex;
      for (size_t k = 0; k < note.n_descsz; k++) {
        uint8_t byte = uint8_t(name[name_size + k]);
        hex += {"0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]};
      }
      return hex;
    }
    at += whole;
    size -= whole;
  }
  return "";
}

int look_at(dl_phdr_info* file, size_t, void* user) {
  BuildNote& wanted = *static_cast<BuildNote*>(user);
  bool is_it = false;
  for (int k = 0; k < file->dlpi_phnum; k++) {
    const ElfW(Phdr)& part = file->dlpi_phdr[k];
    is_it |= part.p_type == PT_LOAD && wanted.address - (file->dlpi_addr + part.p_vaddr) < part.p_memsz;
  }
  if (!is_it) return 0;
  for (int k = 0; k < file->dlpi_phnum && wanted.hex.empty(); k++) {
    const ElfW(Phdr)& part = file->dlpi_phdr[k];
    if (part.p_type == PT_NOTE)
      wanted.hex = note_in(reinterpret_cast<const char*>(file->dlpi_addr + part.p_vaddr), part.p_memsz);
  }
  return 1;
}

uint64_t hash_of_numbers() {
  uint64_t hash = mix(vm::kPrimitives, mix(vm::kBlockNumbers, sizeof(IndexMap)));
  for (const ElementFacts& row : kElementFacts) hash = hash_bytes(row.name, std::strlen(row.name), hash);
  return hash;
}

}  // namespace

std::string build_id() {
  BuildNote note{reinterpret_cast<uintptr_t>(&build_id), ""};
  dl_iterate_phdr(look_at, &note);
  std::string id = text("jt ", JT_VERSION_MAJOR, ".", JT_VERSION_MINOR, ".", JT_VERSION_PATCH, " numbers ");
  append_hex(id, hash_of_numbers());
  return id + " build " + note.hex;
}

}  // namespace jt::cpu
