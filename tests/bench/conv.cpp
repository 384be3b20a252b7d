// Bench row 9: the three passes of convolutions on one core. jt's images are nhwc, and it packs the weights within the
// time; oneDNN's arrays lie in the better of the layout of its choice and nhwc, and its weights are packed beforehand.
//
// usage: bench_conv [best|generic|avx2|avx512 [part of a case's name]]
#include "tests/bench/onednn.h"
#include "tests/bench/rounds.h"

using namespace jt;
using namespace jt::bench;
using library::Conv2dShape;

static const library::LibraryKernels* kernels;

struct Case {
  const char* label;
  int64_t n, c, side, o, window, stride, pad, groups;
};

// Calls term(x index, w index) for each product that makes y[image, i, j, o].
static void for_each_term(const Conv2dShape& s, int64_t image, int64_t o, int64_t i, int64_t j, auto&& term) {
  const int64_t cg = s.c / s.groups, first = o / (s.o / s.groups) * cg;
  for (int64_t c = 0; c < cg; c++)
    for (int64_t a = 0; a < s.kh; a++)
      for (int64_t b = 0; b < s.kw; b++) {
        const int64_t row = i * s.stride_h + a - s.top, column = j * s.stride_w + b - s.left;
        if (row < 0 || row >= s.h || column < 0 || column >= s.w) continue;
        term(size_t(((image * s.h + row) * s.w + column) * s.c + first + c),
             size_t(((o * cg + c) * s.kh + a) * s.kw + b));
      }
}

// A pass checked by the trilinear form: the sum over a few places of its result, by the definition.
static void check_pass(const std::string& what, const Conv2dShape& s, Pass pass, const Array<float>& x,
                       const Array<float>& w, const Array<float>& y, const Array<float>& result) {
  const int64_t oh = output_height(s), ow = output_width(s);
  const size_t count = pass == Pass::forward ? y.size() : pass == Pass::grad_x ? x.size() : w.size();
  if (result.size() != count)
    std::fprintf(stderr, "%s: %zu elements, expected %zu\n", what.c_str(), result.size(), count), std::exit(1);
  std::vector<size_t> places;
  for (size_t q = 0; q < 24; q++) places.push_back(q * 1299709 % count);
  places.push_back(count - 1);
  if (pass == Pass::forward) {
    for (size_t at : places) {
      double want = 0;
      const int64_t p = int64_t(at);
      for_each_term(s, p / (s.o * oh * ow), p % s.o, p / (s.o * ow) % oh, p / s.o % ow,
                    [&](size_t ix, size_t iw) { want += double(x[ix]) * double(w[iw]); });
      check(what, double(result[at]), want, double(s.c * s.kh * s.kw), 2e-7);
    }
    return;
  }
  std::vector<double> want(count);
  double terms = 0;
  // the whole gradient would take minutes: one output channel in each group
  for (int64_t image = 0; image < s.n; image++)
    for (int64_t o = 0; o < s.o; o += s.o / s.groups)
      for (int64_t i = 0; i < oh; i++)
        for (int64_t j = 0; j < ow; j++) {
          const double dy = double(y[size_t(((image * oh + i) * ow + j) * s.o + o)]);
          for_each_term(s, image, o, i, j, [&](size_t ix, size_t iw) {
            if (pass == Pass::grad_w) want[iw] += dy * double(x[ix]);
          });
          terms++;
        }
  const int64_t per_output = s.c / s.groups * s.kh * s.kw;
  if (pass == Pass::grad_w) {
    for (size_t at = 0; at < count; at += 31)
      if (int64_t(at) / per_output % (s.o / s.groups) == 0) check(what, double(result[at]), want[at], terms, 2e-7);
    return;
  }
  for (size_t at : places) {  // dx: over the windows that hold this element
    const int64_t p = int64_t(at), column = p / s.c % s.w, row = p / (s.c * s.w) % s.h, c = p % s.c,
                  image = p / (s.w * s.h * s.c);
    const int64_t og = s.o / s.groups, cg = s.c / s.groups, group = c / cg;
    double sum = 0;
    for (int64_t o = group * og; o < (group + 1) * og; o++)
      for (int64_t a = 0; a < s.kh; a++)
        for (int64_t b = 0; b < s.kw; b++) {
          const int64_t i = row + s.top - a, j = column + s.left - b;
          if (i < 0 || j < 0 || i % s.stride_h || j % s.stride_w || i / s.stride_h >= oh || j / s.stride_w >= ow)
            continue;
          sum += double(y[size_t(((image * oh + i / s.stride_h) * ow + j / s.stride_w) * s.o + o)]) *
                 double(w[size_t(((o * cg + c % cg) * s.kh + a) * s.kw + b)]);
        }
    check(what, double(result[at]), sum, double(og * s.kh * s.kw), 2e-7);
  }
}

