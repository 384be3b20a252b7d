/* toy_backend: a whole backend in one file: flat element-wise programs on f32, interpreted one element at a time.
 *
 * It needs the installed headers of jt and nothing else. What it does not do it says so: JT_E_UNSUPPORTED, with a text.
 * docs/ADD-A-BACKEND.md has the grammar that `parse_line` reads. */
#include <jt/jt_backend.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_REGISTERS 64
#define MOST_OPERANDS 32
#define MOST_INSTRS 256
#define MOST_LINE 96

typedef enum { DO_SCALAR, DO_LOAD, DO_STORE, DO_ELEMENT } action;

typedef struct {
  action action;
  int is_uniform;       /* before the elements, once */
  int dst, a, b;        /* registers */
  int operand;          /* or number of the scalar; of an element: straight into this output, or -1 */
  float (*element)(float, float);
} instr;

struct jt_be_device {
  const jt_host_api* host;
};

struct jt_be_kernel {
  int operands, registers, scalars, instrs;
  int in_uniform; /* while parsing: the stage */
  instr instr[MOST_INSTRS];
};

static float toy_add(float x, float y) { return x + y; }
static float toy_sub(float x, float y) { return x - y; }
static float toy_mul(float x, float y) { return x * y; }
static float toy_div(float x, float y) { return x / y; }
static float toy_neg(float x, float y) { (void)y; return -x; }
static float toy_abs(float x, float y) { (void)y; return fabsf(x); }
static float toy_square(float x, float y) { (void)y; return x * x; }
static float toy_sqrt(float x, float y) { (void)y; return sqrtf(x); }
static float toy_relu(float x, float y) { (void)y; return x < 0 ? 0 : x; }

static const struct {
  const char* name;
  int arity;
  float (*element)(float, float);
} kElements[] = {
    {"add", 2, toy_add}, {"sub", 2, toy_sub}, {"mul", 2, toy_mul},       {"div", 2, toy_div},   {"neg", 1, toy_neg},
    {"abs", 1, toy_abs}, {"sqrt", 1, toy_sqrt}, {"square", 1, toy_square}, {"relu", 1, toy_relu},
};

static jt_status fail(jt_be_device* device, jt_status status, const char* what, const char* line) {
  char message[2 * MOST_LINE];
  snprintf(message, sizeof message, "toy: %s%s%s", what, *line ? ": " : "", line);
  device->host->set_error(device->host->host, status, 0, message, strlen(message));
  return status;
}

static int find_element(const char* name) {
  int row = (int)(sizeof kElements / sizeof *kElements);
  while (row-- > 0 && strcmp(kElements[row].name, name)) {
  }
  return row;
}

/* ---- device ---- */
static jt_status toy_open(const jt_host_api* host, jt_be_device** out) {
  jt_be_device* device;
  if (!host || !out || host->struct_size < sizeof *host) return JT_E_INVALID;
  device = malloc(sizeof *device); /* host->alloc may be null */
  if (!device) return JT_E_NOMEM;
  device->host = host;
  *out = device;
  return JT_OK;
}

static void toy_close(jt_be_device* device) {
  free(device);
}

/* ---- text -> kernel ---- */
static int is_register(const jt_be_kernel* k, int r) { return r >= 0 && r < k->registers; }
static int is_operand(const jt_be_kernel* k, int o) { return o >= 0 && o < k->operands; }

/* Everything of the line was read: sscanf counts the characters with %n. */
static int ends(const char* line, int read) { return read > 0 && line[read] == 0; }

static int parse_declaration(jt_be_kernel* k, const char* line) {
  int number, read = 0;
  unsigned offset;
  if (sscanf(line, "@%d f32 direct outer %n", &number, &read) == 1 && read > 0 && number == k->operands) {
    if (line[read] && strcmp(line + read, "output")) return 0;
    return ++k->operands <= MOST_OPERANDS;
  }
  read = 0;
  if ((sscanf(line, "r%d f32 outer at %u%n", &number, &offset, &read) == 2 && ends(line, read)) ||
      (sscanf(line, "r%d f32 uniform at %u%n", &number, &offset, &read) == 2 && ends(line, read)))
    return number == k->registers && ++k->registers <= MOST_REGISTERS;
  if (!strcmp(line, "uniform:") || !strcmp(line, "outer:")) {
    k->in_uniform = line[0] == 'u';
    return 1;
  }
  return 0;
}

