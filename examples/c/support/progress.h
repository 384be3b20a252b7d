/* progress: steps and losses -> one line, `epoch 2/5  312/937  loss 0.0412  21,400 images/s  ETA 0:31`.
 *
 * On a terminal the line redraws itself; elsewhere a line is printed every few seconds and at the end of each
 * epoch. */
#ifndef PROGRESS_H
#define PROGRESS_H

typedef struct Progress {
  int epochs;
  long steps_per_epoch;
  long images_per_step;
  /* The rest is progress's own. */
  long steps;
  double loss, started, drawn, rested;
  int is_terminal, is_drawn;
} Progress;

void progress_start(Progress* progress, int epochs, long steps_per_epoch, long images_per_step);
/* One step is done. The loss is shown smoothed; NAN if it was not read at this step. */
void progress_step(Progress* progress, double loss);
/* Is the next line due? Lets a program read its loss only when it will be seen. */
int progress_is_due(const Progress* progress);
/* Clears the way for other output; also takes the time until the next step (an evaluation, say) out of
 * images/s. */
void progress_pause(Progress* progress);

/* Seconds since some fixed moment. */
double seconds_now(void);

#endif
