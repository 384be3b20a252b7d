// Static graphs from C: what is recorded once gives in every run what the same calls give one by one, to the bit; in
// files, as text, under an optimiser, with random numbers; and whatever would be baked in silently is an error.
#include <fstream>

#include "tests/capi/graphs.h"

using namespace jt::test;

namespace {

// tanh(x * w + b) + x
Tensors affine(const Session& s, const Tensor& x, const Tensor& w, const Tensor& b) {
  return {s.make(jt_add, s.make(jt_tanh, s.make(jt_add, s.make(jt_mul, x, w), b)), x)};
}

}  // namespace

TEST(Graph, GivesWhatTheCallsGive) {
  Session s;
  Tensor w = s.floats({3}, {1, -2, 0.5f}), b = s.floats({3}, {0.25f, 0, -1}), x = s.floats({2, 3}, {1, 2, 3, 4, 5, 6});
  Graph g = traced(s, {x}, [&](const Tensors& in) { return affine(s, in[0], w, b); });
  for (float shift : {0.f, 1.f, -3.f}) {
    Tensor y = s.floats({2, 3}, {shift, 1, shift, 2, -shift, 3});
    EXPECT_EQ(floats_of(s, g({y})), floats_of(s, affine(s, y, w, b)));
  }
  EXPECT_EQ(jt_graph_count(g.handle, JT_GRAPH_INPUT), 1u);
  EXPECT_EQ(jt_graph_count(g.handle, JT_GRAPH_STATE), 0u);
  EXPECT_EQ(jt_graph_count(g.handle, JT_GRAPH_CONSTANT), 2u);
  EXPECT_EQ(g.part(JT_GRAPH_INPUT, 0).ndim, 2);
  EXPECT_STREQ(g.part(JT_GRAPH_OUTPUT, 0).name, "output.0");
}
TEST(Graph, RunsNothingWhileItIsRecorded) {
  Session s;
  Tensor w = s.normal({4, 4});
  must(jt_tensor_set_requires_grad(s.ctx, w, 1));
  must(jt_sync(s.ctx));
  int64_t before = s.stats().evals;
  Graph g = traced(s, {s.zeros({2, 4})}, [&](const Tensors& in) { return Tensors{s.make(jt_matmul, in[0], w)}; });
  EXPECT_EQ(s.stats().evals, before);
  EXPECT_EQ(jt_graph_count(g.handle, JT_GRAPH_STATE), 1u);  // it is trained
}
TEST(Graph, SharesItsStatesWithTheProgram) {
  Session s;
  Tensor w = s.floats({2}, {1, 2}), x = s.floats({2}, {3, 4});
  Tensors in = begin(s, {x}, {"x"});
  must(jt_graph_name(s.ctx, w, "w", JT_NUL));
  Graph g = end(s, {s.make(jt_mul, in[0], w)}, {"y"});
  EXPECT_EQ(floats_of(s, g({x})), (std::vector<float>{3, 8}));
  must(jt_tensor_assign(s.ctx, w, s.floats({2}, {10, 100})));
  EXPECT_EQ(floats_of(s, g({x})), (std::vector<float>{30, 400}));
  must(jt_tensor_assign(s.ctx, g.state("w"), s.floats({2}, {-1, -1})));
  EXPECT_EQ(s.read(w), (std::vector<float>{-1, -1}));
  EXPECT_STREQ(g.part(JT_GRAPH_STATE, 0).name, "w");
  EXPECT_FALSE(g.part(JT_GRAPH_STATE, 0).changes);
}
TEST(Graph, WhatIsAssignedIsTheNextValueOfAState) {
  Session s;
  Tensor count = s.floats({}, {5}), x = s.floats({}, {1});
  Tensors in = begin(s, {x});
  must(jt_graph_name(s.ctx, count, "count", JT_NUL));
  must(jt_tensor_assign(s.ctx, count, s.make(jt_add, count, in[0])));
  must(jt_tensor_assign(s.ctx, count, s.make(jt_mul, count, s.scalar(2))));  // (count + x) * 2
  Graph g = end(s, {s.make(jt_neg, count)});
  EXPECT_EQ(s.item(count), 5);  // recorded, not done
  EXPECT_EQ(floats_of(s, g({x})), (std::vector<float>{-12}));
  EXPECT_EQ(s.item(count), 12);
  Tensor kept = s.make(jt_add, count, s.scalar(0));  // recorded from the old value
  EXPECT_EQ(floats_of(s, g({s.floats({}, {3})})), (std::vector<float>{-30}));
  EXPECT_EQ(s.item(count), 30);
  EXPECT_EQ(s.item(kept), 12);
  Tensor look = count;
  jt_mapping map{sizeof map};
  must(jt_tensor_map(s.ctx, count, &map));  // somebody looks on: it may not be overwritten
  g({x});
  EXPECT_EQ(*static_cast<const float*>(map.data), 30);
  jt_tensor_unmap(&map);
  EXPECT_EQ(s.item(count), 62);
}

