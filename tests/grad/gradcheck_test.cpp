// Every differentiable row, first and second order, against finite differences.
#include <set>

#include "core/ir/region_scope.h"
#include "check.h"
#include "core/grad/gradients.h"

using namespace jt;
using namespace jt::test;
namespace op = jt::ops;

// Rows with attributes go by their defaults but for those given.
static Attrs attrs_of(Op row, std::initializer_list<jt_attr> given = {}) {
  return make_attrs(row, {given.begin(), given.size()});
}
static jt_attr whole(const char* name, int64_t value) { return {name, JT_ATTR_I64, value, 0, nullptr, 0, nullptr, 0}; }
static jt_attr real(const char* name, double value) { return {name, JT_ATTR_F64, 0, value, nullptr, 0, nullptr, 0}; }
static jt_attr word(const char* name, const char* value) {
  return {name, JT_ATTR_STR, 0, 0, nullptr, 0, value, JT_NUL};
}
static std::vector<int64_t> ints(std::initializer_list<int64_t> list) { return list; }

// A row of the table and a value that it makes of leaves.
struct Case {
  Op row;
  std::string what;
  std::function<Value(Graph&)> make;
};
using Cases = std::vector<Case>;

static bool takes_reals(Op row) {
  Operands t = def(row).operands;
  return t != Operands::INTEGER && t != Operands::LOGICAL && def(row).result != ResultRule::BOOL &&
         def(row).result != ResultRule::INDEX;
}

// Operand k of an element row: of `shape`, or 0-d if bit k of scalars is set.
static Value element(Graph& g, Op row, int operands, const Shape& shape, unsigned scalars) {
  Value made[3];
  Ref refs[3];
  for (int k = 0; k < operands; k++) {
    Shape s = scalars >> k & 1 ? Shape{} : shape;
    if (def(row).operands == Operands::CHOICE && k == 0) {
      Array mask;
      for (int64_t i = 0; i < s.count(); i++) mask.push_back(double(i % 3 == 1));
      made[k] = g.given(JT_BOOL, s, mask);
    } else {
      made[k] = g.real(s, def(row).lo, def(row).hi);
    }
    refs[k] = made[k];
  }
  return g.recorder.build(row, {refs, size_t(operands)});
}

static void element_rows(Cases& cases) {
  for (int i = 0; i < kOps; i++) {
    Op row = Op(i);
    if (def(row).kind != Kind::element || !takes_reals(row)) continue;
    int operands = int(signature(row).operands.size());
    for (unsigned scalars = 0; scalars < 1u << operands; scalars++)
      cases.push_back({row, text("0-d operands ", scalars),
                       [=](Graph& g) { return element(g, row, operands, Shape{3, 5}, scalars); }});
  }
}

static void reduce_rows(Cases& cases) {
  for (int i = 0; i < kOps; i++) {
    Op row = Op(i);
    if (def(row).kind != Kind::reduce || !takes_reals(row)) continue;
    for (std::vector<int64_t> axes : {std::vector<int64_t>{}, {0}, {1}, {0, 2}, {-1}})
      for (bool keepdims : {false, true})
        cases.push_back({row, text("over ", std::span<const int64_t>(axes), " keepdims ", keepdims), [=](Graph& g) {
                           Value x = g.real({3, 2, 5}, def(row).lo, def(row).hi);
                           return g.recorder.build(row, {x}, Attrs().add_ints(axes).add(keepdims));
                         }});
  }
  cases.push_back({Op::prod, "of no axes", [](Graph& g) { return op::prod(g.real({})); }});
  for (Array data : {Array{2, 0, 3}, Array{0, 2, 0}, Array{0, 0, 0}})
    cases.push_back({Op::prod, text("of ", data[0], ", ", data[1], ", ", data[2]), [=](Graph& g) {
                       Value x = g.real({3});
                       g.feed[x.ref().node] = data;
                       return op::prod(x);
                     }});
}

