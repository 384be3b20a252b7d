/* cc_backend: a backend for whoever has a C compiler: kernels come as C99 (JT_BE_C), `cc` makes a library of each,
 * and every group of jt runs with the bits of jt's own backend. Library ops are not offered.
 *
 * It needs the installed headers of jt and nothing else of it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <jt/jt_backend.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct jt_be_device {
  const jt_host_api* host;
};
struct jt_be_kernel {
  void* library;
  void (*run)(const int64_t* args, int64_t begin, int64_t end);
};

static jt_status fail(jt_be_device* device, jt_status status, const char* what) {
  device->host->set_error(device->host->host, status, 0, what, strlen(what));
  return status;
}

static jt_status cc_open(const jt_host_api* host, jt_be_device** out) {
  jt_be_device* device = malloc(sizeof *device);
  if (!device) return JT_E_NOMEM;
  device->host = host;
  *out = device;
  return JT_OK;
}
static void cc_close(jt_be_device* device) { free(device); }

static int write_file(const char* path, const char* text, size_t len) {
  FILE* file = fopen(path, "w");
  int is_written = file && fwrite(text, 1, len, file) == len;
  return file && fclose(file) == 0 && is_written;
}

/* cc, with what keeps bits: nothing contracted, integers wrap. Nothing is passed through a shell. */
static int run_cc(char* from, char* to) {
  char* args[] = {"cc",      "-std=c99", "-O2", "-shared", "-fPIC", "-ffp-contract=off",
                  "-fwrapv", "-o",       to,    from,      "-lm",   NULL};
  pid_t child;
  int status;
  if (posix_spawnp(&child, "cc", NULL, NULL, args, environ)) return 0;
  return waitpid(child, &status, 0) == child && status == 0;
}

static jt_status build(jt_be_device* device, jt_be_kernel* kernel, const char* text, size_t len) {
  char folder[] = "/tmp/jt_cc_XXXXXX", source[64], library[64];
  int is_made;
  if (!mkdtemp(folder)) return fail(device, JT_E_IO, "cc: no folder for the kernel");
  snprintf(source, sizeof source, "%s/k.c", folder);
  snprintf(library, sizeof library, "%s/k.so", folder);
  is_made = write_file(source, text, len) && run_cc(source, library);
  if (is_made) kernel->library = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  remove(source), remove(library), rmdir(folder);
  if (!is_made || !kernel->library) return fail(device, JT_E_COMPILE, "cc: the kernel does not compile");
  *(void**)&kernel->run = dlsym(kernel->library, "jt_kernel");
  return kernel->run ? JT_OK : fail(device, JT_E_COMPILE, "cc: the library has no kernel");
}

static void cc_kernel_release(jt_be_device* device, jt_be_kernel* kernel) {
  (void)device;
  if (kernel && kernel->library) dlclose(kernel->library);
  free(kernel);
}
static jt_status cc_compile(jt_be_device* device, const jt_be_source* source, jt_be_kernel** out) {
  const char* text;
  size_t len;
  jt_be_kernel* kernel;
  jt_status status = source->render(source->user, JT_BE_C, &text, &len);
  *out = NULL;
  if (status != JT_OK) return status;
  if (!(kernel = calloc(1, sizeof *kernel))) return fail(device, JT_E_NOMEM, "cc: out of memory");
  status = build(device, kernel, text, len);
  if (status == JT_OK) *out = kernel;
  else cc_kernel_release(device, kernel);
  return status;
}

static jt_status cc_scratch_bytes(jt_be_device* device, jt_be_kernel* kernel, const jt_be_launch* launch, size_t* out) {
  (void)device, (void)kernel, (void)launch;
  *out = 0;
  return JT_OK;
}
static jt_status cc_launch(jt_be_device* device, jt_be_kernel* kernel, const jt_be_launch* launch, void* scratch) {
  (void)device, (void)scratch;
  kernel->run(launch->args, launch->begin, launch->end);
  return JT_OK;
}
static void cc_kernel_info(jt_be_device* device, jt_be_kernel* kernel, jt_be_kernel_info* inout) {
  (void)device, (void)kernel;
  if (inout->struct_size >= sizeof *inout) inout->tier = "cc";
}

static jt_status cc_op_create(jt_be_device* device, const char* name, const int64_t* params, size_t params_len,
                              size_t* workspace_bytes, jt_be_op** out) {
  (void)name, (void)params, (void)params_len, (void)workspace_bytes;
  *out = NULL;
  return fail(device, JT_E_UNSUPPORTED, "cc: no library ops");
}
static void cc_op_release(jt_be_device* device, jt_be_op* op) { (void)device, (void)op; }
static jt_status cc_op_run(jt_be_device* device, jt_be_op* op, void* const* pointers, size_t pointers_len,
                           void* workspace) {
  (void)device, (void)op, (void)pointers, (void)pointers_len, (void)workspace;
  return JT_E_UNSUPPORTED;
}

JT_API const jt_backend_api* jt_backend_entry_v1(uint32_t host_minor);
const jt_backend_api* jt_backend_entry_v1(uint32_t host_minor) {
  static const jt_backend_api table = {.struct_size = sizeof(jt_backend_api),
                                       .abi_minor = JT_BACKEND_ABI_MINOR,
                                       .name = "cc",
                                       .dialects = JT_BE_C,
                                       .flags = JT_BE_SURE_LAUNCHES,
                                       .open = cc_open,
                                       .close = cc_close,
                                       .compile = cc_compile,
                                       .kernel_release = cc_kernel_release,
                                       .scratch_bytes = cc_scratch_bytes,
                                       .launch = cc_launch,
                                       .kernel_info = cc_kernel_info,
                                       .op_create = cc_op_create,
                                       .op_release = cc_op_release,
                                       .op_run = cc_op_run};
  return host_minor >= 3 ? &table : NULL;
}
