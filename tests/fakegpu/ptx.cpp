#include "tests/fakegpu/ptx.h"

namespace fakegpu {

struct TypeRow { const char* name; int size; };
static const TypeRow kTypes[] = {
    {"", 0},     {"pred", 4}, {"u8", 1},  {"s8", 1},  {"b8", 1},  {"u16", 2},   {"s16", 2},   {"b16", 2},
    {"f16", 2},  {"bf16", 2}, {"u32", 4}, {"s32", 4}, {"b32", 4}, {"f32", 4},   {"f16x2", 4}, {"bf16x2", 4},
    {"tf32", 4}, {"u64", 8},  {"s64", 8}, {"b64", 8}, {"f64", 8}, {"b128", 16},
};
static_assert(sizeof kTypes / sizeof *kTypes == static_cast<size_t>(Type::kB128) + 1);

int size_of(Type type) { return kTypes[static_cast<int>(type)].size; }
const char* name_of(Type type) { return kTypes[static_cast<int>(type)].name; }

Type type_named(std::string_view name) {
  for (int i = 1; i <= static_cast<int>(Type::kB128); ++i)
    if (name == kTypes[i].name) return static_cast<Type>(i);
  return Type::kNone;
}

const Function* Module::function(std::string_view name) const {
  for (const Function& each : functions)
    if (each.name == name && each.has_body) return &each;
  return nullptr;
}

const std::string& Module::line(uint32_t number) const {
  static const std::string none;
  return number >= 1 && number <= lines.size() ? lines[number - 1] : none;
}

}  // namespace fakegpu
