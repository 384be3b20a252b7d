// rebind: handles that come to stand for other values with their gradients, and elements that the host writes.
#include "tests/capi/capi.h"

using namespace jt::test;

TEST(Rebind, KeepsGradientsAndWhatWasRecordedBefore) {
  Session s;
  Tensor w = s.floats({2}, {2, 3}), x = s.floats({2}, {0, 0});
  must(jt_tensor_set_requires_grad(s.ctx, w, 1));
  Tensor before = s.make(jt_neg, x);
  for (int i = 0; i < 3; i++) must(jt_tensor_rebind(s.ctx, x, s.make(jt_add, x, s.make(jt_mul, w, w))));
  jt_tensor *wrt = w, *dw = nullptr;
  must(jt_grad(s.ctx, s.sum(x), &wrt, 1, nullptr, 0, &dw, 1));
  EXPECT_EQ(s.read(Tensor(dw)), (std::vector<float>{12, 18}));
  EXPECT_EQ(s.read(x), (std::vector<float>{12, 27}));
  EXPECT_EQ(s.read(before), (std::vector<float>{0, 0}));
}

TEST(Rebind, ConvertsToTheHandlesDtype) {
  Session s;
  Tensor x = s.make(jt_cast, s.floats({2}, {1, 2}), JT_I32);
  must(jt_tensor_rebind(s.ctx, x, s.floats({2}, {3.5, -4.5})));
  EXPECT_EQ(jt_tensor_dtype(x), JT_I32);
  EXPECT_EQ(s.read<int32_t>(x), (std::vector<int32_t>{3, -4}));
}

TEST(Rebind, Refuses) {
  Session s;
  Tensor x = s.floats({2}, {1, 2}), y = s.floats({3}, {1, 2, 3}), w = s.floats({2}, {1, 2});
  must(jt_tensor_set_requires_grad(s.ctx, w, 1));
  EXPECT_EQ(jt_tensor_rebind(s.ctx, x, y), JT_E_SHAPE);
  EXPECT_EQ(last_message(), "jt_tensor_rebind: dst has shape [2], src has [3]");
  EXPECT_EQ(jt_tensor_rebind(s.ctx, w, x), JT_E_INVALID);
  EXPECT_EQ(jt_tensor_rebind(s.ctx, nullptr, x), JT_E_INVALID);
  EXPECT_EQ(jt_tensor_rebind(s.ctx, x, nullptr), JT_E_INVALID);
  EXPECT_EQ(s.read(x), (std::vector<float>{1, 2}));
}

namespace {
struct Written {
  jt_mapping m{sizeof m};
  Written(Session& s, jt_tensor* x) { must(jt_tensor_map_write(s.ctx, x, &m)); }
  ~Written() { jt_tensor_unmap(&m); }
  float& operator[](size_t i) { return static_cast<float*>(const_cast<void*>(m.data))[i]; }
};
}  // namespace

TEST(MapWrite, IsAnAssignment) {
  Session s;
  Tensor x = s.make(jt_add, s.floats({3}, {1, 2, 3}), s.scalar(1.0)), pending = s.make(jt_neg, x),
         ran = s.make(jt_exp2, x);
  EXPECT_EQ(s.read(ran), (std::vector<float>{4, 8, 16}));
  Written(s, x)[1] = 9;
  EXPECT_EQ(s.read(x), (std::vector<float>{2, 9, 4}));
  EXPECT_EQ(s.read(pending), (std::vector<float>{-2, -3, -4}));
  EXPECT_EQ(s.read(ran), (std::vector<float>{4, 8, 16}));
  EXPECT_EQ(s.read(s.make(jt_neg, x)), (std::vector<float>{-2, -9, -4}));
}

TEST(MapWrite, SharesMemoryAmongWritersAndCopiesForReaders) {
  Session s;
  Tensor x = s.floats({2}, {1, 2});
  Written a(s, x), b(s, x);
  EXPECT_EQ(&a[0], &b[0]);
  jt_mapping frozen{sizeof frozen};
  must(jt_tensor_map(s.ctx, x, &frozen));
  Written c(s, x);
  EXPECT_NE(&c[0], static_cast<const float*>(frozen.data));
  c[0] = 7;
  EXPECT_EQ(*static_cast<const float*>(frozen.data), 1);
  EXPECT_EQ(s.read(x), (std::vector<float>{7, 2}));
  jt_tensor_unmap(&frozen);
}

TEST(MapWrite, ChangesNothingThatWasRecordedSinceTheMappingWasMade) {
  Session s;
  Tensor x = s.floats({2}, {1, 2});
  Written view(s, x);
  Tensor doubled = s.make(jt_add, x, x);
  view[0] = 50;
  Tensor later = s.make(jt_add, x, x);
  view[1] = 60;
  EXPECT_EQ(s.read(doubled), (std::vector<float>{2, 4}));
  EXPECT_EQ(s.read(later), (std::vector<float>{100, 4}));
  EXPECT_EQ(s.read(x), (std::vector<float>{50, 60}));
  EXPECT_EQ(view[0], 50);
}

