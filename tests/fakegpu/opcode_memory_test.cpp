// Memory, atomics, the lanes of a warp together, and control: opcodes whose operands are more than values.
#include <algorithm>
#include <numeric>

#include "tests/fakegpu/opcodes.h"

namespace fakegpu::test {
namespace {

// Runs a body of two parameters on one block: out and in, of which %rd40 and %rd41 hold the thread's own element of 8
// bytes.
template <class D, class S>
std::vector<D> block_run(const std::string& body, const std::vector<S>& in, unsigned threads = 32, size_t results = 0) {
  for (size_t at = 0; at < body.size();) {  // every opcode in it counts as run
    size_t end = std::min(body.find(';', at), body.size());
    std::string statement = body.substr(at, end - at);
    size_t begin = statement.find_first_not_of(" \n{");
    if (begin != std::string::npos && statement[begin] == '@') begin = statement.find(' ', begin) + 1;
    if (begin != std::string::npos)
      opcodes_run().insert(statement.substr(begin, statement.find_first_of(". ;", begin) - begin));
    at = end + 1;
  }
  Gpu gpu;
  const std::string own =
      "mov.u32 %r50, %tid.x;\nmul.wide.u32 %rd50, %r50, 8;\nld.param.u64 %rd42, [p0];\nld.param.u64 %rd43, [p1];\n"
      "add.s64 %rd40, %rd42, %rd50;\nadd.s64 %rd41, %rd43, %rd50;\n";
  void* module = gpu.load(kernel_text(own + body, 2));
  EXPECT_NE(module, nullptr) << gpu.last_finding();
  if (!module) return {};
  size_t n = results ? results : threads;
  uint64_t o = gpu.upload(std::vector<D>(n));
  EXPECT_EQ(gpu.launch(gpu.function(module, "k"), {.block = threads, .shared = 1024}, o, gpu.upload(in)), 0)
      << gpu.last_finding();
  return gpu.download<D>(o, n);
}
std::vector<uint64_t> counted(size_t n, uint64_t first = 0) {
  std::vector<uint64_t> v(n);
  std::iota(v.begin(), v.end(), first);
  return v;
}

TEST(Memory, WidthsAndSigns) {
  std::vector<uint64_t> in = {0xfedcba9876543281ull};
  auto one = [&](const std::string& load, const std::string& store) {
    return block_run<uint64_t>(load + store, in, 1)[0];
  };
  EXPECT_EQ(one("ld.global.u8 %rd1, [%rd41];", "st.global.u64 [%rd40], %rd1;"), 0x81u);
  EXPECT_EQ(one("ld.global.s8 %rd1, [%rd41];", "st.global.u64 [%rd40], %rd1;"), 0xffffffffffffff81u);
  EXPECT_EQ(one("ld.global.s8 %r1, [%rd41];", "st.global.u32 [%rd40], %r1;"), 0xffffff81u);
  EXPECT_EQ(one("ld.global.s8 %rs1, [%rd41];", "st.global.u16 [%rd40], %rs1;"), 0xff81u);
  EXPECT_EQ(one("ld.global.u16 %r1, [%rd41+2];", "st.global.u32 [%rd40], %r1;"), 0x7654u);
  EXPECT_EQ(one("ld.global.s16 %rd1, [%rd41+6];", "st.global.u64 [%rd40], %rd1;"), 0xfffffffffffffedcu);
  EXPECT_EQ(one("ld.global.s32 %rd1, [%rd41+4];", "st.global.u64 [%rd40], %rd1;"), 0xfffffffffedcba98u);
  EXPECT_EQ(one("ld.global.b64 %rd1, [%rd41];", "st.global.b8 [%rd40+1], %rd1;"), 0x8100u);
  EXPECT_EQ(
      one("ld.global.nc.L1::no_allocate.L2::128B.v2.u32 {%r1, %r2}, [%rd41];", "st.global.v2.u32 [%rd40], {%r2, %r1};"),
      0x76543281fedcba98u);
  EXPECT_EQ(one("ld.global.v4.u16 {%rs1, %rs2, _, %rs4}, [%rd41];", "st.global.v4.u16 [%rd40], {%rs4, %rs2, 7, %rs1};"),
            0x328100077654fedcu);
  EXPECT_EQ(one("ld.volatile.global.u64 %rd1, [%rd41]; prefetch.global.L2 [%rd41]; ldu.global.u32 %r1, [%rd41];",
                "st.relaxed.gpu.global.u64 [%rd40], %rd1;"),
            in[0]);
}
TEST(Memory, SpacesAndGenericAddresses) {
  std::vector<uint64_t> in = counted(32, 100);
  const std::string shared = ".shared .align 8 .b8 s[256]; .local .align 8 .b8 l[16]; .reg .b64 %g<9>;";
  EXPECT_EQ(block_run<uint64_t>(shared + "mov.u64 %g1, s; cvta.shared.u64 %g1, %g1; add.u64 %g1, %g1, %rd50; ld.u64 "
                                         "%rd1, [%rd41]; st.u64 [%g1], %rd1;"
                                         "cvta.to.shared.u64 %g2, %g1; ld.shared.u64 %rd2, [%g2]; cvt.u32.u64 %r1, "
                                         "%g2; ld.shared.u64 %rd3, [%r1]; "
                                         "add.u64 %rd2, %rd2, %rd3; st.u64 [%rd40], %rd2;",
                                in),
            [] {
              std::vector<uint64_t> v;
              for (int i = 0; i < 32; ++i) v.push_back(2 * (100 + i));
              return v;
            }());
  EXPECT_EQ(block_run<uint64_t>(shared + "mov.u64 %g1, l; cvta.local.u64 %g2, %g1; ld.global.u64 %rd1, [%rd41]; st.u64 "
                                         "[%g2+8], %rd1; ld.local.u64 %rd2, [l+8];"
                                         "cvta.to.local.u64 %g3, %g2; ld.local.u64 %rd3, [%g3+8]; xor.b64 %rd3, %rd3, "
                                         "%rd2; add.u64 %rd2, %rd2, %rd3; "
                                         "cvta.to.global.u64 %rd40, %rd40; st.global.u64 [%rd40], %rd2;",
                                in),
            in);
  EXPECT_EQ(
      block_run<uint64_t>(
          shared +
              "mov.u64 %g1, s; cvta.shared.u64 %g1, %g1; isspacep.shared %p1, %g1; isspacep.global %p2, %g1; "
              "isspacep.global "
              "%p3, %rd41; isspacep.local %p4, %rd41;"
              "selp.u64 %rd1, 1, 0, %p1; selp.u64 %rd2, 2, 0, %p2; selp.u64 %rd3, 4, 0, %p3; selp.u64 %rd4, 8, 0, %p4; "
              "add.u64 %rd1, %rd1, %rd2; add.u64 %rd1, %rd1, %rd3; add.u64 %rd1, %rd1, %rd4; st.global.u64 [%rd40], "
              "%rd1;",
          in)[5],
      5u);
}
TEST(Memory, PacksAndUnpacks) {
  expect<uint64_t>("mov.b64 {%rs1, %rs2, %rs3, %rs4}, $a; mov.b64 $d, {%rs4, %rs3, %rs2, %rs1};", [](uint64_t v) {
    return v << 48 | (v >> 16 & 0xffff) << 32 | (v >> 32 & 0xffff) << 16 | v >> 48; }, edges<uint64_t>());
  expect<uint64_t>(
      "mov.b64 {%r10, _}, $a; mov.b64 $d, {%r10, %r10};", [](uint64_t v) { return (v & 0xffffffff) * 0x100000001ull; },
      edges<uint64_t>());
  expect<uint32_t>(
      "mov.b32 {%rs1, %rs2}, $a; mov.b32 $d, {%rs2, %rs1};", [](uint32_t v) { return v << 16 | v >> 16; },
      edges<uint32_t>());
  expect<float>("mov.f32 $d, $a;", [](float v) { return v; }, edges<float>());
  expect<uint32_t>("mov.b32 $d, $a;", [](float v) { return std::bit_cast<uint32_t>(v); }, edges<float>());
}

// ---- atomics: one place, 32 lanes; what each got back is every state that the place went through
struct Atomic { const char* name; uint64_t first; uint64_t (*of)(uint64_t old, uint64_t v); };
TEST(Atomics, OfIntegers) {
  const Atomic of32[] = {
      {"add.u32", 5, [](uint64_t a, uint64_t v) { return uint64_t(uint32_t(a + v)); }},
      {"min.u32", 100, [](uint64_t a, uint64_t v) { return std::min(a, v); }},
      {"max.u32", 3, [](uint64_t a, uint64_t v) { return std::max(a, v); }},
      {"min.s32", 100, [](uint64_t a, uint64_t v) { return uint64_t(uint32_t(std::min(int32_t(a), int32_t(v)))); }},
      {"max.s32", 0xfffffff0,
       [](uint64_t a, uint64_t v) { return uint64_t(uint32_t(std::max(int32_t(a), int32_t(v)))); }},
      {"and.b32", 0xff, [](uint64_t a, uint64_t v) { return a & v; }},
      {"or.b32", 1, [](uint64_t a, uint64_t v) { return a | v; }},
      {"xor.b32", 1, [](uint64_t a, uint64_t v) { return a ^ v; }},
      {"exch.b32", 1, [](uint64_t, uint64_t v) { return v; }},
      {"inc.u32", 20, [](uint64_t a, uint64_t v) { return a >= v ? 0 : a + 1; }},
      {"dec.u32", 40, [](uint64_t a, uint64_t v) { return a == 0 || a > v ? v : a - 1; }}};
  std::vector<uint64_t> in = counted(32, 20);
  in[31] = 0xffffffffu;  // -1 of 32 bits
  for (const char* space : {"global", "shared", ""})
    for (const Atomic& a : of32) {
      const std::string dot = *space ? std::string(".") + space : "",
                        place = std::string(space) == "shared" ? "[s]" : "[%g1]";
      std::string setup = ".shared .align 8 .b8 s[8]; .reg .b64 %g<3>; mov.u32 %r1, " + std::to_string(a.first) +
                          "; ld.global.u32 %r2, [%rd41]; add.u64 %g1, %rd42, 256;";
      setup += "setp.eq.u32 %p1, %r50, 0; @%p1 st.shared.u32 [s], %r1; @%p1 st.global.u32 [%g1], %r1; bar.sync 0;";
      std::vector<uint64_t> got = block_run<uint64_t>(
          setup + "atom.relaxed.gpu" + dot + "." + a.name + " %r3, " + place + ", %r2; st.global.u32 [%rd40], %r3;", in,
          32, 33);
      uint64_t state = a.first;
      for (int i = 0; i < 32; ++i) {
        EXPECT_EQ(got[i], state) << a.name << space << " lane " << i;
        state = a.of(state, in[i] & 0xffffffff);
      }
      if (std::string(space) == "shared") continue;
      EXPECT_EQ(got[32], state) << a.name;
      if (std::string(a.name).find("exch") == 0) continue;
      EXPECT_EQ(block_run<uint64_t>(setup + "red.global." + a.name + " [%g1], %r2;", in, 32, 33)[32], state) << a.name;
    }
}
TEST(Atomics, OfOtherTypes) {
  std::vector<uint64_t> in = counted(32, 1);
  const std::string setup =
      ".reg .b64 %g<3>; add.u64 %g1, %rd42, 256; ld.global.u64 %rd1, [%rd41]; cvt.rn.f32.u64 %f1, %rd1; cvt.rn.f64.u64 "
      "%fd1, %rd1; "
      "cvt.rn.f16.f32 %rs1, %f1; cvt.rn.bf16.f32 %rs2, %f1;";
  EXPECT_EQ(block_run<uint64_t>(setup + "atom.global.add.u64 %rd2, [%g1], %rd1;", in, 32, 33)[32], 528u);
  EXPECT_EQ(block_run<uint64_t>(setup + "atom.global.max.u64 %rd2, [%g1], %rd1;", in, 32, 33)[32], 32u);
  EXPECT_EQ(block_run<int64_t>(setup + "neg.s64 %rd1, %rd1; atom.global.min.s64 %rd2, [%g1], %rd1;", in, 32, 33)[32],
            -32);
  EXPECT_EQ(block_run<uint64_t>(setup + "atom.global.or.b64 %rd2, [%g1], %rd1;", in, 32, 33)[32], 63u);
  EXPECT_EQ(block_run<double>(setup + "atom.global.add.f64 %fd2, [%g1], %fd1;", in, 32, 33)[32], 528.0);
  EXPECT_EQ(block_run<uint64_t>(setup + "atom.global.add.f32 %f2, [%g1], %f1;", in, 32, 33)[32],
            std::bit_cast<uint32_t>(528.0f));
  EXPECT_EQ(block_run<uint64_t>(setup + "red.global.add.noftz.f16 [%g1], %rs1;", in, 32, 33)[32], 0x6020u);       // 528
  // 10
  EXPECT_EQ(block_run<uint64_t>(setup + "atom.global.add.noftz.bf16 %rs3, [%g1], %rs2;", in, 4, 33)[32], 0x4120u);
  EXPECT_EQ(
      block_run<uint64_t>(setup + "mov.b32 %r1, {%rs1, %rs1}; red.global.add.noftz.f16x2 [%g1], %r1;", in, 4, 33)[32],
      0x49004900u);
  EXPECT_EQ(block_run<uint64_t>(setup + "sub.u64 %rd3, %rd1, 1; atom.global.cas.b64 %rd2, [%g1], %rd3, %rd1;", in, 32,
                                33)[32],
            32u);
  EXPECT_EQ(block_run<uint64_t>(setup + "atom.global.exch.b64 %rd2, [%g1], %rd1;", in, 32, 33)[32], 32u);
}

// ---- warps
TEST(Warps, Shuffles) {
  std::vector<uint64_t> in = counted(32, 1000), got;
  struct Way { const char* name; int (*from)(int lane, int b, int width); };
  const Way ways[] = {{"idx", [](int l, int b, int w) { return l / w * w + b % w; }},
                      {"up", [](int l, int b, int w) { return l % w >= b ? l - b : l; }},
                      {"down", [](int l, int b, int w) { return l % w + b < w ? l + b : l; }},
                      {"bfly", [](int l, int b, int w) { return (l ^ b) / w == l / w || (l ^ b) < l ? l ^ b : l; }}};
  for (const Way& way : ways)
    for (int width : {32, 16, 8})
      for (int b : {0, 1, 3, 7}) {
        int c = (32 - width) << 8 | (way.name[0] == 'u' ? 0 : 31);
        got = block_run<uint64_t>(
            "ld.global.u32 %r1, [%rd41]; shfl.sync." + std::string(way.name) + ".b32 %r2|%p1, %r1, " +
                std::to_string(b) + ", " + std::to_string(c) +
                ", -1; st.global.u32 [%rd40], %r2; selp.u32 %r3, 1, 0, %p1; st.global.u32 [%rd40+4], %r3;",
            in);
        for (int l = 0; l < 32; ++l) {
          int from = way.from(l, b, width);
          EXPECT_EQ(got[l] & 0xffffffff, 1000u + from) << way.name << width << " " << b << " lane " << l;
          uint64_t inside = b == 0 || way.name[0] == 'i' || from != l;
          EXPECT_EQ(got[l] >> 32, inside) << way.name << width << " " << b << " lane " << l;
        }
      }
}
TEST(Warps, VotesMatchesReductions) {
  std::vector<uint64_t> in(32);
  for (int i = 0; i < 32; ++i) in[i] = i * 7 % 5;
  uint32_t twos = 0, sum = 0, most = 0, all_or = 0;
  for (int i = 0; i < 32; ++i)
    twos |= uint32_t(in[i] == 2) << i, sum += in[i], most = std::max<uint32_t>(most, in[i]), all_or |= in[i];
  const std::string is_two = "ld.global.u32 %r1, [%rd41]; setp.eq.u32 %p1, %r1, 2;",
                    store = "st.global.u32 [%rd40], %r2;";
  auto same_for_all = [&](const std::string& body, uint32_t wanted) {
    EXPECT_EQ(block_run<uint64_t>(is_two + body + store, in), std::vector<uint64_t>(32, wanted)) << body;
  };
  same_for_all("vote.sync.ballot.b32 %r2, %p1, -1;", twos);
  same_for_all("vote.sync.any.pred %p2, %p1, -1; selp.u32 %r2, 1, 0, %p2;", 1);
  same_for_all("vote.sync.all.pred %p2, %p1, -1; selp.u32 %r2, 1, 0, %p2;", 0);
  same_for_all("vote.sync.uni.pred %p2, %p1, -1; selp.u32 %r2, 1, 0, %p2;", 0);
  same_for_all("setp.lt.u32 %p3, %r1, 9; vote.sync.all.pred %p2, %p3, -1; selp.u32 %r2, 1, 0, %p2;", 1);
  same_for_all("redux.sync.add.u32 %r2, %r1, -1;", sum);
  same_for_all("redux.sync.max.u32 %r2, %r1, -1;", most);
  same_for_all("redux.sync.min.s32 %r2, %r1, -1;", 0);
  same_for_all("redux.sync.or.b32 %r2, %r1, -1;", all_or);
  same_for_all("redux.sync.and.b32 %r2, %r1, -1;", 0);
  same_for_all("redux.sync.xor.b32 %r2, %r1, -1;", [&] { uint32_t x = 0; for (uint64_t v : in) x ^= v; return x; }());
  same_for_all("elect.sync %r2|%p2, -1; @!%p2 add.u32 %r2, %r2, 3; @%p2 add.u32 %r2, %r2, 3;", 3);
  same_for_all("activemask.b32 %r2;", ~0u);
  same_for_all("match.all.sync.b32 %r2|%p2, %r1, -1;", 0);
  std::vector<uint64_t> got = block_run<uint64_t>(is_two + "match.any.sync.b32 %r2, %r1, -1;" + store, in);
  for (int l = 0; l < 32; ++l) {
    uint32_t equal = 0;
    for (int k = 0; k < 32; ++k) equal |= uint32_t(in[k] == in[l]) << k;
    EXPECT_EQ(got[l], equal);
  }
  got = block_run<uint64_t>(is_two + "mov.u32 %r2, 0; @%p1 activemask.b32 %r2;" + store, in);
  for (int l = 0; l < 32; ++l) EXPECT_EQ(got[l], in[l] == 2 ? twos : 0);
}
TEST(Warps, BarriersThatCount) {
  std::vector<uint64_t> in(96);
  for (int i = 0; i < 96; ++i) in[i] = i % 3 == 0;
  const std::string p = "ld.global.u32 %r1, [%rd41]; setp.ne.u32 %p1, %r1, 0;", store = "st.global.u32 [%rd40], %r2;";
  EXPECT_EQ(block_run<uint64_t>(p + "bar.red.popc.u32 %r2, 0, %p1;" + store, in, 96), std::vector<uint64_t>(96, 32));
  EXPECT_EQ(block_run<uint64_t>(
                p + "barrier.sync.aligned 0; bar.red.or.pred %p2, 0, %p1; selp.u32 %r2, 1, 0, %p2;" + store, in, 96),
            std::vector<uint64_t>(96, 1));
  EXPECT_EQ(block_run<uint64_t>(p + "bar.red.and.pred %p2, 0, %p1; selp.u32 %r2, 1, 0, %p2;" + store, in, 96),
            std::vector<uint64_t>(96, 0));
  // Two warps bring values, the third takes them: it alone waits.
  const std::string handed =
      ".shared .align 4 .b8 s[384]; mov.u32 %r5, s; mad.lo.u32 %r5, %r50, 4, %r5; setp.ge.u32 %p1, %r50, 64; mov.u32 "
      "%r2, 0; @%p1 bra "
      "$take;"
      "st.shared.u32 [%r5], %r50; bar.arrive 3, 96; bra $done; $take: bar.sync 3, 96; ld.shared.u32 %r2, [%r5+-256]; "
      "$done:";
  std::vector<uint64_t> got = block_run<uint64_t>(handed + store, in, 96);
  for (int i = 0; i < 96; ++i) EXPECT_EQ(got[i], i < 64 ? 0 : i - 64);
}

TEST(Control, SpecialRegisters) {
  Gpu gpu;
  std::string body =
      "ld.param.u64 %rd1, [p0]; mov.u32 %r1, %ctaid.x; mov.u32 %r2, %ctaid.y; mov.u32 %r3, %nctaid.x; mad.lo.u32 %r4, "
      "%r2, %r3, %r1; "
      "mov.u32 %r5, %ntid.x;"
      "mov.u32 %r6, %ntid.y; mul.lo.u32 %r7, %r5, %r6; mov.u32 %r8, %tid.y; mov.u32 %r9, %tid.x; mad.lo.u32 %r10, %r8, "
      "%r5, %r9; "
      "mad.lo.u32 %r11, %r4, %r7, %r10;"
      "mul.wide.u32 %rd2, %r11, 16; add.u64 %rd1, %rd1, %rd2; mov.u32 %r12, %laneid; mov.u32 %r13, %warpid; mov.u32 "
      "%r14, %lanemask_lt; "
      "st.global.v4.u32 [%rd1], {%r11, %r12, %r13, %r14};";
  void* f = gpu.function(gpu.load(kernel_text(body, 1)), "k");
  uint64_t o = gpu.allocate(2 * 3 * 40 * 16);
  ASSERT_EQ(gpu.launch(f, {.grid = 2, .block = 10, .grid_y = 3, .block_y = 4}, o), 0) << gpu.last_finding();
  std::vector<uint32_t> got = gpu.download<uint32_t>(o, 2 * 3 * 40 * 4);
  for (uint32_t i = 0; i < 240; ++i) {
    uint32_t thread = i % 40;
    EXPECT_EQ(got[i * 4], i);
    EXPECT_EQ(got[i * 4 + 1], thread % 32);
    EXPECT_EQ(got[i * 4 + 2], thread / 32);
    EXPECT_EQ(got[i * 4 + 3], (1ull << thread % 32) - 1);
  }
}
TEST(Control, BranchesLoopsAndEnds) {
  std::vector<uint64_t> in = counted(32);
  // Each lane goes round as often as its number says; odd ones leave in the middle.
  std::vector<uint64_t> got = block_run<uint64_t>(
      "ld.global.u64 %rd1, [%rd41]; mov.u64 %rd2, 0; mov.u64 %rd3, 0; $loop: setp.ge.u64 %p1, %rd3, %rd1; @%p1 bra.uni "
      "$out; add.u64 "
      "%rd2, %rd2, %rd3; add.u64 %rd3, %rd3, 1; bra.uni $loop;"
      "$out: and.b64 %rd4, %rd1, 1; setp.eq.u64 %p2, %rd4, 1; st.global.u64 [%rd40], 7; @%p2 exit; bar.warp.sync "
      "0x55555555; membar.gl; "
      "fence.acq_rel.gpu; nanosleep.u32 100; griddepcontrol.wait; st.global.u64 [%rd40], %rd2; ret;",
      in);
  for (uint64_t i = 0; i < 32; ++i) EXPECT_EQ(got[i], i % 2 ? 7 : i * (i - 1) / 2);
  // planted_kernels_test, kernel_test and matrix_test run those
  opcodes_run().insert({"trap", "call", "mma", "ldmatrix", "cp"});
}
TEST(Memory, MatricesStored) {  // what stmatrix stores, ldmatrix loads
  std::vector<uint64_t> in = counted(32, 1);
  for (const char* trans : {"", ".trans"}) {
    const std::string t = trans;
    std::vector<uint64_t> got = block_run<uint64_t>(
        ".shared .align 16 .b8 s[512]; mov.u32 %r1, s; shl.b32 %r2, %r50, 4; add.u32 %r1, %r1, %r2; ld.global.u32 %r3, "
        "[%rd41]; "
        "mul.lo.u32 %r4, %r3, 0x10003; mul.lo.u32 %r5, %r3, 77; add.u32 %r6, %r3, 9;"
        "stmatrix.sync.aligned.m8n8.x4" +
            t + ".shared.b16 [%r1], {%r3, %r4, %r5, %r6}; bar.sync 0; ldmatrix.sync.aligned.m8n8.x4" + t +
            ".shared.b16 {%r7, %r8, %r9, %r10}, [%r1];"
            "sub.u32 %r7, %r7, %r3; sub.u32 %r8, %r8, %r4; sub.u32 %r9, %r9, %r5; sub.u32 %r10, %r10, %r6; or.b32 %r7, "
            "%r7, %r8; or.b32 "
            "%r7, %r7, %r9; or.b32 %r7, %r7, %r10; st.global.u32 [%rd40], %r7;",
        in);
    EXPECT_EQ(got, std::vector<uint64_t>(32, 0)) << t;
  }
  // Lane 4 r + c holds row r, columns 2 c and 2 c + 1.
  std::vector<uint64_t> rows = block_run<uint64_t>(
      ".shared .align 16 .b8 s[128]; mov.u32 %r1, s; and.b32 %r2, %r50, 7; shl.b32 %r2, %r2, 4; add.u32 %r1, %r1, %r2; "
      "stmatrix.sync.aligned.m8n8.x1.shared.b16 [%r1], {%r50};"
      "bar.sync 0; mov.u32 %r3, s; shl.b32 %r4, %r50, 2; add.u32 %r3, %r3, %r4; ld.shared.u32 %r5, [%r3]; "
      "st.global.u32 [%rd40], %r5;",
      in);
  EXPECT_EQ(rows, counted(32));
}

}  // namespace
}  // namespace fakegpu::test
