#include "svg.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The picture, and the plot's box within it. */
enum { WIDTH = 860, HEIGHT = 470, LEFT = 74, RIGHT = 786, TOP = 74, BOTTOM = 404 };

typedef struct Plot {
  FILE* out;
  const Curve* curve;
  double loss_low, loss_high; /* powers of ten, as exponents */
  double accuracy_low;        /* the right axis ends at 100 */
  double accuracy_step;
} Plot;

static const char style[] =
    "<style>\n"
    "  svg { --paper: #fcfcfb; --ink: #1d2025; --quiet: #6a7079; --grid: #e4e6e9; --raw: #c9daf5; --loss: "
    "#1f5fc4; --test: #c2410c; }\n"
    "  @media (prefers-color-scheme: dark) {\n"
    "    svg { --paper: #16181c; --ink: #e9ebee; --quiet: #9aa1ab; --grid: #2b2f36; --raw: #263c60; --loss: "
    "#7db0ff; --test: #ff9f6b; }\n"
    "  }\n"
    "</style>\n";

/* Colours: a viewer that knows no variables (or no dark mode) takes the attribute's light colour. */
#define INK "fill=\"#1d2025\" style=\"fill:var(--ink,#1d2025)\""
#define QUIET "fill=\"#6a7079\" style=\"fill:var(--quiet,#6a7079)\""
#define TEST_FILL "fill=\"#c2410c\" style=\"fill:var(--test,#c2410c)\""
#define LOSS_FILL "fill=\"#1f5fc4\" style=\"fill:var(--loss,#1f5fc4)\""
/* Around labels and dots, so that they can be read over a line. */
#define HALO "stroke=\"#fcfcfb\" stroke-linejoin=\"round\" paint-order=\"stroke\""
#define HALO_STYLE "stroke:var(--paper,#fcfcfb)"
#define TEST_LABEL \
  "fill=\"#c2410c\" " HALO " stroke-width=\"4\" style=\"fill:var(--test,#c2410c);" HALO_STYLE "\""
#define TEST_DOT \
  "fill=\"#c2410c\" " HALO " stroke-width=\"3\" style=\"fill:var(--test,#c2410c);" HALO_STYLE "\""
#define GRID "stroke=\"#e4e6e9\" style=\"stroke:var(--grid,#e4e6e9)\""
#define RAW_LINE "stroke=\"#c9daf5\" style=\"stroke:var(--raw,#c9daf5)\""
#define LOSS_LINE "stroke=\"#1f5fc4\" style=\"stroke:var(--loss,#1f5fc4)\""
#define TEST_LINE "stroke=\"#c2410c\" style=\"stroke:var(--test,#c2410c)\""

static double x_of(const Plot* plot, double step) {
  double last = plot->curve->loss_len > 1 ? (double)plot->curve->loss_len : 1;
  return LEFT + (RIGHT - LEFT) * step / last;
}

static double y_of_loss(const Plot* plot, double loss) {
  double at = (log10(loss) - plot->loss_low) / (plot->loss_high - plot->loss_low);
  at = at < 0 ? 0 : at > 1 ? 1 : at;
  return BOTTOM - (BOTTOM - TOP) * at;
}

static double y_of_accuracy(const Plot* plot, double percent) {
  double at = (percent - plot->accuracy_low) / (100 - plot->accuracy_low);
  return BOTTOM - (BOTTOM - TOP) * (at < 0 ? 0 : at > 1 ? 1 : at);
}

static int is_drawable(float loss) { return isfinite(loss) && loss > 0; }

/* ---- ranges ---- */

static int compare_floats(const void* a, const void* b) {
  float x = *(const float*)a, y = *(const float*)b;
  return x < y ? -1 : x > y;
}

/* Decades that hold all but the lowest 2 % of the losses: single batches may fall to almost nothing. */
static int find_loss_range(Plot* plot) {
  const Curve* curve = plot->curve;
  float* sorted = malloc((curve->loss_len + 1) * sizeof *sorted);
  size_t count = 0, i;
  double low = 0.1, high = 1;
  if (!sorted) return ENOMEM;
  for (i = 0; i < curve->loss_len; i++)
    if (is_drawable(curve->loss[i])) sorted[count++] = curve->loss[i];
  qsort(sorted, count, sizeof *sorted, compare_floats);
  if (count) low = sorted[count / 50], high = sorted[count - 1];
  free(sorted);
  /* To a third of a decade, where the ticks 1, 2, 5 lie. */
  plot->loss_low = floor(log10(low) * 3) / 3;
  plot->loss_high = ceil(log10(high) * 3 + 1e-9) / 3;
  if (plot->loss_high - plot->loss_low < 1) plot->loss_low = plot->loss_high - 1;
  return 0;
}

static void find_accuracy_range(Plot* plot) {
  static const double steps[] = {0.2, 0.5, 1, 2, 5, 10, 20};
  double lowest = 100;
  size_t i;
  for (i = 0; i < plot->curve->accuracy_len; i++)
    if (plot->curve->accuracy[i] < lowest) lowest = plot->curve->accuracy[i];
  for (i = 0; i + 1 < sizeof steps / sizeof *steps && (100 - lowest) / steps[i] > 4.5; i++) {
  }
  plot->accuracy_step = steps[i];
  plot->accuracy_low = 100 - 5 * steps[i];
}

