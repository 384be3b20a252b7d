// Ops of C source: what the text may use, what it computes, how mistakes are told.
#include "tests/capi/capi.h"

using namespace jt::test;

namespace {

using Floats = std::vector<float>;

struct Code {
  std::string source, header;
  std::vector<const char*> gradients;
  std::vector<const char*> names;
  std::vector<double> values;
  struct Result { jt_dtype dtype; Dims dims; };
  std::vector<Result> results;

  jt_status record(const Session& s, const std::vector<jt_tensor*>& inputs, std::vector<jt_tensor*>& out) const {
    std::vector<jt_custom_type> types;
    for (const Result& r : results) types.push_back({r.dtype, r.dims.data(), r.dims.size()});
    jt_code_desc d{};
    d.struct_size = sizeof d;
    d.name = "mine", d.name_len = JT_NUL;
    d.source = source.c_str(), d.source_len = JT_NUL;
    d.header = header.c_str(), d.header_len = header.size();
    d.grad_sources = gradients.data(), d.grad_sources_len = gradients.size();
    d.data_names = names.data(), d.data_values = values.data(), d.data_len = names.size();
    d.outputs = types.data(), d.outputs_len = types.size();
    out.assign(results.size(), nullptr);
    return jt_code(s.ctx, &d, inputs.data(), inputs.size(), out.data(), out.size());
  }
  std::vector<Tensor> call(const Session& s, const std::vector<jt_tensor*>& inputs) const {
    std::vector<jt_tensor*> out;
    must(record(s, inputs, out));
    return std::vector<Tensor>(out.begin(), out.end());
  }
  std::string mistake(const Session& s, const std::vector<jt_tensor*>& inputs) const {
    std::vector<jt_tensor*> out;
    EXPECT_EQ(record(s, inputs, out), JT_E_INVALID);
    return last_message();
  }
};
jt_status read_status(const Session& s, jt_tensor* x) {
  Floats to(size_t(jt_tensor_count(x)));
  return jt_tensor_read(s.ctx, x, to.data(), to.size() * 4);
}
const char* kTranspose =
    "for (int64_t i = 0; i < out_shape0; i++)\n"
    "  for (int64_t j = 0; j < out0_shape1; j++) @out(i, j) = @in0(j, i) * data_factor;";

}  // namespace

