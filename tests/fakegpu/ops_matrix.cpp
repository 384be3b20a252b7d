// Matrices spread over a warp: mma.sync, ldmatrix, stmatrix. All lanes take part.
//
// A register of 32 bits holds `per` elements. Lane 4 g + t has, in register r of A, row g + 8 (r odd) and columns per t
// + 4 per (r / 2); of B, column g and rows per t + 4 per r; of C, row g + 8 (second half) and columns 2 t, 2 t + 1.
// That is so for every m16n8 shape. Products are summed in f64 and rounded once: a device's sum differs from it by less
// than one of f32 in order would.
#include "tests/fakegpu/access.h"
#include "tests/fakegpu/ops_float.h"

namespace fakegpu {
namespace {

// Instruction::flags: the elements of A and B; width: k; count: whether C is f16.
enum Elements : uint16_t { kHalf, kBfloat, kTf32, kS8, kU8 };

double element(Elements kind, uint32_t bits, int index) {
  switch (kind) {
    case kHalf: return from_half(bits >> index * 16);
    case kBfloat: return from_bfloat(bits >> index * 16);
    case kTf32: return std::bit_cast<float>(bits & 0xffffe000u);  // the low bits are not looked at
    case kS8: return static_cast<int8_t>(bits >> index * 8);
    default: return static_cast<uint8_t>(bits >> index * 8);
  }
}
int per_register(Elements kind) { return kind == kTf32 ? 1 : kind == kHalf || kind == kBfloat ? 2 : 4; }

void whole_warp(Warp& w, uint32_t lanes, const char* what) {
  if (lanes != ~0u)
    fault(w, __builtin_ctz(~lanes), kLaunchFailed,
          std::string("divergent ") + what + ": this thread is elsewhere, or ended");
}

struct Operands { double a[16][32], b[32][8]; };

void gather(const Warp& w, const Instruction& i, Operands& o, int a_registers, int b_registers) {
  const Elements a_kind = static_cast<Elements>(i.flags & 15), b_kind = static_cast<Elements>(i.flags >> 4);
  const int per = per_register(a_kind);
  for (int l = 0; l < 32; ++l) {
    const int g = l / 4, t = l % 4;
    for (int r = 0; r < a_registers; ++r)
      for (int e = 0; e < per; ++e)
        o.a[g + r % 2 * 8][per * t + r / 2 * 4 * per + e] = element(a_kind, w.cell<uint32_t>(i.list[4 + r])[l], e);
    for (int r = 0; r < b_registers; ++r)
      for (int e = 0; e < per; ++e)
        o.b[per * t + r * 4 * per + e][g] = element(b_kind, w.cell<uint32_t>(i.list[8 + r])[l], e);
  }
}

double product(const Operands& o, int row, int column, int k) {
  double sum = 0;
  for (int x = 0; x < k; ++x) sum += o.a[row][x] * o.b[x][column];
  return sum;
}

// list: D at 0, A at 4, B at 8, C at 10.
template <class T> void mma(Warp& w, const Instruction& i, uint32_t lanes) {
  whole_warp(w, lanes, "mma.sync");
  ++w.block->launch->counters.matrix_products;
  const int k = i.width, registers = k / (2 * per_register(static_cast<Elements>(i.flags & 15)));
  Operands o;
  gather(w, i, o, registers, registers / 2);
  for (int l = 0; l < 32; ++l)
    for (int n = 0; n < 4; ++n) {
      double sum = product(o, l / 4 + n / 2 * 8, l % 4 * 2 + n % 2, k);
      if constexpr (std::is_same_v<T, uint16_t>) {  // two to a register
        uint32_t c = w.cell<uint32_t>(i.list[10 + n / 2])[l] >> n % 2 * 16;
        reinterpret_cast<uint16_t*>(w.cell<uint32_t>(i.list[n / 2]) + l)[n % 2] =
            to_half(sum_to_odd(sum, from_half(c)));
      } else if constexpr (std::is_same_v<T, float>) {
        float d = static_cast<float>(sum + w.cell<float>(i.list[10 + n])[l]);
        w.cell<float>(i.list[n])[l] = d != d ? canonical_nan() : d;
      } else {
        w.cell<uint32_t>(i.list[n])[l] =
            static_cast<uint32_t>(static_cast<int64_t>(sum)) + w.cell<uint32_t>(i.list[10 + n])[l];
      }
    }
}

// m8n8k4 of f64: one element of A and B and two of C a lane.
void mma_f64(Warp& w, const Instruction& i, uint32_t lanes) {
  whole_warp(w, lanes, "mma.sync");
  ++w.block->launch->counters.matrix_products;
  double a[8][4], b[4][8], d[32][2];
  for (int l = 0; l < 32; ++l) {
    a[l / 4][l % 4] = w.cell<double>(i.list[4])[l];
    b[l % 4][l / 4] = w.cell<double>(i.list[8])[l];
  }
  for (int l = 0; l < 32; ++l)
    for (int n = 0; n < 2; ++n) {
      d[l][n] = w.cell<double>(i.list[10 + n])[l];
      for (int x = 0; x < 4; ++x) d[l][n] = std::fma(a[l / 4][x], b[x][l % 4 * 2 + n], d[l][n]);
    }
  for (int l = 0; l < 32; ++l)
    for (int n = 0; n < 2; ++n) w.cell<double>(i.list[n])[l] = d[l][n];
}

void take_list(Decoder& d, Instruction& out, size_t operand, size_t at, size_t count, Type type, bool is_destination) {
  const Operand& o = d.operand(operand);
  const std::vector<Operand> list = o.kind == Operand::kVector ? o.parts : std::vector<Operand>{o};
  if (list.size() != count)
    d.unsupported(std::to_string(list.size()) + " registers where " + std::to_string(count) + " are wanted");
  for (size_t k = 0; k < count; ++k)
    out.list[at + k] = is_destination ? d.destination(list[k], type, false) : d.source(list[k], type);
}

Elements take_elements(Decoder& d, Type t) {
  switch (t) {
    case Type::kF16: return kHalf;
    case Type::kBF16: return kBfloat;
    case Type::kTF32: return kTf32;
    case Type::kS8: return kS8;
    case Type::kU8: return kU8;
    default: d.unsupported("unsupported elements");
  }
}

void decode_mma(Decoder& d, Instruction& out) {
  bool form = d.take("sync") && d.take("aligned") && d.take("row") && d.take("col");
  Type c = d.take_type(), b = d.take_type(), a = d.take_type(), to = d.take_type();
  std::string shape = d.take_any({"m16n8k4", "m16n8k8", "m16n8k16", "m16n8k32", "m8n8k4"});
  if (!form || shape.empty() || c != to) d.unsupported("unsupported form");
  out.list.assign(14, kNoCell);
  if (c == Type::kF64 && shape == "m8n8k4") {
    take_list(d, out, 0, 0, 2, c, true);
    take_list(d, out, 1, 4, 1, a, false);
    take_list(d, out, 2, 8, 1, b, false);
    take_list(d, out, 3, 10, 2, c, false);
    out.run = mma_f64;
    return;
  }
  Elements a_kind = take_elements(d, a), b_kind = take_elements(d, b);
  bool integers = a_kind == kS8 || a_kind == kU8;
  bool known = shape[1] == '1' && (integers ? c == Type::kS32 && (b_kind == kS8 || b_kind == kU8)
                                            : a == b && (c == Type::kF32 || (c == Type::kF16 && a == Type::kF16)));
  out.width = known ? atoi(shape.c_str() + 6) : 0;
  const int per = per_register(a_kind), registers = out.width / (2 * per);
  if (registers != 2 && registers != 4) d.unsupported("unsupported shape");
  out.flags = a_kind | b_kind << 4;
  const size_t results = c == Type::kF16 ? 2 : 4;
  const Type result = c == Type::kF16 ? Type::kB32 : c;
  take_list(d, out, 0, 0, results, result, true);
  take_list(d, out, 1, 4, registers, Type::kB32, false);
  take_list(d, out, 2, 8, registers / 2, Type::kB32, false);
  take_list(d, out, 3, 10, results, result, false);
  out.run = c == Type::kF16 ? mma<uint16_t> : c == Type::kF32 ? mma<float> : mma<int32_t>;
}

// ---- matrices of 8 x 8 elements of 16 bits: lane 8 m + r has the address of row r of matrix m
enum MatrixFlags : uint16_t { kTransposed = 1, kNarrowAddress = 2 };

void row_addresses(const Warp& w, const Instruction& i, uint64_t* at) {
  for (int l = 0; l < 32; ++l) {
    uint64_t base = i.a == kNoCell ? 0 : i.flags & kNarrowAddress ? w.cell<uint32_t>(i.a)[l] : w.cell<uint64_t>(i.a)[l];
    at[l] = base + i.offset;
  }
}

void ldmatrix(Warp& w, const Instruction& i, uint32_t lanes) {
  whole_warp(w, lanes, "ldmatrix");
  uint64_t at[32];
  row_addresses(w, i, at);
  count_conflicts(w, at, i.count == 4 ? ~0u : (1u << i.count * 8) - 1, 16);
  uint16_t rows[4][8][8];
  for (int l = 0; l < i.count * 8; ++l)
    memcpy(rows[l / 8][l % 8], shared_access(w, l, at[l], 16, Access::kRead, nullptr), 16);
  for (int m = 0; m < i.count; ++m)
    for (int l = 0; l < 32; ++l) {
      int r = l / 4, c = l % 4 * 2;
      uint32_t low = i.flags & kTransposed ? rows[m][c][r] : rows[m][r][c],
               high = i.flags & kTransposed ? rows[m][c + 1][r] : rows[m][r][c + 1];
      w.cell<uint32_t>(i.list[m])[l] = low | high << 16;
    }
}
void stmatrix(Warp& w, const Instruction& i, uint32_t lanes) {
  whole_warp(w, lanes, "stmatrix");
  uint64_t at[32];
  row_addresses(w, i, at);
  count_conflicts(w, at, i.count == 4 ? ~0u : (1u << i.count * 8) - 1, 16);
  for (int l = 0; l < i.count * 8; ++l) {
    uint16_t row[8];
    for (int c = 0; c < 8; ++c) {
      int r = l % 8, from = i.flags & kTransposed ? c * 4 + r / 2 : r * 4 + c / 2,
          half = i.flags & kTransposed ? r % 2 : c % 2;
      row[c] = w.cell<uint32_t>(i.list[l / 8])[from] >> half * 16;
    }
    memcpy(shared_access(w, l, at[l], 16, Access::kWrite, row), row, 16);
  }
}

void decode_matrix(Decoder& d, Instruction& out) {
  bool loads = d.statement().opcode == "ldmatrix";
  bool form = d.take("sync") && d.take("aligned") && d.take("m8n8") && (d.take("shared") || d.take("shared::cta"));
  std::string count = d.take_any({"x1", "x2", "x4"});
  bool transposed = d.take("trans");
  Type t = d.take_type();
  if (!form || count.empty() || t != Type::kB16) d.unsupported("unsupported form");
  out.count = count[1] - '0';
  out.list.resize(out.count);
  take_list(d, out, loads ? 0 : 1, 0, out.count, Type::kB32, loads);
  Decoder::Place place = d.address(loads ? 1 : 0);
  out.a = place.base;
  out.offset = place.offset;
  out.flags = (transposed ? kTransposed : 0) | (place.base_width == 4 ? kNarrowAddress : 0);
  out.run = loads ? ldmatrix : stmatrix;
}

}  // namespace

void add_matrix_opcodes(OpcodeTable& t) {
  t["mma"] = decode_mma;
  t["ldmatrix"] = decode_matrix;
  t["stmatrix"] = decode_matrix;
}

}  // namespace fakegpu