// ---- whole steps ----

namespace {

struct Step {
  Session s;
  LeNet net{s, 2, 3, 8};
  Tensor x = pictures(s, 4), y = labels(s, 4);
  jt_optimizer* o;
  explicit Step(const char* kind) : o(net.optimizer(kind)) {}
  ~Step() { jt_optimizer_release(o); }
  Tensor step(const Tensor& in, const Tensor& of) {
    Tensor loss = net.loss(net.forward(in), of);
    must(jt_optimizer_step(s.ctx, o, loss));
    return loss;
  }
  Graph record() {
    Tensors in = begin(s, {x, y}, {"x", "labels"});
    return end(s, {step(in[0], in[1])}, {"loss"});
  }
  std::vector<float> parameters() { return floats_of(s, net.params); }
};

}  // namespace

TEST(Training, StepsAreThoseOfTheCalls) {
  for (const char* kind : {"sgd", "adam", "adamw", "rmsprop", "adan"}) {
    Step eager(kind), graphed(kind);
    Graph g = graphed.record();
    EXPECT_EQ(graphed.parameters(), eager.parameters()) << "a recorded step is none";
    std::vector<float> want, got;
    for (int i = 0; i < 6; i++) {
      if (i == 3) {  // what the optimiser says counts
        must(jt_optimizer_set_field(eager.s.ctx, eager.o, 0, "lr", JT_NUL, 0.0003));
        must(jt_optimizer_set_field(graphed.s.ctx, graphed.o, 0, "lr", JT_NUL, 0.0003));
      }
      want.push_back(float(eager.s.item(eager.step(eager.x, eager.y))));
      got.push_back(floats_of(graphed.s, g({graphed.x, graphed.y}))[0]);
    }
    EXPECT_EQ(got, want) << kind;
    EXPECT_EQ(graphed.parameters(), eager.parameters()) << kind;
    EXPECT_NE(want.front(), want.back());
    // Then step by step again: the optimiser knows what the graph did.
    for (int i = 0; i < 2; i++) {
      want.push_back(float(eager.s.item(eager.step(eager.x, eager.y))));
      got.push_back(float(graphed.s.item(graphed.step(graphed.x, graphed.y))));
    }
    EXPECT_EQ(got, want) << kind;
    EXPECT_EQ(graphed.parameters(), eager.parameters()) << kind;
  }
}
TEST(Training, AFileGoesOnWhereTheProgramWas) {
  Step there("adam");
  Graph g = there.record();
  std::vector<float> want;
  for (int i = 0; i < 2; i++) g({there.x, there.y});
  std::string path = path_of("step.jt");
  must(jt_graph_save(there.s.ctx, g.handle, path.c_str(), JT_NUL));
  for (int i = 0; i < 3; i++) want.push_back(floats_of(there.s, g({there.x, there.y}))[0]);

  Session s;
  Graph read(s);
  must(jt_graph_load(s.ctx, path.c_str(), JT_NUL, &read.handle));
  EXPECT_EQ(read.text(), g.text());
  std::vector<float> got;
  Tensor x = pictures(s, 4), y = labels(s, 4);
  for (int i = 0; i < 3; i++) got.push_back(floats_of(s, read({x, y}))[0]);
  EXPECT_EQ(got, want);
  EXPECT_EQ(s.item(read.state("optimizer.lr")), 0.001);
  EXPECT_EQ(s.read<int64_t>(read.state("optimizer.step")), std::vector<int64_t>(8, 5));
  std::filesystem::remove(path);
}
TEST(Training, RunsOverwriteWhatTheyReplace) {
  Step step("adam");
  Graph g = step.record();
  g({step.x, step.y}), g({step.x, step.y});
  jt_memory_info before = step.s.memory();
  jt_stats stats = step.s.stats();
  for (int i = 0; i < 20; i++) g({step.x, step.y});
  EXPECT_EQ(step.s.memory().live_bytes, before.live_bytes);
  EXPECT_EQ(step.s.stats().plans_made, stats.plans_made);
  EXPECT_EQ(step.s.stats().kernels_compiled, stats.kernels_compiled);
}
TEST(Training, GradientsThatAreAddedUpAreStates) {
  Session s;
  Tensor w = s.floats({2}, {1, 2}), x = s.floats({2}, {3, 4});
  must(jt_tensor_set_requires_grad(s.ctx, w, 1));
  must(jt_backward(s.ctx, s.sum(s.make(jt_mul, w, x)), 0));  // [3, 4]
  Tensors in = begin(s, {x});
  must(jt_backward(s.ctx, s.sum(s.make(jt_mul, w, in[0])), 0));
  Graph g = end(s, {});
  EXPECT_EQ(s.read(s.make(jt_tensor_grad, w)), (std::vector<float>{3, 4}));
  g({x}), g({s.floats({2}, {10, 20})});
  EXPECT_EQ(s.read(s.make(jt_tensor_grad, w)), (std::vector<float>{16, 28}));
}

