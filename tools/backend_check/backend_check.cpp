// backend_check: judges a backend library, row by row of the op table, against the reference evaluator.
//
// Prints a matrix of rows and dtypes: how the worst case of each came out, over all layouts and modes. Exit status: 0
// if nothing was wrong, 1 otherwise. What a backend does not offer (JT_E_UNSUPPORTED) is not wrong.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <map>

#include "backends/cpu_tcc/cpu_backend.h"
#include "backends/cuda_nvrtc/cuda_backend.h"
#include "core/base/status.h"
#include "core/ir/scalar_math.h"
#include "core/runtime/backend_library.h"
#include "core/runtime/placement.h"
#include "tools/backend_check/cases.h"
#include "tools/backend_check/run_block.h"

namespace jt {
namespace {

constexpr const char* kUsage =
    "usage: backend_check BACKEND [--rows a,b,..] [--layouts a,b,..] [--cases FILE] [--ulps N] [--verbose]\n"
    "  BACKEND    path of a backend library; cpu, or cpu:vm, cpu:tcc, ..: jt's own, by its tier; cuda\n"
    "  --rows     only these rows of the op table\n"
    "  --layouts  only these layouts and modes: contiguous sliced transposed flipped broadcast padded zero-size 0-d "
    "row column ..\n"
    "  --cases    graphs with numbers for the rows that are not element-wise (tests/ir/data/vectors.txt)\n"
    "  --ulps     units of the last place by which element rows of floats may differ; 0: the same bits\n"
    "  --verbose  every case that is wrong or not offered, with its graph\n";

enum class Verdict { same, close, unsupported, wrong };  // from good to bad
constexpr char kLetters[] = {'=', '~', '-', 'X'};

struct Options {
  std::string backend, rows, layouts, cases;
  uint64_t ulps = 0;
  bool is_verbose = false;
};

bool is_listed(const std::string& list, std::string_view word) {
  return list.empty() || ("," + list + ",").find("," + std::string(word) + ",") != std::string::npos;
}

double real_at(const HostValue& v, int64_t i) {
  DType t = v.type.dtype;
  return convert(load(t, &v.bytes[size_t(i) * size_of(t)]), ctype_of(t), CType::f64).f64;
}

// The distance of two floats in units of the last place of their dtype.
uint64_t distance(const HostValue& a, const HostValue& b, int64_t i) {
  size_t size = size_of(a.type.dtype);
  uint64_t x = 0, y = 0, sign = uint64_t(1) << (8 * size - 1);
  std::memcpy(&x, &a.bytes[size_t(i) * size], size), std::memcpy(&y, &b.bytes[size_t(i) * size], size);
  auto ordered = [&](uint64_t bits) { return bits & sign ? -int64_t(bits & ~sign) : int64_t(bits); };
  int64_t from = ordered(x), to = ordered(y);
  return from > to ? uint64_t(from) - uint64_t(to) : uint64_t(to) - uint64_t(from);
}

// Library rows sum in an order of their own; others have one order and one rounding.
Verdict compared(const HostValue& got, const HostValue& want, bool is_library, uint64_t ulps) {
  DType t = want.type.dtype;
  size_t size = size_of(t);
  if (!(got.type == want.type)) return Verdict::wrong;
  Verdict worst = Verdict::same;
  double largest = 0;
  for (int64_t i = 0; i < want.type.count(); i++)
    if (double x = std::fabs(real_at(want, i)); x > largest && std::isfinite(x)) largest = x;
  for (int64_t i = 0; i < want.type.count(); i++) {
    if (std::memcmp(&got.bytes[size_t(i) * size], &want.bytes[size_t(i) * size], size) == 0) continue;
    double x = real_at(got, i), y = real_at(want, i);
    if (x != x && y != y) continue;
    double bound = (t == JT_F64 ? 1e-12 : t == JT_F32 ? 1e-5 : 1e-2) * largest;
    bool is_close = is_float(t) && (is_library ? std::fabs(x - y) <= bound : distance(got, want, i) <= ulps);
    if (!is_close) return Verdict::wrong;
    worst = Verdict::close;
  }
  return worst;
}

class Matrix {
 public:
  Matrix(const Options& options, std::shared_ptr<Runtime> runtime)
      : options_(options), runtime_(std::move(runtime)), placement_(*runtime_) {}

