// Errors, sized structs, and looking inside: graphs, counts, traces.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/capi/capi.h"

using namespace jt::test;

TEST(Errors, AreKeptPerThreadAndNameTheFunction) {
  Session s;
  jt_tensor* out = nullptr;
  EXPECT_EQ(jt_add(s.ctx, s.zeros({2}), s.zeros({3}), &out), JT_E_SHAPE);
  jt_error_info e{sizeof e};
  jt_last_error(&e);
  EXPECT_EQ(e.code, JT_E_SHAPE);
  EXPECT_STREQ(e.function, "jt_add");
  EXPECT_EQ(e.message_len, std::strlen(e.message));
  EXPECT_NE(std::string(e.message).find("add: "), std::string::npos) << e.message;
  EXPECT_NE(std::string(e.message).find("[2]"), std::string::npos) << e.message;
  EXPECT_NE(std::string(e.message).find("[3]"), std::string::npos) << e.message;
  s.zeros({1});  // success leaves the slot alone
  jt_error_info again{sizeof again};
  jt_last_error(&again);
  EXPECT_EQ(again.code, JT_E_SHAPE);
  EXPECT_EQ(jt_context_set_seed(nullptr, 1), JT_E_INVALID);
  EXPECT_EQ(last_message(), "jt_context_set_seed: the context is NULL");
}
TEST(Errors, FillOnlyWhatTheCallerKnows) {
  EXPECT_EQ(jt_context_set_seed(nullptr, 1), JT_E_INVALID);
  struct { jt_error_info info; } padded;
  std::memset(static_cast<void*>(&padded), 0x55, sizeof padded);
  padded.info.struct_size = 8;  // struct_size and code
  jt_last_error(&padded.info);
  EXPECT_EQ(padded.info.code, JT_E_INVALID);
  EXPECT_EQ(padded.info.native_code, 0x5555555555555555);
  padded.info.struct_size = 0;
  jt_last_error(&padded.info);
  jt_last_error(nullptr);
}
TEST(Errors, LongTextsAreCutAtACharacter) {
  Session s;
  std::string name;
  while (name.size() < 3000) name += "\xe2\x82\xac";
  jt_tensor* out = nullptr;
  EXPECT_EQ(jt_op_call(s.ctx, name.data(), name.size(), nullptr, 0, nullptr, 0, &out, 1), JT_E_NOT_FOUND);
  std::string text = last_message();
  EXPECT_GT(text.size(), 500u);
  size_t at = text.size();
  while (at && (text[at - 1] & 0xC0) == 0x80) at--;
  if (at && text[at - 1] & 0x80) {
    EXPECT_EQ(text.size() - at, 2u);  // the last character is whole
  }
}

TEST(SizedStructs, FromOlderAndNewerHeaders) {
  struct Newer { jt_runtime_desc known; int64_t unknown; } newer{};
  newer.known.struct_size = sizeof newer;
  jt_runtime* rt = nullptr;
  must(jt_runtime_create(&newer.known, &rt));  // an unknown field that is 0 asks for nothing
  jt_runtime_release(rt);
  newer.unknown = 1;
  EXPECT_EQ(jt_runtime_create(&newer.known, &rt), JT_E_ABI);
  EXPECT_EQ(rt, nullptr);
  newer.known.struct_size = 8;
  must(jt_runtime_create(&newer.known, &rt));
  jt_memory_info m{};
  EXPECT_EQ(jt_runtime_memory_info(rt, &m), JT_E_ABI);
  m.struct_size = 16, m.peak_bytes = -5;
  must(jt_runtime_memory_info(rt, &m));
  EXPECT_EQ(m.peak_bytes, -5);
  jt_runtime_release(rt);
  newer.known.struct_size = 0;
  EXPECT_EQ(jt_runtime_create(&newer.known, &rt), JT_E_ABI);
}
TEST(Runtime, RefusesWhatItDoesNotKnow) {
  jt_runtime_desc d{sizeof d};
  jt_runtime* rt = nullptr;
  d.flags = 1u << 30;
  EXPECT_EQ(jt_runtime_create(&d, &rt), JT_E_INVALID);
  d.flags = 0, d.memory_limit = -2;
  EXPECT_EQ(jt_runtime_create(&d, &rt), JT_E_INVALID);
  d.memory_limit = 0, d.alloc = [](void*, size_t, size_t) -> void* { return nullptr; };
  EXPECT_EQ(jt_runtime_create(&d, &rt), JT_E_INVALID);
  must(jt_runtime_create(nullptr, &rt));
  jt_runtime_release(rt);
}
TEST(Runtime, UsesTheHostsAllocator) {
  static int64_t live;
  live = 0;
  jt_runtime_desc d{sizeof d};
  d.alloc = [](void*, size_t bytes, size_t align) { return live += int64_t(bytes), std::aligned_alloc(align, bytes); };
  d.free = [](void*, void* p, size_t bytes, size_t) { live -= int64_t(bytes), std::free(p); };
  {
    jt_runtime* rt = nullptr;
    jt_context* ctx = nullptr;
    must(jt_runtime_create(&d, &rt)), must(jt_context_create(rt, &ctx));
    int64_t dims[1] = {100000};
    jt_tensor* x = nullptr;
    must(jt_ones(ctx, dims, 1, JT_F32, &x)), must(jt_eval(ctx, &x, 1));
    EXPECT_GE(live, 400000);
    jt_tensor_release(x);
    must(jt_runtime_trim(rt));
    EXPECT_LT(live, 400000);
    jt_context_release(ctx), jt_runtime_release(rt);
  }
  EXPECT_EQ(live, 0);
}
TEST(Runtime, ReportsMemoryThatIsOut) {
  Session s(JT_RT_NO_DISK_CACHE, nullptr, 1 << 20);
  Tensor small = s.floats({4}, {1, 2, 3, 4});
  Tensor large = s.zeros({1 << 20});
  float out[4];
  jt_tensor* asked = large;
  EXPECT_EQ(jt_eval(s.ctx, &asked, 1), JT_E_NOMEM);
  EXPECT_NE(last_message().find("limit"), std::string::npos) << last_message();
  must(jt_tensor_read(s.ctx, small, out, sizeof out));       // earlier values are readable
  EXPECT_EQ(s.read(s.make(jt_add, small, small))[3], 8);     // and others run, though `large` is held
  EXPECT_EQ(jt_eval(s.ctx, &asked, 1), JT_E_NOMEM);
}