static void movement_rows(Cases& cases) {
  auto add = [&](Op row, const char* what, const Shape& shape, std::function<Value(const Value&)> make) {
    cases.push_back({row, what, [=](Graph& g) {
                       Value x = g.real(shape);
                       return make(x * x);
                     }});
  };
  add(Op::cast, "", {3}, [](const Value& x) { return op::call(Op::cast, {x}, Attrs().add(JT_F64)); });
  add(Op::reshape, "", {3, 4}, [](const Value& x) { return op::reshape(x, Shape{2, 6}); });
  add(Op::reshape, "to units", {3}, [](const Value& x) { return op::reshape(x, Shape{1, 3, 1}); });
  add(Op::transpose, "", {2, 3, 5}, [](const Value& x) { return op::transpose(x, ints({2, 0, 1})); });
  add(Op::expand, "", {3, 1, 2}, [](const Value& x) { return op::expand(x, Shape{4, 3, 5, 2}); });
  add(Op::expand, "of an extent 1", {1}, [](const Value& x) { return op::expand(x, Shape{2, 3}); });
  add(Op::slice, "", {5, 4}, [](const Value& x) { return op::slice(x, ints({1, 0}), ints({4, 3})); });
  add(Op::slice, "with steps", {7, 4},
      [](const Value& x) { return op::slice(x, ints({1, 0}), ints({7, 4}), ints({3, 2})); });
  add(Op::slice, "of nothing", {5}, [](const Value& x) { return op::slice(x, ints({3}), ints({2})); });
  add(Op::pad, "", {2, 3}, [](const Value& x) {
    return op::call(Op::pad, {x}, Attrs().add_ints(ints({1, 0})).add_ints(ints({2, 3})).add_real(7));
  });
  add(Op::flip, "", {3, 4}, [](const Value& x) { return op::call(Op::flip, {x}, Attrs().add_ints(ints({-1}))); });
  add(Op::windows, "", {2, 7, 8}, [](const Value& x) {
    return op::call(Op::windows, {x}, Attrs().add_ints(ints({3, 2})).add_ints(ints({2, 1})).add_ints(ints({1, 3})));
  });
}

static void index_rows(Cases& cases) {
  cases.push_back({Op::concat, "", [](Graph& g) {
                     Value x = g.real({2, 3}), y = g.real({2, 1});
                     return g.recorder.build(Op::concat, {x * y, y, x}, Attrs().add(1));
                   }});
  cases.push_back({Op::update, "", [](Graph& g) {
                     Value w = g.real({4, 5}), v = g.real({2, 2});
                     return g.recorder.build(Op::update, {w * w, v * v},
                                             Attrs().add_ints(ints({1, 0})).add_ints(ints({2, 3})));
                   }});
  for (int axis : {0, 1}) {
    auto taken = [=](Graph& g, const Value& x) {
      return g.recorder.build(Op::take, {x, g.given(JT_I64, {2, 2}, {0, 2, -1, 2})}, Attrs().add(axis));
    };
    cases.push_back({Op::take, text(axis), [=](Graph& g) {
                       Value x = g.real({3, 4});
                       return taken(g, x * x);
                     }});
    cases.push_back({Op::scatter_add, text(axis), [=](Graph& g) {
                       Value base = g.real({3, 4}), v = g.real(taken(g, g.fixed({3, 4})).shape());
                       Value index = g.given(JT_I64, {2, 2}, {0, 2, -1, 2});
                       return g.recorder.build(Op::scatter_add, {base * base, index, v * v}, Attrs().add(axis));
                     }});
  }
  auto index = [](Graph& g) { return g.given(JT_I32, {2, 3}, {2, 0, 1, 2, 0, -1}); };
  cases.push_back({Op::gather, "", [=](Graph& g) {
                     Value x = g.real({3, 4});
                     return g.recorder.build(Op::gather, {x * x, index(g)}, Attrs().add(0));
                   }});
  for (const char* combine : {"set", "add", "mul", "max", "min"})
    cases.push_back({Op::scatter, combine, [=](Graph& g) {
                       Value x = g.real({3, 4}, 0.5, 2), v = g.real({2, 3}, 0.5, 2);
                       return g.recorder.build(Op::scatter, {x * x, index(g), v * v},
                                               Attrs().add(0).add_string(combine));
                     }});
  cases.push_back({Op::reindex, "", [](Graph& g) {
                     Value x = g.real({4, 3});
                     return g.recorder.build(
                         Op::reindex, {x * x},
                         Attrs().add_ints(ints({3, 3, 2})).add_string("i0+i1-1, 2-i2*2").add_real(5));
                   }});
  for (const char* combine : {"add", "mul", "max", "min"})
    cases.push_back({Op::reindex_reduce, combine, [=](Graph& g) {
                       Value x = g.real({4, 3}, 0.5, 2);
                       Attrs attrs = Attrs().add_ints(ints({2, 3})).add_string("i0/2, i1").add_string(combine);
                       return g.recorder.build(Op::reindex_reduce, {x * x}, std::move(attrs));
                     }});
  for (int axis : {0, 1}) {
    auto at = [](Graph& g) { return g.given(JT_I32, {}, {2}); };
    Shape part = axis ? Shape{3, 2} : Shape{1, 4};
    cases.push_back({Op::slice_at, text(axis), [=](Graph& g) {
                       Value x = g.real({3, 4});
                       return g.recorder.build(Op::slice_at, {x * x, at(g)}, Attrs().add(part[axis]).add(axis));
                     }});
    cases.push_back({Op::update_at, text(axis), [=](Graph& g) {
                       Value x = g.real({3, 4}), v = g.real(part);
                       return g.recorder.build(Op::update_at, {x * x, v * v, at(g)}, Attrs().add(axis));
                     }});
  }
  cases.push_back({Op::embedding, "", [](Graph& g) {
                     Value index = g.given(JT_I64, {2, 3}, {0, 2, 2, -1, 3, 1});
                     return g.recorder.build(Op::embedding, {index, op::square(g.real({4, 3}))},
                                             attrs_of(Op::embedding));
                   }});
}

