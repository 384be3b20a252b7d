// Graphs as C99: compiled as an embedded project does, without jt, they give what jt gives.
#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/capi/graphs.h"

using namespace jt::test;

namespace {

namespace fs = std::filesystem;

// A folder with the files of an exported graph, and the graph as a library.
struct Exported {
  fs::path folder;
  void* library = nullptr;
  using Run = int (*)(const void* const* inputs, void* const* outputs, void* states, void* arena);
  Run run = nullptr;
  void (*init)(void*) = nullptr;
  std::vector<char> states, arena;

  Exported(const Session& s, const Graph& g, const char* compile = "gcc -std=c99 -pedantic -Wall -Wextra -Werror -O1") {
    static int number = 0;
    folder = fs::temp_directory_path() / ("jt_export_" + std::to_string(getpid()) + "_" + std::to_string(number++));
    fs::create_directory(folder);
    must(jt_graph_export_c(s.ctx, g.handle, folder.c_str(), JT_NUL, "net", JT_NUL));
    std::string command = std::string(compile) + " -ffp-contract=off -fwrapv -shared -fPIC -o " + at("net.so") + " " +
                          at("net.c") + " -lm 2> " + at("errors");
    EXPECT_EQ(std::system(command.c_str()), 0) << read("errors") << "\n" << command;
    library = dlopen(at("net.so").c_str(), RTLD_NOW);
    if (!library) throw std::runtime_error(dlerror());
    run = reinterpret_cast<Run>(dlsym(library, "net_run"));
    init = reinterpret_cast<void (*)(void*)>(dlsym(library, "net_init"));
    arena.resize(size_t(defined("NET_ARENA_BYTES"))), states.resize(size_t(defined("NET_STATE_BYTES")) + 1);
    if (init) init(states.data());
  }
  ~Exported() {
    if (library) dlclose(library);
    fs::remove_all(folder);
  }
  Exported(const Exported&) = delete;
  std::string at(const char* name) const { return (folder / name).string(); }
  std::string read(const char* name) const {
    std::ifstream file(at(name));
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
  int64_t defined(const std::string& name) const {
    std::string header = read("net.h");
    size_t found = header.find("#define " + name + " ");
    return found == std::string::npos ? -1 : std::stoll(header.substr(found + 9 + name.size()));
  }
  // Elements of outputs, of the bytes that jt's have.
  std::vector<std::vector<char>> operator()(const Session& s, const Graph& g, const Tensors& in, int want = 0) {
    std::vector<std::vector<char>> given, out;
    std::vector<const void*> inputs;
    std::vector<void*> outputs;
    for (const Tensor& t : in) given.push_back(bytes_of(s, t));
    for (auto& bytes : given) inputs.push_back(bytes.data());
    for (size_t i = 0; i < jt_graph_count(g.handle, JT_GRAPH_OUTPUT); i++) {
      auto part = g.part(JT_GRAPH_OUTPUT, i);
      size_t n = jt_dtype_size(part.dtype);
      for (int32_t k = 0; k < part.ndim; k++) n *= size_t(part.dims[k]);
      out.emplace_back(n + 1);
    }
    for (auto& bytes : out) outputs.push_back(bytes.data());
    EXPECT_EQ(run(inputs.data(), outputs.data(), states.data(), arena.data()), want);
    for (auto& bytes : out) bytes.pop_back();
    return out;
  }
  static std::vector<char> bytes_of(const Session& s, const Tensor& t) {
    jt_mapping map{sizeof map};
    must(jt_tensor_map(s.ctx, t, &map));
    std::vector<char> out(static_cast<const char*>(map.data), static_cast<const char*>(map.data) + map.data_len);
    jt_tensor_unmap(&map);
    return out;
  }
};

std::vector<float> as_floats(const std::vector<char>& bytes) {
  std::vector<float> out(bytes.size() / 4);
  std::memcpy(out.data(), bytes.data(), bytes.size());
  return out;
}

// The same bytes as jt's run, on these inputs one after another.
void expect_same_bytes(const Session& s, const Graph& g, const std::vector<Tensors>& runs) {
  Exported c(s, g);
  for (const Tensors& in : runs) {
    auto got = c(s, g, in);
    Tensors want = g(in);
    for (size_t i = 0; i < want.size(); i++) EXPECT_EQ(got[i], Exported::bytes_of(s, want[i])) << "output " << i;
  }
}
bool has(const char* compiler) { return std::system((std::string(compiler) + " >/dev/null 2>&1").c_str()) == 0; }

struct ExportC : testing::Test {
  void SetUp() override {
    if (!has("gcc --version")) GTEST_SKIP() << "no gcc here";
  }
};

}  // namespace

TEST_F(ExportC, ElementsAndReductionsToTheBit) {
  Session s;
  Tensor w = s.normal({3, 700}), x = s.normal({5, 1, 700});
  Graph g = traced(s, {x}, [&](const Tensors& in) {
    Tensor y = s.make(jt_gelu, s.make(jt_add, s.make(jt_mul, in[0], w), s.scalar(0.5)), "tanh", JT_NUL);
    const int64_t last[1] = {-1}, all[3] = {0, 1, 2};
    Tensor rows = s.make(jt_softmax, y, int64_t(-1)), sums = s.make(jt_sum, y, last, 1, 0);
    Tensor places = s.make(jt_argmax, y, last, 1, 0);
    return Tensors{
        y, rows, sums, places, s.make(jt_max, s.make(jt_exp, y), all, 3, 0), s.make(jt_transpose, y, nullptr, 0)};
  });
  expect_same_bytes(s, g, {{x}, {s.normal({5, 1, 700})}});
}
TEST_F(ExportC, DtypesAndIndices) {
  Session s;
  std::vector<int64_t> places{2, -1, 0, 1};
  Tensor table = s.normal({3, 4}), at = s.of(JT_I64, {4}, places);
  Graph g = traced(s, {table, at}, [&](const Tensors& in) {
    Tensor rows = s.make(jt_take, in[0], in[1], int64_t(0)), half = s.make(jt_cast, rows, JT_F16);
    Tensor whole = s.make(jt_cast, s.make(jt_mul, rows, s.scalar(100)), JT_I32);
    Tensor back = s.make(jt_scatter_add, in[0], in[1], rows, int64_t(0));
    return Tensors{rows, s.make(jt_mul, half, half),
                   s.make(jt_floor_div, whole, s.make(jt_scalar_i64, int64_t(7), JT_I32)),
                   s.make(jt_less, whole, s.make(jt_scalar_i64, int64_t(3), JT_I32)), back};
  });
  expect_same_bytes(s, g, {{table, at}, {s.normal({3, 4}), at}});
  Exported c(s, g);
  std::vector<int64_t> outside{2, 3, 0, 1};
  c(s, g, {table, s.of(JT_I64, {4}, outside)}, 1);  // jt: JT_E_INDEX
}
TEST_F(ExportC, LoopsAndBranchesAreKept) {
  Session s;
  Tensor x = s.floats({4}, {1, 2, 3, 4}), n = s.of(JT_I64, {}, std::vector<int64_t>{5});
  auto doubled = [](void* user, jt_body_call* call) -> jt_status {
    const Session& s = *static_cast<const Session*>(user);
    Tensor sum = s.make(jt_add, call->inputs[0], s.make(jt_cast, call->index, JT_F32));
    Tensor limit = s.scalar(200), total = s.sum(sum), goes_on = s.make(jt_less, total, limit);
    call->outputs[0] = std::exchange(sum.handle, nullptr);
    jt_tensor_retain(call->outputs[0]);
    call->outputs[1] = call->outputs[0];  // and a row
    call->go_on = std::exchange(goes_on.handle, nullptr);
    return JT_OK;
  };
  Graph g = traced(s, {x, n}, [&](const Tensors& in) {
    jt_tensor *carried[1] = {in[0]}, *out[2] = {};
    must(jt_for_loop(s.ctx, in[1], 40, doubled, &s, carried, 1, out, 2));
    return taken({out[0], out[1]});
  });
  std::vector<Tensors> runs;
  for (int64_t rounds : {0, 1, 2, 5, 39, 60}) runs.push_back({x, s.of(JT_I64, {}, std::vector<int64_t>{rounds})});
  expect_same_bytes(s, g, runs);
}
TEST_F(ExportC, LenetScores) {
  Session s;
  LeNet net(s);
  Tensor x = pictures(s, 3);
  must(jt_context_set_grad_mode(s.ctx, 0, nullptr));
  Graph g = traced(s, {x}, [&](const Tensors& in) { return Tensors{net.forward(in[0])}; });
  for (const char* compiler :
       {"gcc -std=c99 -pedantic -Wall -Wextra -Werror -O2", "clang -std=c99 -pedantic -Wall -Werror -O2", "tcc"}) {
    if (!has((std::string(compiler).substr(0, std::string(compiler).find(' ')) + " -v").c_str())) continue;
    Exported c(s, g, compiler);
    std::vector<float> got = as_floats(c(s, g, {x})[0]), want = s.read(g({x})[0]);
    for (size_t i = 0; i < want.size(); i++) EXPECT_NEAR(got[i], want[i], 1e-4 * (1 + std::fabs(want[i]))) << compiler;
    EXPECT_EQ(c.defined("NET_STATE_BYTES"), 0);
    jt_graph_memory m{sizeof m};
    must(jt_graph_memory_get(s.ctx, g.handle, &m));
    EXPECT_GE(c.defined("NET_ARENA_BYTES"), m.arena);
    EXPECT_LE(c.defined("NET_ARENA_BYTES"), m.arena + 64);
  }
}
TEST_F(ExportC, NothingOfJtIsNeeded) {
  if (!has("nm --version")) GTEST_SKIP() << "no nm here";
  Session s;
  LeNet net(s, 2, 3, 8);
  Tensor x = pictures(s, 2);
  Exported c(s, traced(s, {x}, [&](const Tensors& in) { return Tensors{net.forward(in[0])}; }));
  std::string command =
      "cd " + c.folder.string() +
      " && gcc -std=c99 -O1 -c net.c -o net.o && nm -u net.o > needs && nm -g --defined-only net.o > gives";
  ASSERT_EQ(std::system(command.c_str()), 0);
  std::istringstream needs(c.read("needs"));
  for (std::string kind, name; needs >> kind >> name;)
    EXPECT_TRUE(name == "memcpy" || name == "memmove" || name == "memset" || name.starts_with("f") ||
                name.starts_with("sqrt") || name.starts_with("rint") || name.starts_with("trunc") ||
                name.starts_with("ceil") || name == "_GLOBAL_OFFSET_TABLE_")
        << name;
  EXPECT_EQ(c.read("gives").find("jt_"), std::string::npos);
  EXPECT_NE(c.read("gives").find(" T net_run"), std::string::npos);
}
TEST_F(ExportC, ATrainingStepKeepsItsStatesWithTheCaller) {
  Session s;
  LeNet net(s, 2, 3, 8);
  jt_optimizer* adam = net.optimizer();
  Tensor x = pictures(s, 4), y = labels(s, 4);
  Graph g = traced(s, {x, y}, [&](const Tensors& in) {
    Tensor loss = net.loss(net.forward(in[0]), in[1]);
    must(jt_optimizer_step(s.ctx, adam, loss));
    return Tensors{loss};
  });
  Exported c(s, g);
  EXPECT_GT(c.defined("NET_STATE_BYTES"), 0);
  for (int i = 0; i < 6; i++) {
    float got = as_floats(c(s, g, {x, y})[0])[0], want = s.read(g({x, y})[0])[0];
    EXPECT_NEAR(got, want, 1e-4) << "step " << i;
  }
  jt_optimizer_release(adam);
}
TEST_F(ExportC, WhatHasNoTextIsNamed) {
  Session s;
  Tensor x = s.normal({4});
  auto refused = [&](const Body& body) {
    Graph g = traced(s, {x}, body);
    return jt_graph_export_c(s.ctx, g.handle, fs::temp_directory_path().c_str(), JT_NUL, "net", JT_NUL);
  };
  EXPECT_EQ(refused([&](const Tensors& in) { return Tensors{s.make(jt_add, in[0], s.normal({4}))}; }),
            JT_E_UNSUPPORTED);
  EXPECT_NE(last_message().find("random numbers"), std::string::npos) << last_message();
  EXPECT_EQ(refused([&](const Tensors& in) {
              jt_tensor* out[2] = {};
              must(jt_sort(s.ctx, in[0], 0, 0, &out[0], &out[1]));
              return taken({out[0], out[1]});
            }), JT_E_UNSUPPORTED);
  EXPECT_NE(last_message().find("sort of f32"), std::string::npos) << last_message();
  Graph g = traced(s, {x}, [&](const Tensors& in) { return Tensors{s.make(jt_neg, in[0])}; });
  EXPECT_EQ(jt_graph_export_c(s.ctx, g.handle, "/nowhere/at/all", JT_NUL, "net", JT_NUL), JT_E_IO);
  for (const char* name : {"", "9net", "a-b", "a b"})
    EXPECT_EQ(jt_graph_export_c(s.ctx, g.handle, "/tmp", JT_NUL, name, JT_NUL), JT_E_INVALID);
}
