/* digits: a seed -> grey pictures of handwritten-looking digits, for when there is no MNIST at hand.
 *
 * The same seed always gives the same pictures. Ink is 255, paper 0, as in MNIST. */
#ifndef DIGITS_H
#define DIGITS_H

#include <stddef.h>
#include <stdint.h>

enum { DIGIT_SIDE = 28, DIGIT_PIXELS = DIGIT_SIDE * DIGIT_SIDE };

/* Draws one digit (0..9). */
void draw_digit(uint8_t pixels[DIGIT_PIXELS], int digit, uint64_t seed);
/* Draws `count` digits of random classes: pixels [count, 28, 28], labels [count]. */
void draw_digits(uint8_t* pixels, uint8_t* labels, size_t count, uint64_t seed);

#endif