static Attrs conv_attrs(Attrs attrs, int64_t groups, bool channels_last) {
  std::vector<int64_t> stride = {2, 1}, padding = {1, 0, 2, 1}, dilation = {1, 2};
  return attrs.add_ints(stride).add_ints(padding).add_ints(dilation).add(groups).add(channels_last);
}

static void convolutions(Cases& cases, int64_t groups, bool last) {
  Shape xs = last ? Shape{2, 5, 6, 4} : Shape{2, 4, 5, 6}, ws{2, 4 / groups, 3, 2};
  std::string what = text("of groups ", groups, last ? ", channels last" : "");
  auto forward = [=](Graph& g, const Value& x, const Value& w) {
    return g.recorder.build(Op::conv2d, {x, w}, conv_attrs({}, groups, last));
  };
  auto result = [=](Graph& g) { return forward(g, g.fixed(xs), g.fixed(ws)).shape(); };
  cases.push_back({Op::conv2d, what, [=](Graph& g) {
                     Value x = g.real(xs);
                     return forward(g, x, g.real(ws));
                   }});
  cases.push_back({Op::conv2d_grad_x, what, [=](Graph& g) {
                     Value dz = g.real(result(g)), w = g.real(ws);
                     return g.recorder.build(Op::conv2d_grad_x, {dz, w},
                                             conv_attrs(Attrs().add_ints(xs.extents()), groups, last));
                   }});
  cases.push_back({Op::conv2d_grad_w, what, [=](Graph& g) {
                     Value dz = g.real(result(g)), x = g.real(xs);
                     return g.recorder.build(Op::conv2d_grad_w, {dz, x},
                                             conv_attrs(Attrs().add_ints(ws.extents()), groups, last));
                   }});
}

static void pooling(Cases& cases, bool last) {
  std::vector<int64_t> size = {3, 2}, stride = {2, 1}, padding = {1, 0, 0, 1};
  Shape xs = last ? Shape{2, 5, 4, 2} : Shape{2, 2, 5, 4};
  auto attrs = [=](Attrs first = {}) { return first.add_ints(size).add_ints(stride).add_ints(padding).add(last); };
  for (Op row : {Op::max_pool2d, Op::avg_pool2d})
    cases.push_back({row, last ? "channels last" : "", [=](Graph& g) {
                       Value x = g.real(xs);
                       return g.recorder.build(row, {x * x}, attrs());
                     }});
  cases.push_back({Op::max_pool2d_grad, last ? "channels last" : "", [=](Graph& g) {
                     Value z = g.recorder.build(Op::max_pool2d, {g.fixed(xs)}, attrs());
                     Value dz = g.real(z.shape());
                     return g.recorder.build(Op::max_pool2d_grad, {dz * dz, Ref{z.ref().node, 1}},
                                             attrs(Attrs().add_ints(xs.extents())));
                   }});
  cases.push_back({Op::avg_pool2d_grad, last ? "channels last" : "", [=](Graph& g) {
                     Value z = g.recorder.build(Op::avg_pool2d, {g.fixed(xs)}, attrs()), dz = g.real(z.shape());
                     return g.recorder.build(Op::avg_pool2d_grad, {dz * dz}, attrs(Attrs().add_ints(xs.extents())));
                   }});
}