static void measure(const Case& l, Pass pass, int argc, char** argv) {
  Conv2dShape s;
  s.n = l.n, s.c = l.c, s.h = s.w = l.side, s.o = l.o, s.kh = s.kw = l.window;
  s.stride_h = s.stride_w = l.stride, s.top = s.left = s.bottom = s.right = l.pad, s.groups = l.groups;
  const int64_t oh = output_height(s), ow = output_width(s);
  const Array<float> x = numbers(s.n * s.c * s.h * s.w, 1), w = numbers(s.o * (s.c / s.groups) * s.kh * s.kw, 2);
  const Array<float> y = numbers(s.n * s.o * oh * ow, 3);
  const char* names[] = {"forward", "grad x", "grad w"};
  const std::string what = "b" + std::to_string(l.n) + " " + l.label + " " + names[int(pass)];
  if (!is_wanted(what, argc, argv)) return;
  Array<float> result(pass == Pass::forward ? y.size() : pass == Pass::grad_x ? x.size() : w.size());
  Array<char> memory(std::max(
      {kernels->conv2d_workspace(s), kernels->conv2d_grad_x_workspace(s), kernels->conv2d_grad_w_workspace(s)}));

  Contender jt{[&] {
    if (pass == Pass::forward)
      kernels->conv2d(s, x.data(), w.data(), result.data(), memory.data(), nullptr, 0, kernels->conv2d_units(s));
    if (pass == Pass::grad_x)
      kernels->conv2d_grad_x(s, y.data(), w.data(), result.data(), memory.data(), 0, kernels->conv2d_grad_x_units(s));
    if (pass == Pass::grad_w)
      kernels->conv2d_grad_w(s, x.data(), y.data(), result.data(), memory.data(), 0, kernels->conv2d_grad_w_units(s));
  }};
  Contender peak{[&] { peak_operations(kernels->isa); }}, any, nhwc;
  const OnednnConv peers[] = {onednn_conv(s, pass, false, x, w, y), onednn_conv(s, pass, true, x, w, y)};
  any.run = peers[0].run, nhwc.run = peers[1].run;
  jt.run();
  check_pass("jt: " + what, s, pass, x, w, y, result);
  for (const OnednnConv& peer : peers)
    if (peer.run) peer.run(), check_pass("oneDNN: " + what, s, pass, x, w, y, peer.result());
  take_turns({&peak, &jt, &any, &nhwc}, 9);

  const double operations = 2.0 * double(s.n * s.o * oh * ow) * double(s.c / s.groups * s.kh * s.kw);
  const double of_peak = operations / jt.seconds / (peak_operations(kernels->isa) / peak.seconds);
  const Contender& peer = nhwc.run && nhwc.seconds < any.seconds ? nhwc : any;
  const double of_peer = peer.run ? peer.seconds / jt.seconds : 0;
  print_row(9, what, in_gflops(operations, jt) + " (" + percent(of_peak) + " of peak)",
            "oneDNN " + in_gflops(operations, peer), peer.run ? two_digits(of_peer) : "-",
            peer.run ? ">= 1" : "none without a peer", !peer.run || of_peer >= 1);
}

int main(int argc, char** argv) {
  kernels = kernels_named(argc, argv);
  onednn_uses(kernels->isa);
  const Case cases[] = {{"1-20 28 5x5", 64, 1, 28, 20, 5, 1, 0, 1},
                        {"20-50 12 5x5", 64, 20, 12, 50, 5, 1, 0, 1},
                        {"3-64 224 7x7/2", 8, 3, 224, 64, 7, 2, 3, 1},
                        {"64-64 56 3x3", 1, 64, 56, 64, 3, 1, 1, 1},
                        {"64-64 56 3x3", 8, 64, 56, 64, 3, 1, 1, 1},
                        {"128-128 28 3x3", 8, 128, 28, 128, 3, 1, 1, 1},
                        {"128-128 56 3x3/2", 8, 128, 56, 128, 3, 2, 1, 1},
                        {"256-256 14 3x3", 8, 256, 14, 256, 3, 1, 1, 1},
                        {"512-512 7 3x3", 8, 512, 7, 512, 3, 1, 1, 1},
                        {"64-256 56 1x1", 8, 64, 56, 256, 1, 1, 0, 1},
                        {"256-64 56 1x1", 8, 256, 56, 64, 1, 1, 0, 1},
                        {"512-128 28 1x1", 8, 512, 28, 128, 1, 1, 0, 1},
                        {"1024-256 14 1x1", 8, 1024, 14, 256, 1, 1, 0, 1},
                        {"2048-512 7 1x1", 8, 2048, 7, 512, 1, 1, 0, 1},
                        {"256-512 56 1x1/2", 8, 256, 56, 512, 1, 2, 0, 1},
                        {"144 56 depthwise 3x3", 8, 144, 56, 144, 3, 1, 1, 144},
                        {"144 56 depthwise 3x3/2", 8, 144, 56, 144, 3, 2, 1, 144},
                        {"576 14 depthwise 3x3", 8, 576, 14, 576, 3, 1, 1, 576},
                        {"128-128 28 3x3 32 groups", 8, 128, 28, 128, 3, 1, 1, 32}};
  for (const Case& l : cases)
    for (Pass pass : {Pass::forward, Pass::grad_x, Pass::grad_w}) measure(l, pass, argc, argv);
}
