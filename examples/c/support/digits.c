#include "digits.h"

#include <math.h>
#include <string.h>

/* A digit is strokes through points on a 100 x 100 sheet, x to the right and y down. A spline joins the
 * points; a point given twice makes a corner. A stroke ends with END, a glyph with two. */
enum { END = -1, MAX_POINTS = 24, STEPS = 8, VARIANTS = 3 };

static const signed char glyphs[10][VARIANTS][2 * MAX_POINTS] = {
    {{50, 8, 24, 26, 22, 62, 46, 92, 74, 74, 78, 36, 52, 8, END, END},
     {62, 14, 40, 8, 22, 36, 28, 78, 54, 92, 78, 62, 72, 24, 48, 10, END, END},
     {50, 10, 30, 30, 30, 70, 50, 90, 70, 70, 70, 30, 50, 10, END, END}},
    {{50, 8, 50, 92, END, END},
     {34, 28, 34, 28, 52, 8, 52, 8, 52, 92, END, END},
     {32, 26, 32, 26, 50, 10, 50, 10, 50, 90, 50, 90, END, 30, 90, 70, 90, END, END}},
    {{24, 30, 42, 8, 72, 20, 66, 48, 24, 90, 24, 90, 78, 90, END, END},
     {26, 26, 48, 8, 72, 26, 60, 54, 30, 84, 26, 76, 44, 78, 80, 90, END, END},
     {22, 18, 50, 8, 74, 26, 56, 58, 22, 90, 22, 90, 50, 84, 80, 92, END, END}},
    {{26, 16, 52, 8, 72, 26, 46, 46, 46, 46, 76, 64, 58, 90, 22, 84, END, END},
     {26, 10, 26, 10, 74, 10, 74, 10, 46, 42, 46, 42, 76, 62, 60, 90, 24, 84, END, END},
     {24, 24, 44, 8, 70, 22, 52, 44, 38, 46, 38, 46, 74, 56, 70, 86, 40, 94, 20, 78, END, END}},
    {{62, 8, 62, 8, 20, 64, 20, 64, 82, 64, END, 62, 34, 62, 94, END, END},
     {28, 8, 22, 50, 22, 50, 74, 50, END, 72, 8, 70, 92, END, END},
     {56, 8, 56, 8, 22, 56, 22, 56, 78, 56, END, 66, 22, 60, 92, END, END}},
    {{74, 10, 74, 10, 32, 10, 32, 10, 28, 46, 28, 46, 60, 40, 78, 64, 58, 90, 24, 84, END, END},
     {34, 10, 28, 44, 28, 44, 66, 44, 74, 72, 48, 92, 22, 82, END, 34, 10, 76, 10, END, END},
     {72, 8, 34, 14, 34, 14, 32, 46, 32, 46, 64, 48, 70, 76, 42, 92, 24, 80, END, END}},
    {{68, 8, 36, 30, 24, 68, 46, 92, 72, 74, 60, 52, 28, 62, END, END},
     {58, 6, 32, 44, 28, 76, 50, 92, 70, 76, 56, 58, 32, 72, END, END},
     {74, 12, 44, 18, 24, 56, 34, 88, 62, 90, 72, 66, 48, 54, 28, 68, END, END}},
    {{22, 12, 22, 12, 78, 12, 78, 12, 44, 92, END, END},
     {22, 22, 24, 10, 24, 10, 76, 12, 76, 12, 54, 52, 42, 92, END, END},
     {22, 12, 22, 12, 78, 12, 78, 12, 42, 92, END, 34, 52, 72, 50, END, END}},
    {{70, 20, 46, 8, 30, 26, 52, 48, 74, 70, 50, 92, 26, 72, 48, 48, 70, 24, 58, 10, END, END},
     {50, 48, 28, 28, 50, 8, 72, 28, 50, 48, 24, 70, 50, 92, 76, 70, 50, 48, END, END},
     {52, 46, 34, 28, 52, 10, 68, 26, 52, 46, 28, 68, 48, 92, 72, 72, 54, 48, END, END}},
    {{70, 30, 46, 8, 26, 32, 46, 52, 70, 34, 70, 30, 70, 30, 66, 92, END, END},
     {72, 26, 48, 8, 28, 30, 48, 50, 70, 30, 72, 26, 70, 66, 44, 92, 26, 82, END, END},
     {66, 40, 38, 48, 30, 20, 58, 8, 70, 28, 60, 64, 40, 94, END, END}},
};

/* ---- chance (splitmix64) ---- */