static void volumes(Cases& cases) {
  auto attrs = [](Attrs first = {}) {
    return first.add_ints(ints({2, 1, 1})).add_ints(ints({1, 0, 1, 0, 1, 0})).add_ints(ints({1, 2, 1})).add(1);
  };
  Shape xs{1, 2, 3, 4, 3}, ws{2, 2, 2, 2, 2};
  cases.push_back({Op::conv3d, "", [=](Graph& g) {
                     Value x = g.real(xs);
                     return g.recorder.build(Op::conv3d, {x, g.real(ws)}, attrs());
                   }});
  cases.push_back(
      {Op::conv3d_grad_x, "", [=](Graph& g) {
         Value z = g.recorder.build(Op::conv3d, {g.fixed(xs), g.fixed(ws)}, attrs()), dz = g.real(z.shape());
         return g.recorder.build(Op::conv3d_grad_x, {dz, g.real(ws)}, attrs(Attrs().add_ints(xs.extents())));
       }});
  for (Op row : {Op::max_pool3d, Op::avg_pool3d})
    cases.push_back({row, "", [=](Graph& g) {
                       Value x = g.real(xs);
                       return g.recorder.build(
                           row, {x * x}, Attrs().add_ints(ints({2, 2, 1})).add_ints(ints({1, 2, 2})).add_ints({}));
                     }});
}

static void library_rows(Cases& cases) {
  struct Product { Shape x, y; };
  for (const Product& p : {Product{{3, 4}, {4, 2}},
                           {{2, 3, 4}, {4, 5}},
                           {{3, 1, 2, 4}, {2, 4, 3}},
                           {{4}, {4, 2}},
                           {{3, 4}, {4}},
                           {{5}, {5}}})
    cases.push_back({Op::matmul, text(p.x, " ", p.y), [=](Graph& g) {
                       Value x = g.real(p.x);
                       return op::matmul(x, g.real(p.y));
                     }});
  for (int64_t groups : {1, 2}) convolutions(cases, groups, false);
  convolutions(cases, 2, true);
  for (bool last : {false, true}) pooling(cases, last);
  volumes(cases);
}

static void rows_along_an_axis(Cases& cases) {
  for (Op row : {Op::cumsum, Op::cumprod, Op::cummax, Op::cummin})
    for (int64_t axis : {0, 1})
      cases.push_back({row, text("axis ", axis),
                       [=](Graph& g) { return g.recorder.build(row, {g.real({3, 4})}, Attrs().add(axis)); }});
  for (int64_t axis : {0, 1})
    for (bool turned : {false, true}) {
      cases.push_back({Op::sort, text("axis ", axis), [=](Graph& g) {
                         return g.recorder.build(Op::sort, {g.real({3, 4})}, Attrs().add(axis).add(turned));
                       }});
      cases.push_back({Op::topk, text("axis ", axis), [=](Graph& g) {
                         return g.recorder.build(Op::topk, {g.real({3, 4})}, Attrs().add(2).add(axis).add(turned));
                       }});
    }
  cases.push_back({Op::split, "", [](Graph& g) {
                     Value parts =
                         g.recorder.build(Op::split, {g.real({2, 5})}, Attrs().add_ints(ints({2, 1, 2})).add(1));
                     // nothing comes from the second
                     return Value(Ref{parts.ref().node, 0}) * Ref{parts.ref().node, 2};
                   }});
}