TEST(MapWrite, ChangesNoOtherTensorOfTheValue) {
  Session s;
  Tensor x = s.floats({2}, {1, 2}), y = s.floats({2}, {0, 0});
  {
    Written view(s, x);
    must(jt_tensor_assign(s.ctx, y, x));
    view[0] = 50;
    EXPECT_EQ(s.read(y), (std::vector<float>{1, 2}));
    view[1] = 60;
  }
  EXPECT_EQ(s.read(x), (std::vector<float>{50, 60}));
  EXPECT_EQ(s.read(y), (std::vector<float>{1, 2}));
}

TEST(MapWrite, LetsGradientsFlowWhileItLasts) {
  Session s;
  Tensor w = s.floats({2}, {2, 3});
  must(jt_tensor_set_requires_grad(s.ctx, w, 1));
  Written view(s, w);
  jt_tensor *wrt = w, *dw = nullptr;
  must(jt_grad(s.ctx, s.sum(s.make(jt_mul, w, w)), &wrt, 1, nullptr, 0, &dw, 1));
  view[0] = 9;
  EXPECT_EQ(s.read(Tensor(dw)), (std::vector<float>{4, 6}));
  must(jt_backward(s.ctx, s.sum(s.make(jt_mul, w, w)), 0));
  must(jt_tensor_grad(s.ctx, w, &dw));
  EXPECT_EQ(s.read(Tensor(dw)), (std::vector<float>{18, 6}));
}

TEST(MapWrite, LeavesAHistoryThatNobodyWritesOver) {
  Session s;
  Tensor w = s.floats({2}, {2, 3});
  must(jt_tensor_set_requires_grad(s.ctx, w, 1));
  for (auto map : {jt_tensor_map_write, jt_tensor_map_export}) {
    Tensor y = s.make(jt_mul, w, w);
    jt_mapping m{sizeof m};
    must(map(s.ctx, y, &m));
    jt_tensor *wrt = w, *dw = nullptr;
    must(jt_grad(s.ctx, s.sum(y), &wrt, 1, nullptr, JT_GRAD_RETAIN_GRAPH, &dw, 1));
    EXPECT_EQ(s.read(Tensor(dw)), (std::vector<float>{4, 6}));
    static_cast<float*>(const_cast<void*>(m.data))[0] = 7;
    jt_tensor_unmap(&m);
    EXPECT_EQ(s.read(y), (std::vector<float>{7, 9}));
    EXPECT_EQ(jt_grad(s.ctx, s.sum(y), &wrt, 1, nullptr, 0, &dw, 1), JT_E_INVALID);
  }
}

TEST(MapExport, IsNoCopyAndChangesNothingThatWasRecorded) {
  Session s;
  Tensor x = s.floats({2}, {1, 2});
  jt_mapping look{sizeof look}, out{sizeof out};
  must(jt_tensor_map(s.ctx, x, &look));
  must(jt_tensor_map_export(s.ctx, x, &out));
  EXPECT_EQ(look.data, out.data);
  jt_tensor_unmap(&look);
  Tensor pending = s.make(jt_neg, x);
  static_cast<float*>(const_cast<void*>(out.data))[0] = 7;
  EXPECT_EQ(s.read(pending), (std::vector<float>{-1, -2}));
  EXPECT_EQ(s.read(x), (std::vector<float>{7, 2}));
  jt_tensor_unmap(&out);
  pending = s.make(jt_neg, x);
  must(jt_tensor_map_export(s.ctx, x, &out));
  static_cast<float*>(const_cast<void*>(out.data))[0] = 8;
  EXPECT_EQ(s.read(pending), (std::vector<float>{-7, -2}));
  jt_tensor_unmap(&out);
  EXPECT_EQ(s.read(x), (std::vector<float>{8, 2}));
}

TEST(MapWrite, NeverWritesMemoryOfTheCaller) {
  Session s;
  float mine[2] = {1, 2};
  int64_t two = 2;
  jt_borrow_desc desc{sizeof desc};
  desc.dtype = JT_F32, desc.data = mine, desc.data_len = sizeof mine, desc.dims = &two, desc.dims_len = 1;
  jt_tensor* handle = nullptr;
  must(jt_tensor_borrow(s.ctx, &desc, &handle));
  Tensor x(handle);
  Written(s, x)[0] = 5;
  EXPECT_EQ(mine[0], 1);
  EXPECT_EQ(s.read(x), (std::vector<float>{5, 2}));
}

TEST(MapWrite, KeepsAParameterAParameter) {
  Session s;
  Tensor w = s.floats({1}, {3});
  must(jt_tensor_set_requires_grad(s.ctx, w, 1));
  Tensor before = s.make(jt_mul, w, w);
  Written(s, w)[0] = 5;
  EXPECT_TRUE(jt_tensor_requires_grad(w));
  jt_tensor *wrt = w, *dw = nullptr;
  must(jt_grad(s.ctx, s.sum(s.make(jt_mul, w, w)), &wrt, 1, nullptr, 0, &dw, 1));
  EXPECT_EQ(s.read(Tensor(dw)), (std::vector<float>{10}));
  EXPECT_EQ(s.read(before), (std::vector<float>{9}));
  jt_mapping small{4};
  EXPECT_EQ(jt_tensor_map_write(s.ctx, w, &small), JT_E_ABI);
  EXPECT_EQ(jt_tensor_map_write(s.ctx, nullptr, &small), JT_E_ABI);
}
