// Convolutions equal the definition, and their gradients its adjoint, for every ISA and any window.
#include <cmath>
#include <limits>

#include "tests/library/guarded.h"

namespace jt::library {
namespace {

std::string text(const LibraryKernels* kernels, const Conv2dShape& s) {
  std::string out = std::string(kernels->name) + " " + name(s.dtype);
  for (auto [label, value] : {std::pair<const char*, i64>{"n", s.n}, {"c", s.c}, {"h", s.h}, {"w", s.w}, {"o", s.o},
                              {"kh", s.kh}, {"kw", s.kw}, {"sh", s.stride_h}, {"sw", s.stride_w}, {"dh", s.dilation_h},
                              {"dw", s.dilation_w}, {"top", s.top}, {"left", s.left}, {"bottom", s.bottom},
                              {"right", s.right}, {"groups", s.groups}})
    out += std::string(" ") + label + "=" + std::to_string(value);
  return out;
}

// Calls term(y index, x index, w index) for every product of the definition.
template <class Term>
void for_each_term(const Conv2dShape& s, const Term& term) {
  const i64 oh = output_height(s), ow = output_width(s), cg = s.c / s.groups, og = s.o / s.groups;
  for (i64 n = 0; n < s.n; n++)
    for (i64 o = 0; o < s.o; o++)
      for (i64 i = 0; i < oh; i++)
        for (i64 j = 0; j < ow; j++)
          for (i64 c = 0; c < cg; c++)
            for (i64 a = 0; a < s.kh; a++)
              for (i64 b = 0; b < s.kw; b++) {
                const i64 y = i * s.stride_h + a * s.dilation_h - s.top, x = j * s.stride_w + b * s.dilation_w - s.left;
                if (y < 0 || y >= s.h || x < 0 || x >= s.w) continue;
                term(((n * oh + i) * ow + j) * s.o + o, ((n * s.h + y) * s.w + x) * s.c + o / og * cg + c,
                     ((o * cg + c) * s.kh + a) * s.kw + b);
              }
}

template <class T>
void expect_equal(const char* what, Guarded& got, const std::vector<double>& want) {
  ASSERT_TRUE(got.is_intact()) << what << " overrun";
  for (size_t i = 0; i < want.size(); i++) {
    const double value = double(got.as<T>()[i]);
    if (std::isnan(want[i]) && std::isnan(value)) continue;
    ASSERT_EQ(value, want[i]) << what << " at " << i;
  }
}

// strange: how many elements of x and dy become infinite or NaN; in dy only without padding, whose zeros times them may
// be NaN or left out.
template <class T>
void check(const LibraryKernels* kernels, const Conv2dShape& s, std::mt19937& random, int pieces, int strange = 0) {
  SCOPED_TRACE(text(kernels, s));
  const i64 x_count = s.n * s.c * s.h * s.w, w_count = s.o * (s.c / s.groups) * s.kh * s.kw;
  const i64 y_count = s.n * s.o * output_height(s) * output_width(s);
  Guarded x(x_count * sizeof(T), sizeof(T)), w(w_count * sizeof(T), sizeof(T)), y(y_count * sizeof(T), sizeof(T));
  Guarded dx(x_count * sizeof(T), sizeof(T)), dw(w_count * sizeof(T), sizeof(T)), dy(y_count * sizeof(T), sizeof(T));
  fill_exact(x.as<T>(), x_count, random);
  fill_exact(w.as<T>(), w_count, random);
  fill_exact(dy.as<T>(), y_count, random);
  const bool is_padded = s.top || s.left || s.bottom || s.right;
  for (auto [array, count] : {std::pair{x.as<T>(), x_count}, {dy.as<T>(), is_padded ? 0 : y_count}})
    for (int q = 0; q < strange && count > 0; q++)
      array[random() % size_t(count)] =
          q % 2 ? std::numeric_limits<T>::infinity() : std::numeric_limits<T>::quiet_NaN();
  std::vector<double> want_y(y_count), want_dx(x_count), want_dw(w_count);
  for_each_term(s, [&](i64 at_y, i64 at_x, i64 at_w) {
    want_y[at_y] += double(x.as<T>()[at_x]) * w.as<T>()[at_w];
    want_dx[at_x] += double(dy.as<T>()[at_y]) * w.as<T>()[at_w];
    want_dw[at_w] += double(dy.as<T>()[at_y]) * x.as<T>()[at_x];
  });
  run_in_pieces(kernels->conv2d_units(s), pieces, kernels->conv2d_workspace(s), [&](void* memory, i64 begin, i64 end) {
    kernels->conv2d(s, x.bytes(), w.bytes(), y.bytes(), memory, nullptr, begin, end);
  });
  expect_equal<T>("y", y, want_y);
  if (const size_t bytes = kernels->conv2d_packed_bytes(s)) {
    Guarded packed(bytes, 64), again(size_t(y_count) * sizeof(T), sizeof(T));
    kernels->conv2d_pack(s, w.bytes(), packed.bytes());
    run_in_pieces(kernels->conv2d_units(s), pieces, kernels->conv2d_workspace(s),
                  [&](void* memory, i64 begin, i64 end) {
                    kernels->conv2d(s, x.bytes(), w.bytes(), again.bytes(), memory, packed.bytes(), begin, end);
                  });
    EXPECT_TRUE(packed.is_intact()) << "packed overrun";
    expect_equal<T>("y from packed weights", again, want_y);
  }
  run_in_pieces(kernels->conv2d_grad_x_units(s), pieces, kernels->conv2d_grad_x_workspace(s),
                [&](void* memory, i64 begin, i64 end) {
                  kernels->conv2d_grad_x(s, dy.bytes(), w.bytes(), dx.bytes(), memory, begin, end);
                });
  expect_equal<T>("dx", dx, want_dx);
  run_in_pieces(kernels->conv2d_grad_w_units(s), pieces, kernels->conv2d_grad_w_workspace(s),
                [&](void* memory, i64 begin, i64 end) {
                  kernels->conv2d_grad_w(s, x.bytes(), dy.bytes(), dw.bytes(), memory, begin, end);
                });
  expect_equal<T>("dw", dw, want_dw);
}

Conv2dShape square(i64 n, i64 c, i64 side, i64 o, i64 window, i64 stride = 1, i64 pad = 0, i64 groups = 1) {
  Conv2dShape s;
  s.n = n, s.c = c, s.h = s.w = side, s.o = o, s.kh = s.kw = window;
  s.stride_h = s.stride_w = stride;
  s.top = s.left = s.bottom = s.right = pad;
  s.groups = groups;
  return s;
}

TEST(Conv2d, equals_the_definition_on_well_known_shapes) {
  std::mt19937 random(5);
  const Conv2dShape shapes[] = {square(3, 1, 28, 20, 5),
                                square(3, 20, 12, 50, 5),
                                square(2, 3, 31, 16, 7, 2, 3),
                                square(2, 16, 14, 20, 3, 1, 1),
                                square(5, 32, 7, 24, 3, 1, 1),
                                square(2, 33, 9, 70, 1),
                                square(2, 16, 9, 16, 1, 2),
                                square(2, 12, 15, 12, 3, 1, 1, 12),
                                square(2, 12, 15, 24, 3, 2, 1, 12),
                                square(2, 8, 10, 12, 3, 1, 1, 4),
                                square(9, 6, 1, 5, 1),
                                square(4, 4, 5, 6, 5),
                                square(2, 40, 11, 40, 3, 1, 1, 40),
                                square(2, 72, 9, 72, 3, 2, 1, 36),
                                square(2, 64, 10, 64, 5, 3, 2, 16),
                                square(9, 5, 12, 50, 5),
                                square(17, 20, 7, 33, 3, 2),
                                square(8, 3, 6, 40, 1),
                                square(2, 40, 11, 40, 5, 1, 2, 40),
                                square(2, 24, 7, 24, 5, 1, 2, 24),
                                square(2, 24, 12, 24, 3, 1, 0, 24),
                                square(1, 20, 11, 20, 5, 1, 0, 20),
                                square(2, 20, 20, 20, 3, 1, 1, 20),
                                square(2, 64, 9, 44, 3, 1, 1),
                                square(1, 520, 4, 30, 3, 1, 1),
                                square(2, 70, 15, 130, 3, 2, 1)};
  for (auto* kernels : every_isa())
    for (const Conv2dShape& s : shapes) {
      check<float>(kernels, s, random, 2);
      if (HasFatalFailure()) return;
    }
}

TEST(Conv2d, equals_the_definition_on_depthwise_rows_of_any_length) {
  std::mt19937 random(6);
  for (auto* kernels : every_isa())
    for (i64 side = 1; side < 24; side++)
      for (i64 window : {3, 5})
        for (i64 pad : {i64(0), window / 2, i64(1)}) {
          if (side + 2 * pad < window) continue;
          Conv2dShape s = square(1, 17, side, 17, window, 1, pad, 17);
          s.h = 1 + side % 6, s.top = s.bottom = window / 2;
          s.dtype = side % 2 ? JT_F32 : JT_F64;
          side % 2 ? check<float>(kernels, s, random, 2) : check<double>(kernels, s, random, 2);
          if (HasFatalFailure()) return;
        }
}

TEST(Conv2d, equals_the_definition_on_random_shapes) {
  const unsigned seed = std::random_device()();
  std::mt19937 random(seed);
  SCOPED_TRACE("seed " + std::to_string(seed));
  auto any = [&](i64 least, i64 most) { return least + i64(random() % (most - least + 1)); };
  for (auto* kernels : every_isa())
    for (int round = 0; round < 250; round++) {
      Conv2dShape s;
      s.groups = any(1, 3);
      s.n = any(round % 20 == 0 ? 0 : 1, 4);
      s.c = s.groups * any(round % 20 == 1 ? 0 : 1, 9);
      s.o = s.groups * any(round % 20 == 2 ? 0 : 1, 9);
      // groups side by side in a register
      if (round % 8 == 5) s.groups = any(5, 40), s.c = s.o = s.groups << any(0, 2);
      if (round % 25 == 7) s.n = any(7, 30), s.o = s.groups * any(32, 40);  // many images
      s.h = any(round % 20 == 3 ? 0 : 1, 20), s.w = any(round % 20 == 4 ? 0 : 1, 40);
      if (round % 10 == 9) {  // long sums, forward or for the gradient of x
        (round % 20 == 9 ? s.c : s.o) = s.groups * any(40, 150);
        s.n = any(1, 2), s.h = any(1, 8), s.w = any(1, 20);
      }
      s.kh = any(1, 4), s.kw = any(1, 5);
      s.stride_h = any(1, 3), s.stride_w = any(1, 3);
      s.dilation_h = any(1, 2), s.dilation_w = any(1, 3);
      s.top = any(0, 3), s.left = any(0, 6), s.bottom = any(0, 3), s.right = any(0, 6);
      const int pieces = int(any(1, 4));
      if (round % 3 == 0) {
        s.dtype = JT_F64;
        check<double>(kernels, s, random, pieces);
      } else {
        check<float>(kernels, s, random, pieces);
      }
      if (HasFatalFailure()) return;
    }
}

TEST(Conv2d, keeps_infinity_and_nan_to_the_windows_that_hold_them) {
  std::mt19937 random(11);
  // Every path, with rows that are no whole registers, so that lanes beyond a row meet its neighbours' values.
  const Conv2dShape shapes[] = {
      square(2, 1, 23, 6, 5),           square(2, 3, 21, 5, 3, 1, 1),    square(2, 12, 13, 12, 3, 1, 1, 12),
      square(2, 6, 29, 6, 3, 2, 1, 6),  square(2, 20, 12, 50, 5),        square(2, 16, 14, 20, 3, 2, 1),
      square(2, 16, 9, 70, 1),          square(2, 8, 10, 8, 3, 1, 1, 2), square(2, 20, 9, 20, 3, 1, 1, 20),
      square(2, 36, 9, 36, 3, 2, 1, 9), square(2, 64, 9, 12, 3, 1, 1),   square(2, 12, 9, 64, 3, 1, 1),
      square(2, 20, 8, 20, 5, 1, 2, 20)};
  for (auto* kernels : every_isa())
    for (const Conv2dShape& s : shapes)
      for (int strange : {1, 2, 5}) {
        check<float>(kernels, s, random, 2, strange);
        if (HasFatalFailure()) return;
      }
}

TEST(Conv2d, equals_the_definition_on_long_rows_wide_dilation_and_large_windows) {
  std::mt19937 random(12);
  auto row = [](i64 n, i64 c, i64 w, i64 o, i64 kw, i64 stride, i64 dilation, i64 pad, i64 groups = 1) {
    Conv2dShape s;
    s.n = n, s.c = c, s.h = 1, s.w = w, s.o = o, s.kw = kw, s.stride_w = stride, s.dilation_w = dilation;
    s.left = s.right = pad, s.groups = groups;
    return s;
  };
  Conv2dShape tall = row(1, 3, 5, 4, 2, 1, 1, 1);
  tall.h = 700, tall.kh = 3, tall.stride_h = 5, tall.dilation_h = 9, tall.top = 20, tall.bottom = 3;
  const Conv2dShape shapes[] = {row(2, 3, 1300, 7, 5, 1, 1, 2),
                                row(1, 2, 1500, 6, 3, 2, 64, 64),
                                row(2, 4, 1100, 4, 3, 1, 16, 0, 4),
                                row(1, 70, 600, 65, 2, 1, 300, 0),
                                row(1, 5, 40, 3, 31, 3, 1, 15),
                                square(1, 2, 40, 3, 25, 1, 12),
                                tall};
  for (auto* kernels : every_isa())
    for (const Conv2dShape& s : shapes) {
      check<float>(kernels, s, random, 3);
      if (HasFatalFailure()) return;
    }
}

TEST(Conv2d, gives_the_same_bits_however_its_units_are_split) {
  std::mt19937 random(7);
  std::uniform_real_distribution<float> real(-1, 1);
  for (auto* kernels : every_isa())
    for (const Conv2dShape& s : {square(5, 20, 12, 50, 5), square(9, 5, 6, 7, 3, 1, 1), square(3, 4, 11, 6, 3, 2, 1, 2),
                                 square(3, 1, 40, 20, 5), square(3, 8, 19, 8, 3, 1, 1, 8), square(2, 64, 9, 30, 1),
                                 square(3, 36, 7, 36, 3, 1, 1, 18), square(2, 60, 17, 210, 3, 1, 1)}) {
      const i64 y_count = s.n * s.o * output_height(s) * output_width(s), x_count = s.n * s.c * s.h * s.w;
      std::vector<float> x(x_count), w(s.o * s.c / s.groups * s.kh * s.kw), dy(y_count);
      for (auto* array : {&x, &w, &dy})
        for (float& v : *array) v = real(random);
      auto expect_same = [&](const char* what, i64 units, size_t bytes, size_t count, auto&& run) {
        std::vector<char> memory(bytes);
        std::vector<float> whole(count), split(count);
        run(whole.data(), memory.data(), 0, units);
        for (i64 u = units - 1; u >= 0; u--) run(split.data(), memory.data(), u, u + 1);
        EXPECT_EQ(0, memcmp(whole.data(), split.data(), count * 4)) << what << " " << text(kernels, s);
      };
      expect_same("y", kernels->conv2d_units(s), kernels->conv2d_workspace(s), dy.size(),
                  [&](float* to, void* memory, i64 begin, i64 end) {
                    kernels->conv2d(s, x.data(), w.data(), to, memory, nullptr, begin, end);
                  });
      expect_same("dx", kernels->conv2d_grad_x_units(s), kernels->conv2d_grad_x_workspace(s), x.size(),
                  [&](float* to, void* memory, i64 begin, i64 end) {
                    kernels->conv2d_grad_x(s, dy.data(), w.data(), to, memory, begin, end);
                  });
      expect_same("dw", kernels->conv2d_grad_w_units(s), kernels->conv2d_grad_w_workspace(s), w.size(),
                  [&](float* to, void* memory, i64 begin, i64 end) {
                    kernels->conv2d_grad_w(s, x.data(), dy.data(), to, memory, begin, end);
                  });
    }
}

}  // namespace
}  // namespace jt::library
