#include <algorithm>

#include "backends/cuda_nvrtc/library_ops.h"
#include "backends/cuda_nvrtc/module.h"
#include "core/base/text.h"
#include "core/render/file_text.h"
#include "core/render/thread_plan.h"

namespace jt::cuda {

namespace {

// Lines of n elements, `inner` apart: element k of line l = o * inner + i lies at (o * n + k) * inner + i.
constexpr const char* kArguments =
    R"(FN unsigned jt_quotient(unsigned n, u64 magic) { return (__umulhi(n, (unsigned)magic) + n) >> (unsigned)(magic >> 32); }
struct jt_arguments {
  const S *x;
  S *z;
  i64 *index;
  Entry *from, *to;
  i64 n, inner, lines, tiles, width;
  u64 div_n, div_inner, div_tiles;
};
FN i64 place(const jt_arguments &A, unsigned line, unsigned k) {
  const unsigned o = jt_quotient(line, A.div_inner);
  return ((i64)o * A.n + k) * A.inner + (line - o * (unsigned)A.inner);
}
#define KERNEL(name) extern "C" __global__ void __launch_bounds__(256) name(const struct jt_arguments A)
)";

// A warp has a line, 32 elements at a time: what came before them is carried on.
constexpr const char* kScan = R"(KERNEL(jt_scan) {
  const unsigned line = blockIdx.x * 8 + (threadIdx.x >> 5), lane = threadIdx.x & 31;
  if (line >= A.lines) return;
  State carried = none();
  for (unsigned first = 0; first < A.n; first += 32) {
    const unsigned k = first + lane;
    const bool in = k < A.n;
    State s = in ? state_of(A.x[place(A, line, k)], k) : none();
#pragma unroll
    for (int by = 1; by < 32; by *= 2) {
      const State before = shuffled(s, (int)lane - by);
      if (lane >= by) s = combined(before, s);
    }
    s = combined(carried, s);
    if (in) put(A, place(A, line, k), s);
    carried = shuffled(s, 31);
  }
}
)";
constexpr const char* kSumState = R"(typedef W State;
FN State none() { return NONE; }
FN State state_of(S x, unsigned) { return (State)x; }
FN State combined(State a, State b) { return a OP b; }
FN State shuffled(State s, int lane) { return __shfl_sync(~0u, s, lane); }
FN void put(const jt_arguments &A, i64 at, State s) { A.z[at] = (S)s; }
)";
// The last of equal ones; a NaN is beaten by a NaN alone.
constexpr const char* kChoiceState = R"(struct State { C best; int at; };
FN State none() { State s; s.best = 0, s.at = -1; return s; }
FN State state_of(S x, unsigned k) { State s; s.best = (C)x, s.at = (int)k; return s; }
FN State combined(State a, State b) {
  if (a.at < 0) return b;
  if (b.at < 0) return a;
  const bool takes_b = a.best != a.best ? b.best != b.best : !(b.best BEATEN a.best);
  return takes_b ? b : a;
}
FN State shuffled(State s, int lane) { s.best = (C)__shfl_sync(~0u, s.best, lane), s.at = __shfl_sync(~0u, s.at, lane); return s; }
FN void put(const jt_arguments &A, i64 at, State s) { A.z[at] = (S)s.best, A.index[at] = s.at; }
)";

// Runs are merged two by two: an entry finds its place by counting those of the other run that stand before it. Of
// equal ones those of the first run do, so the order is stable. Up to a tile in shared memory, then in the workspace.
constexpr const char* kSort = R"(#define TILE 512
FN unsigned before(const Entry *run, unsigned length, K key, bool or_equal) {
  unsigned low = 0, high = length;
  while (low < high) {
    const unsigned middle = (low + high) / 2;
    if (run[middle].key < key || (or_equal && run[middle].key == key)) low = middle + 1;
    else high = middle;
  }
  return low;
}
// Where the entry at k of n goes as runs of `width` become runs of twice that.
FN unsigned merged(const Entry *all, unsigned n, unsigned k, unsigned width) {
  const unsigned base = k / (2 * width) * (2 * width);
  const bool is_second = k - base >= width;
  const unsigned other = is_second ? base : base + width;
  const unsigned end = other + width < n ? other + width : n;
  const unsigned length = other < end ? end - other : 0;
  return base + (k - base - (is_second ? width : 0)) + before(all + other, length, all[k].key, is_second);
}
KERNEL(jt_sort_tiles) {
  __shared__ Entry entries[2][TILE];
  const unsigned line = jt_quotient(blockIdx.x, A.div_tiles), first = (blockIdx.x - line * (unsigned)A.tiles) * TILE;
  const unsigned n = (unsigned)A.n - first < TILE ? (unsigned)A.n - first : TILE;
  for (unsigned k = threadIdx.x; k < n; k += 256) {
    Entry e = {};
    e.key = key_of(A.x[place(A, line, first + k)]), e.from = (int)(first + k);
    entries[0][k] = e;
  }
  int now = 0;
  for (unsigned width = 1; width < n; width *= 2, now ^= 1) {
    __syncthreads();
    for (unsigned k = threadIdx.x; k < n; k += 256) entries[now ^ 1][merged(entries[now], n, k, width)] = entries[now][k];
  }
  __syncthreads();
  for (unsigned k = threadIdx.x; k < n; k += 256) A.to[(i64)line * A.n + first + k] = entries[now][k];
}
KERNEL(jt_merge) {
  const unsigned at = blockIdx.x * 256u + threadIdx.x, line = jt_quotient(at, A.div_n), k = at - line * (unsigned)A.n;
  if (line >= A.lines) return;
  const Entry *all = A.from + (i64)line * A.n;
  A.to[(i64)line * A.n + merged(all, (unsigned)A.n, k, (unsigned)A.width)] = all[k];
}
KERNEL(jt_give) {
  const unsigned at = blockIdx.x * 256u + threadIdx.x, line = jt_quotient(at, A.div_n), k = at - line * (unsigned)A.n;
  if (line >= A.lines) return;
  const Entry e = A.from[at];
  const i64 to = place(A, line, k);
  A.z[to] = A.x[place(A, line, (unsigned)e.from)], A.index[to] = e.from;
}
)";
// All NaN are one key, the largest, and both zeros are one.
constexpr const char* kKeyOfFloat = R"(FN K key_of(S x) {
  const K sign = (K)1 << (8 * sizeof(K) - 1);
  if (x != x) return TURN(~(K)0);
  union { S f; K u; } v;
  v.f = x == 0 ? (S)0 : x;
  return TURN(v.u & sign ? ~v.u : v.u | sign);
}
)";
constexpr const char* kKeyOfInt =
    "FN K key_of(S x) { return TURN((K)x ^ (IS_SIGNED ? (K)1 << (8 * sizeof(K) - 1) : 0)); }\n";