  void judge(const Case& c) {
    if (!is_listed(options_.rows, name(c.row)) || !is_listed(options_.layouts, c.layout)) return;
    std::string why;
    Verdict verdict = verdict_on(c, why);
    counts_[int(verdict)]++;
    auto [cell, is_new] = cells_.try_emplace({int(c.row), int(c.dtype)}, verdict);
    if (!is_new) cell->second = std::max(cell->second, verdict);
    bool is_told = verdict == Verdict::wrong ? told_++ < 40 || options_.is_verbose
                                             : verdict == Verdict::unsupported && options_.is_verbose;
    if (is_told)
      std::printf("%c %s %s, %s: %s\n%s", kLetters[int(verdict)], name(c.row), name(c.dtype), c.layout.c_str(),
                  why.c_str(), c.graph.c_str());
  }

  int finish() const {
    std::printf("%-22s", "");
    for (int t = 1; t <= kDTypes; t++) std::printf("%5s", name(DType(t)));
    std::printf("\n");
    for (int row = 0; row < kOps; row++) {
      if (cells_.lower_bound({row, 0}) == cells_.lower_bound({row + 1, 0})) continue;
      std::printf("%-22s", name(Op(row)));
      for (int t = 1; t <= kDTypes; t++) {
        auto cell = cells_.find({row, t});
        std::printf("%5c", cell == cells_.end() ? '.' : kLetters[int(cell->second)]);
      }
      std::printf("\n");
    }
    std::printf("= the same bits   ~ within bounds   - not offered   X wrong   . no such case\n");
    std::printf("backend_check %s: %d same, %d within bounds, %d not offered, %d wrong\n", options_.backend.c_str(),
                counts_[0], counts_[1], counts_[2], counts_[3]);
    if (refused_late_)
      std::printf(
          "%d of those not offered were refused by compile or op_create, not by `supports`: there the whole plan goes "
          "to the CPU\n",
          refused_late_);
    return counts_[3] != 0 || counts_[0] + counts_[1] == 0;
  }

 private:
  bool supports_all(const Block& block) {
    return std::ranges::all_of(
        block.nodes, [&](const Value& v) { return placement_.device_of(*v.ref().node) == v.ref().node->device; });
  }
  Verdict verdict_on(const Case& c, std::string& why) {
    Block block = parse(c.graph);
    if (!supports_all(block)) {
      why = "the device says that it does not support it";
      return Verdict::unsupported;
    }
    std::vector<HostValue> want = evaluate(parse(c.graph), c.params), got;
    try {
      got = run_block(*runtime_, parse(c.graph), c.params);
    } catch (const Error& e) {
      why = e.message();
      if (e.code() != JT_E_UNSUPPORTED) return Verdict::wrong;
      refused_late_++;
      return Verdict::unsupported;
    }
    bool is_library = false;
    for (const Value& node : block.nodes)
      is_library |= kind(node.ref().node) == Kind::library || kind(node.ref().node) == Kind::composite;
    Verdict worst = Verdict::same;
    for (size_t i = 0; i < want.size(); i++)
      worst = std::max(worst, compared(got[i], want[i], is_library, options_.ulps));
    if (worst == Verdict::wrong) why = "other values than the reference evaluator's";
    return worst;
  }

  const Options& options_;
  std::shared_ptr<Runtime> runtime_;
  Placement placement_;
  std::map<std::pair<int, int>, Verdict> cells_;  // row, dtype
  int counts_[4] = {}, told_ = 0, refused_late_ = 0;
};

bool parsed(int argc, char** argv, Options& o) {
  for (int i = 1; i < argc; i++) {
    std::string word = argv[i];
    bool has_value = i + 1 < argc;
    if (word == "--verbose") o.is_verbose = true;
    else if (word == "--rows" && has_value) o.rows = argv[++i];
    else if (word == "--layouts" && has_value) o.layouts = argv[++i];
    else if (word == "--cases" && has_value) o.cases = argv[++i];
    else if (word == "--ulps" && has_value) o.ulps = std::strtoull(argv[++i], nullptr, 10);
    else if (word[0] != '-' && o.backend.empty()) o.backend = word;
    else return false;
  }
  return !o.backend.empty();
}

int run(const Options& options) {
  BackendLibrary library;
  std::string tier;
  if (options.backend.starts_with("cpu"))
    library.api = jt_cpu_backend(), tier = options.backend.size() > 4 ? options.backend.substr(4) : "";
  else if (options.backend == "cuda") library.api = jt_cuda_backend();
  else library = load_backend(options.backend);
  Matrix matrix(options, runtime_of(library.api, tier.c_str()));
  auto judge = [&](const Case& c) { matrix.judge(c); };
  each_table_case(judge);
  if (!options.cases.empty()) each_file_case(options.cases, judge);
  return matrix.finish();
}

}  // namespace
}  // namespace jt

int main(int argc, char** argv) {
  jt::Options options;
  if (!jt::parsed(argc, argv, options)) return std::fputs(jt::kUsage, stderr), 2;
  try {
    return jt::run(options);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "backend_check: %s\n", e.what());
    return 1;
  }
}
