// The example backend that compiles C with cc: graphs run on it, and leave the bits of the CPU's own backend.
#include "core/ir/scalar_math.h"
#include "core/pipeline.h"
#include "core/runtime/backend_library.h"
#include "core/runtime/run_plan.h"
#include "tests/pipeline/support.h"

namespace jt::test {

// Result bytes of a block whose params hold small numbers.
std::string run_on(const jt_backend_api* backend, const char* graph) {
  Bench bench{Setting("vm"), true, "best", [&](RuntimeOptions& o) { o.backend = backend; }};
  Runtime& runtime = *bench.runtime;
  Block block = parse(graph);
  std::mt19937 random(7);
  std::vector<Buffer*> params, outputs;
  for (const Value& param : block.params) {
    params.push_back(runtime.pool->allocate(std::max<size_t>(param.type().bytes(), 1)));
    for (int64_t i = 0; i < param.type().count(); i++)
      store(param.dtype(), static_cast<unsigned char*>(host_room(params.back())) + size_t(i) * size_of(param.dtype()),
            word_of(param.dtype(), is_float(param.dtype()) ? double(random() % 2000) / 500 - 2 : double(random() % 5)));
  }
  std::vector<bool> dies(params.size());
  SizedPlan made = compile(std::move(block), runtime, dies, nullptr);
  Arguments arguments(*made.plan, *made.sizing);
  Workspace workspace;
  DeviceStream stream(runtime.device(0).device);
  std::vector<int64_t> scalars, wheres{1, 0};
  for (int32_t id : made.plan->written) scalars.push_back(made.plan->scalars[size_t(id)].bits);
  run_plan(made, arguments, {params, scalars, wheres}, workspace, *runtime.pool, stream, runtime.trace, outputs);
  std::string out;
  for (size_t i = 0; i < outputs.size(); i++) {
    out.append(static_cast<const char*>(host_bytes(outputs[i])), size_t(made.sizing->output_bytes[i]));
    release(outputs[i]);
  }
  for (Buffer* b : params) release(b);
  return out;
}

TEST(CcBackend, LeavesTheBitsOfTheCpu) {
  BackendLibrary cc = load_backend(JT_CC_BACKEND);
  const char* graphs[] = {
      "block(%0: f32[7,65]) {\n %1 = softmax %0 {axis=1}\n %2 = sum %0 {axes=[0]}\n %3 = argmax %0 {axes=[1]}\n return "
      "%1, %2, %3\n}",
      "block(%0: f16[9,5], %1: bf16[5]) {\n %2 = cast %1 {dtype=f16}\n %3 = expand %2 {shape=[9,5]}\n %4 = mul %0 %3\n"
      " %5 = erf %4\n %6 = tanh %5\n %7 = max %6 {axes=[0]}\n return %6, %7\n}",
      "block(%0: f32[6,9], %1: f32[9], %2: f32[9]) {\n %3 = layer_norm %0 %1 %2\n %4 = gelu %3\n return %4\n}",
      "block(%0: f32[5,4], %1: i64[7]) {\n %2 = take %0 %1\n %3 = transpose %2\n %4 = pad %3 {before=[1,0], "
      "after=[0,2], value=3}\n return %4\n}",
      "block(%0: f32[5,3], %1: i32[6], %2: f32[6,3]) {\n %3 = scatter_add %0 %1 %2\n %4 = flip %3\n return %4\n}",
      "block() {\n %0 = normal {shape=[33], seed=1, stream=2, counter=3}\n %1 = uniform {shape=[5], seed=1, stream=2, "
      "counter=4, dtype=f64}\n"
      " return %0, %1\n}",
      "block(%0: i32[8], %1: u8[8], %2: bool[8]) {\n %3 = cast %1 {dtype=i32}\n %4 = floor_div %0 %3\n %5 = where %2 "
      "%4 %0\n"
      " %6 = cast %5 {dtype=i64}\n %7 = prod %6\n %8 = cast %5 {dtype=f64}\n return %7, %8\n}",
      "block(%0: f32[3,4097]) {\n %1 = sum %0 {axes=[1]}\n %2 = prod %0 {axes=[0]}\n return %1, %2\n}",
  };
  for (const char* graph : graphs) {
    SCOPED_TRACE(graph);
    std::string cpu = run_on(jt_cpu_backend(), graph);
    EXPECT_EQ(run_on(cc.api, graph), cpu);
  }
}

}  // namespace jt::test