TEST(Code, ReadsAndWritesByIndex) {
  Session s;
  Code code{kTranspose, "", {}, {"factor"}, {2}, {{JT_F32, {3, 2}}}};
  Tensor x = s.floats({2, 3}, {1, 2, 3, 4, NAN, 6});
  Floats z = s.read(s.make(jt_neg, code.call(s, {s.make(jt_neg, x)})[0]));
  EXPECT_EQ(Floats({z[0], z[1], z[2], z[4], z[5]}), Floats({2, 8, 4, 6, 12}));
  EXPECT_TRUE(std::isnan(z[3]));
}
TEST(Code, HasAHeaderPointersTypesAndMathematics) {
  Session s;
  Code code{"out0_type total = 0;\n"
            "for (int64_t i = 0; i < in0_num; i++) total += twice(in0[i]);\n"
            "out0[0] = (int)total; out1[0] = sqrt(total) + powf(2, 3) + (double)in1[in1_num - 1];",
            "static float twice(float x) { return x * 2; } // not @expanded, \"nor @here\"\n", {}, {}, {},
            {{JT_I64, {}}, {JT_F64, {1}}}};
  auto z = code.call(s, {s.floats({4}, {1, 2, 3, 2}), s.of<uint8_t>(JT_U8, {2}, {0, 200})});
  EXPECT_EQ(s.read<int64_t>(z[0]), std::vector<int64_t>({16}));
  EXPECT_EQ(s.read<double>(z[1]), std::vector<double>({4 + 8 + 200}));
}
TEST(Code, ExpandsIndicesInIndicesAndLeavesLiteralsAlone) {
  Session s;
  Code code{"/* @nothing */ const char *t = \"@in9(1)\"; // @neither\n"
            "for (int64_t i = 0; i < out_num; i++) @out(i) = @in0(@in1((i + 0)), t[0] == '@' ? 1 : 0);",
            "", {}, {}, {}, {{JT_F32, {3}}}};
  Tensor x = s.floats({2, 2}, {1, 2, 3, 4}), index = s.of<int64_t>(JT_I64, {3}, {1, 0, 1});
  EXPECT_EQ(s.read(code.call(s, {x, index})[0]), Floats({4, 2, 4}));
}
TEST(Code, TakesEveryDtypeNoElementsAndNoAxes) {
  Session s;
  for (int dtype = JT_BOOL; dtype <= JT_F64; dtype++) {
    size_t size = jt_dtype_size(jt_dtype(dtype));
    Code code{"for (int64_t i = 0; i < out_num; i++) @out(i) = @in0(i);", "", {}, {}, {}, {{jt_dtype(dtype), {2}}}};
    std::vector<uint8_t> bytes(2 * size, 1);
    const int64_t dims[1] = {2};
    Tensor x = s.make(jt_tensor_from_bytes, bytes.data(), bytes.size(), jt_dtype(dtype), dims, 1);
    Tensor z = code.call(s, {x})[0];
    std::vector<uint8_t> got(bytes.size());
    must(jt_tensor_read(s.ctx, z, got.data(), got.size()));
    EXPECT_EQ(got, bytes) << jt_dtype_name(jt_dtype(dtype));
  }
  Code empty{"for (int64_t i = 0; i < in0_shape0; i++) @out(i) = 1;", "", {}, {}, {}, {{JT_F32, {0}}}};
  EXPECT_EQ(s.read(empty.call(s, {s.zeros({0})})[0]), Floats());
  Code scalar{"@out() = @in0() + 1;", "", {}, {}, {}, {{JT_F32, {}}}};
  EXPECT_EQ(s.read(scalar.call(s, {s.scalar(2)})[0]), Floats({3}));
}
TEST(Code, CompilesNothingForAnotherSizeOrNumber) {
  Session s;
  auto run = [&](int64_t n, double factor) {
    Code code{kTranspose, "", {}, {"factor"}, {factor}, {{JT_F32, {n, 2}}}};
    must(jt_trace_start(s.rt, "/dev/null", JT_NUL));
    EXPECT_EQ(s.read(code.call(s, {s.make(jt_full_like, s.zeros({2, n}), 1.0)})[0]),
              Floats(size_t(n) * 2, float(factor)));
    must(jt_trace_stop(s.rt));
  };
  run(3, 2), run(5, 7), run(1, 0.5);
}
TEST(Code, HasGradients) {
  Session s;
  // z = x^2 w, with the gradients in source; x's uses the result
  Code code{"for (int64_t i = 0; i < out_num; i++) @out(i) = @in0(i) * @in0(i) * @in1(i);",
            "",
            {"for (int64_t i = 0; i < out_num; i++) @out(i) = 2 * @pout(i) / @in0(i) * @dout0(i);",
             "for (int64_t i = 0; i < out_num; i++) @out0(i) = @in0(i) * @in0(i) * @dout(i);"},
            {}, {}, {{JT_F32, {3}}}};
  Tensor x = s.floats({3}, {1, 2, -3}), w = s.floats({3}, {5, 7, 11});
  for (jt_tensor* t : {x.handle, w.handle}) must(jt_tensor_set_requires_grad(s.ctx, t, 1));
  Tensor y = s.sum(s.make(jt_square, code.call(s, {x, w})[0]));
  jt_tensor *wrt[] = {x, w}, *grads[2];
  must(jt_grad(s.ctx, y, wrt, 2, nullptr, JT_GRAD_CREATE_GRAPH, grads, 2));
  Tensor dx(grads[0]), dw(grads[1]);
  EXPECT_EQ(s.read(dx), Floats({4 * 25, 4 * 8 * 49, 4 * -27.f * 121}));
  EXPECT_EQ(s.read(dw), Floats({2 * 5, 2 * 16 * 7, 2 * 81 * 11}));
  EXPECT_EQ(jt_grad(s.ctx, s.sum(dx), wrt, 1, nullptr, 0, grads, 1), JT_E_UNSUPPORTED);
  EXPECT_NE(last_message().find("grad: mine.grad has no gradient for input 0"), std::string::npos) << last_message();
}
TEST(Code, WithoutAGradientForAnInputNamesIt) {
  Session s;
  Code code{"@out() = @in0() * @in1();", "", {"@out() = @dout() * @in1();", nullptr}, {}, {}, {{JT_F32, {}}}};
  Tensor x = s.scalar(2), w = s.scalar(3);
  for (jt_tensor* t : {x.handle, w.handle}) must(jt_tensor_set_requires_grad(s.ctx, t, 1));
  Tensor y = code.call(s, {x, w})[0];
  jt_tensor *wrt[] = {x, w}, *grads[2];
  must(jt_grad(s.ctx, y, wrt, 1, nullptr, 0, grads, 1));
  EXPECT_EQ(s.read(Tensor(grads[0])), Floats({3}));
  EXPECT_EQ(jt_grad(s.ctx, y, wrt, 2, nullptr, 0, grads, 2), JT_E_UNSUPPORTED);
  EXPECT_NE(last_message().find("grad: mine has no gradient for input 1"), std::string::npos) << last_message();
}

