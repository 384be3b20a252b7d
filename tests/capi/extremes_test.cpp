// Every integer attribute of every op, every integer field of every layer and every extent of their operands takes
// extreme values, alone and in pairs: an error, or a result whose shape can be; never a crash, a hang or undefined
// behaviour. What was recorded is evaluated too, under a limit of memory, and so is its gradient.
#include "tests/nn/cases.h"

#include <climits>
#include <cmath>
#include <functional>
#include <set>

using namespace jt::test;

namespace {

constexpr int64_t kTwo31 = int64_t(1) << 31, kTwo40 = int64_t(1) << 40, kTwo62 = int64_t(1) << 62;
const std::vector<int64_t> kExtremes = {0,
                                        1,
                                        -1,
                                        -2,
                                        int64_t(1) << 30,
                                        kTwo31 - 1,
                                        kTwo31,
                                        -kTwo31,
                                        kTwo31 * 2,
                                        kTwo40,
                                        int64_t(1) << 58,
                                        kTwo62,
                                        INT64_MAX,
                                        INT64_MAX - 1,
                                        INT64_MIN,
                                        INT64_MIN + 1};
const std::vector<int64_t> kPaired = {0, -1, kTwo31, kTwo40, kTwo62, INT64_MAX, INT64_MIN};
const std::vector<int64_t> kExtents = {0, 1, kTwo31, kTwo40, int64_t(1) << 57};

// Calls `use` with the case as it is after each change of one number, then of two.
void each_number(const Case& base, const std::function<void(const Case&)>& use) {
  for (size_t i = 0; i < base.numbers.size(); i++)
    for (int64_t v : kExtremes) {
      Case c = base;
      std::vector<int64_t>& list = c.numbers[i].values;
      for (size_t k = 0; k < list.size(); k++) list = base.numbers[i].values, list[k] = v, use(c);
      if (base.numbers[i].is_list) {
        std::fill(list.begin(), list.end(), v), use(c);
        list.assign(1, v), use(c);
        list.assign(9, v), use(c);
      }
    }
  for (size_t i = 0; i < base.numbers.size(); i++)
    for (size_t k = 0; k < i; k++)
      for (int64_t v : kPaired)
        for (int64_t w : kPaired) {
          Case c = base;
          for (int64_t& x : c.numbers[i].values) x = v;
          for (int64_t& x : c.numbers[k].values) x = w;
          use(c);
        }
}

// Likewise, wherever an extent stands: in all operands, and in the attribute or fields that name it.
void each_extent(const Case& base, const std::function<void(const Case&)>& use) {
  std::set<int64_t> found;
  for (const Operand& o : base.operands) found.insert(o.dims.begin(), o.dims.end());
  auto changed = [](Case c, int64_t from, int64_t to) {
    for (Operand& o : c.operands)
      for (int64_t& extent : o.dims) extent = extent == from ? to : extent;
    for (Number& n : c.numbers) {
      bool names_extents =
          n.name == "shape" || n.name.find("features") != n.name.npos || n.name.find("channels") != n.name.npos;
      for (int64_t& v : n.values) v = names_extents && v == from ? to : v;
    }
    return c;
  };
  for (int64_t extent : found)
    for (int64_t v : kExtents) {
      Case c = changed(base, extent, v);
      use(c);
      for (int64_t other : found)
        if (other != extent)
          for (int64_t w : {int64_t(0), kTwo31, kTwo40}) use(changed(c, other, w));
    }
  for (size_t o = 0; o < base.operands.size(); o++)
    for (size_t k = 0; k < base.operands[o].dims.size(); k++)
      for (int64_t v : kExtents) {
        Case c = base;
        c.operands[o].dims[k] = v;
        use(c);
      }
}

struct Sweep {
  Session s{JT_RT_NO_DISK_CACHE, nullptr, int64_t(64) << 20};
  int64_t recorded = 0, refused = 0, evaluated = 0, too_large = 0;

  // Operands exist only as what they are: no memory is taken for an extent of 2^40.
  Tensor operand(const Operand& o) {
    jt_tensor* out = nullptr;
    if (jt_zeros(s.ctx, o.dims.data(), o.dims.size(), o.dtype, &out) != JT_OK) return Tensor();
    Tensor made(out);
    if (o.dtype == JT_F32) must(jt_tensor_set_requires_grad(s.ctx, made, 1));
    return made;
  }

  static double count(jt_tensor* t) {
    double n = 1;
    for (int i = 0; i < jt_tensor_ndim(t); i++) n *= double(jt_tensor_dim(t, i));
    return n;
  }