static void pairs_and_layouts(Cases& cases) {
  for (Op row : {Op::logaddexp, Op::xlogy, Op::fmod})
    cases.push_back({row, "broadcast", [=](Graph& g) {
                       Value x = g.real({3, 1}), y = g.real({2});
                       return g.recorder.build(row, {x, y * y + 0.5}, {});
                     }});
  cases.push_back({Op::lerp, "", [](Graph& g) {
                     Value x = g.real({3, 2}), y = g.real({2});
                     return g.recorder.build(Op::lerp, {x, y, g.real({})}, {});
                   }});
  cases.push_back({Op::nan_to_num, "", [](Graph& g) { return call(Op::nan_to_num, {g.real({3})}); }});
  cases.push_back({Op::masked_fill, "", [](Graph& g) {
                     Value x = g.real({3, 2}), mask = greater(g.fixed({2}), 0);
                     return call(Op::masked_fill, {x, mask});
                   }});
  for (bool keepdims : {false, true})
    cases.push_back({Op::logsumexp, "", [=](Graph& g) {
                       return g.recorder.build(Op::logsumexp, {g.real({2, 3, 2})},
                                               Attrs().add_ints(ints({0, 2})).add(keepdims));
                     }});
  for (int64_t k : {-1, 1}) {
    for (Op row : {Op::tril, Op::triu})
      cases.push_back({row, "", [=](Graph& g) { return g.recorder.build(row, {g.real({2, 3, 4})}, Attrs().add(k)); }});
    cases.push_back({Op::diagonal, "", [=](Graph& g) {
                       return g.recorder.build(Op::diagonal, {g.real({3, 2, 4})}, Attrs().add(k).add(2).add(0));
                     }});
  }
  cases.push_back({Op::roll, "", [](Graph& g) {
                     return g.recorder.build(Op::roll, {g.real({3, 4})},
                                             Attrs().add_ints(ints({1, -2})).add_ints(ints({0, 1})));
                   }});
  cases.push_back({Op::roll, "of all", [](Graph& g) {
                     return g.recorder.build(Op::roll, {g.real({3, 4})}, Attrs().add_ints(ints({5})).add_ints({}));
                   }});
  cases.push_back({Op::tile, "", [](Graph& g) {
                     return g.recorder.build(Op::tile, {g.real({3, 2})}, Attrs().add_ints(ints({2, 2, 3})));
                   }});
  cases.push_back({Op::stack, "", [](Graph& g) {
                     Value x = g.real({3, 2});
                     return g.recorder.build(Op::stack, {x, g.real({3, 2}), x}, Attrs().add(1));
                   }});
  for (uint32_t result : {0u, 1u}) {
    cases.push_back(
        {Op::aminmax, "", [=](Graph& g) {
           return Value(Ref{
               g.recorder.build(Op::aminmax, {g.real({3, 4})}, Attrs().add_ints(ints({1})).add(0)).ref().node, result});
         }});
    cases.push_back(
        {Op::var_mean, "", [=](Graph& g) {
           return Value(Ref{
               g.recorder.build(Op::var_mean, {g.real({3, 4})}, Attrs().add_ints(ints({0})).add(1).add(1)).ref().node,
               result});
         }});
  }
}

static void activations(Cases& cases) {
  for (Op row : {Op::gelu, Op::silu, Op::softplus, Op::gelu_tanh, Op::leaky_relu, Op::elu, Op::celu, Op::selu,
                 Op::hardtanh, Op::hardsigmoid, Op::hardswish, Op::mish, Op::log_sigmoid})
    cases.push_back({row, "", [=](Graph& g) { return g.recorder.build(row, {g.real({3, 5}, -4, 4)}, attrs_of(row)); }});
  for (Op row : {Op::softmax, Op::log_softmax})
    for (int axis : {0, -1})
      cases.push_back(
          {row, text(axis), [=](Graph& g) { return g.recorder.build(row, {g.real({3, 4})}, Attrs().add(axis)); }});
  for (Shape weight : {Shape{3}, Shape{1}})
    cases.push_back({Op::prelu, text(weight), [=](Graph& g) {
                       Value x = g.real({2, 3, 2});
                       return g.recorder.build(Op::prelu, {x, g.real(weight)});
                     }});
  cases.push_back({Op::gelu, "tanh", [](Graph& g) {
                     return g.recorder.build(Op::gelu, {g.real({3, 5}, -4, 4)},
                                             attrs_of(Op::gelu, {word("approximate", "tanh")}));
                   }});
  cases.push_back({Op::softplus, "with a threshold", [](Graph& g) {
                     return g.recorder.build(Op::softplus, {g.real({3, 5}, -4, 4)},
                                             attrs_of(Op::softplus, {real("beta", 2), real("threshold", 1)}));
                   }});
  cases.push_back({Op::dropout, "", [](Graph& g) {
                     Attrs attrs = attrs_of(
                         Op::dropout, {real("p", 0.4), whole("seed", 1), whole("stream", 0), whole("counter", 5)});
                     return g.recorder.build(Op::dropout, {g.real({4, 5})}, attrs);
                   }});
}

