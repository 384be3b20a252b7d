/* svg: what a training saw -> one picture: loss over steps (logarithmic, raw and smoothed) and test accuracy
 * per epoch. */
#ifndef SVG_H
#define SVG_H

#include <stddef.h>

typedef struct Curve {
  const char* title; /* UTF-8 */
  const float* loss; /* one per step; steps without a finite loss are left out */
  size_t loss_len;
  size_t steps_per_epoch;
  const double* accuracy; /* percent, one per finished epoch; may be NULL */
  size_t accuracy_len;
} Curve;

/* 0, or the errno of what failed; the file may then hold part of the picture. */
int write_curve_svg(const char* path, const Curve* curve);

#endif