// ---- random numbers ----

TEST(Random, EachRunDrawsAnewAndAsTheCallsWould) {
  auto body = [](const Session& s, const Tensor& x) {
    Tensor noise = s.normal({3}), more = s.normal({3});
    return Tensors{s.make(jt_add, x, noise), s.make(jt_mul, more, x)};
  };
  Session eager, s;
  Graph g = traced(s, {s.zeros({3})}, [&](const Tensors& in) { return body(s, in[0]); });
  for (int i = 0; i < 3; i++) {
    Tensor x = eager.floats({3}, {1, 2, 3}), y = s.floats({3}, {1, 2, 3});
    EXPECT_EQ(floats_of(s, g({y})), floats_of(eager, body(eager, x)));
  }
  must(jt_context_set_seed(s.ctx, 11));
  must(jt_context_set_seed(eager.ctx, 11));
  EXPECT_EQ(floats_of(s, g({s.zeros({3})})), floats_of(eager, body(eager, eager.zeros({3}))));
  EXPECT_EQ(s.read(s.normal({2})), eager.read(eager.normal({2})));  // and the next is the next
}

// ---- gradients, graphs in graphs ----

TEST(Graph, AGradientGoesThroughIt) {
  Session s;
  Tensor w = s.floats({3}, {1, -2, 0.5f}), b = s.floats({3}, {0.25f, 0, -1}), x = s.floats({3}, {1, 2, 3});
  must(jt_tensor_set_requires_grad(s.ctx, w, 1));
  Graph g = traced(s, {x}, [&](const Tensors& in) { return affine(s, in[0], w, b); });
  auto gradient = [&](const Tensor& y) {
    jt_tensor *wrt[1] = {w}, *out[1] = {};
    must(jt_grad(s.ctx, s.sum(y), wrt, 1, nullptr, 0, out, 1));
    return s.read(Tensor(out[0]));
  };
  EXPECT_EQ(gradient(g({x})[0]), gradient(affine(s, x, w, b)[0]));
}
TEST(Graph, InAnotherGraph) {
  Session s;
  Tensor total = s.floats({2}, {0, 0}), x = s.floats({2}, {1, 2});
  Tensors in = begin(s, {x});
  must(jt_graph_name(s.ctx, total, "total", JT_NUL));
  must(jt_tensor_assign(s.ctx, total, s.make(jt_add, total, in[0])));
  Graph inner = end(s, {s.make(jt_mul, total, s.normal({2}))});
  Graph outer = traced(s, {x}, [&](const Tensors& in) {
    Tensor once = inner({in[0]})[0];
    return Tensors{once, inner({in[0]})[0]};
  });
  Session t;
  Tensor sum = t.floats({2}, {0, 0}), y = t.floats({2}, {1, 2});
  std::vector<float> want;
  for (int i = 0; i < 4; i++) {
    sum = t.make(jt_add, sum, y);
    for (float v : t.read(t.make(jt_mul, sum, t.normal({2})))) want.push_back(v);
  }
  std::vector<float> got = floats_of(s, outer({x}));
  for (float v : floats_of(s, outer({x}))) got.push_back(v);
  EXPECT_EQ(got, want);
  EXPECT_EQ(s.read(total), (std::vector<float>{4, 8}));
}