static void statistics(Cases& cases) {
  auto add = [&](Op row, std::string what, Attrs attrs) {
    cases.push_back(
        {row, what, [=](Graph& g) { return g.recorder.build(row, {op::square(g.real({3, 4}, 0.5, 2))}, attrs); }});
  };
  add(Op::mean, "", attrs_of(Op::mean, {whole("axes", 1)}));
  for (Op row : {Op::var, Op::std})
    for (int correction : {0, 1})
      add(row, text("correction ", correction), attrs_of(row, {whole("axes", 1), whole("correction", correction)}));
  for (double p : {2.0, 1.0, 3.0, 0.5, -2.0, 0.0, HUGE_VAL, -HUGE_VAL})
    add(Op::norm, text("p ", p), attrs_of(Op::norm, {real("p", p), whole("axes", 1)}));
  for (size_t factors : {0, 1, 2})
    for (Op row : {Op::layer_norm, Op::group_norm, Op::batch_norm, Op::rms_norm}) {
      if (row == Op::rms_norm && factors == 2) continue;
      cases.push_back({row, text("with ", factors, " factors"), [=](Graph& g) {
                         bool by_channel = row == Op::group_norm || row == Op::batch_norm;
                         Shape factor = by_channel ? Shape{4} : Shape{4, 3};
                         std::vector<Value> held{g.real({2, 4, 3})};
                         if (row == Op::batch_norm)
                           held.push_back(g.real(factor)), held.push_back(g.real(factor, 0.5, 2));
                         for (size_t i = 0; i < factors; i++) held.push_back(g.real(factor));
                         std::vector<Ref> in(held.begin(), held.end());
                         Attrs attrs = row == Op::batch_norm   ? attrs_of(row)
                                       : row == Op::group_norm ? attrs_of(row, {whole("groups", 2)})
                                                               : attrs_of(row, {whole("axes", 2)});
                         return g.recorder.build(row, in, attrs);
                       }});
    }
}

static void labelled_losses(Cases& cases, const char* reduction) {
  for (bool weighted : {false, true})
    for (double smoothing : {0.0, 0.2})
      for (Op row : {Op::cross_entropy, Op::nll}) {
        if (row == Op::nll && smoothing) continue;
        cases.push_back({row, text(reduction, weighted ? ", weighted" : "", ", smoothing ", smoothing), [=](Graph& g) {
                           Value x = g.real({2, 4, 3}), label = g.given(JT_I64, {2, 3}, {0, 3, 1, 3, 2, 0});
                           std::vector<Ref> in{x, label};
                           Value weight = weighted ? g.real({4}, 0.5, 2) : Value();
                           if (weighted) in.push_back(weight);
                           jt_attr how = word("reduction", reduction), skipped = whole("ignore_index", 2);
                           Attrs attrs = row == Op::nll
                                             ? attrs_of(row, {how, skipped})
                                             : attrs_of(row, {how, skipped, real("label_smoothing", smoothing)});
                           return g.recorder.build(row, in, std::move(attrs));
                         }});
      }
  cases.push_back({Op::cross_entropy, text(reduction, ", probabilities"), [=](Graph& g) {
                     Value x = g.real({3, 4}), y = g.real({3, 4}, 0.1, 0.9);
                     Attrs attrs =
                         attrs_of(Op::cross_entropy, {word("reduction", reduction), real("label_smoothing", 0.1)});
                     return g.recorder.build(Op::cross_entropy, {x, y, g.real({4}, 0.5, 2)}, std::move(attrs));
                   }});
  cases.push_back({Op::cross_entropy, text(reduction, ", one row"), [=](Graph& g) {
                     Value x = g.real({4});
                     return g.recorder.build(Op::cross_entropy, {x, g.given(JT_I64, {}, {2})},
                                             attrs_of(Op::cross_entropy, {word("reduction", reduction)}));
                   }});
}

static void losses_of_pairs(Cases& cases, const char* reduction) {
  jt_attr how = word("reduction", reduction);
  for (Op row : {Op::mse_loss, Op::bce, Op::bce_with_logits, Op::smooth_l1, Op::huber, Op::kl_div})
    cases.push_back({row, reduction, [=](Graph& g) {
                       Value x = g.real({3, 4}, 0.05, 0.95), y = g.real({3, 4}, 0.1, 0.9);
                       if (row != Op::bce) x = x * 5;
                       return g.recorder.build(row, {x, y}, attrs_of(row, {how}));
                     }});
  for (Op row : {Op::bce, Op::bce_with_logits})
    cases.push_back({row, text(reduction, ", weighted"), [=](Graph& g) {
                       std::vector<Value> held{g.real({3, 4}, 0.05, 0.95), g.real({3, 4}, 0.1, 0.9), g.real({3, 1})};
                       if (row == Op::bce_with_logits) held.push_back(g.real({4}));
                       std::vector<Ref> in(held.begin(), held.end());
                       return g.recorder.build(row, in, attrs_of(row, {how}));
                     }});
  cases.push_back({Op::kl_div, text(reduction, ", of logarithms"), [=](Graph& g) {
                     Value x = g.real({3, 4});
                     return g.recorder.build(Op::kl_div, {x, g.real({3, 4})},
                                             attrs_of(Op::kl_div, {whole("log_target", 1), how}));
                   }});
}