static std::string shown(const Session& s, const Tensor& t, jt_stage stage) {
  size_t room = 0;
  must(jt_graph_print(s.ctx, &t.handle, 1, stage, nullptr, 0, &room));
  std::string text(room, 'x');
  must(jt_graph_print(s.ctx, &t.handle, 1, stage, text.data(), text.size(), &room));
  EXPECT_EQ(text.back(), '\0');
  text.pop_back();
  EXPECT_EQ(text.size(), std::strlen(text.c_str()));
  return text;
}
TEST(Graph, IsShownAtEveryStageAndNotRun) {
  Session s;
  Tensor x = s.floats({2, 3}, {1, 2, 3, 4, 5, 6}), y = s.sum(s.make(jt_exp, s.make(jt_add, x, x)));
  EXPECT_NE(shown(s, y, JT_STAGE_GRAPH).find("exp"), std::string::npos);
  for (jt_stage stage :
       {JT_STAGE_GRAPH, JT_STAGE_SIMPLIFY, JT_STAGE_FUSE, JT_STAGE_MEMORY, JT_STAGE_LOWER, JT_STAGE_DOT})
    EXPECT_FALSE(shown(s, y, stage).empty()) << char(stage);
  EXPECT_EQ(shown(s, y, JT_STAGE_DOT).find("digraph"), 0u);
  EXPECT_FALSE(jt_tensor_is_ready(y));
  EXPECT_EQ(s.stats().launches, 0);
  char small[8] = "xxxxxxx";
  size_t room = 0;
  must(jt_graph_print(s.ctx, &y.handle, 1, JT_STAGE_GRAPH, small, sizeof small, &room));
  EXPECT_EQ(std::strlen(small), 7u);
  EXPECT_GT(room, sizeof small);
  EXPECT_EQ(jt_graph_print(s.ctx, &y.handle, 1, jt_stage('q'), small, sizeof small, &room), JT_E_INVALID);
  EXPECT_EQ(jt_graph_print(s.ctx, &y.handle, 1, jt_stage(0), small, sizeof small, &room), JT_E_INVALID);
}
TEST(Graph, IsHandedToTheListener) {
  Session s;
  std::string seen;
  must(jt_context_set_dump(s.ctx, "gs", 2, [](void* user, jt_stage stage, const char* text, size_t len) {
    *static_cast<std::string*>(user) += std::string(1, char(stage)) + ":" + std::string(text, len);
  }, &seen));
  s.read(s.make(jt_exp, s.floats({1}, {1})));
  EXPECT_NE(seen.find("g:"), std::string::npos);
  EXPECT_NE(seen.find("s:"), std::string::npos);
  must(jt_context_set_dump(s.ctx, nullptr, 0, nullptr, nullptr));
  seen.clear();
  s.read(s.make(jt_sin, s.floats({1}, {1})));
  EXPECT_EQ(seen, "");
  EXPECT_EQ(jt_context_set_dump(s.ctx, "z", 1, [](void*, jt_stage, const char*, size_t) {}, nullptr), JT_E_INVALID);
}

