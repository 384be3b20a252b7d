#define _POSIX_C_SOURCE 200112L /* clock_gettime, isatty */
#include "progress.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

double seconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* 21400 -> "21,400" */
static void write_grouped(char* out, long value) {
  char digits[32];
  int length = snprintf(digits, sizeof digits, "%ld", value), i;
  for (i = 0; i < length; i++) {
    if (i > 0 && (length - i) % 3 == 0) *out++ = ',';
    *out++ = digits[i];
  }
  *out = '\0';
}

/* 31 -> "0:31", 3725 -> "1:02:05" */
static void write_duration(char* out, size_t size, double seconds) {
  long s = seconds < 1e7 ? (long)(seconds + 0.5) : 9999999;
  if (s >= 3600)
    snprintf(out, size, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
  else
    snprintf(out, size, "%ld:%02ld", s / 60, s % 60);
}

static int is_epoch_end(const Progress* progress) { return progress->steps % progress->steps_per_epoch == 0; }

static void draw(Progress* progress, double now) {
  long epoch = (progress->steps - 1) / progress->steps_per_epoch;
  double elapsed = now - progress->started;
  double rate = elapsed > 0 ? (double)progress->steps / elapsed : 0;
  double left = (double)(progress->epochs * progress->steps_per_epoch - progress->steps);
  char speed[48], eta[32];
  write_grouped(speed, (long)(rate * (double)progress->images_per_step));
  write_duration(eta, sizeof eta, rate > 0 ? left / rate : 0);
  printf("%sepoch %ld/%d  %ld/%ld  loss %.4f  %s images/s  ETA %s%s", progress->is_terminal ? "\r" : "",
         epoch + 1, progress->epochs, progress->steps - epoch * progress->steps_per_epoch,
         progress->steps_per_epoch, progress->loss, speed, eta, progress->is_terminal ? "\033[K" : "\n");
  fflush(stdout);
  progress->drawn = now;
  progress->is_drawn = 1;
}

void progress_start(Progress* progress, int epochs, long steps_per_epoch, long images_per_step) {
  memset(progress, 0, sizeof *progress);
  progress->epochs = epochs;
  progress->steps_per_epoch = steps_per_epoch;
  progress->images_per_step = images_per_step;
  progress->loss = NAN;
  progress->started = progress->drawn = seconds_now();
  progress->is_terminal = isatty(STDOUT_FILENO);
}

/* Seconds between two lines. */
static double interval(const Progress* progress) { return progress->is_terminal ? 0.1 : 5.0; }

int progress_is_due(const Progress* progress) {
  return (progress->steps + 1) % progress->steps_per_epoch == 0 ||
         seconds_now() - progress->drawn >= interval(progress);
}

void progress_step(Progress* progress, double loss) {
  double now = seconds_now();
  if (progress->rested > 0) progress->started += now - progress->rested;
  progress->rested = 0;
  progress->steps++;
  if (!isnan(loss)) progress->loss = isnan(progress->loss) ? loss : 0.9 * progress->loss + 0.1 * loss;
  if (is_epoch_end(progress) || now - progress->drawn >= interval(progress)) draw(progress, now);
}

void progress_pause(Progress* progress) {
  if (progress->is_terminal && progress->is_drawn) printf("\n");
  fflush(stdout);
  progress->is_drawn = 0;
  progress->rested = seconds_now();
}