static uint64_t next_word(uint64_t* state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/* Even in [low, high). */
static float between(uint64_t* state, float low, float high) {
  return low + (high - low) * (float)(next_word(state) >> 40) * (1.0f / 16777216.0f);
}

/* Roughly normal, deviation 1. */
static float wobble(uint64_t* state) {
  return between(state, -1, 1) + between(state, -1, 1) + between(state, -1, 1);
}

/* ---- drawing ---- */

typedef struct Point {
  float x, y;
} Point;

/* A sheet of ink and the pen on it: where the sheet's 100 x 100 units fall on the pixels, and how wide the
 * line is. */
typedef struct Sheet {
  float ink[DIGIT_PIXELS];
  float xx, xy, yx, yy; /* sheet to pixels, about the middle */
  float middle_x, middle_y;
  float radius;
} Sheet;

static Point on_pixels(const Sheet* sheet, Point p) {
  Point out;
  out.x = sheet->middle_x + sheet->xx * (p.x - 50) + sheet->xy * (p.y - 50);
  out.y = sheet->middle_y + sheet->yx * (p.x - 50) + sheet->yy * (p.y - 50);
  return out;
}

static float distance_to_line(Point p, Point a, Point b) {
  float dx = b.x - a.x, dy = b.y - a.y, length2 = dx * dx + dy * dy;
  float along = length2 > 0 ? ((p.x - a.x) * dx + (p.y - a.y) * dy) / length2 : 0;
  along = along < 0 ? 0 : along > 1 ? 1 : along;
  dx = p.x - (a.x + along * dx);
  dy = p.y - (a.y + along * dy);
  return sqrtf(dx * dx + dy * dy);
}

static int clamp_pixel(float at) { return at < 0 ? 0 : at > DIGIT_SIDE - 1 ? DIGIT_SIDE - 1 : (int)at; }

static void draw_line(Sheet* sheet, Point a, Point b) {
  float reach = sheet->radius + 1;
  int left = clamp_pixel(fminf(a.x, b.x) - reach), right = clamp_pixel(fmaxf(a.x, b.x) + reach + 1);
  int top = clamp_pixel(fminf(a.y, b.y) - reach), bottom = clamp_pixel(fmaxf(a.y, b.y) + reach + 1);
  int row, column;
  for (row = top; row <= bottom; row++)
    for (column = left; column <= right; column++) {
      Point here = {(float)column, (float)row};
      float cover = sheet->radius + 0.5f - distance_to_line(here, a, b);
      float* ink = &sheet->ink[row * DIGIT_SIDE + column];
      if (cover > *ink) *ink = cover > 1 ? 1 : cover;
    }
}

/* Catmull-Rom between b and c. */
static Point on_spline(Point a, Point b, Point c, Point d, float t) {
  float wa = ((2 - t) * t - 1) * t / 2, wb = ((3 * t - 5) * t * t + 2) / 2;
  float wc = ((4 - 3 * t) * t + 1) * t / 2, wd = (t - 1) * t * t / 2;
  Point out;
  out.x = wa * a.x + wb * b.x + wc * c.x + wd * d.x;
  out.y = wa * a.y + wb * b.y + wc * c.y + wd * d.y;
  return out;
}

static void draw_stroke(Sheet* sheet, const Point* points, int count) {
  int i, step;
  for (i = 0; i + 1 < count; i++) {
    Point a = points[i > 0 ? i - 1 : 0], b = points[i], c = points[i + 1],
          d = points[i + 2 < count ? i + 2 : count - 1];
    Point from = on_pixels(sheet, b);
    for (step = 1; step <= STEPS; step++) {
      Point to = on_pixels(sheet, on_spline(a, b, c, d, (float)step / STEPS));
      draw_line(sheet, from, to);
      from = to;
    }
  }
}

/* Every writer slants, scales, presses and shakes differently. */
static void pick_hand(Sheet* sheet, uint64_t* state) {
  float turn = 0.10f * wobble(state), slant = 0.16f * wobble(state) - 0.08f;
  float wide = between(state, 0.16f, 0.23f), high = between(state, 0.19f, 0.235f);
  memset(sheet->ink, 0, sizeof sheet->ink);
  sheet->xx = cosf(turn) * wide;
  sheet->yx = sinf(turn) * wide;
  sheet->xy = (-sinf(turn) + slant * cosf(turn)) * high;
  sheet->yy = (cosf(turn) + slant * sinf(turn)) * high;
  sheet->middle_x = 13.5f + 0.8f * wobble(state);
  sheet->middle_y = 13.5f + 0.8f * wobble(state);
  sheet->radius = between(state, 0.6f, 1.7f);
}

static void develop(const Sheet* sheet, uint8_t* pixels, uint64_t* state) {
  float pressure = between(state, 215, 270), grain = between(state, 0, 14);
  int i;
  for (i = 0; i < DIGIT_PIXELS; i++) {
    float value = sheet->ink[i] * pressure;
    if (value > 0) value += grain * wobble(state);
    pixels[i] = value <= 0 ? 0 : value >= 255 ? 255 : (uint8_t)value;
  }
}

void draw_digit(uint8_t pixels[DIGIT_PIXELS], int digit, uint64_t seed) {
  uint64_t state = seed;
  const signed char* at = glyphs[digit][next_word(&state) % VARIANTS];
  Point points[MAX_POINTS];
  Sheet sheet;
  pick_hand(&sheet, &state);
  while (*at != END) {
    int count = 0;
    while (*at != END) {
      int is_corner = count > 0 && at[0] == at[-2] && at[1] == at[-1];
      points[count].x = is_corner ? points[count - 1].x : (float)at[0] + 2.6f * wobble(&state);
      points[count].y = is_corner ? points[count - 1].y : (float)at[1] + 2.6f * wobble(&state);
      count++;
      at += 2;
    }
    draw_stroke(&sheet, points, count);
    at++;
  }
  develop(&sheet, pixels, &state);
}

void draw_digits(uint8_t* pixels, uint8_t* labels, size_t count, uint64_t seed) {
  uint64_t state = seed;
  size_t i;
  for (i = 0; i < count; i++) {
    labels[i] = (uint8_t)(next_word(&state) % 10);
    draw_digit(pixels + i * DIGIT_PIXELS, labels[i], next_word(&state));
  }
}
