/* args: a table of options + a command line -> the variables the table points to. */
#ifndef ARGS_H
#define ARGS_H

#include <stddef.h>

typedef enum OptionKind { OPTION_FLAG, OPTION_INT, OPTION_REAL, OPTION_TEXT } OptionKind;

/* What `value` points to holds the default: int (FLAG, INT), double (REAL), const char* (TEXT, may be NULL).
 */
typedef struct Option {
  const char* name; /* "--epochs" */
  OptionKind kind;
  void* value;
  const char* help;
} Option;

typedef enum ArgsResult { ARGS_RUN, ARGS_HELP_SHOWN, ARGS_WRONG } ArgsResult;

/* Reads `--name value`, `--name=value` and `--flag`. Prints the help on --help or -h; what is wrong to
 * stderr. */
ArgsResult parse_args(int argc, char** argv, const char* about, const Option* options, size_t options_len);

#endif