static void losses(Cases& cases) {
  for (const char* reduction : {"mean", "sum", "none"})
    labelled_losses(cases, reduction), losses_of_pairs(cases, reduction);
  cases.push_back({Op::mse_loss, "of an operand that depends on the other", [](Graph& g) {
                     Value x = g.real({3, 4});
                     return g.recorder.build(Op::mse_loss, {x * x, x}, attrs_of(Op::mse_loss));
                   }});
}

// Branches and loops: both sides; rows, a break, nests, places that are counted, values that are captured.
static void regions(Cases& cases) {
  for (bool first : {true, false})
    cases.push_back({Op::branch, first ? "then" : "else", [=](Graph& g) {
                       Value x = g.real({3}), y = g.real({3}), by = g.given(JT_BOOL, {}, {double(first)});
                       auto then = [&](std::span<const Value>) { return std::vector<Value>{x * y * x, x}; };
                       auto otherwise = [&](std::span<const Value>) {
                         return std::vector<Value>{op::exp(y), op::sin(y)};
                       };
                       auto z = record_branch(g.recorder, "branch", by, then, otherwise);
                       return z[0] * z[1];
                     }});
  cases.push_back({Op::loop, "with rows and captured values", [](Graph& g) {
                     Value h = g.real({2, 3}), w = g.real({3, 3}, -1, 1), xs = g.real({4, 2, 3}, -1, 1);
                     Ref initial[] = {h};
                     LoopRecipe recipe;
                     recipe.most = 4, recipe.initial = initial;
                     recipe.body = [&](const Value& i, std::span<const Value> now) {
                       Value x = op::reshape(op::call(Op::slice_at, {xs, i}, Attrs().add(1).add(0)), Shape{2, 3});
                       Value next = op::tanh(op::matmul(now[0], w) + x);
                       return LoopBody{{next}, {next * next}, {}};
                     };
                     auto z = record_loop(g.recorder, "loop", recipe);
                     return op::sum(z[0]) + op::sum(z[1]);
                   }});
  cases.push_back({Op::loop, "that ends by a condition, of two carried values", [](Graph& g) {
                     Value a = g.real({}, 0.5, 0.6), b = g.real({}, 1.1, 1.2);
                     Ref initial[] = {a, b};
                     LoopRecipe recipe;
                     recipe.most = 9, recipe.initial = initial;
                     recipe.condition = [&](std::span<const Value> now) { return now[0] < 5; };
                     recipe.body = [&](const Value&, std::span<const Value> now) {
                       return LoopBody{{now[0] * now[1] + now[1], now[1] * 1.1}, {}, {}};
                     };
                     auto z = record_loop(g.recorder, "loop", recipe);
                     return z[0] * z[1];
                   }});
  cases.push_back({Op::loop, "in a branch in a loop", [](Graph& g) {
                     Value x = g.real({2}, 0.5, 1), w = g.real({2}, 0.5, 1);
                     auto looped = [&](int64_t n, const Value& from,
                                       std::function<Value(const Value&, const Value&)> body) {
                       Ref initial[] = {from};
                       LoopRecipe recipe;
                       recipe.most = n, recipe.initial = initial;
                       recipe.body = [&](const Value& i, std::span<const Value> now) {
                         return LoopBody{{body(i, now[0])}, {}, {}};
                       };
                       return record_loop(g.recorder, "loop", recipe)[0];
                     };
                     return looped(3, x, [&](const Value& i, const Value& v) {
                       auto then = [&](std::span<const Value>) {
                         return std::vector<Value>{looped(2, v, [&](const Value&, const Value& u) { return u * w; })};
                       };
                       auto otherwise = [&](std::span<const Value>) { return std::vector<Value>{v + w * w}; };
                       return record_branch(g.recorder, "branch", i < 1, then, otherwise)[0];
                     });
                   }});
}

