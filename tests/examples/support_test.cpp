// What the examples build on: pictures, curves, command lines.
#include <cerrno>
#include <cmath>
#include <set>
#include <vector>

#include "tests/io/scratch.h"

extern "C" {
#include "args.h"
#include "digits.h"
#include "progress.h"
#include "svg.h"
}

namespace jt::test {

TEST(digits, a_seed_always_draws_the_same_and_another_does_not) {
  std::vector<uint8_t> a(100 * DIGIT_PIXELS), b(a.size()), c(a.size()), labels(100);
  draw_digits(a.data(), labels.data(), 100, 7);
  draw_digits(b.data(), labels.data(), 100, 7);
  draw_digits(c.data(), labels.data(), 100, 8);
  EXPECT_EQ(a, b);
  EXPECT_NE(a, c);
  EXPECT_EQ(std::set<uint8_t>(labels.begin(), labels.end()).size(), 10u);
}

TEST(digits, every_picture_has_ink_inside_and_paper_at_the_border) {
  uint8_t picture[DIGIT_PIXELS];
  for (uint64_t seed = 0; seed < 5000; seed++) {
    draw_digit(picture, int(seed % 10), seed);
    int ink = 0;
    for (uint8_t pixel : picture) ink += pixel > 128;
    EXPECT_GT(ink, 12) << seed;
    EXPECT_LT(ink, 320) << seed;
  }
}

static std::string svg(std::vector<float> loss, std::vector<double> accuracy, size_t steps_per_epoch) {
  Scratch scratch;
  Curve curve = {"a <b> & \"c\"", loss.data(),     loss.size(),
                 steps_per_epoch, accuracy.data(), accuracy.size()};
  EXPECT_EQ(write_curve_svg((scratch / "x.svg").c_str(), &curve), 0);
  return content(scratch / "x.svg");
}

TEST(svg, odd_inputs_give_a_whole_picture_without_odd_numbers) {
  float inf = INFINITY, nan = NAN;
  for (const std::string& picture :
       {svg({}, {}, 0), svg({1}, {}, 1), svg({nan, inf, -1, 0}, {50}, 2),
        svg({1e-30f, 1e30f, 1}, {100, 0}, 1), svg({2, 1, 0.5f}, {99.9, 10, 99.99}, 1),
        svg(std::vector<float>(100'000, 0.5f), std::vector<double>(100, 98), 1000)}) {
    EXPECT_TRUE(picture.starts_with("<svg ")) << picture;
    EXPECT_TRUE(picture.ends_with("</svg>\n"));
    EXPECT_NE(picture.find("a &lt;b&gt; &amp; &quot;c&quot;"), picture.npos);
    for (const char* word : {"nan", "\"inf", "-inf", " inf"})
      EXPECT_EQ(picture.find(word), picture.npos) << picture;
    EXPECT_LT(picture.size(), 100'000u);
  }
}

TEST(svg, what_fails_is_returned) {
  float loss[] = {1, 2};
  Curve curve = {"t", loss, 2, 2, nullptr, 0};
  EXPECT_EQ(write_curve_svg("/nowhere/x.svg", &curve), ENOENT);
  EXPECT_EQ(write_curve_svg("/dev/full", &curve), ENOSPC);
}

struct Parsed {
  ArgsResult result;
  int epochs = 5, quick = 0;
  double rate = 0.002;
  const char* data = nullptr;
};

static Parsed parse(std::vector<const char*> words) {
  Parsed p;
  const Option options[] = {{"--epochs", OPTION_INT, &p.epochs, "passes over the data"},
                            {"--rate", OPTION_REAL, &p.rate, "learning rate"},
                            {"--data", OPTION_TEXT, &p.data, "folder of MNIST"},
                            {"--quick", OPTION_FLAG, &p.quick, "one pass"}};
  words.insert(words.begin(), "program");
  p.result =
      parse_args(int(words.size()), const_cast<char**>(words.data()), "about", options, std::size(options));
  return p;
}

TEST(args, options_are_read_in_both_forms) {
  Parsed p = parse({"--epochs", "3", "--rate=1e-3", "--data", "a b", "--quick"});
  EXPECT_EQ(p.result, ARGS_RUN);
  EXPECT_EQ(p.epochs, 3);
  EXPECT_EQ(p.rate, 1e-3);
  EXPECT_STREQ(p.data, "a b");
  EXPECT_EQ(p.quick, 1);
  EXPECT_EQ(parse({}).epochs, 5);
  EXPECT_EQ(parse({"--help"}).result, ARGS_HELP_SHOWN);
}

TEST(args, what_is_not_an_option_is_wrong) {
  for (std::vector<const char*> words : std::vector<std::vector<const char*>>{{"--epoch", "3"},
                                                                              {"--epochs"},
                                                                              {"--epochs", "x"},
                                                                              {"--epochs", "3x"},
                                                                              {"--epochs="},
                                                                              {"--epochs", "99999999999"},
                                                                              {"--rate", ""},
                                                                              {"stray"},
                                                                              {"--quick=maybe"},
                                                                              {""}})
    EXPECT_EQ(parse(words).result, ARGS_WRONG) << words[0];
}

TEST(progress, a_line_has_epoch_step_loss_speed_and_time_left) {
  Progress progress;
  testing::internal::CaptureStdout();
  progress_start(&progress, 2, 3, 64);
  progress.is_terminal = 0;
  EXPECT_FALSE(progress_is_due(&progress));
  for (int step = 0; step < 6; step++) progress_step(&progress, step < 3 ? 1.0 : NAN);
  std::string out = testing::internal::GetCapturedStdout();
  EXPECT_TRUE(out.starts_with("epoch 1/2  3/3  loss 1.0000  ")) << out;
  EXPECT_NE(out.find("\nepoch 2/2  3/3  loss 1.0000  "), out.npos) << out;
  EXPECT_TRUE(out.ends_with(" images/s  ETA 0:00\n")) << out;
}

}  // namespace jt::test
