/* host_locale: a host that uses the locale of its environment. Preloaded; ends the program if the locale changed. */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char found[128];

__attribute__((constructor)) static void use_locale(void) {
  const char* name = setlocale(LC_ALL, "");
  if (!name) fprintf(stderr, "host_locale: there is no such locale\n"), abort();
  strncpy(found, name, sizeof found - 1);
}
__attribute__((destructor)) static void expect_same_locale(void) {
  if (strcmp(found, setlocale(LC_ALL, NULL)) != 0) fprintf(stderr, "host_locale: the locale was changed\n"), abort();
}