TEST(gradcheck, every_row_with_a_gradient_agrees_with_finite_differences) {
  Cases cases;
  for (auto add : {element_rows, reduce_rows, movement_rows, index_rows, library_rows, rows_along_an_axis,
                   pairs_and_layouts, activations, statistics, losses, regions})
    add(cases);
  std::set<Op> seen;
  for (const Case& c : cases) {
    Graph g;
    seen.insert(c.row);
    check(g, c.make(g), text(name(c.row), " ", c.what));
    if (HasFatalFailure()) return;
  }
  for (int i = 0; i < kOps; i++)
    if (Op(i) != Op::custom && has_gradient(Op(i))) {
      EXPECT_TRUE(seen.count(Op(i))) << name(Op(i)) << " has no gradient case";
    }
}

TEST(gradcheck, equal_maxima_share_the_gradient) {
  Graph g;
  Value x = g.given(JT_F64, {4}, {1, 3, 3, 2});
  x.ref().node->flags |= kGradLeaf;
  Ref wrt[] = {x};
  EXPECT_EQ(run(gradients(g.recorder, op::max(x), {}, wrt)[0], g.feed), (Array{0, 0.5, 0.5, 0}));
}

TEST(gradcheck, casts_round_the_gradient_to_the_operand) {
  Graph g;
  Value x = g.given(JT_F32, {2}, {1.5, -2});
  x.ref().node->flags |= kGradLeaf;
  Ref wrt[] = {x};
  Value d = gradients(g.recorder, op::sum(op::square(op::cast(x, JT_F64))), {}, wrt)[0];
  EXPECT_EQ(d.dtype(), JT_F32);
  EXPECT_EQ(run(d, g.feed), (Array{3, -4}));
}

TEST(gradcheck, activations_of_large_values_have_finite_gradients) {
  for (Op row : {Op::elu, Op::celu, Op::selu, Op::mish, Op::log_sigmoid, Op::gelu_tanh, Op::softplus}) {
    Graph g;
    Value x = g.given(JT_F64, {4}, {-1e5, -800, 800, 1e5});
    x.ref().node->flags |= kGradLeaf;
    Ref wrt[] = {x};
    Value y = op::sum(g.recorder.build(row, {x}, attrs_of(row)));
    for (double slope : run(gradients(g.recorder, y, {}, wrt)[0], g.feed))
      EXPECT_TRUE(std::isfinite(slope)) << name(row);
  }
}

TEST(gradcheck, bce_at_its_edges_is_finite) {
  Graph g;
  Value x = g.given(JT_F64, {4}, {0, 1, 0, 1}), y = g.given(JT_F64, {4}, {0, 1, 1, 0});
  x.ref().node->flags |= kGradLeaf;
  Ref wrt[] = {x};
  Value d =
      gradients(g.recorder, op::sum(g.recorder.build(Op::bce, {x, y}, attrs_of(Op::bce, {word("reduction", "none")}))),
                {}, wrt)[0];
  EXPECT_EQ(run(d, g.feed), (Array{0, 0, -1e12, 1e12}));
}

TEST(gradcheck, the_padding_of_an_embedding_has_no_gradient) {
  Graph p;
  Value index = p.given(JT_I64, {3}, {1, 2, 1});
  Value weight = p.given(JT_F64, {3, 2}, {1, 2, 3, 4, 5, 6});
  weight.ref().node->flags |= kGradLeaf;
  Ref wrt[] = {weight};
  Value y = p.recorder.build(Op::embedding, {index, weight}, attrs_of(Op::embedding, {whole("padding", 1)}));
  EXPECT_EQ(run(y, p.feed), (Array{3, 4, 5, 6, 3, 4}));
  EXPECT_EQ(run(gradients(p.recorder, op::sum(y), {}, wrt)[0], p.feed), (Array{0, 0, 0, 0, 1, 1}));
}

TEST(gradcheck, pow_at_its_edges_is_finite) {
  Graph g;
  Value x = g.given(JT_F64, {3}, {0, 0, 2}), y = g.given(JT_F64, {3}, {0, 2, 0});
  x.ref().node->flags |= kGradLeaf, y.ref().node->flags |= kGradLeaf;
  Ref wrt[] = {x, y};
  std::vector<Value> d = gradients(g.recorder, op::sum(op::pow(x, y)), {}, wrt);
  EXPECT_EQ(run(d[0], g.feed), (Array{0, 0, 0}));
  EXPECT_EQ(run(d[1], g.feed), (Array{0, 0, std::log(2.0)}));
}

TEST(gradcheck, broadcasting_and_many_uses) {
  Graph g;
  Value x = g.real({3, 1}), y = g.real({1, 4}), s = g.real({});
  Value z = op::tanh(x * y) + x - s * y;
  check(g, z * z + op::exp(x) * s, "broadcast and many uses");
}