static int parse_element(jt_be_kernel* k, const char* line, instr* i) {
  char name[32];
  int row, read = 0, used;
  if (sscanf(line, "  r%d = %31s f32 r%d%n", &i->dst, name, &i->a, &read) != 3 || read == 0) return 0;
  row = find_element(name);
  if (row < 0) return 0;
  i->action = DO_ELEMENT;
  i->element = kElements[row].element;
  i->b = i->a;
  used = 0;
  if (kElements[row].arity == 2 && (sscanf(line + read, " r%d%n", &i->b, &used) != 1 || used == 0)) return 0;
  read += used;
  used = 0;
  i->operand = -1;
  if (line[read] && (sscanf(line + read, " -> @%d%n", &i->operand, &used) != 1 || !is_operand(k, i->operand))) return 0;
  return ends(line, read + used) && is_register(k, i->dst) && is_register(k, i->a) && is_register(k, i->b);
}

static int parse_instr(jt_be_kernel* k, const char* line) {
  instr* i = &k->instr[k->instrs];
  int read = 0;
  if (k->instrs++ == MOST_INSTRS) return 0;
  i->is_uniform = k->in_uniform;
  if (sscanf(line, "  r%d = scalar s%d f32%n", &i->dst, &i->operand, &read) == 2 && ends(line, read)) {
    i->action = DO_SCALAR;
    return is_register(k, i->dst) && i->operand >= 0 && i->operand < k->scalars;
  }
  read = 0;
  if (sscanf(line, "  r%d = load @%d f32%n", &i->dst, &i->operand, &read) == 2 && ends(line, read)) {
    i->action = DO_LOAD;
    return is_register(k, i->dst) && is_operand(k, i->operand);
  }
  read = 0;
  if (sscanf(line, "  store @%d f32 r%d%n", &i->operand, &i->a, &read) == 2 && ends(line, read)) {
    i->action = DO_STORE;
    return is_register(k, i->a) && is_operand(k, i->operand);
  }
  return parse_element(k, line, i);
}

static int parse_line(jt_be_kernel* k, const char* line, int number) {
  unsigned scratch;
  int read = 0;
  if (number == 1)
    return sscanf(line, "program flat scalars %d scratch %u%n", &k->scalars, &scratch, &read) == 2 && ends(line, read);
  return line[0] == ' ' ? parse_instr(k, line) : parse_declaration(k, line);
}

static jt_status parse(jt_be_device* device, jt_be_kernel* k, const char* text, size_t text_len) {
  const char* end = text + text_len;
  int number = 0;
  while (text < end) {
    char line[MOST_LINE];
    const char* stop = memchr(text, '\n', (size_t)(end - text));
    if (!stop || (size_t)(stop - text) >= sizeof line) return fail(device, JT_E_INVALID, "no line of a program", "");
    memcpy(line, text, (size_t)(stop - text));
    line[stop - text] = 0;
    if (!parse_line(k, line, ++number)) return fail(device, JT_E_UNSUPPORTED, "not interpreted here", line);
    text = stop + 1;
  }
  return number ? JT_OK : fail(device, JT_E_INVALID, "an empty program", "");
}

/* ---- kernels ---- */
static void toy_kernel_release(jt_be_device* device, jt_be_kernel* kernel) {
  (void)device;
  free(kernel);
}

static jt_status toy_compile(jt_be_device* device, const jt_be_source* source, jt_be_kernel** out) {
  const char* text = NULL;
  size_t text_len = 0;
  jt_be_kernel* kernel;
  jt_status status;
  if (!device || !source || !out) return JT_E_INVALID;
  *out = NULL;
  status = source->render(source->user, JT_BE_PROGRAM, &text, &text_len);
  if (status != JT_OK) return status;
  kernel = calloc(1, sizeof *kernel);
  if (!kernel) return fail(device, JT_E_NOMEM, "out of memory", "");
  status = parse(device, kernel, text, text_len);
  if (status == JT_OK) *out = kernel;
  else toy_kernel_release(device, kernel);
  return status;
}

static jt_status toy_scratch_bytes(jt_be_device* device, jt_be_kernel* kernel, const jt_be_launch* launch,
                                   size_t* out) {
  if (!device || !kernel || !launch || !out) return JT_E_INVALID;
  *out = 0;
  return JT_OK;
}

static float* buffer(const jt_be_launch* launch, int operand) {
  return (float*)(intptr_t)launch->args[2 + 2 * operand];
}

