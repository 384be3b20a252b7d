// Plans as values: fixed once made, so that several runs of one may go on at once.
#include <thread>

#include "core/pipeline.h"
#include "core/runtime/plan_text.h"
#include "core/runtime/run_plan.h"
#include "tests/pipeline/support.h"

namespace jt::test {

// A product with a group behind it, a softmax, a slice whose start moves, a reduction: kernels, a library op, maps,
// scalars.
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
  std::string run(const SizedPlan& made, Runtime& runtime, std::span<Buffer* const> params, double factor,
                  int64_t start) {
    int64_t bits, wheres[2] = {start, 0};
    std::memcpy(&bits, &factor, 8);
    std::vector<Buffer*> outputs;
    DeviceStream stream(runtime.device(0).device);
    run_plan(made, arguments, {params, {&bits, 1}, wheres}, workspace, *runtime.pool, stream, runtime.trace, outputs);
    std::string out;
    for (size_t i = 0; i < outputs.size(); i++) {
      out.append(static_cast<const char*>(host_bytes(outputs[i])), size_t(made.sizing->output_bytes[i]));
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
      for (size_t i = 0; i < count; i++)
        static_cast<float*>(host_room(params.back()))[i] = float(random() % 1000) / 500 - 1;
    }
    std::vector<std::string> wanted;
    for (int start = 0; start <= 4; start++)
      wanted.push_back(PlanRun(made).run(made, runtime, params, 0.5 + start, start));
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

// Graphs that between them have every kind of step, pointer, map and scalar.
const char* const kPrinted[] = {
    kGraph,
    "block(%0: f32[6,3], %1: i32[4], %2: f32[4,3]) {\n  %3 = scatter_add %0 %1 %2\n  %4 = flip %3\n  return %3, "
    "%4\n}\n",
    "block(%0: f32[3,4]) {\n  %1 = reindex_reduce %0 {shape=[4], index=\"i1\", combine=\"max\"}\n  %2 = pad %1 "
    "{before=[1], after=[2], value=3}\n"
    "  %3 = concat %1 %2 {axis=0}\n  return %3\n}\n",
    "block(%0: f32[1,3,8,8], %1: f32[4,3,3,3], %2: f32[4]) {\n  %3 = conv2d %0 %1 {padding=[1]}\n  %4 = reshape %2 "
    "{shape=[1,4,1,1]}\n"
    "  %5 = expand %4 {shape=[1,4,8,8]}\n  %6 = add %3 %5\n  %7 = relu %6\n  %8, %9 = max_pool2d %7 {size=[2]}\n  "
    "return %8\n}\n",
    "block(%0: f16[5,5]) {\n  #0 = f16 2\n  #1 = f16 4 = square(#0)\n  %1 = constant f16 4 from #1\n  %2 = mul %0 %1\n "
    " %3 = cast %2 {dtype=i8}\n"
    "  return %3, %2\n}\n",
};

std::vector<Buffer*> numbers_for(const Block& block, Runtime& runtime) {
  std::mt19937 random(2);
  std::vector<Buffer*> out;
  for (const Value& param : block.params) {
    out.push_back(runtime.pool->allocate(param.type().bytes()));
    for (size_t b = 0; b < param.type().bytes(); b++) {
      bool is_low = param.dtype() == JT_I32 && b % 4;  // small indices
      static_cast<unsigned char*>(host_room(out.back()))[b] =
          is_low ? 0 : (unsigned char)(random() % (param.dtype() == JT_I32 ? 6 : 64));
    }
  }
  return out;
}

TEST(Plan, ItsTextIsReadBackWithoutLossAndRuns) {
  Bench bench{Setting("vm")};
  Runtime& runtime = *bench.runtime;
  for (const char* graph : kPrinted) {
    SCOPED_TRACE(graph);
    Block block = parse(graph);
    std::vector<Buffer*> params = numbers_for(block, runtime);
    SizedPlan made = compile(parse(graph), runtime, std::vector<bool>(params.size()), nullptr);
    std::string printed = to_text(*made.plan, *made.sizing);
    SizedPlan read = parse_plan(printed, runtime.device(0).kernels);
    EXPECT_EQ(to_text(*read.plan, *read.sizing), printed);
    EXPECT_EQ(PlanRun(read).run(read, runtime, params, 0.5, 3), PlanRun(made).run(made, runtime, params, 0.5, 3));
    for (Buffer* b : params) release(b);
  }
}

TEST(Plan, ATextThatIsNoneIsAnErrorWithItsLine) {
  Bench bench{Setting("vm")};
  SizedPlan made = compile(parse(kGraph), *bench.runtime, {false, false}, nullptr);
  const std::string good = to_text(*made.plan, *made.sizing);
  auto error_of = [&](const std::string& text) {
    try {
      parse_plan(text, bench.runtime->device(0).kernels);
    } catch (const Error& e) {
      return e.message();
    }
    return std::string("none");
  };
  EXPECT_EQ(error_of(""), "plan: line 0: begins with no `plan`");
  EXPECT_EQ(error_of("plan budget -1 ends 0 guarded 0 arena 0 scratch 0\nslat 1\n"),
            "plan: line 2: comes before the first step");
  EXPECT_EQ(error_of("plan budget -1 ends 0 guarded 0 arena 0 scratch 0\nslot 0 64\n"),
            "plan: line 2: a slot lies outside of the arena");
  // Every line left out, and every number changed in its last digit: an error or another plan, never a crash.
  int errors = 0, lines = 0;
  for (size_t at = 0; at < good.size(); lines++) {
    size_t end = good.find('\n', at) + 1;
    errors += error_of(good.substr(0, at) + good.substr(end)) != "none";
    at = end;
  }
  EXPECT_GT(errors, lines / 3);
  for (size_t at = 0; at < good.size(); at++) {
    if (good[at] < '0' || good[at] > '9') continue;
    std::string changed = good;
    changed[at] = good[at] == '9' ? '1' : char(good[at] + 1);
    error_of(changed);
  }
}

}  // namespace jt::test