TEST(CodeMistake, InAnElementIsToldWhenItIsRecorded) {
  Session s;
  Tensor x = s.zeros({2, 2});
  auto mistake = [&](const char* source, std::vector<const char*> gradients = {}) {
    return Code{source, "", std::move(gradients), {}, {}, {{JT_F32, {2}}}}.mistake(s, {x});
  };
  auto has = [](const std::string& text, const char* part) { EXPECT_NE(text.find(part), std::string::npos) << text; };
  has(mistake("@in1(0, 0);"), "mine: there is no @in1; there are in0, out0");
  has(mistake("@in0(0);"), "mine: @in0 has 1 indices, its shape [2,2]");
  has(mistake("@in0;"), "mine: @in0 without indices");
  has(mistake("@out(0"), "mine: @out0( is not closed");
  has(mistake("@", {}), "mine: there is no @");
  has(mistake("@out(0) = 1;", {"@out(0) = 1;"}), "mine: gradient of input 0: @out0 has 1 indices, its shape [2,2]");
  Code code{"", "", {}, {"a b"}, {1}, {{JT_F32, {2}}}};
  has(code.mistake(s, {x}), "mine: `a b` is no name for a number");
}
TEST(CodeMistake, InTheSourceIsToldWhenItRuns) {
  Session s;
  Code code{"out0[0] = nonsense;", "", {}, {}, {}, {{JT_F32, {1}}}};
  Tensor x = s.floats({1}, {4}), z = code.call(s, {x})[0], of_z = s.make(jt_neg, z), fine = s.make(jt_sqrt, x);
  EXPECT_EQ(s.read(fine), Floats({2}));
  for (jt_tensor* t : {z.handle, of_z.handle}) {
    EXPECT_EQ(read_status(s, t), JT_E_COMPILE);
    EXPECT_NE(last_message().find("mine: tcc: "), std::string::npos) << last_message();
    EXPECT_NE(last_message().find("nonsense"), std::string::npos) << last_message();
  }
  Code include{"", "#include <stdio.h>\n", {}, {}, {}, {{JT_F32, {1}}}};
  EXPECT_EQ(read_status(s, include.call(s, {x})[0]), JT_E_COMPILE);
}
TEST(CodeMistake, IsToRunItWithoutACompiler) {
  Session s(JT_RT_NO_DISK_CACHE | JT_RT_NO_COMPILE);
  Code code{"out0[0] = 1;", "", {}, {}, {}, {{JT_F32, {1}}}};
  Tensor z = code.call(s, {s.zeros({1})})[0];
  EXPECT_EQ(read_status(s, z), JT_E_UNSUPPORTED);
  EXPECT_NE(last_message().find("mine: there is no C compiler"), std::string::npos) << last_message();
}
