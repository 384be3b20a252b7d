// check: gradients against central finite differences, both run by the interpreter in f64.
#pragma once
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "core/grad/grad.h"
#include "core/ir/build.h"
#include "tests/grad/interpreter.h"

namespace jt::test {

using namespace ops;  // the operators on values

// Leaves with stored data; those that require gradients are f64.
class Graph {
 public:
  Recorder recorder;
  Feed feed;
  std::vector<Value> leaves;
  std::vector<Ref> wrt;

  Value real(const Shape& shape, double lo = -2, double hi = 2) {
    Value v = leaf({JT_F64, shape}, lo, hi);
    v.ref().node->flags |= kGradLeaf;
    wrt.push_back(v);
    return v;
  }
  Value fixed(const Shape& shape) { return leaf({JT_F64, shape}, -2, 2); }
  Value given(DType dtype, const Shape& shape, Array data) {
    Value v = recorder.leaf({dtype, shape}, nullptr);
    feed[v.ref().node] = std::move(data);
    leaves.push_back(v);
    return v;
  }

 private:
  Value leaf(const Type& type, double lo, double hi) {
    Array data(size_t(type.shape.count()));
    for (double& x : data) x = lo + (hi - lo) * next();
    return given(type.dtype, type.shape, std::move(data));
  }
  double next() {  // splitmix64
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return double((z ^ z >> 31) >> 11) * 0x1p-53;
  }
  uint64_t state_ = 12345;
};

// y is 0-d. Empty gradients count as zeros.
inline void expect_gradients(Graph& g, const Value& y, const std::vector<Value>& gradients, const std::string& what) {
  constexpr double kStep = 1e-5;
  for (size_t k = 0; k < g.wrt.size(); k++) {
    const Node* leaf = g.wrt[k].node;
    if (gradients[k]) {
      ASSERT_EQ(text(gradients[k].type()), text(g.wrt[k].type())) << what;
      ASSERT_EQ(gradients[k].shape().units, g.wrt[k].shape().units) << what;
    }
    Array found = gradients[k] ? run(gradients[k], g.feed) : Array(g.feed[leaf].size(), 0);
    for (size_t i = 0; i < found.size(); i++) {
      double before = g.feed[leaf][i];
      g.feed[leaf][i] = before + kStep;
      double above = run(y, g.feed)[0];
      g.feed[leaf][i] = before - kStep;
      double below = run(y, g.feed)[0];
      g.feed[leaf][i] = before;
      double wanted = (above - below) / (2 * kStep);
      ASSERT_NEAR(found[i], wanted, 2e-5 * (1 + std::fabs(wanted))) << what << ": operand " << k << ", element " << i;
    }
  }
}

inline Value weighted(Graph& g, const Value& z) { return ops::sum(z * g.fixed(z.shape())); }

// First-order gradients of the weighted sum of z, then second-order ones of a weighted sum of those.
inline void check(Graph& g, const Value& z, const std::string& what, bool second = true) {
  Value y = weighted(g, z);
  GradOptions options;
  options.create_graph = second;
  std::vector<Value> first = gradients(g.recorder, y, {}, g.wrt, options);
  expect_gradients(g, y, first, what);
  if (!second || ::testing::Test::HasFatalFailure()) return;
  Value total;
  for (const Value& d : first)
    if (d) total = total ? total + weighted(g, d) : weighted(g, d);
  if (total) expect_gradients(g, total, gradients(g.recorder, total, {}, g.wrt), what + ", second order");
}

}  // namespace jt::test