// What every kernel of a new plan was made of, and where it came from: made, in memory, from disk, interpreted.
TEST(Graph, ShowsKernelsAndTheirSource) {
  char folder[] = "/tmp/jt_inside_XXXXXX";
  ASSERT_TRUE(mkdtemp(folder));
  auto seen_by = [&](uint32_t flags, int plans) {
    Session s(flags, flags ? nullptr : folder);
    std::string seen;
    must(jt_context_set_dump(s.ctx, "kc", 2, [](void* user, jt_stage stage, const char* text, size_t len) {
      *static_cast<std::string*>(user) += std::string(1, char(stage)) + ":" + std::string(text, len);
    }, &seen));
    for (int64_t n = 1; n <= plans; n++) s.read(s.make(jt_exp, s.floats({n}, std::vector<float>(size_t(n), 1))));
    return seen;
  };
  auto has = [](const std::string& text, const char* part) { return text.find(part) != text.npos; };
  std::string first = seen_by(0, 2);
  if (has(first, ", tcc, ")) {  // where there is a compiler
    EXPECT_EQ(first.find("k:# k\nmade in "), 0u) << first;
    EXPECT_TRUE(has(first, "c:/* c exp */\nvoid k(") || has(first, "void k(")) << first;
    EXPECT_TRUE(has(first, "k:# k\nin memory, tcc, ")) << first;
    EXPECT_TRUE(has(seen_by(0, 1), "k:# k\nfrom disk, tcc, "));
  }
  std::string interpreted = seen_by(JT_RT_NO_DISK_CACHE | JT_RT_NO_COMPILE, 2);
  EXPECT_TRUE(has(interpreted, ", vm, key of ")) << interpreted;
  EXPECT_TRUE(has(interpreted, "in memory, vm, ")) << interpreted;
  EXPECT_TRUE(has(interpreted, "# c exp: interpreted, see l\n")) << interpreted;
  std::filesystem::remove_all(folder);

  Session s(JT_RT_NO_DISK_CACHE | JT_RT_NO_COMPILE);
  Tensor y = s.make(jt_exp, s.floats({1}, {1}));
  char text[256];
  for (const char* where : {"# k\nmade in ", "# k\nin memory, "}) {
    must(jt_graph_print(s.ctx, &y.handle, 1, JT_STAGE_KERNEL, text, sizeof text, nullptr));
    EXPECT_EQ(std::string(text).find(where), 0u) << text;
  }
  EXPECT_TRUE(has(shown(s, y, JT_STAGE_CODE), "interpreted"));
}

TEST(Stats, CountWhatHappened) {
  Session s;
  must(jt_stats_set_timing(s.rt, 1));
  Tensor x = s.floats({1000}, std::vector<float>(1000, 1));
  for (int i = 0; i < 3; i++) s.read(s.make(jt_exp, x));
  jt_stats st = s.stats();
  EXPECT_EQ(st.evals, 3);
  EXPECT_EQ(st.plans_made, 1);
  EXPECT_EQ(st.kernels_compiled, 1);
  EXPECT_EQ(st.launches, 3);
  EXPECT_GT(st.run_ns, 0);
  ASSERT_EQ(jt_kernel_count(s.rt), 1u);
  jt_kernel_stats k{sizeof k};
  must(jt_kernel_stats_get(s.rt, 0, &k));
  EXPECT_NE(std::string(k.name).find("exp"), std::string::npos);
  EXPECT_EQ(k.launches, 3);
  EXPECT_TRUE(k.tier);
  EXPECT_EQ(k.bytes, 3 * 8000);
  EXPECT_EQ(jt_kernel_stats_get(s.rt, 1, &k), JT_E_INVALID);
  size_t room = 0;
  must(jt_stats_print(s.rt, nullptr, 0, &room));
  std::string table(room, 0);
  must(jt_stats_print(s.rt, table.data(), room, &room));
  EXPECT_NE(table.find("exp"), std::string::npos);
  must(jt_stats_reset(s.rt));
  EXPECT_EQ(s.stats().evals, 0);
  EXPECT_EQ(s.stats().launches, 0);
}
TEST(Trace, IsAFileForChrome) {
  Session s;
  std::string path = "/tmp/jt_trace_" + std::to_string(getpid()) + ".json";
  EXPECT_EQ(jt_trace_stop(s.rt), JT_E_INVALID);
  must(jt_trace_start(s.rt, path.c_str(), JT_NUL));
  EXPECT_EQ(jt_trace_start(s.rt, path.c_str(), JT_NUL), JT_E_INVALID);
  s.read(s.make(jt_exp, s.floats({1}, {1})));
  must(jt_trace_stop(s.rt));
  std::ifstream in(path);
  std::string text((std::istreambuf_iterator<char>(in)), {});
  EXPECT_NE(text.find("exp"), std::string::npos) << text;
  EXPECT_NE(text.find("\"ph\""), std::string::npos);
  std::remove(path.c_str());
  must(jt_trace_start(s.rt, "/no/such/folder/trace.json", JT_NUL));
  EXPECT_EQ(jt_trace_stop(s.rt), JT_E_IO);
  EXPECT_EQ(jt_trace_stop(s.rt), JT_E_INVALID);
}
