/* shim: the C library as libtcc sees it inside libjt_tcc.so.
 *
 * CMakeLists.txt renames libtcc's references to the names below with jt_libc_ in front. Nothing here ends the
 * process, prints, opens a file, reads the environment or follows the host's locale. There are no
 * constructors: jt_tcc_start does what is needed, so that loading the library changes nothing. */
#define _GNU_SOURCE
#include "shim.h"

#include "core/base/fork_lock.h"

#include <errno.h>
#include <locale.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Hidden: libtcc reaches them relative to its code. NULL: every function that would use them is below. */
#define HIDDEN __attribute__((visibility("hidden")))
HIDDEN void *jt_libc_stdout, *jt_libc_stderr, *jt_libc_environ;

/* The bounds of libtcc's writable sections; the linker defines them for sections named like identifiers. */
#define BOUND HIDDEN __attribute__((weak)) extern char
BOUND __start_jt_tcc_bss[], __stop_jt_tcc_bss[], __start_jt_tcc_data[], __stop_jt_tcc_data[];

static jt_fork_lock inside;
static const jt_tcc_hooks* hooks;
static locale_t c_locale;
static char first_data[256];

static size_t bss_size(void) { return (size_t)(__stop_jt_tcc_bss - __start_jt_tcc_bss); }
static size_t data_size(void) { return (size_t)(__stop_jt_tcc_data - __start_jt_tcc_data); }

static int start_once(void) {
  if (c_locale) return 0;
  if (!__start_jt_tcc_bss || data_size() > sizeof first_data) return -1;
  memcpy(first_data, __start_jt_tcc_data, data_size());
  c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  return c_locale ? 0 : -1;
}

int jt_tcc_start(int version) {
  int result;
  if (version != JT_TCC_SHIM_VERSION) return -1;
  jt_fork_lock_take(&inside);
  result = start_once();
  jt_fork_lock_give(&inside);
  return result;
}

void jt_tcc_reset(void) {
  memset(__start_jt_tcc_bss, 0, bss_size());
  memcpy(__start_jt_tcc_data, first_data, data_size());
}

/* What a job of the parent's left half done is forgotten. */
void jt_tcc_enter(const jt_tcc_hooks* given) {
  if (jt_fork_lock_take(&inside)) jt_tcc_reset();
  hooks = given;
}

void jt_tcc_leave(void) {
  hooks = NULL;
  jt_fork_lock_give(&inside);
}

/* Memory. libtcc asks for size 0 and means "a block" in malloc, "free it" in realloc. */
void* jt_libc_malloc(size_t size) { return hooks->resize(NULL, size ? size : 1); }
void* jt_libc_realloc(void* block, size_t size) { return hooks->resize(block, size); }
void jt_libc_free(void* block) {
  if (block) hooks->resize(block, 0);
}
void* jt_libc_calloc(size_t count, size_t size) {
  int overflows = size && count > SIZE_MAX / size;
  size_t bytes = overflows ? SIZE_MAX : count * size; /* more than there is: resize jumps out */
  void* block = jt_libc_malloc(bytes);
  return memset(block, 0, bytes);
}

/* Ways out. */
void jt_libc_exit(int code) {
  (void)code;
  hooks->quit();
}
void jt_libc_abort(void) { hooks->quit(); }
void jt_libc___assert_fail(const char* claim, const char* file, unsigned line, const char* function) {
  (void)claim, (void)file, (void)line, (void)function;
  hooks->quit();
}
/* The checked form ends the process on stacks that are not the thread's own, as coroutines have. */
void jt_libc___longjmp_chk(jmp_buf target, int value) { longjmp(target, value); }

/* libtcc's own lock stays taken when a compile is left by a jump; `inside` does its work. */
int jt_libc_sem_init(void* semaphore, int shared, unsigned value) {
  (void)semaphore, (void)shared, (void)value;
  return 0;
}
int jt_libc_sem_wait(void* semaphore) { return (void)semaphore, 0; }
int jt_libc_sem_post(void* semaphore) { return (void)semaphore, 0; }
/* libtcc would make its target writable and executable at once; the caller makes it executable afterwards. */
int jt_libc_mprotect(void* memory, size_t size, int protection) {
  (void)memory, (void)size, (void)protection;
  return 0;
}

/* The world outside: not there. */
int jt_libc_open(const char* path, int flags, ...) {
  (void)path, (void)flags;
  errno = ENOENT;
  return -1;
}
void* jt_libc_fdopen(int file, const char* mode) { return (void)file, (void)mode, NULL; }
int jt_libc_fclose(void* file) { return (void)file, 0; }
void* jt_libc_dlopen(const char* path, int mode) { return (void)path, (void)mode, NULL; }
void* jt_libc_dlsym(void* library, const char* name) { return (void)library, (void)name, NULL; }
char* jt_libc_getenv(const char* name) { return (void)name, NULL; }

/* Literals mean the same whatever the host's decimal point is. */
float jt_libc_strtof(const char* text, char** end) { return strtof_l(text, end, c_locale); }
double jt_libc_strtod(const char* text, char** end) { return strtod_l(text, end, c_locale); }
long double jt_libc_strtold(const char* text, char** end) { return strtold_l(text, end, c_locale); }

/* Messages arrive through the error function; what libtcc prints besides is dropped. */
int jt_libc_puts(const char* text) { return (void)text, 0; }
int jt_libc_putchar(int c) { return c; }
int jt_libc_fputs(const char* text, void* file) { return (void)text, (void)file, 0; }
int jt_libc_fputc(int c, void* file) { return (void)file, c; }
size_t jt_libc_fwrite(const void* data, size_t size, size_t count, void* file) {
  return (void)data, (void)size, (void)file, count;
}
int jt_libc_fflush(void* file) { return (void)file, 0; }
int jt_libc___printf_chk(int flag, const char* format, ...) { return (void)flag, (void)format, 0; }
int jt_libc___fprintf_chk(void* file, int flag, const char* format, ...) {
  return (void)file, (void)flag, (void)format, 0;
}
int jt_libc___vfprintf_chk(void* file, int flag, const char* format, void* arguments) {
  return (void)file, (void)flag, (void)format, (void)arguments, 0;
}