/* ---- parts ---- */

static void print_escaped(FILE* out, const char* text) {
  for (; *text; text++) switch (*text) {
      case '<':
        fputs("&lt;", out);
        break;
      case '>':
        fputs("&gt;", out);
        break;
      case '&':
        fputs("&amp;", out);
        break;
      case '"':
        fputs("&quot;", out);
        break;
      default:
        fputc(*text, out);
    }
}

static void draw_loss_axis(const Plot* plot) {
  static const int firsts[] = {1, 2, 5};
  int decade, i;
  for (decade = (int)floor(plot->loss_low) - 1; decade <= (int)ceil(plot->loss_high); decade++)
    for (i = 0; i < 3; i++) {
      double value = firsts[i] * pow(10, decade), at = log10(value), y;
      int is_outside = at < plot->loss_low - 1e-6 || at > plot->loss_high + 1e-6;
      int is_crowded = firsts[i] != 1 && plot->loss_high - plot->loss_low > 3;
      if (is_outside || is_crowded) continue;
      y = y_of_loss(plot, value);
      fprintf(plot->out, "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" " GRID "/>\n", LEFT, RIGHT, y, y);
      fprintf(plot->out, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\" " QUIET ">%.*f</text>\n", LEFT - 10,
              y + 4, decade < 0 ? -decade : 0, value);
    }
  fprintf(plot->out,
          "<text x=\"20\" y=\"%d\" text-anchor=\"middle\" transform=\"rotate(-90 20 %d)\" " QUIET
          ">training loss</text>\n",
          (TOP + BOTTOM) / 2, (TOP + BOTTOM) / 2);
}

static void draw_accuracy_axis(const Plot* plot) {
  int i;
  for (i = 0; i <= 5; i++) {
    double value = plot->accuracy_low + i * plot->accuracy_step, y = y_of_accuracy(plot, value);
    fprintf(plot->out, "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" " TEST_LINE "/>\n", RIGHT,
            RIGHT + 5, y, y);
    fprintf(plot->out, "<text x=\"%d\" y=\"%.1f\" " QUIET ">%.*f</text>\n", RIGHT + 10, y + 4,
            plot->accuracy_step < 1 ? 1 : 0, value);
  }
  fprintf(plot->out,
          "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\" transform=\"rotate(90 %d %d)\" " QUIET
          ">test accuracy, %%</text>\n",
          WIDTH - 22, (TOP + BOTTOM) / 2, WIDTH - 22, (TOP + BOTTOM) / 2);
}

static void draw_epoch_axis(const Plot* plot) {
  const Curve* curve = plot->curve;
  size_t per_epoch = curve->steps_per_epoch ? curve->steps_per_epoch : 1;
  size_t epochs = (curve->loss_len + per_epoch - 1) / per_epoch, every = (epochs + 9) / 10, epoch;
  for (epoch = 0; epoch <= epochs && epoch * per_epoch <= curve->loss_len; epoch += every ? every : 1) {
    double x = x_of(plot, (double)(epoch * per_epoch));
    fprintf(plot->out, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" " GRID "/>\n", x, x, TOP,
            BOTTOM + 5);
    fprintf(plot->out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\" " QUIET ">%lu</text>\n", x,
            BOTTOM + 22, (unsigned long)epoch);
  }
  fprintf(plot->out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\" " QUIET ">epoch of %lu steps</text>\n",
          (LEFT + RIGHT) / 2, BOTTOM + 46, (unsigned long)per_epoch);
}

/* One vertical bar for each pixel column, from its least to its greatest loss: any number of steps makes a
 * small file. */
static void draw_raw(const Plot* plot) {
  const Curve* curve = plot->curve;
  double low = 0, high = 0, previous = 0;
  int column = -1, is_first = 1;
  size_t i;
  fprintf(plot->out, "<path fill=\"none\" stroke-width=\"1\" " RAW_LINE " d=\"");
  for (i = 0; i <= curve->loss_len; i++) {
    int here = i < curve->loss_len ? (int)x_of(plot, (double)i + 0.5) : -2;
    double y;
    if (i < curve->loss_len && !is_drawable(curve->loss[i])) continue;
    if (here != column && column >= 0) {
      double start = fabs(low - previous) < fabs(high - previous) ? low : high;
      fprintf(plot->out, "%c%d %.1fL%d %.1f", is_first ? 'M' : 'L', column, start, column,
              start == low ? high : low);
      previous = start == low ? high : low;
      is_first = 0;
    }
    if (i == curve->loss_len) break;
    y = y_of_loss(plot, curve->loss[i]);
    if (here != column) low = high = y;
    low = y < low ? y : low;
    high = y > high ? y : high;
    column = here;
  }
  fprintf(plot->out, "\"/>\n");
}

/* Running mean of the logarithm over about a hundredth of the steps, corrected for its start. Returns the
 * last mean's y. */
static double draw_smoothed(const Plot* plot) {
  const Curve* curve = plot->curve;
  double keep = 1 - 1 / fmax(1, (double)curve->loss_len / 100), mean = 0, weight = 0, y = BOTTOM;
  int column = -1, is_first = 1;
  size_t i;
  fprintf(plot->out,
          "<path fill=\"none\" stroke-width=\"2.25\" stroke-linejoin=\"round\" "
          "stroke-linecap=\"round\" " LOSS_LINE " d=\"");
  for (i = 0; i < curve->loss_len; i++) {
    double x = x_of(plot, (double)i + 1);
    if (!is_drawable(curve->loss[i])) continue;
    mean = keep * mean + (1 - keep) * log10(curve->loss[i]);
    weight = keep * weight + (1 - keep);
    y = y_of_loss(plot, pow(10, mean / weight));
    if ((int)x == column && i + 1 < curve->loss_len) continue;
    fprintf(plot->out, "%c%.1f %.1f", is_first ? 'M' : 'L', x, y);
    column = (int)x;
    is_first = 0;
  }
  fprintf(plot->out, "\"/>\n");
  return y;
}

static void draw_accuracy(const Plot* plot) {
  const Curve* curve = plot->curve;
  size_t i;
  fprintf(plot->out, "<path fill=\"none\" stroke-width=\"1.5\" stroke-dasharray=\"2 4\" " TEST_LINE " d=\"");
  for (i = 0; i < curve->accuracy_len; i++)
    fprintf(plot->out, "%c%.1f %.1f", i ? 'L' : 'M', x_of(plot, (double)((i + 1) * curve->steps_per_epoch)),
            y_of_accuracy(plot, curve->accuracy[i]));
  fprintf(plot->out, "\"/>\n");
  for (i = 0; i < curve->accuracy_len; i++) {
    double x = x_of(plot, (double)((i + 1) * curve->steps_per_epoch)),
           y = y_of_accuracy(plot, curve->accuracy[i]);
    int is_last = i + 1 == curve->accuracy_len, is_labelled = curve->accuracy_len <= 10 || is_last;
    fprintf(plot->out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"5\" " TEST_DOT "/>\n", x, y);
    if (is_labelled)
      fprintf(plot->out,
              "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" " TEST_LABEL
              " font-weight=\"600\">%.2f</text>\n",
              is_last ? x - 2 : x, y - 11, is_last ? "end" : "middle", curve->accuracy[i]);
  }
}

static void draw_heading(const Plot* plot) {
  fprintf(plot->out, "<text x=\"%d\" y=\"34\" font-size=\"17\" font-weight=\"600\" " INK ">", LEFT);
  print_escaped(plot->out, plot->curve->title);
  fprintf(plot->out, "</text>\n");
  fprintf(plot->out, "<line x1=\"%d\" x2=\"%d\" y1=\"54\" y2=\"54\" stroke-width=\"2.25\" " LOSS_LINE "/>\n",
          LEFT, LEFT + 22);
  fprintf(plot->out, "<text x=\"%d\" y=\"58\" " LOSS_FILL ">training loss, smoothed</text>\n", LEFT + 30);
  if (plot->curve->accuracy_len == 0) return;
  fprintf(plot->out, "<circle cx=\"%d\" cy=\"54\" r=\"4.5\" " TEST_FILL "/>\n", LEFT + 216);
  fprintf(plot->out, "<text x=\"%d\" y=\"58\" " TEST_FILL ">test accuracy after each epoch</text>\n",
          LEFT + 228);
}

static void draw_all(const Plot* plot) {
  fprintf(plot->out,
          "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "
          "font-family=\"system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif\" font-size=\"12.5\" "
          "role=\"img\">\n",
          WIDTH, HEIGHT, WIDTH, HEIGHT);
  fprintf(plot->out, "<title>");
  print_escaped(plot->out, plot->curve->title);
  fprintf(plot->out, "</title>\n%s", style);
  fprintf(
      plot->out,
      "<rect width=\"%d\" height=\"%d\" rx=\"8\" fill=\"#fcfcfb\" style=\"fill:var(--paper,#fcfcfb)\"/>\n",
      WIDTH, HEIGHT);
  draw_loss_axis(plot);
  draw_epoch_axis(plot);
  if (plot->curve->accuracy_len > 0) draw_accuracy_axis(plot);
  draw_raw(plot);
  draw_smoothed(plot);
  if (plot->curve->accuracy_len > 0) draw_accuracy(plot);
  draw_heading(plot);
  fprintf(plot->out, "</svg>\n");
}

int write_curve_svg(const char* path, const Curve* curve) {
  Plot plot = {NULL, NULL, 0, 0, 0, 0};
  int error;
  plot.curve = curve;
  error = find_loss_range(&plot);
  if (error) return error;
  find_accuracy_range(&plot);
  plot.out = fopen(path, "w");
  if (!plot.out) return errno;
  errno = 0;
  draw_all(&plot);
  if (fflush(plot.out) != 0 || ferror(plot.out)) error = errno ? errno : EIO;
  if (fclose(plot.out) != 0 && !error) error = errno;
  return error;
}
