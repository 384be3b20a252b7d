/* jt: the library asked from a shell. `jt info` prints what it finds on this machine. */
#include <jt/jt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int info(void) {
  size_t room = 0;
  char* text;
  if (jt_runtime_describe(NULL, NULL, 0, &room) != JT_OK || !(text = malloc(room)))
    return fprintf(stderr, "jt info: %s\n", jt_last_error_message()), 1;
  if (jt_runtime_describe(NULL, text, room, NULL) != JT_OK)
    return fprintf(stderr, "jt info: %s\n", jt_last_error_message()), free(text), 1;
  fputs(text, stdout);
  free(text);
  return 0;
}

int main(int argc, char** argv) {
  if (argc == 2 && strcmp(argv[1], "info") == 0) return info();
  fputs("usage: jt info\n", stderr);
  return 2;
}
