/* preview: writes a sheet of drawn digits and a made-up loss curve, to be looked at: preview FOLDER */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "digits.h"
#include "progress.h"
#include "svg.h"

enum { COLUMNS = 20, ROWS = 10, STEPS_PER_EPOCH = 937, EPOCHS = 5 };

/* A PGM picture: each row one digit, each column one writer. */
static int write_sheet(const char* path) {
  FILE* out = fopen(path, "wb");
  int row, line, column;
  if (!out) return 0;
  fprintf(out, "P5 %d %d 255\n", COLUMNS * DIGIT_SIDE, ROWS * DIGIT_SIDE);
  for (row = 0; row < ROWS; row++) {
    static uint8_t digits[COLUMNS][DIGIT_PIXELS];
    for (column = 0; column < COLUMNS; column++)
      draw_digit(digits[column], row, (uint64_t)(row * COLUMNS + column));
    for (line = 0; line < DIGIT_SIDE; line++)
      for (column = 0; column < COLUMNS; column++)
        fwrite(digits[column] + line * DIGIT_SIDE, 1, DIGIT_SIDE, out);
  }
  return fclose(out) == 0;
}

static int write_example_curve(const char* path) {
  static float loss[STEPS_PER_EPOCH * EPOCHS];
  static const double accuracy[EPOCHS] = {98.41, 98.87, 99.02, 99.21, 99.28};
  uint64_t state = 1;
  Curve curve = {
      "LeNet on MNIST: loss & accuracy", loss, STEPS_PER_EPOCH * EPOCHS, STEPS_PER_EPOCH, accuracy, EPOCHS};
  int i;
  for (i = 0; i < STEPS_PER_EPOCH * EPOCHS; i++) {
    double noise;
    state = state * 6364136223846793005u + 1442695040888963407u;
    noise = (double)(state >> 40) / 16777216.0 - 0.5;
    loss[i] = (float)((2.3 * exp(-i / 60.0) + 0.12 * exp(-i / 1200.0) + 0.008) * exp(2.0 * noise));
  }
  return write_curve_svg(path, &curve) == 0;
}

int main(int argc, char** argv) {
  char path[4096];
  Progress progress;
  int i, is_good;
  if (argc != 2) {
    fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 2;
  }
  snprintf(path, sizeof path, "%s/digits.pgm", argv[1]);
  is_good = write_sheet(path);
  snprintf(path, sizeof path, "%s/curve.svg", argv[1]);
  is_good = write_example_curve(path) && is_good;
  progress_start(&progress, 2, 100, 64);
  for (i = 0; i < 200; i++) progress_step(&progress, 2.3 / (i + 1));
  progress_pause(&progress);
  if (!is_good) fprintf(stderr, "preview: cannot write into '%s'\n", argv[1]);
  return is_good ? 0 : 1;
}
