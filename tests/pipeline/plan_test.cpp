// Plans as values: fixed once made, so that several runs of one may go on at once.
#include <thread>

#include "core/pipeline.h"
#include "core/runtime/run_plan.h"
#include "tests/pipeline/support.h"

namespace jt::test {

// A product with a group behind it, a softmax, a slice whose start moves, a reduction: kernels, a library op, maps, scalars.
constexpr const char* kGraph =
    "block(%0: f32[24,40], %1: f32[40,32]) {\n"
    "  wheres [3, 0]\n"
    "  #0 = f32 0.5\n"
    "  %2 = constant f32 0.5 from #0\n"
    "  %3 = matmul %0 %1\n"
    "  %4 = mul %3 %2\n"
    "  %5 = softmax %4 {axis=1}\n"
    "  %6 = slice %5 {starts=[3,0], stops=[23,32], steps=[1,1]} from where 0\n"
    "  %7 = sum %6 {axes=[0]}\n"
    "  return %7, %5\n}\n";

struct PlanRun {
  Arguments arguments;
  Workspace workspace;
  PlanRun(const SizedPlan& made) : arguments(*made.plan, *made.sizing) {}
  // The bytes of all results.
  std::string run(const SizedPlan& made, Runtime& runtime, std::span<Buffer* const> params, double factor, int64_t start) {
    int64_t bits, wheres[2] = {start, 0};
    std::memcpy(&bits, &factor, 8);
    std::vector<Buffer*> outputs;
    run_plan(*made.plan, *made.sizing, arguments, {params, {&bits, 1}, wheres}, workspace, *runtime.pool, runtime.trace, outputs);
    std::string out;
    for (size_t i = 0; i < outputs.size(); i++) {
      out.append(static_cast<const char*>(outputs[i]->data), size_t(made.sizing->output_bytes[i]));
      release(outputs[i]);
    }
    return out;
  }
};

TEST(Plan, RunsOnSeveralThreadsAtOnce) {
  for (const char* tier : {"vm", "tcc"}) {
    Bench bench{Setting(tier)};
    Runtime& runtime = *bench.runtime;
    SizedPlan made = compile(parse(kGraph), runtime, {false, false}, nullptr);
    std::mt19937 random(1);
    std::vector<Buffer*> params;
    for (size_t count : {24 * 40, 40 * 32}) {
      params.push_back(runtime.pool->allocate(count * 4));
      for (size_t i = 0; i < count; i++) static_cast<float*>(params.back()->data)[i] = float(random() % 1000) / 500 - 1;
    }
    std::vector<std::string> wanted;
    for (int start = 0; start <= 4; start++) wanted.push_back(PlanRun(made).run(made, runtime, params, 0.5 + start, start));
    EXPECT_NE(wanted[0], wanted[1]);
    std::vector<int> wrong(4);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; t++)
      threads.emplace_back([&, t] {
        PlanRun mine(made);
        for (int n = 0; n < 200; n++) {
          int start = (n * 3 + t) % 5;
          wrong[size_t(t)] += mine.run(made, runtime, params, 0.5 + start, start) != wanted[size_t(start)];
        }
      });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, std::vector<int>(4)) << tier;
    for (Buffer* b : params) release(b);
  }
}

}  // namespace jt::test
