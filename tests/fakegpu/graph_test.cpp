// Graphs of captured streams, and products of matrices by the library that stands for cuBLAS, which run in turn with
// all else.
#include "tests/fakegpu/formats.h"
#include "tests/fakegpu/harness.h"

extern "C" {
int cublasCreate_v2(void** out);
int cublasDestroy_v2(void* handle);
int cublasSetStream_v2(void* handle, void* stream);
int cublasGemmEx(void* handle, int op_a, int op_b, int m, int n, int k, const void* alpha, uint64_t a, int a_type,
                 int lda, uint64_t b, int b_type, int ldb, const void* beta, uint64_t c, int c_type, int ldc,
                 int compute, int algorithm);
int cublasGemmStridedBatchedEx(void* handle, int op_a, int op_b, int m, int n, int k, const void* alpha, uint64_t a,
                               int a_type, int lda, long long stride_a, uint64_t b, int b_type, int ldb,
                               long long stride_b, const void* beta, uint64_t c, int c_type, int ldc,
                               long long stride_c, int batches, int compute, int algorithm);
}

namespace fakegpu::test {
namespace {

// o[i] = a[i] * 2 + 1
const char* const kStep = R"(
ld.param.u64 %rd0, [p0];
ld.param.u64 %rd1, [p1];
mov.u32 %r0, %tid.x;
mul.wide.u32 %rd2, %r0, 4;
add.s64 %rd0, %rd0, %rd2;
add.s64 %rd1, %rd1, %rd2;
ld.global.u32 %r1, [%rd1];
mad.lo.u32 %r1, %r1, 2, 1;
st.global.u32 [%rd0], %r1;)";

class Graphs : public ::testing::Test {
 protected:
  Graphs() {
    module = gpu.load(kernel_text(kStep, 2));
    step = gpu.function(module, "k");
    for (void** stream : {&one, &two}) EXPECT_EQ(cuStreamCreate(stream, 1), 0);
    for (void** event : {&fork, &join}) EXPECT_EQ(cuEventCreate(event, 2), 0);
  }
  int run(uint64_t o, uint64_t a, void* stream) {
    void* list[] = {&o, &a};
    return cuLaunchKernel(step, 1, 1, 1, 4, 1, 1, 0, stream, list, nullptr);
  }
  void* captured() {
    void* graph = nullptr;
    EXPECT_EQ(cuStreamEndCapture(one, &graph), 0) << gpu.last_finding();
    return graph;
  }
  Gpu gpu;
  void *module = nullptr, *step = nullptr, *one = nullptr, *two = nullptr, *fork = nullptr, *join = nullptr;
};

TEST_F(Graphs, AreReplayed) {
  uint64_t a = gpu.upload(std::vector<uint32_t>{1, 2, 3, 4}), b = gpu.allocate(16);
  EXPECT_EQ(cuStreamBeginCapture_v2(one, 0), 0);
  EXPECT_EQ(run(b, a, one), 0);
  EXPECT_EQ(cuMemcpyDtoDAsync_v2(a, b, 16, one), 0);
  void *graph = captured(), *exec = nullptr;
  EXPECT_EQ(gpu.download<uint32_t>(a, 4), (std::vector<uint32_t>{1, 2, 3, 4}));  // captured, not run
  EXPECT_EQ(cuGraphInstantiateWithFlags(&exec, graph, 0), 0);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(cuGraphLaunch(exec, one), 0);
  EXPECT_EQ(cuStreamSynchronize(one), 0);
  EXPECT_EQ(gpu.download<uint32_t>(a, 4), (std::vector<uint32_t>{15, 23, 31, 39}));
  EXPECT_EQ(cuGraphExecDestroy(exec), 0);
  EXPECT_EQ(cuGraphDestroy(graph), 0);
  EXPECT_EQ(cuGraphDestroy(graph), 1);
  EXPECT_EQ(gpu.last_finding(), "cuGraphDestroy: no such graph, or it is destroyed");
}
TEST_F(Graphs, TakeNewParameters) {
  uint64_t a = gpu.upload(std::vector<uint32_t>{1, 2, 3, 4}), b = gpu.upload(std::vector<uint32_t>(4)),
           c = gpu.upload(std::vector<uint32_t>(4));
  void* graphs[3];
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(cuStreamBeginCapture_v2(one, 0), 0);
    EXPECT_EQ(run(i ? c : b, a, one), 0);
    if (i == 2) run(b, c, one);
    graphs[i] = captured();
  }
  void* exec = nullptr;
  int result[8] = {};
  EXPECT_EQ(cuGraphInstantiateWithFlags(&exec, graphs[0], 0), 0);
  EXPECT_EQ(cuGraphExecUpdate_v2(exec, graphs[1], result), 0);
  EXPECT_EQ(cuGraphLaunch(exec, one), 0);
  EXPECT_EQ(cuStreamSynchronize(one), 0);
  EXPECT_EQ(gpu.download<uint32_t>(b, 4), (std::vector<uint32_t>{0, 0, 0, 0}));
  EXPECT_EQ(gpu.download<uint32_t>(c, 4), (std::vector<uint32_t>{3, 5, 7, 9}));
  EXPECT_EQ(cuGraphExecUpdate_v2(exec, graphs[2], result), 910);
  EXPECT_EQ(result[0], 2);
  EXPECT_EQ(fakegpu_finding_count(), 0u);
}
TEST_F(Graphs, HaveStreamsThatForkAndJoin) {
  uint64_t a = gpu.upload(std::vector<uint32_t>{1, 2, 3, 4}), b = gpu.allocate(16), c = gpu.allocate(16);
  EXPECT_EQ(cuStreamBeginCapture_v2(one, 0), 0);
  EXPECT_EQ(cuEventRecord(fork, one), 0);
  EXPECT_EQ(cuStreamWaitEvent(two, fork, 0), 0);
  EXPECT_EQ(run(b, a, two), 0);
  EXPECT_EQ(cuEventRecord(join, two), 0);
  EXPECT_EQ(cuStreamWaitEvent(one, join, 0), 0);
  EXPECT_EQ(run(c, b, one), 0);
  void *graph = captured(), *exec = nullptr;
  EXPECT_EQ(cuGraphInstantiateWithFlags(&exec, graph, 0), 0);
  EXPECT_EQ(cuGraphLaunch(exec, one), 0);
  EXPECT_EQ(cuStreamSynchronize(one), 0);
  EXPECT_EQ(gpu.download<uint32_t>(c, 4), (std::vector<uint32_t>{7, 11, 15, 19}));
  EXPECT_EQ(fakegpu_finding_count(), 0u);
}
TEST_F(Graphs, FaultsOfACapture) {
  uint64_t a = gpu.upload(std::vector<uint32_t>{1, 2, 3, 4}), b = gpu.allocate(16);
  void* graph = nullptr;
  EXPECT_EQ(cuStreamBeginCapture_v2(one, 0), 0);
  EXPECT_EQ(cuStreamSynchronize(one), 900);
  EXPECT_EQ(gpu.last_finding(), "cuStreamSynchronize on a stream that is being captured");
  EXPECT_EQ(cuStreamEndCapture(one, &graph), 901);
  EXPECT_EQ(graph, nullptr);
  EXPECT_EQ(cuStreamBeginCapture_v2(one, 0), 0);
  EXPECT_EQ(cuEventRecord(fork, one), 0);
  EXPECT_EQ(cuStreamWaitEvent(two, fork, 0), 0);
  EXPECT_EQ(run(b, a, two), 0);
  EXPECT_EQ(cuStreamEndCapture(one, &graph), 904);
  EXPECT_EQ(gpu.last_finding(), "cuStreamEndCapture: another stream took part, for whose end none waits");
  EXPECT_EQ(cuEventRecord(join, two), 0);
  EXPECT_EQ(cuStreamBeginCapture_v2(one, 0), 0);
  EXPECT_EQ(cuStreamWaitEvent(one, join, 0), 905);
}
TEST_F(Graphs, OutliveNothingThatTheyUse) {
  uint64_t a = gpu.upload(std::vector<uint32_t>{1, 2, 3, 4}), b = gpu.allocate(16);
  EXPECT_EQ(cuStreamBeginCapture_v2(one, 0), 0);
  EXPECT_EQ(run(b, a, one), 0);
  void *graph = captured(), *exec = nullptr;
  EXPECT_EQ(cuGraphInstantiateWithFlags(&exec, graph, 0), 0);
  EXPECT_EQ(cuMemFree_v2(a), 0);
  EXPECT_EQ(cuGraphLaunch(exec, one), 0);
  EXPECT_EQ(cuStreamSynchronize(one), 700);
  EXPECT_NE(gpu.last_finding().find("use after free: global read"), std::string::npos);
}
TEST_F(Graphs, OfAnUnloadedModule) {
  EXPECT_EQ(cuStreamBeginCapture_v2(one, 0), 0);
  EXPECT_EQ(run(0, 0, one), 0);
  void *graph = captured(), *exec = nullptr;
  EXPECT_EQ(cuGraphInstantiateWithFlags(&exec, graph, 0), 0);
  EXPECT_EQ(cuModuleUnload(module), 0);
  EXPECT_EQ(cuGraphLaunch(exec, one), 400);
  EXPECT_EQ(gpu.last_finding(), "cuGraphLaunch: the module of a kernel in it is unloaded");
}

