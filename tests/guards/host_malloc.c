/* host_malloc: a host that uses libjt keeps the malloc of its C library and the operator new of its C++ library.
 *
 * host_malloc           the library is linked (HOST_LINKS_JT)
 * host_malloc LIBRARY   the library is loaded, privately and then for all */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef HOST_LINKS_JT
#include <jt/jt_base.h>
#endif

static int comes_from(const char* name, const char* library, int may_be_absent) {
  Dl_info info;
  void* address = dlsym(RTLD_DEFAULT, name);
  if (!address) {
    if (!may_be_absent) fprintf(stderr, "%s: not found\n", name);
    return may_be_absent;
  }
  if (dladdr(address, &info) && info.dli_fname && strstr(info.dli_fname, library)) return 1;
  fprintf(stderr, "%s: from %s, not %s\n", name, info.dli_fname ? info.dli_fname : "?", library);
  return 0;
}

static int is_untouched(void) {
  static const char* const c_names[] = {"malloc",        "free",           "calloc",   "realloc",
                                        "aligned_alloc", "posix_memalign", "memalign", "malloc_usable_size"};
  static const char* const cpp_names[] = {"_Znwm", "_ZdlPv", "_ZdlPvm", "_Znam", "_ZdaPv"};
  int is_good = 1;
  size_t i;
  for (i = 0; i < sizeof c_names / sizeof *c_names; i++) is_good &= comes_from(c_names[i], "libc.so", 0);
  for (i = 0; i < sizeof cpp_names / sizeof *cpp_names; i++) is_good &= comes_from(cpp_names[i], "libstdc++.so", 1);
  return is_good;
}

int main(int argc, char** argv) {
  int is_good;
#ifdef HOST_LINKS_JT
  is_good = jt_version() != NULL && is_untouched();
  (void)argc, (void)argv;
#else
  static const int modes[] = {RTLD_NOW | RTLD_LOCAL, RTLD_NOW | RTLD_GLOBAL};
  size_t i;
  is_good = argc == 2;
  for (i = 0; is_good && i < 2; i++) {
    void* library = dlopen(argv[1], modes[i]);
    if (!library) fprintf(stderr, "%s\n", dlerror());
    is_good = library && dlsym(library, "jt_version") && is_untouched();
  }
#endif
  return is_good ? EXIT_SUCCESS : EXIT_FAILURE;
}
