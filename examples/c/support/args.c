#include "args.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_default(const Option* option) {
  switch (option->kind) {
    case OPTION_FLAG:
      break;
    case OPTION_INT:
      printf(" (%d)", *(const int*)option->value);
      break;
    case OPTION_REAL:
      printf(" (%g)", *(const double*)option->value);
      break;
    case OPTION_TEXT:
      if (*(const char* const*)option->value) printf(" (%s)", *(const char* const*)option->value);
  }
}

static void print_help(const char* program, const char* about, const Option* options, size_t options_len) {
  static const char* const metas[] = {"", " N", " X", " TEXT"};
  size_t i;
  printf("%s\n\nusage: %s [options]\n", about, program);
  for (i = 0; i < options_len; i++) {
    char left[64];
    snprintf(left, sizeof left, "%s%s", options[i].name, metas[options[i].kind]);
    printf("  %-20s %s", left, options[i].help);
    print_default(&options[i]);
    printf("\n");
  }
}

/* The option that `word` names, up to a '='. */
static const Option* find_option(const char* word, const Option* options, size_t options_len) {
  size_t i, length = strcspn(word, "=");
  for (i = 0; i < options_len; i++)
    if (strlen(options[i].name) == length && strncmp(options[i].name, word, length) == 0) return &options[i];
  return NULL;
}

static int store(const Option* option, const char* text) {
  char* end;
  errno = 0;
  if (option->kind == OPTION_TEXT) {
    *(const char**)option->value = text;
    return 1;
  }
  if (option->kind == OPTION_REAL) {
    *(double*)option->value = strtod(text, &end);
  } else {
    long number = strtol(text, &end, 10);
    if (number < INT_MIN || number > INT_MAX) return 0;
    *(int*)option->value = (int)number;
  }
  return end != text && *end == '\0' && errno == 0;
}

ArgsResult parse_args(int argc, char** argv, const char* about, const Option* options, size_t options_len) {
  int i;
  for (i = 1; i < argc; i++) {
    const char *word = argv[i], *text = strchr(word, '=');
    const Option* option = find_option(word, options, options_len);
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
      print_help(argv[0], about, options, options_len);
      return ARGS_HELP_SHOWN;
    }
    if (!option) {
      fprintf(stderr, "%s: unknown option '%s'; --help lists them\n", argv[0], word);
      return ARGS_WRONG;
    }
    if (option->kind == OPTION_FLAG && !text) {
      *(int*)option->value = 1;
      continue;
    }
    text = text ? text + 1 : ++i < argc ? argv[i] : NULL;
    if (!text || !store(option, text)) {
      fprintf(stderr, "%s: %s wants a %s, given '%s'\n", argv[0], option->name,
              option->kind == OPTION_TEXT ? "text" : "number", text ? text : "");
      return ARGS_WRONG;
    }
  }
  return ARGS_RUN;
}