// ---- text ----

TEST(Text, ComesBackTheSame) {
  Step step("adam");
  Graph g = step.record();
  Graph read(step.s);
  std::string text = g.text();
  must(jt_graph_parse(step.s.ctx, text.data(), text.size(), &read.handle));
  EXPECT_EQ(read.text(), text);
  EXPECT_NE(text.find("parameter \"parameter.1\" becomes "), std::string::npos) << text;
  EXPECT_NE(text.find("state \"optimizer.lr\"\n"), std::string::npos) << text;
}
TEST(Text, WrittenByHandTrains) {
  Session s;
  const char* text = R"(
// w minus a tenth of the gradient of (w x - y)^2
graph {
  input "x"
  input "y"
  parameter "w" becomes 1
  output "loss"
}
block(%x: f32[], %y: f32[], %w: f32[]) {
  %p = mul %w %x
  %e = sub %p %y
  %loss = mul %e %e
  %two = constant f32 0.2
  %ex = mul %e %x
  %g = mul %ex %two
  %next = sub %w %g
  return %loss, %next
})";
  Graph g(s);
  must(jt_graph_parse(s.ctx, text, JT_NUL, &g.handle));
  Tensor x = s.floats({}, {1}), y = s.floats({}, {3});
  std::vector<float> losses;
  double w = 0;
  for (int i = 0; i < 20; i++) {
    EXPECT_NEAR(floats_of(s, g({x, y}))[0], (w - 3) * (w - 3), 1e-5);
    w -= 0.2 * (w - 3);
  }
  EXPECT_NEAR(s.item(g.state("w")), w, 1e-5);
}
TEST(Text, ErrorsNameTheLine) {
  Session s;
  struct Bad { const char *text, *says; };
  const char* block = "block(%0: f32[2]) {\n  return %0\n}\n";
  auto with = [&](const char* head) { return std::string("graph {\n") + head + "}\n" + block; };
  std::pair<std::string, const char*> bad[] = {
      {"", "line 1, column 1: the text ends too early"},
      {"grph {", "line 1, column 1: 'graph' is missing"},
      {"graph {\n  inpt \"x\"\n}", "line 2, column 7: 'inpt' is none of input"},
      {with("  input x\n"), "line 2, column 9: a name in quotes is missing"},
      {with("  input \"x\n"), "line 2, column 11: the name does not end"},
      {with("  input \"x\\q\"\n"), "means nothing here"},
      {with("  input \"x\"\n"), "graph: 0 outputs and states that change, but 1 results"},
      {with("  output \"x\"\n"), "0 inputs, states and constants, but 1 params"},
      {with("  input \"\"\n  output \"y\"\n"), "an input without a name"},
      {with("  state \"s\" becomes 0\n  output \"y\"\n"), "state 's' becomes result 0 of 1, not 1"},
      {with("  state \"s\" becomes -1\n"), "'-1' is not a count"},
      {with("  input \"x\"\n  output \"y\"\n  draw #0 is 0\n"), "#0 is no draw of 0"},
      {with("  input \"x\"\n  output \"y\"\n") + "more", "line 8, column 1: text after the block"},
      {"graph {\n  input \"x\"\n  output \"y\"\n}\nblock(%0: f32[2]) {\n  %1 = nonsense %0\n  return %1\n}",
       "line 6, column 8"},
  };
  bad[6].first = std::string("graph {\n  input \"x\"\n}\n") + block;
  for (const auto& [text, says] : bad) {
    jt_graph* out = nullptr;
    jt_status status = jt_graph_parse(s.ctx, text.data(), text.size(), &out);
    EXPECT_TRUE(status == JT_E_INVALID || status == JT_E_NOT_FOUND) << text;
    EXPECT_EQ(out, nullptr);
    EXPECT_NE(last_message().find(says), std::string::npos) << text << "\nsays: " << last_message();
    jt_graph_release(out);
  }
}