static void run(const jt_be_kernel* k, const jt_be_launch* launch, int is_uniform, int64_t at, float* reg) {
  int n;
  for (n = 0; n < k->instrs; n++) {
    const instr* i = &k->instr[n];
    if (i->is_uniform != is_uniform) continue;
    switch (i->action) {
      case DO_SCALAR: memcpy(&reg[i->dst], &launch->args[2 + 2 * k->operands + i->operand], sizeof(float)); break;
      case DO_LOAD: reg[i->dst] = buffer(launch, i->operand)[at]; break;
      case DO_STORE: buffer(launch, i->operand)[at] = reg[i->a]; break;
      case DO_ELEMENT:
        reg[i->dst] = i->element(reg[i->a], reg[i->b]);
        if (i->operand >= 0) buffer(launch, i->operand)[at] = reg[i->dst];
        break;
    }
  }
}

static jt_status toy_launch(jt_be_device* device, jt_be_kernel* kernel, const jt_be_launch* launch, void* scratch) {
  float reg[MOST_REGISTERS] = {0};
  int64_t at;
  (void)scratch;
  if (!device || !kernel || !launch) return JT_E_INVALID;
  if (launch->args_len != (size_t)(2 + 2 * kernel->operands + kernel->scalars))
    return fail(device, JT_E_INVALID, "another number of argument words", "");
  run(kernel, launch, 1, 0, reg);
  for (at = launch->begin; at < launch->end; at++) run(kernel, launch, 0, at, reg);
  return JT_OK;
}

static void toy_kernel_info(jt_be_device* device, jt_be_kernel* kernel, jt_be_kernel_info* inout) {
  (void)device, (void)kernel;
  if (inout->struct_size < sizeof *inout) return;
  inout->tier = "toy";
  inout->compile_ns = 0;
}

/* ---- library ops: none ---- */
static jt_status toy_op_create(jt_be_device* device, const char* name, const int64_t* params, size_t params_len,
                               size_t* workspace_bytes, jt_be_op** out) {
  (void)params, (void)params_len, (void)workspace_bytes;
  if (!device || !out) return JT_E_INVALID;
  *out = NULL;
  return fail(device, JT_E_UNSUPPORTED, "no library ops", name ? name : "");
}
static void toy_op_release(jt_be_device* device, jt_be_op* op) { (void)device, (void)op; }
static jt_status toy_op_run(jt_be_device* device, jt_be_op* op, void* const* pointers, size_t pointers_len,
                            void* workspace) {
  (void)device, (void)op, (void)pointers, (void)pointers_len, (void)workspace;
  return JT_E_INVALID;
}

/* Asked before the graph is planned: other ops and dtypes run on the CPU. What this device still cannot do with
 * them, such as reading an operand through an index map, toy_compile says. */
static jt_status toy_supports(jt_be_device* device, const jt_be_node* node) {
  size_t i;
  if (!device || !node) return JT_E_INVALID;
  if (strcmp(node->kind, "element") || find_element(node->op) < 0) return JT_E_UNSUPPORTED;
  for (i = 0; i < node->operands_len; i++)
    if (node->operands[i].dtype != JT_F32) return JT_E_UNSUPPORTED;
  return JT_OK;
}

JT_API const jt_backend_api* jt_backend_entry_v1(uint32_t host_minor);
const jt_backend_api* jt_backend_entry_v1(uint32_t host_minor) {
  static const jt_backend_api table = {
      sizeof(jt_backend_api),
      JT_BACKEND_ABI_MINOR,
      "toy",
      JT_BE_PROGRAM,
      0,
      toy_open,
      toy_close,
      NULL,
      NULL, /* the host's memory will do */
      toy_compile,
      toy_kernel_release,
      toy_scratch_bytes,
      toy_launch,
      toy_kernel_info,
      toy_op_create,
      toy_op_release,
      toy_op_run,
      NULL,
      NULL,
      NULL,
      NULL,
      NULL,
      NULL,
      NULL, /* no C compiler, nothing to prepare, to join or to keep */
      NULL,
      NULL,
      NULL,
      NULL,
      NULL,
      NULL,
      NULL,
      NULL,
      NULL,
      NULL,
      NULL,
      NULL,
      NULL,
      NULL,
      NULL, /* neither memory of its own nor streams */
      toy_supports,
  };
  (void)host_minor; /* functions are only ever added at the table's end */
  return &table;
}
