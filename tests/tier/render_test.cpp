// The text of three programs; numbers of primitives, which move with the op table, are left out.
#include <gtest/gtest.h>

#include <regex>

#include "backends/cpu_tcc/tier/render_c.h"
#include "tests/vm/programs.h"

namespace jt::cpu {
namespace {

using vm::ProgramMaker;

std::string rendered(const Program& program) {
  std::string source = render_c(program);
  EXPECT_EQ(source, render_c(program));
  return std::regex_replace(source, std::regex("P\\[[0-9]+\\]"), "P[.]");
}

TEST(RenderC, Flat) {
  ProgramMaker m(Mode::flat);
  int16_t x = m.operand(JT_F32, Access::direct, Level::outer), y = m.operand(JT_BF16, Access::mapped, Level::outer);
  int16_t z = m.operand(JT_F32, Access::direct, Level::outer, true);
  m.stage(Level::uniform);
  int16_t half = m.scalar(CType::f32);
  m.stage(Level::outer);
  int16_t product = m.element(Element::mul_, CType::f32, m.load(x), half);
  m.element(Element::add_, CType::f32, product, m.load(y, half), -1, z);
  EXPECT_EQ(rendered(m.p), R"(typedef long long i64;
typedef void element(char *, char *, char *, char *, i64);
typedef void block(char *, char *, i64);
typedef char *map_load(char *, char *, char *, i64, i64, i64, int, char *);
void k(const i64 *A, i64 begin, i64 end, char *s, char *const *P) {
  i64 O = A[0];
  i64 I = A[1];
  int q0 = O > 4194304 && A[6] != A[2] && A[6] != A[4];
  char *r0 = (char *)(A + 8);
  char *r1;
  char *r2 = s + 8192;
  char *r3;
  char *r4;
  for (i64 o = begin; o < end; o += 512) {
    i64 n = end - o < 512 ? end - o : 512;
    r1 = (char *)A[2] + o * 4;  // r1 = load @0 f32
    ((element *)P[.])(r2, r1, r0, 0, n);  // r2 = mul f32 r1 r0
    r3 = ((map_load *)P[.])(s + 12288, (char *)A[4], (char *)A[5], o, 0, n, 0, r0);  // r3 = load @1 f32 r0
    r4 = q0 ? s + 16384 : (char *)A[6] + o * 4;
    ((element *)P[.])(r4, r2, r3, 0, n);  // r4 = add f32 r2 r3 -> @2
    if (q0) ((block *)P[.])((char *)A[6] + o * 4, r4, n * 4);
  }
}
)");
}

TEST(RenderC, Rows) {
  ProgramMaker m(Mode::row);
  int16_t x = m.operand(JT_F32, Access::direct, Level::inner),
          z = m.operand(JT_F32, Access::direct, Level::inner, true);
  m.stage(Level::inner);
  int16_t most = m.reduce(Reduction::max, m.load(x));
  m.stage(Level::inner);
  m.element(Element::sub_, CType::f32, m.load(x), most, -1, z);
  EXPECT_EQ(rendered(m.p), R"(typedef long long i64;
typedef void element(char *, char *, char *, char *, i64);
typedef void block(char *, char *, i64);
typedef void repeat(char *, char *, i64, i64);
typedef void reduce_begin(char *, i64);
typedef void reduce_end(char *, char *);
static void rows(const i64 *A, i64 begin, i64 end, char *s, char *const *P) {
  i64 O = A[0];
  i64 I = A[1];
  int q0 = O * I > 4194304 && A[4] != A[2];
  char *r0;
  char *r1 = s + 4096;
  char *r4 = s + 16384;
  char *r2;
  char *r3;
  i64 w = 512 / I;
  for (i64 o = begin; o < end; o += w) {
    i64 n = end - o < w ? end - o : w;
    i64 m = n * I;
    i64 at = o * I;
    r0 = (char *)A[2] + at * 4;  // r0 = load @0 f32
    ((repeat *)P[.])(r1, r0, n, I);  // r1 = reduce.max f32 r0
    ((repeat *)P[.])(r4, r1, n, I);  // block of r1
    r2 = (char *)A[2] + at * 4;  // r2 = load @0 f32
    r3 = q0 ? s + 12288 : (char *)A[4] + at * 4;
    ((element *)P[.])(r3, r2, r4, 0, m);  // r3 = sub f32 r2 r1 -> @1
    if (q0) ((block *)P[.])((char *)A[4] + at * 4, r3, m * 4);
  }
}
static void row(const i64 *A, i64 begin, i64 end, char *s, char *const *P) {
  i64 O = A[0];
  i64 I = A[1];
  char *t0 = s + 16448;
  int q0 = O * I > 4194304 && A[4] != A[2];
  char *r0;
  char *r1 = s + 4096;
  char *r2;
  char *r3;
  i64 m;
  for (i64 o = begin; o < end; o++) {
    ((reduce_begin *)P[.])(t0, 1);
    for (i64 i = 0; i < I; i += 512) {
      m = I - i < 512 ? I - i : 512;
      i64 at = o * I + i;
      r0 = (char *)A[2] + at * 4;  // r0 = load @0 f32
      ((block *)P[.])(t0, r0, m);  // r1 = reduce.max f32 r0
    }
    ((reduce_end *)P[.])(t0, r1);
    for (i64 i = 0; i < I; i += 512) {
      m = I - i < 512 ? I - i : 512;
      i64 at = o * I + i;
      r2 = (char *)A[2] + at * 4;  // r2 = load @0 f32
      r3 = q0 ? s + 12288 : (char *)A[4] + at * 4;
      ((element *)P[.])(r3, r2, r1, 0, m);  // r3 = sub f32 r2 r1 -> @1
      if (q0) ((block *)P[.])((char *)A[4] + at * 4, r3, m * 4);
    }
  }
}
void k(const i64 *A, i64 begin, i64 end, char *s, char *const *P) {
  if (A[1] > 0 && A[1] <= 256)
    rows(A, begin, end, s, P);
  else
    row(A, begin, end, s, P);
}
)");
}

TEST(RenderC, Columns) {
  ProgramMaker m(Mode::column);
  int16_t x = m.operand(JT_F32, Access::direct, Level::inner),
          z = m.operand(JT_F16, Access::direct, Level::outer, true);
  m.stage(Level::inner);
  int16_t a = m.load(x);
  int16_t sum = m.reduce(Reduction::sum, a), most = m.reduce(Reduction::max, a);
  m.stage(Level::outer);
  m.store(z, m.element(Element::sub_, CType::f32, most, sum));
  EXPECT_EQ(rendered(m.p), R"(typedef long long i64;
typedef void element(char *, char *, char *, char *, i64);
typedef void block(char *, char *, i64);
typedef void repeat(char *, char *, i64, i64);
typedef char *map_load(char *, char *, char *, i64, i64, i64, int, char *);
typedef void reduce_begin(char *, i64);
typedef i64 state_bytes(int, i64, i64);
typedef i64 column_width(i64, i64);
typedef void direct_map(char *, int, i64, i64);
typedef void swapped_map(char *, char *, i64, i64);
static void bands(const i64 *A, i64 begin, i64 end, char *s, char *const *P) {
  i64 O = A[0];
  i64 I = A[1];
  i64 w = 64;
  while (w * O > 512) w /= 2;
  char *t0 = s + 17024;
  char *t1 = t0 + ((state_bytes *)P[.])(0, O, I);
  char *r0;
  char *r1 = s + 4096;
  char *r2 = s + 8192;
  char *r3 = s + 12288;
  ((swapped_map *)P[.])(s + 16448, 0, O, I);
  i64 o = 0;
  i64 n = O;
  {
    ((reduce_begin *)P[.])(t0, n);
    ((reduce_begin *)P[.])(t1, n);
    for (i64 i = 0; i < I; i += w) {
      i64 m = (I - i < w ? I - i : w) * n;
      i64 at = i * n;
      r0 = ((map_load *)P[.])(s + 0, (char *)A[2], s + 16448, at, 0, m, 2, 0);  // r0 = load @0 f32
      ((repeat *)P[.])(t0, r0, n, m / n);  // r1 = reduce.sum f32 r0
      ((repeat *)P[.])(t1, r0, n, m / n);  // r2 = reduce.max f32 r0
    }
    ((block *)P[.])(t0, r1, n);
    ((block *)P[.])(t1, r2, n);
    ((element *)P[.])(r3, r2, r1, 0, n);  // r3 = sub f32 r2 r1
    ((block *)P[.])((char *)A[4] + o * 2, r3, n);  // store @1 f32 r3
  }
}
static void column(const i64 *A, i64 begin, i64 end, char *s, char *const *P) {
  i64 O = A[0];
  i64 I = A[1];
  i64 w = ((column_width *)P[.])(8, I);
  char *t0 = s + 17024;
  char *t1 = t0 + ((state_bytes *)P[.])(0, w, I);
  char *r0;
  char *r1 = s + 4096;
  char *r2 = s + 8192;
  char *r3 = s + 12288;
  ((direct_map *)P[.])(s + 16448, 1, O, I);
  for (i64 o = begin; o < end; o += w) {
    i64 n = end - o < w ? end - o : w;
    ((reduce_begin *)P[.])(t0, n);
    ((reduce_begin *)P[.])(t1, n);
    for (i64 i = 0; i < I; i++) {
      r0 = ((map_load *)P[.])(s + 0, (char *)A[2], s + 16448, o, i, n, 0, 0);  // r0 = load @0 f32
      ((block *)P[.])(t0, r0, n);  // r1 = reduce.sum f32 r0
      ((block *)P[.])(t1, r0, n);  // r2 = reduce.max f32 r0
    }
    ((block *)P[.])(t0, r1, n);
    ((block *)P[.])(t1, r2, n);
    ((element *)P[.])(r3, r2, r1, 0, n);  // r3 = sub f32 r2 r1
    ((block *)P[.])((char *)A[4] + o * 2, r3, n);  // store @1 f32 r3
  }
}
void k(const i64 *A, i64 begin, i64 end, char *s, char *const *P) {
  if (A[0] > 0 && A[0] <= 256 && begin == 0 && end == A[0])
    bands(A, begin, end, s, P);
  else
    column(A, begin, end, s, P);
}
)");
}

}  // namespace
}  // namespace jt::cpu
