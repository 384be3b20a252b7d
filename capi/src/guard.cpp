// guard: the calling thread's error slot, and checks that every body shares.
//
// The slot is plain data: it needs no heap and no destructor, so it works when memory is out and leaves nothing behind
// when the library is unloaded or a thread ends.
#include "capi/src/guard.h"

namespace jt::capi {

struct ErrorSlot {
  jt_status code;
  int64_t native;
  const char* function;
  size_t message_len;
  char message[1024];
};
static thread_local ErrorSlot slot;

// Cuts at most three bytes more than asked, so that no UTF-8 character is left in halves.
static size_t cut_length(const char* text, size_t len, size_t room) {
  if (len <= room) return len;
  size_t at = room;
  while (at > 0 && room - at < 3 && (text[at] & 0xC0) == 0x80) at--;
  return at;
}

// "add: shapes differ" says that jt_add failed.
static bool names_its_function(const char* function, const char* message) {
  const char* op = function + std::strlen("jt_");
  size_t len = std::strlen(op);
  return std::strncmp(message, op, len) == 0 && message[len] == ':';
}

void set_error(const char* function, jt_status code, int64_t native, const char* message) noexcept {
  slot.code = code;
  slot.native = native;
  slot.function = function;
  slot.message_len = 0;
  auto append = [](const char* part) {
    size_t len = cut_length(part, std::strlen(part), sizeof slot.message - 1 - slot.message_len);
    std::memcpy(slot.message + slot.message_len, part, len);
    slot.message_len += len;
  };
  if (!names_its_function(function, message)) append(function), append(": ");
  append(message);
  slot.message[slot.message_len] = 0;
}

std::span<const int64_t> ints(const char* what, const int64_t* data, size_t len) {
  if (!data && len) fail(JT_E_INVALID, what, " is NULL, but its length is ", len);
  return {data, len};
}

std::string_view str(const char* what, const char* data, size_t len) {
  if (!data && len) fail(JT_E_INVALID, what, " is NULL");
  return {data, len == JT_NUL ? std::strlen(data) : len};
}

void give_text(std::string_view text, char* dst, size_t dst_len, size_t* out_len) {
  if (!dst && dst_len) fail(JT_E_INVALID, "dst is NULL, but dst_len is ", dst_len);
  if (out_len) *out_len = text.size() + 1;
  if (!dst_len) return;
  size_t len = cut_length(text.data(), text.size(), dst_len - 1);
  std::memcpy(dst, text.data(), len);
  dst[len] = 0;
}

void give_handles(Context& c, std::span<const Value> values, jt_tensor** outputs, size_t outputs_len) {
  try {
    for (size_t i = 0; i < outputs_len; i++) outputs[i] = wrap(c.cell(values[i]));
  } catch (...) {
    for (size_t i = 0; i < outputs_len; i++) release(unwrap(outputs[i])), outputs[i] = nullptr;
    throw;
  }
}

Type checked_type(jt_dtype dtype, const int64_t* dims, size_t dims_len) {
  if (!is_dtype(int(dtype))) fail(JT_E_DTYPE, int(dtype), " is not a dtype");
  Type type{dtype, Shape(ints("dims", dims, dims_len))};
  int64_t bytes = int64_t(size_of(dtype));
  for (int64_t extent : type.shape.extents()) {
    if (extent < 0) fail(JT_E_SHAPE, "shape ", type.shape, " has the negative extent ", extent);
    // Extents of 0 are left out: the others must be addressable by themselves.
    if (extent && __builtin_mul_overflow(bytes, extent, &bytes))
      fail(JT_E_SHAPE, "shape ", type.shape, " has too many elements");
  }
  return type;
}

Cell& own_cell(Context& c, const char* what, jt_tensor* tensor) {
  require(tensor, what);
  Cell& cell = *unwrap(tensor);
  if (cell.context != &c) fail(JT_E_WRONG_CONTEXT, what, " belongs to another context");
  c.value_of(cell);
  return cell;
}

}  // namespace jt::capi

using namespace jt::capi;

extern "C" void jt_last_error(jt_error_info* inout) {
  if (!inout || inout->struct_size < sizeof inout->struct_size) return;
  jt_error_info all{inout->struct_size, slot.code,       slot.native, slot.function ? slot.function : "",
                    slot.message,       slot.message_len};
  std::memcpy(static_cast<void*>(inout), &all, std::min<size_t>(sizeof all, inout->struct_size));
}

extern "C" const char* jt_last_error_message(void) { return slot.message; }
