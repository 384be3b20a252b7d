// Every element, cast and reduce row, over dtypes, layouts and tiers, against stored vectors (vectors.txt says of
// what).
//
// ops_test VECTORS vm|tcc [measure]; `measure` prints the largest distance seen per row and dtype.
#include <cstdio>
#include <fstream>
#include <map>
#include <sstream>

#include "tests/pipeline/support.h"

using namespace jt;
using jt::test::Bench;

namespace {

struct Vectors {
  std::string op;
  std::vector<DType> operands;
  DType result;
  int64_t bound;
  std::vector<std::vector<uint64_t>> cases;  // bits; of a reduction: one each
};

DType dtype_named(const std::string& name) {
  for (int t = JT_BOOL; t <= JT_F64; t++)
    if (name == jt::name(DType(t))) return DType(t);
  throw std::runtime_error("no dtype " + name);
}

Vectors parsed(const std::string& line) {
  std::istringstream in(line);
  Vectors v;
  std::string types, arrow, result, word;
  in >> v.op >> types >> arrow >> result >> v.bound >> word;
  std::istringstream list(types);
  for (std::string t; std::getline(list, t, ',');) v.operands.push_back(dtype_named(t));
  v.result = dtype_named(result);
  while (in >> word) {
    v.cases.emplace_back();
    std::istringstream bits(word);
    for (std::string b; std::getline(bits, b, ',');) v.cases.back().push_back(std::strtoull(b.c_str(), nullptr, 16));
  }
  return v;
}

// Distance in units of the last place; 0 for NaN and NaN, and for equal bits only where the bound is 0.
uint64_t distance(DType t, uint64_t a, uint64_t b) {
  if (a == b) return 0;
  if (!is_float(t)) return UINT64_MAX;
  int bits = int(size_of(t)) * 8;
  uint64_t infinity = t == JT_F16 ? 0x7c00 : t == JT_BF16 ? 0x7f80 : t == JT_F32 ? 0x7f800000 : 0x7ff0000000000000;
  uint64_t sign = uint64_t(1) << (bits - 1);
  bool nan_a = (a & ~sign) > infinity, nan_b = (b & ~sign) > infinity;
  if (nan_a || nan_b) return nan_a && nan_b ? 0 : UINT64_MAX;
  auto ordered = [&](uint64_t x) { return x & sign ? -int64_t(x & ~sign) : int64_t(x); };
  uint64_t d = uint64_t(std::llabs(ordered(a) - ordered(b)));
  return d ? d : 1;  // zeros of both signs
}

class Matrix {
 public:
  Matrix(const std::string& tier, bool measures) : bench_(tier), measures_(measures) {}

  void check(const Vectors& v) {
    if (kind_of(v) == Kind::reduce) reduce_row(v);
    else element_row(v);
    rows_++;
  }
  int finish() {
    std::printf("%d rows and dtypes, %lld values, %d wrong\n", rows_, (long long)values_, wrong_);
    return wrong_ != 0;
  }

 private:
  static Kind kind_of(const Vectors& v) { return def(op_named(v.op)).kind; }

  Value data(DType t, const Shape& shape, const std::vector<uint64_t>& bits) {
    std::vector<char> bytes(bits.size() * size_of(t) + 1);
    for (size_t i = 0; i < bits.size(); i++) std::memcpy(&bytes[i * size_of(t)], &bits[i], size_of(t));
    return bench_.context->data({t, shape}, bytes.data());
  }
  void expect(const Vectors& v, const char* layout, const Value& z, const Shape& shape,
              const std::vector<uint64_t>& want) {
    if (z.dtype() != v.result || !same_extents(z.shape(), shape)) {
      wrong_++;
      std::printf("%s %s: %s, not %s\n", v.op.c_str(), layout, text(z.type()).c_str(),
                  text(Type{v.result, shape}).c_str());
      return;
    }
    auto* got = static_cast<const char*>(host_bytes(bench_.context->read(z)));
    uint64_t worst = 0;
    for (size_t i = 0; i < want.size(); i++) {
      uint64_t bits = 0;
      std::memcpy(&bits, got + i * size_of(v.result), size_of(v.result));
      uint64_t d = distance(v.result, want[i], bits);
      worst = std::max(worst, d);
      values_++;
      if (d <= uint64_t(v.bound)) continue;
      if (wrong_++ < 40)
        std::printf("%s %s -> %s, %s, case %zu: %llx, not %llx (bound %lld)\n", v.op.c_str(), name(v.operands.back()),
                    name(v.result), layout, i, (unsigned long long)bits, (unsigned long long)want[i],
                    (long long)v.bound);
    }
    if (measures_ && v.bound)
      std::printf("measured %s %s: %llu of %lld\n", v.op.c_str(), name(v.result), (unsigned long long)worst,
                  (long long)v.bound);
  }

