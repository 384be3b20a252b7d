// Pooling equals PyTorch's definition: which element wins, what an average divides by, and both gradients.
#include <cmath>
#include <limits>

#include "tests/library/guarded.h"

namespace jt::library {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// A window: its first row and column, where its output lies, and where pixel (0, 0) of its channel does.
struct Window {
  i64 plane, out, y, x;
};
template <class Visit>
void for_each_window(const Pool2dShape& s, const Visit& visit) {
  const i64 oh = output_height(s), ow = output_width(s);
  for (i64 n = 0; n < s.n; n++)
    for (i64 i = 0; i < oh; i++)
      for (i64 j = 0; j < ow; j++)
        for (i64 c = 0; c < s.c; c++)
          visit(Window{n * s.h * s.w * s.c + c, ((n * oh + i) * ow + j) * s.c + c, i * s.stride_h - s.top,
                       j * s.stride_w - s.left});
}

template <class T>
void check_max(const LibraryKernels* kernels, const Pool2dShape& s, std::mt19937& random) {
  const i64 x_count = s.n * s.c * s.h * s.w, y_count = s.n * s.c * output_height(s) * output_width(s);
  Guarded x(x_count * sizeof(T), sizeof(T)), y(y_count * sizeof(T), sizeof(T)), dx(x_count * sizeof(T), sizeof(T));
  Guarded index(y_count * 4, 4);
  std::vector<T> dy(y_count);
  fill_exact(x.as<T>(), x_count, random);
  fill_exact(dy.data(), y_count, random);
  if (x_count > 5) x.as<T>()[5] = T(kNan);
  const i64 units = kernels->pool2d_units(s), half = units / 2;
  for (auto [begin, end] : {std::pair<i64, i64>{0, half}, {half, units}}) {
    kernels->max_pool2d(s, x.bytes(), y.bytes(), index.as<int32_t>(), begin, end);
    kernels->max_pool2d_grad(s, dy.data(), index.as<int32_t>(), dx.bytes(), begin, end);
  }
  ASSERT_TRUE(y.is_intact() && index.is_intact() && dx.is_intact());
  std::vector<T> want_dx(x_count);
  for_each_window(s, [&](const Window& window) {
    T best = -std::numeric_limits<T>::infinity();
    i64 winner = -1, from = -1;
    for (i64 a = 0; a < s.kh; a++)
      for (i64 b = 0; b < s.kw; b++) {
        const i64 row = window.y + a * s.dilation_h, column = window.x + b * s.dilation_w;
        if (row < 0 || row >= s.h || column < 0 || column >= s.w) continue;
        const i64 at = window.plane + (row * s.w + column) * s.c;
        const T value = x.as<T>()[at];
        if (winner < 0 || value > best || (std::isnan(value) && !std::isnan(best)))
          best = value, winner = row * s.w + column, from = at;
      }
    ASSERT_EQ(index.as<int32_t>()[window.out], winner);
    ASSERT_TRUE(y.as<T>()[window.out] == best || (std::isnan(best) && std::isnan(y.as<T>()[window.out])));
    if (from >= 0) want_dx[from] += dy[window.out];
  });
  for (i64 i = 0; i < x_count; i++) ASSERT_EQ(dx.as<T>()[i], want_dx[i]) << "dx at " << i;
}

template <class T>
void check_average(const LibraryKernels* kernels, const Pool2dShape& s, std::mt19937& random) {
  const i64 x_count = s.n * s.c * s.h * s.w, y_count = s.n * s.c * output_height(s) * output_width(s);
  Guarded x(x_count * sizeof(T), sizeof(T)), y(y_count * sizeof(T), sizeof(T)), dx(x_count * sizeof(T), sizeof(T));
  std::vector<T> dy(y_count);
  fill_exact(x.as<T>(), x_count, random);
  fill_exact(dy.data(), y_count, random);
  kernels->avg_pool2d(s, x.bytes(), y.bytes(), 0, kernels->pool2d_units(s));
  kernels->avg_pool2d_grad(s, dy.data(), dx.bytes(), 0, kernels->pool2d_units(s));
  ASSERT_TRUE(y.is_intact() && dx.is_intact());
  std::vector<double> want_dx(x_count);
  for_each_window(s, [&](const Window& window) {
    double total = 0;
    i64 padded = 0, inside = 0;
    for (i64 a = 0; a < s.kh; a++)
      for (i64 b = 0; b < s.kw; b++) {
        const i64 row = window.y + a, column = window.x + b;
        if (row >= s.h + s.bottom || column >= s.w + s.right) continue;
        padded++;
        if (row < 0 || row >= s.h || column < 0 || column >= s.w) continue;
        inside++;
        total += x.as<T>()[window.plane + (row * s.w + column) * s.c];
      }
    const double divisor = double(s.count_include_pad ? padded : inside);
    ASSERT_NEAR(y.as<T>()[window.out], divisor ? total / divisor : 0, 1e-5);
    for (i64 a = 0; a < s.kh; a++)
      for (i64 b = 0; b < s.kw; b++) {
        const i64 row = window.y + a, column = window.x + b;
        if (row >= 0 && row < s.h && column >= 0 && column < s.w)
          want_dx[window.plane + (row * s.w + column) * s.c] += dy[window.out] / divisor;
      }
  });
  for (i64 i = 0; i < x_count; i++) ASSERT_NEAR(dx.as<T>()[i], want_dx[i], 1e-4) << "dx at " << i;
}

TEST(Pool2d, equals_the_definition_on_random_shapes) {
  const unsigned seed = std::random_device()();
  std::mt19937 random(seed);
  SCOPED_TRACE("seed " + std::to_string(seed));
  auto any = [&](i64 least, i64 most) { return least + i64(random() % (most - least + 1)); };
  for (auto* kernels : every_isa())
    for (int round = 0; round < 300; round++) {
      Pool2dShape s;
      s.n = any(round % 20 == 0 ? 0 : 1, 3), s.c = round % 30 == 2 ? any(60, 140) : any(1, 3);
      s.h = any(round % 20 == 1 ? 0 : 1, 20), s.w = any(1, 40);
      s.kh = any(1, 4), s.kw = any(1, 4), s.stride_h = any(1, 3), s.stride_w = any(1, 3);
      s.top = any(0, 2), s.left = any(0, 2), s.bottom = any(0, 2), s.right = any(0, 2);
      if (round % 4 == 0) s.kh = s.kw = s.stride_h = s.stride_w = 2, s.top = s.left = s.bottom = s.right = 0;
      s.count_include_pad = any(0, 1);
      if (round % 3 == 0) s.dtype = JT_F64;
      s.dtype == JT_F64 ? check_average<double>(kernels, s, random) : check_average<float>(kernels, s, random);
      if (round % 4) s.dilation_h = any(1, 2), s.dilation_w = any(1, 3);
      s.dtype == JT_F64 ? check_max<double>(kernels, s, random) : check_max<float>(kernels, s, random);
      if (HasFatalFailure()) return;
    }
}

TEST(Pool2d, the_first_maximum_wins_and_nan_beats_all) {
  Pool2dShape s;
  s.n = s.c = 1, s.h = 2, s.w = 6, s.kh = s.kw = s.stride_h = s.stride_w = 2;
  const float x[] = {1, 3, kNan, 9, -INFINITY, -INFINITY,  //
                     3, 3, 9, kNan, -INFINITY, -INFINITY};
  for (auto* kernels : every_isa())
    for (i64 right : {0, 1}) {  // the short cut and the general loop
      s.right = right;
      float y[3];
      int32_t index[3];
      kernels->max_pool2d(s, x, y, index, 0, 1);
      EXPECT_EQ(y[0], 3);
      EXPECT_EQ(index[0], 1);
      EXPECT_TRUE(std::isnan(y[1]));
      EXPECT_EQ(index[1], 2);
      EXPECT_EQ(y[2], -INFINITY);
      EXPECT_EQ(index[2], 4);
    }
}

}  // namespace
}  // namespace jt::library