// ---- what is refused ----

TEST(Refused, WhatWouldBeBakedIn) {
  Session s;
  Tensor w = s.floats({2}, {1, 2}), x = s.floats({2}, {3, 4});
  double out = 0;
  Tensors in = begin(s, {x});
  EXPECT_EQ(jt_tensor_item_f64(s.ctx, s.sum(in[0]), &out), JT_E_INVALID);
  EXPECT_NE(last_message().find("would be baked in"), std::string::npos) << last_message();
  // computed from what another run may have changed
  EXPECT_EQ(jt_tensor_item_f64(s.ctx, s.sum(w), &out), JT_E_INVALID);
  float bytes[2];
  EXPECT_EQ(jt_tensor_read(s.ctx, w, bytes, sizeof bytes), JT_E_INVALID);
  EXPECT_NE(last_message().find("from outside"), std::string::npos) << last_message();
  jt_mapping map{sizeof map};
  EXPECT_EQ(jt_tensor_map(s.ctx, in[0], &map), JT_E_INVALID);
  EXPECT_EQ(s.read(s.floats({2}, {7, 8})), (std::vector<float>{7, 8}));  // the program's own numbers are no secret
  must(jt_sync(s.ctx));
  must(jt_graph_cancel(s.ctx));
  EXPECT_EQ(s.read(w), (std::vector<float>{1, 2}));
  EXPECT_EQ(jt_tensor_item_f64(s.ctx, s.sum(in[0]), &out), JT_E_INVALID);  // it never gets a value
}
TEST(Refused, WrongInputsAreNamed) {
  Session s;
  Graph g = traced(s, {s.zeros({2, 3})}, [&](const Tensors& in) { return Tensors{s.make(jt_neg, in[0])}; });
  jt_tensor *in[2] = {nullptr, nullptr}, *out[2] = {};
  auto run = [&](const Tensor& x, size_t inputs = 1, size_t outputs = 1) {
    in[0] = in[1] = x;
    return jt_graph_run(s.ctx, g.handle, in, inputs, out, outputs);
  };
  Tensor wide = s.zeros({2, 4}), whole = s.of(JT_I64, {2, 3}, std::vector<int64_t>(6));
  EXPECT_EQ(run(wide), JT_E_SHAPE);
  EXPECT_NE(last_message().find("input 'input.0' is f32[2,4], not f32[2,3]"), std::string::npos) << last_message();
  EXPECT_EQ(run(whole), JT_E_DTYPE);
  EXPECT_EQ(run(wide, 2), JT_E_INVALID);
  EXPECT_EQ(run(s.zeros({2, 3}), 1, 2), JT_E_INVALID);
  EXPECT_EQ(out[0], nullptr);
}
TEST(Refused, RecordingsOutOfOrder) {
  Session s;
  Tensor x = s.zeros({2});
  jt_graph* out = nullptr;
  EXPECT_EQ(jt_graph_end(s.ctx, nullptr, nullptr, 0, &out), JT_E_INVALID);
  EXPECT_EQ(jt_graph_name(s.ctx, x, "x", JT_NUL), JT_E_INVALID);
  must(jt_graph_cancel(s.ctx));
  begin(s, {x});
  jt_tensor *in[1] = {x}, *placeholder[1] = {};
  EXPECT_EQ(jt_graph_begin(s.ctx, nullptr, in, 1, placeholder, 1), JT_E_INVALID);
  EXPECT_EQ(jt_graph_end(s.ctx, nullptr, nullptr, 0, &out), JT_E_INVALID);  // neither outputs nor states
  begin(s, {x});  // and the recording was over
  must(jt_graph_cancel(s.ctx));
  const char* twice[2] = {"a", "a"};
  jt_tensor *two[2] = {x, x}, *held[2] = {};
  EXPECT_EQ(jt_graph_begin(s.ctx, twice, two, 2, held, 2), JT_E_INVALID);
  EXPECT_NE(last_message().find("two inputs are called 'a'"), std::string::npos) << last_message();
}
TEST(Refused, ARunThatFailsChangesNothing) {
  Session s;
  Tensor table = s.floats({3}, {1, 2, 3}), count = s.floats({}, {0});
  Tensor index = s.of(JT_I64, {2}, std::vector<int64_t>{0, 2});
  Tensors in = begin(s, {index});
  must(jt_graph_name(s.ctx, count, "count", JT_NUL));
  must(jt_tensor_assign(s.ctx, count, s.make(jt_add, count, s.scalar(1))));
  Graph g = end(s, {s.make(jt_take, table, in[0], int64_t(0))});
  EXPECT_EQ(floats_of(s, g({index})), (std::vector<float>{1, 3}));
  Tensor wrong = s.of(JT_I64, {2}, std::vector<int64_t>{0, 7});
  jt_tensor *wrongs[1] = {wrong}, *out[1] = {};
  EXPECT_EQ(jt_graph_run(s.ctx, g.handle, wrongs, 1, out, 1), JT_E_INDEX);
  EXPECT_NE(last_message().find('7'), std::string::npos);
  EXPECT_EQ(s.item(count), 1);
  EXPECT_EQ(floats_of(s, g({index})), (std::vector<float>{1, 3}));
  EXPECT_EQ(s.item(count), 2);
}