// ---- products of matrices
class Products : public Graphs {
 protected:
  Products() {
    EXPECT_EQ(cublasCreate_v2(&blas), 0);
    EXPECT_EQ(cublasSetStream_v2(blas, one), 0);
  }
  ~Products() override { cublasDestroy_v2(blas); }
  static constexpr int kF32 = 0, kF16 = 2, kCompute32F = 68;
  const float unit = 1, nothing = 0, half = 0.5f, three = 3;
  void* blas = nullptr;
};

TEST_F(Products, WaitInTheirStream) {
  // By columns: A = [1 3; 2 4], B = [5 7; 6 8].
  uint64_t a = gpu.upload(std::vector<float>{1, 2, 3, 4}), b = gpu.upload(std::vector<float>{5, 6, 7, 8}),
           c = gpu.allocate(16);
  EXPECT_EQ(cublasGemmEx(blas, 0, 0, 2, 2, 2, &unit, a, kF32, 2, b, kF32, 2, &nothing, c, kF32, 2, kCompute32F, -1), 0);
  EXPECT_EQ(fakegpu_pending(), 1u);
  EXPECT_EQ(cuStreamSynchronize(one), 0);
  EXPECT_EQ(gpu.download<float>(c, 4), (std::vector<float>{23, 34, 31, 46}));
  // A^T B / 2 + 3 C
  EXPECT_EQ(cublasGemmEx(blas, 1, 0, 2, 2, 2, &half, a, kF32, 2, b, kF32, 2, &three, c, kF32, 2, kCompute32F, -1), 0);
  EXPECT_EQ(cuStreamSynchronize(one), 0);
  EXPECT_EQ(gpu.download<float>(c, 4),
            (std::vector<float>{17.0f / 2 + 69, 39.0f / 2 + 102, 23.0f / 2 + 93, 53.0f / 2 + 138}));
  EXPECT_EQ(fakegpu_finding_count(), 0u);
}
TEST_F(Products, OfHalvesInBatches) {
  auto halves = [](std::vector<float> v) {
    std::vector<uint16_t> out;
    for (float x : v) out.push_back(to_half(x));
    return out;
  };
  // Two batches of A [2, 3] and one B^T [1, 3] for both.
  uint64_t a = gpu.upload(halves({1, 2, 3, 4, 5, 6, 1, 0, 0, 1, 2, 2})), b = gpu.upload(halves({1, -1, 2})),
           c = gpu.allocate(16);
  EXPECT_EQ(cublasGemmStridedBatchedEx(blas, 0, 1, 2, 1, 3, &unit, a, kF16, 2, 6, b, kF16, 1, 0, &nothing, c, kF32, 2,
                                       2, 2, kCompute32F, -1),
            0);
  EXPECT_EQ(cuStreamSynchronize(one), 0) << gpu.last_finding();
  EXPECT_EQ(gpu.download<float>(c, 4), (std::vector<float>{8, 10, 5, 3}));
}
TEST_F(Products, FaultsAreFound) {
  uint64_t a = gpu.upload(std::vector<float>{1, 2, 3, 4}), b = gpu.allocate(16), c = gpu.allocate(16);
  EXPECT_EQ(cublasGemmEx(blas, 0, 0, 2, 2, 2, &unit, a, kF32, 1, b, kF32, 2, &nothing, c, kF32, 2, kCompute32F, -1), 7);
  EXPECT_EQ(cublasGemmEx(blas, 0, 0, 2, 2, 2, &unit, a, kF32, 2, b, kF32, 2, &nothing, c, kF32, 2, kCompute32F, -1), 0);
  EXPECT_EQ(cuStreamSynchronize(one), 719);
  EXPECT_NE(gpu.last_finding().find("uninitialised: product of matrices"), std::string::npos) << gpu.last_finding();
}
TEST_F(Products, StandInGraphs) {
  uint64_t a = gpu.upload(std::vector<float>{2, 0, 0, 2}), b = gpu.upload(std::vector<float>{1, 2, 3, 4});
  EXPECT_EQ(cuStreamBeginCapture_v2(one, 0), 0);
  uint64_t c = gpu.allocate(16);
  EXPECT_EQ(cublasGemmEx(blas, 0, 0, 2, 2, 2, &unit, a, kF32, 2, b, kF32, 2, &nothing, c, kF32, 2, kCompute32F, -1), 0);
  EXPECT_EQ(cuMemcpyDtoDAsync_v2(b, c, 16, one), 0);
  void *graph = captured(), *exec = nullptr;
  EXPECT_EQ(cuGraphInstantiateWithFlags(&exec, graph, 0), 0);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(cuGraphLaunch(exec, one), 0);
  EXPECT_EQ(cuStreamSynchronize(one), 0);
  EXPECT_EQ(gpu.download<float>(b, 4), (std::vector<float>{8, 16, 24, 32}));
}

}  // namespace
}  // namespace fakegpu::test