  // Runs what was recorded; only memory may be short.
  void run(const std::string& what, std::vector<jt_tensor*> values) {
    if (std::getenv("JT_SWEEP_VERBOSE")) std::fprintf(stderr, "%s\n", what.c_str());
    double work = 0;
    for (jt_tensor* v : values) work = std::max(work, count(v));
    jt_status status = jt_eval(s.ctx, values.data(), values.size());
    // What no kernel of the library can index is known only when the kernels are made.
    std::string why = status == JT_OK ? "" : last_message();
    bool is_too_large = why.find("extents are too large") != why.npos || why.find("do not fit 32 bits") != why.npos;
    bool is_right = status == JT_OK || status == JT_E_NOMEM || is_too_large;
    EXPECT_TRUE(is_right) << what << ": " << jt_last_error_message();
    if (status == JT_OK) evaluated++;
    else too_large++;
    EXPECT_TRUE(status != JT_OK || work < 1e8) << what;
  }

  void check(const std::string& what, const Case& c, bool small,
             const std::function<jt_status(const std::vector<jt_tensor*>&, std::vector<jt_tensor*>&)>& call) {
    std::vector<Tensor> held;
    std::vector<jt_tensor*> in, out, wrt, grads;
    for (const Operand& o : c.operands) {
      held.push_back(operand(o));
      if (!held.back()) return;
      in.push_back(held.back());
      if (o.dtype == JT_F32) wrt.push_back(held.back());
    }
    jt_status status = call(in, out);
    EXPECT_NE(status, JT_E_INTERNAL) << what << ": " << jt_last_error_message();
    if (status != JT_OK) return void(refused++);
    recorded++;
    std::vector<Tensor> owned;
    for (jt_tensor* t : out) {
      owned.emplace_back(t);
      for (int i = 0; i < jt_tensor_ndim(t); i++) EXPECT_GE(jt_tensor_dim(t, i), 0) << what;
      EXPECT_LE(count(t), std::ldexp(1.0, 58)) << what;
    }
    bool is_float = jt_tensor_dtype(out[0]) == JT_F32;
    if (is_float && !wrt.empty()) {
      jt_tensor* dz = nullptr;
      must(jt_full_like(s.ctx, out[0], 1, &dz));
      owned.emplace_back(dz);
      grads.assign(wrt.size(), nullptr);
      status = jt_grad(s.ctx, out[0], wrt.data(), wrt.size(), dz, 0, grads.data(), grads.size());
      // Ops without a gradient; or indices into nothing, which the gradient would have to read.
      bool has_none = status == JT_E_INVALID || status == JT_E_UNSUPPORTED || status == JT_E_INDEX;
      EXPECT_TRUE(status == JT_OK || has_none) << what << ", gradient: " << jt_last_error_message();
      // A gradient may add up all elements of a result that there is no room for: then it is only recorded.
      std::vector<Tensor> made(grads.begin(), grads.end());
      if (count(out[0]) > 1e6) grads.clear();
      else owned.insert(owned.end(), made.begin(), made.end());
    }
    if (!small) return;
    run(what, out);
    if (status == JT_OK && !grads.empty()) run(what + ", gradient", grads);
  }
};

// Nobody waits for 2^31 elements, empty ones are nobody's.
bool is_small(const Case& c) {
  double most = 0;
  for (const Operand& o : c.operands) {
    double n = 1;
    for (int64_t extent : o.dims) n *= double(extent);
    most = std::max(most, n);
  }
  return most < 1e6;
}

void sweep_ops(const std::function<void(Sweep&, const std::string&, const Case&)>& vary) {
  Sweep sweep;
  for (size_t i = 0; i < jt_op_count(); i++) {
    std::string name = jt_op_name(i);
    Case base = base_of(name, jt_op_signature(i));
    int64_t before = sweep.evaluated;
    vary(sweep, name, base);
    ASSERT_GT(sweep.evaluated, before) << name << ": the table above calls it wrongly: " << jt_last_error_message();
  }
  std::printf("%lld recorded, %lld refused; %lld evaluations, %lld short of memory\n", (long long)sweep.recorded,
              (long long)sweep.refused, (long long)sweep.evaluated, (long long)sweep.too_large);
}
void call_op(Sweep& sweep, const std::string& name, const Case& c, bool small) {
  std::string what = name + c.shapes() + " " + c.text();
  sweep.check(what, c, small, [&](const std::vector<jt_tensor*>& in, std::vector<jt_tensor*>& out) {
    Fields attrs(c.text());
    out.assign(name == "max_pool2d" ? 2 : 1, nullptr);
    return jt_op_call(sweep.s.ctx, name.c_str(), JT_NUL, in.data(), in.size(), attrs.data(), attrs.size(), out.data(),
                      out.size());
  });
}

TEST(Extremes, EveryIntegerOfEveryOp) {
  sweep_ops([](Sweep& sweep, const std::string& name, const Case& base) {
    call_op(sweep, name, base, true);
    each_number(base, [&](const Case& c) { call_op(sweep, name, c, true); });
  });
}

TEST(Extremes, EveryExtentOfEveryOp) {
  sweep_ops([](Sweep& sweep, const std::string& name, const Case& base) {
    call_op(sweep, name, base, true);
    each_extent(base, [&](const Case& c) { call_op(sweep, name, c, is_small(c)); });
  });
}

// Calls every op with every extent in turn, one of them 0 or not: with its operands, of which those of floats require a
// gradient.
void each_call(const Session& s,
               const std::function<void(const std::string& what, std::vector<Tensor> in, Tensor out)>& use) {
  for (size_t i = 0; i < jt_op_count(); i++) {
    std::string name = jt_op_name(i);
    each_extent(base_of(name, jt_op_signature(i)), [&](const Case& c) {
      std::vector<Tensor> held;
      std::vector<jt_tensor*> in;
      for (const Operand& o : c.operands) {
        jt_tensor* made = nullptr;
        if (jt_zeros(s.ctx, o.dims.data(), o.dims.size(), o.dtype, &made) != JT_OK) return;
        if (o.dtype == JT_F32) must(jt_tensor_set_requires_grad(s.ctx, made, 1));
        held.emplace_back(made), in.push_back(made);
      }
      jt_tensor* out = nullptr;
      Fields attrs(c.text());
      if (jt_op_call(s.ctx, name.c_str(), JT_NUL, in.data(), in.size(), attrs.data(), attrs.size(), &out, 1) != JT_OK)
        return;
      use(name + c.shapes() + " " + c.text(), std::move(held), Tensor(out));
    });
  }
}

void costs_nothing(const Session& s, const std::string& what, jt_tensor* value) {
  int64_t before = s.stats().launches, held = s.memory().live_bytes;
  must(jt_runtime_reset_peak(s.rt));
  EXPECT_EQ(jt_eval(s.ctx, &value, 1), JT_OK) << what << ": " << last_message();
  EXPECT_EQ(s.stats().launches, before) << what;
  EXPECT_LE(s.memory().peak_bytes, held + 65536) << what;
}

// Whatever the other extents are: nothing is launched, and nothing on the way takes memory.
TEST(Extremes, WhatHasNoElementsCostsNothing) {
  Sweep sweep;
  int64_t empty = 0;
  each_call(sweep.s, [&](const std::string& what, std::vector<Tensor> in, const Tensor& out) {
    if (out.count()) return;
    in.clear();
    costs_nothing(sweep.s, what, out);
    empty++;
  });
  EXPECT_GT(empty, 1000);
}

// Nor what a gradient without elements was recorded from, part of which a gradient of it would want.
TEST(Extremes, GradientsWithoutElementsCostNothing) {
  Session s(JT_RT_NO_DISK_CACHE, nullptr, int64_t(64) << 20);
  int64_t empty = 0;
  each_call(s, [&](const std::string& what, std::vector<Tensor> in, Tensor out) {
    if (jt_tensor_dtype(out) != JT_F32) return;
    // Theirs is made of windows of padding and of x, which have elements, and are kept for a gradient of it.
    if (what.starts_with("conv3d [") || what.starts_with("max_pool3d ")) return;
    std::vector<jt_tensor*> wrt;
    for (const Tensor& x : in)
      if (!x.count() && jt_tensor_requires_grad(x)) wrt.push_back(x);
    std::vector<jt_tensor*> grads(wrt.size());
    Tensor dz = s.make(jt_full_like, out, 1.0);
    constexpr uint32_t flags = JT_GRAD_RETAIN_GRAPH | JT_GRAD_CREATE_GRAPH;
    if (wrt.empty() || jt_grad(s.ctx, out, wrt.data(), wrt.size(), dz, flags, grads.data(), grads.size()) != JT_OK)
      return;
    std::vector<Tensor> owned(grads.begin(), grads.end());
    in.clear(), out = Tensor(), dz = Tensor();  // nobody asks for their elements
    for (const Tensor& dx : owned) costs_nothing(s, what + ", gradient", dx);
    empty += int64_t(owned.size());
  });
  EXPECT_GT(empty, 1000);
}

TEST(Extremes, SumsOverNothingAreKnown) {
  Session s;
  Tensor tall = s.zeros({kTwo40, 0}), wide = s.zeros({2, 0}), high = s.zeros({0, 3});
  const int64_t last[] = {1};
  EXPECT_EQ(s.item(s.sum(tall)), 0);
  EXPECT_FALSE(std::signbit(s.item(s.sum(tall))));
  EXPECT_EQ(s.item(s.make(jt_prod, tall, nullptr, 0, 0)), 1);
  EXPECT_EQ(s.item(s.make(jt_any, tall, nullptr, 0, 0)), 0);
  EXPECT_EQ(s.item(s.make(jt_all, tall, nullptr, 0, 0)), 1);
  EXPECT_TRUE(std::isnan(s.item(s.make(jt_mean, tall, nullptr, 0, 0))));
  EXPECT_EQ(s.read(s.make(jt_sum, wide, last, 1, 0)), (std::vector<float>{0, 0}));
  EXPECT_EQ(s.read(s.make(jt_prod, wide, last, 1, 1)), (std::vector<float>{1, 1}));
  EXPECT_EQ(s.read(s.make(jt_matmul, wide, high)), std::vector<float>(6, 0));
}

TEST(Extremes, SlicesAndPadsAtTheEndsOfIntegers) {
  Session s;
  Tensor x = s.floats({4}, {1, 2, 3, 4});
  EXPECT_EQ(s.read(s.slice(x, {INT64_MIN}, {INT64_MAX})), (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(s.read(s.slice(x, {INT64_MAX}, {INT64_MAX})), std::vector<float>());
  const int64_t from[] = {1}, to[] = {INT64_MAX}, step[] = {INT64_MAX};
  EXPECT_EQ(s.read(s.make(jt_slice, x, from, 1, to, 1, step, 1)), (std::vector<float>{2}));
}

// ---- layers ---------------------------------------------------------------------------------------------------------

// With every integer field that the row has beside those the case gives.
Case with_defaults(const std::string& kind, Case c) {
  size_t i = 0;
  while (std::string(jt_layer_name(i)) != kind) i++;
  for (const std::string& field : split(jt_layer_fields(i))) {
    std::string name = field.substr(0, field.find(':')), type = field.substr(field.find(':') + 1);
    std::string fallback = type.find('=') == type.npos ? "1" : type.substr(type.find('=') + 1);
    bool is_given = c.others.find(name + "=") != std::string::npos;
    for (const Number& n : c.numbers) is_given |= n.name == name;
    bool is_integer =
        type.starts_with("int") || type.starts_with("bool") || type.starts_with("count") || type.starts_with("size");
    if (is_given || !is_integer || !is_number(fallback)) continue;
    bool is_list = std::isdigit(type[type.find_first_of("=?") - 1]);
    c.numbers.push_back(
        {name,
         std::vector<int64_t>(is_list ? size_t(type[type.find_first_of("=?") - 1] - '0') : 1, std::stoll(fallback)),
         is_list});
  }
  return c;
}

void call_layer(Sweep& sweep, const std::string& kind, const Case& c, bool is_training, bool small) {
  std::string what = kind + c.shapes() + " " + c.text();
  sweep.check(what, c, small, [&](const std::vector<jt_tensor*>& in, std::vector<jt_tensor*>& out) {
    Fields fields(c.text());
    jt_module* module = nullptr;
    jt_status status = jt_module_create(sweep.s.ctx, kind.c_str(), JT_NUL, fields.data(), fields.size(), &module);
    if (status != JT_OK) return status;
    must(jt_module_set_training(sweep.s.ctx, module, is_training));
    out.assign(1, nullptr);
    status = jt_module_forward(sweep.s.ctx, module, in.data(), in.size(), out.data(), out.size());
    jt_module_release(module);
    return status;
  });
}

TEST(Extremes, EveryIntegerAndEveryExtentOfEveryLayer) {
  Sweep sweep;
  std::set<std::string> kinds;
  for (auto& [kind, given] : layer_cases()) {
    Case base = with_defaults(kind, given);
    int64_t before = sweep.evaluated;
    call_layer(sweep, kind, base, true, true);
    EXPECT_GT(sweep.evaluated, before) << kind << " " << base.text() << ": " << jt_last_error_message();
    each_number(base, [&](const Case& c) { call_layer(sweep, kind, c, true, true); });
    each_extent(base, [&](const Case& c) { call_layer(sweep, kind, c, false, is_small(c)); });
    kinds.insert(kind);
  }
  for (size_t i = 0; i < jt_layer_count(); i++) {
    std::string name = jt_layer_name(i);
    EXPECT_TRUE(kinds.count(name) || name == "Module" || name == "Sequential") << name << " is not swept";
  }
  std::printf("%lld recorded, %lld refused; %lld evaluations, %lld short of memory\n", (long long)sweep.recorded,
              (long long)sweep.refused, (long long)sweep.evaluated, (long long)sweep.too_large);
}

}  // namespace
