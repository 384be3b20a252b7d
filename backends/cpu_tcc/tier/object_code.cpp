#include "backends/cpu_tcc/tier/object_code.h"

#include <elf.h>

#include <cstring>
#include <limits>
#include <vector>

#include "core/base/status.h"

namespace jt::cpu {

namespace {

[[noreturn]] void refuse(std::string_view what, std::string_view name = {}) {
  fail(JT_E_COMPILE, "object file: ", what, name.empty() ? "" : " ", name);
}

// Checked views of the file's tables.
class ObjectFile {
 public:
  explicit ObjectFile(std::string_view bytes) : bytes_(bytes) {
    header_ = read<Elf64_Ehdr>(0);
    bool is_ours = std::memcmp(header_.e_ident, ELFMAG, SELFMAG) == 0 && header_.e_ident[EI_CLASS] == ELFCLASS64 &&
                   header_.e_type == ET_REL && header_.e_machine == EM_X86_64;
    if (!is_ours || header_.e_shentsize != sizeof(Elf64_Shdr)) refuse("is no relocatable x86-64 file");
    for (size_t k = 0; k < header_.e_shnum; k++)
      sections_.push_back(read<Elf64_Shdr>(header_.e_shoff + k * sizeof(Elf64_Shdr)));
    for (size_t k = 0; k < sections_.size(); k++)
      if (sections_[k].sh_type == SHT_SYMTAB) symbols_ = k;
    if (symbols_ == 0) refuse("has no symbols");
  }

  size_t sections() const { return sections_.size(); }
  const Elf64_Shdr& section(size_t k) const {
    if (k >= sections_.size()) refuse("names a section that it does not have");
    return sections_[k];
  }
  std::string_view content(size_t k) const {
    const Elf64_Shdr& s = section(k);
    if (s.sh_type == SHT_NOBITS) refuse("has data that is not in the file");
    return slice(s.sh_offset, s.sh_size);
  }
  size_t symbol_count() const { return section(symbols_).sh_size / sizeof(Elf64_Sym); }
  Elf64_Sym symbol(size_t k) const {
    if (k >= symbol_count()) refuse("names a symbol that it does not have");
    return read<Elf64_Sym>(section(symbols_).sh_offset + k * sizeof(Elf64_Sym));
  }
  std::string_view name_of(const Elf64_Sym& s) const {
    std::string_view names = content(section(symbols_).sh_link);
    if (s.st_name >= names.size()) refuse("has a symbol without a name");
    names.remove_prefix(s.st_name);
    return names.substr(0, names.find('\0'));
  }
  std::vector<Elf64_Rela> relocations_of(size_t target) const {
    std::vector<Elf64_Rela> all;
    for (const Elf64_Shdr& s : sections_) {
      if (s.sh_info != target) continue;
      if (s.sh_type == SHT_REL) refuse("has relocations without addends");
      if (s.sh_type != SHT_RELA) continue;
      for (size_t k = 0; k < s.sh_size / sizeof(Elf64_Rela); k++)
        all.push_back(read<Elf64_Rela>(s.sh_offset + k * sizeof(Elf64_Rela)));
    }
    return all;
  }

 private:
  std::string_view slice(uint64_t offset, uint64_t size) const {
    if (offset > bytes_.size() || size > bytes_.size() - offset) refuse("is cut short");
    return bytes_.substr(offset, size);
  }
  template <class T>
  T read(uint64_t offset) const {
    T value;
    std::memcpy(&value, slice(offset, sizeof value).data(), sizeof value);
    return value;
  }

  std::string_view bytes_;
  Elf64_Ehdr header_;
  std::vector<Elf64_Shdr> sections_;
  size_t symbols_ = 0;
};

constexpr size_t kUnplaced = std::numeric_limits<size_t>::max();
constexpr uint64_t kMostAlign = 64;

// Places sections as they are referred to.
class SectionLayout {
 public:
  explicit SectionLayout(const ObjectFile& file) : file_(file), offset_of_(file.sections(), kUnplaced) {}

  size_t place(size_t section) {
    const Elf64_Shdr& s = file_.section(section);
    if (offset_of_[section] != kUnplaced) return offset_of_[section];
    if (!(s.sh_flags & SHF_ALLOC) || (s.sh_flags & SHF_TLS)) refuse("refers to a section that is not in memory");
    if (s.sh_flags & SHF_WRITE) refuse("has data that is written to");
    if (s.sh_addralign > kMostAlign) refuse("has a section of too large an alignment");
    size_t align = s.sh_addralign ? size_t(s.sh_addralign) : 1;
    code_.bytes.resize((code_.bytes.size() + align - 1) / align * align);
    offset_of_[section] = code_.bytes.size();
    code_.bytes += file_.content(section);
    order_.push_back(section);
    return offset_of_[section];
  }

  size_t place(const Elf64_Sym& symbol) {
    if (symbol.st_shndx == SHN_UNDEF) refuse("needs", file_.name_of(symbol));
    if (symbol.st_shndx >= SHN_LORESERVE) refuse("has a symbol outside of sections:", file_.name_of(symbol));
    size_t at = place(symbol.st_shndx);
    if (symbol.st_value > file_.content(symbol.st_shndx).size())
      refuse("has a symbol outside of its section:", file_.name_of(symbol));
    return at + symbol.st_value;
  }

  ObjectCode finish(size_t entry) {
    for (size_t k = 0; k < order_.size(); k++)  // grows while relocations are followed
      for (const Elf64_Rela& r : file_.relocations_of(order_[k])) relocate(order_[k], r);
    code_.entry = entry;
    return std::move(code_);
  }

 private:
  void relocate(size_t section, const Elf64_Rela& r) {
    uint64_t type = ELF64_R_TYPE(r.r_info);
    bool is_wide = type == R_X86_64_PC64;
    if (type == R_X86_64_NONE) return;
    if (type != R_X86_64_PC32 && type != R_X86_64_PLT32 && !is_wide) refuse("needs an address: relocation", text(type));
    size_t size = file_.content(section).size(), width = is_wide ? 8 : 4;
    if (r.r_offset > size || size - r.r_offset < width) refuse("has a relocation outside of its section");
    size_t target = place(file_.symbol(ELF64_R_SYM(r.r_info))), at = offset_of_[section] + r.r_offset;
    int64_t distance = int64_t(target) + r.r_addend - int64_t(at);
    if (!is_wide && distance != int32_t(distance)) refuse("is too large");
    std::memcpy(code_.bytes.data() + at, &distance, width);
  }

  const ObjectFile& file_;
  ObjectCode code_;
  std::vector<size_t> offset_of_, order_;
};

}  // namespace

ObjectCode code_of_function(std::string_view object, std::string_view function) {
  ObjectFile file(object);
  for (size_t k = 0; k < file.symbol_count(); k++) {
    Elf64_Sym symbol = file.symbol(k);
    if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC || file.name_of(symbol) != function) continue;
    SectionLayout layout(file);
    return layout.finish(layout.place(symbol));
  }
  refuse("has no function", function);
}

}  // namespace jt::cpu