constexpr int kTile = 512;

std::string render(std::string_view name, DType t, bool descending) {
  loops::FileText file(cuda_dialect(), nullptr);
  bool is_wide = size_of(t) == 8;
  const char* key = is_wide ? "u64" : "unsigned";
  std::string out = file.head() + text("typedef ", file.memory_type(t), " S;\ntypedef ", key,
      " K;\nstruct Entry { K key; int from;", is_wide ? " int zero;" : "", " };\n");
  out += kArguments;
  if (name == "sort") {
    out += text("#define TURN(x) (K)(", descending ? "~" : "", "(x))\n#define IS_SIGNED ", int(is_signed_int(t)), "\n");
    return out + (is_float(t) ? kKeyOfFloat : kKeyOfInt) + kSort;
  }
  if (name == "cummax" || name == "cummin") {
    out += text("typedef ", file.elements.type_name(ctype_of(t)), " C;\n#define BEATEN ", name == "cummax" ? "<" : ">",
                "\n");
    return out + kChoiceState + kScan;
  }
  bool multiplies = name == "cumprod";
  out += text("typedef ", is_float(t) ? "double" : "u64", " W;\n#define NONE ", multiplies ? "1" : is_float(t) ? "-0.0"
      : "0", "\n#define OP ", multiplies ? "*" : "+", "\n");
  return out + kSumState + kScan;
}

class OfLines final : public LibraryOp {
 public:
  OfLines(Device& device, std::string_view name, std::span<const int64_t> p) : sorts_(name == "sort"),
      has_index_(sorts_ || name.starts_with("cumm")) {
    int64_t outer = p[1], inner = p[3];
    n_ = p[2], lines_ = outer * inner, entry_bytes_ = size_of(DType(p[0])) == 8 ? 16 : 8;
    constexpr int64_t kMost = int64_t(1) << 30;
    if (n_ * lines_ > kMost)
      fail(JT_E_UNSUPPORTED, "cuda: ", name, " of ", n_ * lines_, " elements, more than ", kMost);
    if (!n_ || !lines_) return;
    tiles_ = (n_ + kTile - 1) / kTile;
    module_ = device.module_of(render(name, DType(p[0]), sorts_ && p[4]));
    args_ = {0, 0, 0, 0, 0, uint64_t(n_), uint64_t(inner), uint64_t(lines_), uint64_t(tiles_), 0, magic_divisor(n_),
        magic_divisor(inner), magic_divisor(tiles_)};
  }
  size_t workspace_bytes() const override { return module_ && sorts_ ? size_t(2 * n_ * lines_ * entry_bytes_) : 0; }

  void run(CuStream stream, void* const* pointers, CuPointer workspace) override {
    if (!module_) return;
    std::vector<uint64_t> args = args_;
    for (int i = 0; i < (has_index_ ? 3 : 2); i++) args[size_t(i)] = reinterpret_cast<uint64_t>(pointers[i]);
    if (!sorts_) return module_->launch("jt_scan", (lines_ + 7) / 8, 256, stream, args);
    uint64_t here = workspace, other = workspace + uint64_t(n_ * lines_ * entry_bytes_);
    auto launch = [&](const char* kernel, int64_t grid) {
      args[3] = here, args[4] = other;
      module_->launch(kernel, grid, 256, stream, args);
      std::swap(here, other);
    };
    int64_t all = (n_ * lines_ + 255) / 256;
    launch("jt_sort_tiles", tiles_ * lines_);
    for (int64_t width = kTile; width < n_; width *= 2) args[9] = uint64_t(width), launch("jt_merge", all);
    launch("jt_give", all);
  }

 private:
  const bool sorts_, has_index_;
  int64_t n_ = 0, lines_ = 0, tiles_ = 0, entry_bytes_ = 0;
  std::vector<uint64_t> args_;
  std::shared_ptr<SharedModule> module_;
};

}  // namespace

std::unique_ptr<LibraryOp> make_of_lines(Device& device, std::string_view name, std::span<const int64_t> params) {
  return std::make_unique<OfLines>(device, name, params);
}

}  // namespace jt::cuda