  Value applied(const Vectors& v, const std::vector<Value>& x) {
    Op op = op_named(v.op);
    if (op == Op::cast) return ops::cast(x[0], v.result);
    std::vector<Ref> ins(x.begin(), x.end());
    return bench_.recorder().build(op, ins);
  }
  void element_row(const Vectors& v) {
    size_t k = v.operands.size();
    int64_t n = int64_t(v.cases.size()) / 2 * 2;
    std::vector<std::vector<uint64_t>> x(k);
    std::vector<uint64_t> z;
    for (int64_t i = 0; i < n; i++) {
      for (size_t j = 0; j < k; j++) x[j].push_back(v.cases[size_t(i)][j]);
      z.push_back(v.cases[size_t(i)][k]);
    }
    auto each = [&](auto make) {
      std::vector<Value> out;
      for (size_t j = 0; j < k; j++) out.push_back(make(j));
      return applied(v, out);
    };
    expect(v, "contiguous", each([&](size_t j) { return data(v.operands[j], {n}, x[j]); }), {n}, z);
    expect(v, "sliced", each([&](size_t j) {
      std::vector<uint64_t> spread(size_t(2 * n + 1), 1);
      for (int64_t i = 0; i < n; i++) spread[size_t(2 * i + 1)] = x[j][size_t(i)];
      int64_t from[] = {1}, to[] = {2 * n}, by[] = {2};
      return ops::slice(data(v.operands[j], {2 * n + 1}, spread), from, to, by);
    }), {n}, z);
    expect(v, "transposed", each([&](size_t j) {
      std::vector<uint64_t> turned;
      for (int64_t r = 0; r < 2; r++)
        for (int64_t c = 0; c < n / 2; c++) turned.push_back(x[j][size_t(c * 2 + r)]);
      return ops::transpose(data(v.operands[j], {2, n / 2}, turned));
    }), {n / 2, 2}, z);
    expect(v, "flipped", each([&](size_t j) {
      std::vector<uint64_t> back(x[j].rbegin(), x[j].rend());
      return ops::call(Op::flip, {data(v.operands[j], {n}, back)}, Attrs().add_ints({}));
    }), {n}, z);
    std::vector<uint64_t> three;
    for (int r = 0; r < 3; r++) three.insert(three.end(), z.begin(), z.end());
    expect(v, "broadcast", each([&](size_t j) {
      Value row = data(v.operands[j], {n}, x[j]);
      return j + 1 == k ? ops::expand(row, Shape{3, n}) : row;
    }), {3, n}, three);
    expect(v, "zero-size", each([&](size_t j) { return data(v.operands[j], {2, 0}, {}); }), {2, 0}, {});
    for (int64_t i = 0; i < n; i += 5)
      expect(v, "0-d", each([&](size_t j) { return data(v.operands[j], {}, {x[j][size_t(i)]}); }), {}, {z[size_t(i)]});
  }

  void reduce_row(const Vectors& v) {
    std::vector<uint64_t> all;
    for (const auto& c : v.cases) all.push_back(c[0]);
    for (size_t at = 0; at + 35 <= all.size(); at += 35) {
      auto part = [&](size_t from, size_t n) {
        return std::vector<uint64_t>(all.begin() + int64_t(at + from), all.begin() + int64_t(at + from + n));
      };
      reduce_case(v, part(0, 24), part(24, 6), part(30, 4), part(34, 1));
    }
  }
  void reduce_case(const Vectors& v, const std::vector<uint64_t>& x, const std::vector<uint64_t>& over0,
                   const std::vector<uint64_t>& over1, const std::vector<uint64_t>& both) {
    DType t = v.operands[0];
    auto reduced = [&](const Value& in, std::initializer_list<int64_t> axes, bool keep = false) {
      return ops::call(op_named(v.op), {in}, Attrs().add_ints(std::vector<int64_t>(axes)).add(keep));
    };
    auto layouts = [&](const char* layout, const Value& m) {
      expect(v, layout, reduced(m, {0}), {6}, over0);
      expect(v, layout, reduced(m, {1}, true), {4, 1}, over1);
      expect(v, layout, reduced(m, {}), {}, both);
    };
    layouts("contiguous", data(t, {4, 6}, x));
    std::vector<uint64_t> turned, spread(48, 1);
    for (size_t c = 0; c < 6; c++)
      for (size_t r = 0; r < 4; r++) turned.push_back(x[r * 6 + c]);
    layouts("transposed", ops::transpose(data(t, {6, 4}, turned)));
    for (size_t i = 0; i < 24; i++) spread[i * 2] = x[i];
    int64_t from[] = {0, 0}, to[] = {4, 12}, by[] = {1, 2};
    layouts("sliced", ops::slice(data(t, {4, 12}, spread), from, to, by));
    Value repeated = ops::expand(data(t, {4, 6}, x), Shape{2, 4, 6});
    std::vector<uint64_t> doubled0(over0), doubled1(over1);
    doubled0.insert(doubled0.end(), over0.begin(), over0.end());
    doubled1.insert(doubled1.end(), over1.begin(), over1.end());
    expect(v, "broadcast", reduced(repeated, {1}), {2, 6}, doubled0);
    expect(v, "broadcast", reduced(repeated, {2}), {2, 4}, doubled1);
    expect(v, "zero-size", reduced(data(t, {0, 6}, {}), {1}), {0}, {});
    bool is_index = v.op == "argmax" || v.op == "argmin";
    uint64_t alone = x[0];
    if (is_signed_int(t) && size_of(t) < 8)
      alone = uint64_t(int64_t(alone << (64 - 8 * size_of(t))) >> (64 - 8 * size_of(t)));
    if (size_of(v.result) < 8) alone &= (uint64_t(1) << (8 * size_of(v.result))) - 1;
    bool is_truth = v.op == "any" || v.op == "all";
    if (is_truth && t != JT_BOOL) alone = x[0] != 0;
    expect(v, "0-d", reduced(data(t, {}, {x[0]}), {}), {}, {is_index ? 0 : alone});
  }

  Bench bench_;
  bool measures_;
  int rows_ = 0, wrong_ = 0;
  int64_t values_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return std::printf("usage: ops_test VECTORS TIER [measure]\n"), 2;
  std::ifstream in(argv[1]);
  Matrix matrix(argv[2], argc > 3);
  try {
    for (std::string line; std::getline(in, line);)
      if (!line.empty() && line[0] != '#') matrix.check(parsed(line));
  } catch (const std::exception& e) {
    return std::printf("ops_test: %s\n", e.what()), 1;
  }
  return matrix.finish();
}