// ---- files ----

TEST(Files, DamagedOnesAreErrors) {
  Session s;
  Tensor w = s.floats({2}, {1, 2});
  Tensors in = begin(s, {s.zeros({2})});
  must(jt_graph_name(s.ctx, w, "w", JT_NUL));
  Graph g = end(s, {s.make(jt_mul, in[0], w)});
  std::string path = path_of("damaged.jt"), again = path_of("again.jt");
  must(jt_graph_save(s.ctx, g.handle, path.c_str(), JT_NUL));
  must(jt_graph_save(s.ctx, g.handle, again.c_str(), JT_NUL));
  auto bytes_of = [](const std::string& at) {
    std::ifstream file(at, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  std::string whole = bytes_of(path);
  EXPECT_EQ(bytes_of(again), whole);
  Tensor x = s.floats({2}, {3, 4});
  int loaded = 0, refused = 0;
  auto load = [&](const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
    Graph read(s);
    jt_status status = jt_graph_load(s.ctx, path.c_str(), JT_NUL, &read.handle);
    if (status != JT_OK) {
      EXPECT_EQ(status, JT_E_IO) << last_message();
      EXPECT_NE(last_message().find(path), std::string::npos) << last_message();
      refused++;
      return;
    }
    loaded++;
    if (jt_graph_count(read.handle, JT_GRAPH_OUTPUT) == 1 && jt_graph_count(read.handle, JT_GRAPH_INPUT) == 1) {
      jt_tensor *input[1] = {x}, *out[1] = {};
      jt_graph_run(s.ctx, read.handle, input, 1, out, 1);
      jt_tensor_release(out[0]);
    }
  };
  for (size_t n = 0; n < whole.size(); n++) load(whole.substr(0, n));
  EXPECT_EQ(loaded, 0);
  for (size_t i = 0; i < whole.size(); i++)
    {
      std::string bytes = whole;
      bytes[i] = char(bytes[i] ^ 1 << i % 7);
      load(bytes);
    }
  EXPECT_GT(loaded, 0);  // a flipped bit of a value or of a name is another value or name
  EXPECT_GT(refused, 100);
  std::filesystem::remove(path), std::filesystem::remove(again);
}
TEST(Files, ACheckpointIsNoGraph) {
  Session s;
  std::string path = path_of("weights.safetensors");
  const char* name = "w";
  Tensor w = s.zeros({2});
  jt_tensor* one[1] = {w};
  must(jt_checkpoint_save(s.ctx, path.c_str(), JT_NUL, &name, one, 1));
  jt_graph* out = nullptr;
  EXPECT_EQ(jt_graph_load(s.ctx, path.c_str(), JT_NUL, &out), JT_E_IO);
  EXPECT_NE(last_message().find("no graph"), std::string::npos) << last_message();
  std::filesystem::remove(path);
}
