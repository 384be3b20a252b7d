/* module: runtimes, contexts, layers, optimisers, files and reports, in the shapes that org.jt asks for. */
#ifndef JT_JAVA_MODULE_H
#define JT_JAVA_MODULE_H
#include "custom.h"
#include "fields.h"
#include <time.h>

/* ---- lifetimes --------------------------------------------------------------------------------------------------- */

static void tensor_release(jt_tensor* x) { jt_tensor_release(x); }
static void tensor_retain(jt_tensor* x) { jt_tensor_retain(x); }
static void context_release(jt_context* x) { jt_context_release(x); }
static void runtime_release(jt_runtime* x) { jt_runtime_release(x); }
static void module_release(jt_module* x) { jt_module_release(x); }
static void optimizer_release(jt_optimizer* x) { jt_optimizer_release(x); }

/* ---- runtimes ---------------------------------------------------------------------------------------------------- */

/* Any thread, jt's own included. */
static void jj_log(void* user, jt_log_level level, const char* domain, const char* message, size_t length) {
  JNIEnv* env;
  int attached = (*jj_vm)->GetEnv(jj_vm, (void**)&env, JNI_VERSION_1_8) != JNI_OK;
  jbyteArray a, b;
  (void)user;
  if (attached && (*jj_vm)->AttachCurrentThreadAsDaemon(jj_vm, (void**)&env, NULL) != JNI_OK) return;
  if (!(*env)->ExceptionCheck(env)) {
    a = jj_bytes(env, domain, strlen(domain));
    b = a ? jj_bytes(env, message, length) : NULL;
    if (b) (*env)->CallStaticVoidMethod(env, jj_calls, jj_on_log, (jint)level, a, b);
    (*env)->ExceptionClear(env);
    (*env)->DeleteLocalRef(env, a);
    (*env)->DeleteLocalRef(env, b);
  }
  if (attached) (*jj_vm)->DetachCurrentThread(jj_vm);
}
static jlong runtime_create(JNIEnv* env, jbyteArray encoded) {
  jj_fields f;
  jt_runtime_desc desc;
  jt_runtime* out = NULL;
  jt_status status;
  size_t i;
  if (!jj_read_fields(env, "Engine", encoded, &f)) return 0;
  memset(&desc, 0, sizeof desc);
  desc.struct_size = sizeof desc, desc.log = jj_log;
  for (i = 0; i < f.count; i++) {
    const jt_attr* a = &f.list[i];
    if (!strcmp(a->name, "flags")) desc.flags = (uint32_t)a->i64;
    else if (!strcmp(a->name, "threads")) desc.threads = (int32_t)a->i64;
    else if (!strcmp(a->name, "memory_limit")) desc.memory_limit = a->i64;
    else if (!strcmp(a->name, "log_level")) desc.log_level = (int32_t)a->i64;
    else if (!strcmp(a->name, "cache_dir")) desc.cache_dir = a->str, desc.cache_dir_len = a->str_len;
    else if (!strcmp(a->name, "backend")) desc.backend = a->str, desc.backend_len = a->str_len;
  }
  status = jt_runtime_create(&desc, &out);
  jj_drop_fields(&f);
  if (status != JT_OK) jj_throw(env, status);
  return (jlong)(intptr_t)out;
}
/* live, peak, cached bytes, calls of the allocator, limit; then evaluations, plans, kernels compiled and from disk,
 * launches, ns of compiling and of running. */
static jlongArray runtime_numbers(JNIEnv* env, jt_runtime* rt) {
  jt_memory_info m;
  jt_stats s;
  jlong words[12];
  jlongArray out;
  jt_status status;
  memset(&m, 0, sizeof m), memset(&s, 0, sizeof s);
  m.struct_size = sizeof m, s.struct_size = sizeof s;
  if ((status = jt_runtime_memory_info(rt, &m)) != JT_OK || (status = jt_runtime_stats(rt, &s)) != JT_OK)
    return jj_throw(env, status), NULL;
  words[0] = m.live_bytes, words[1] = m.peak_bytes, words[2] = m.cached_bytes, words[3] = m.allocator_calls,
  words[4] = m.limit_bytes;
  words[5] = s.evals, words[6] = s.plans_made, words[7] = s.kernels_compiled, words[8] = s.kernels_from_disk,
  words[9] = s.launches;
  words[10] = s.compile_ns, words[11] = s.run_ns;
  if ((out = (*env)->NewLongArray(env, 12))) (*env)->SetLongArrayRegion(env, out, 0, 12, words);
  return out;
}
static jbyteArray device_name(JNIEnv* env, jt_runtime* rt, jint device) {
  char name[256];
  jt_status status = jt_runtime_device_name(rt, device, name, sizeof name, NULL);
  return status == JT_OK ? jj_bytes(env, name, strlen(name)) : (jj_throw(env, status), NULL);
}
static jlong live_bytes(jt_runtime* rt) {
  jt_memory_info m;
  memset(&m, 0, sizeof m);
  m.struct_size = sizeof m;
  return jt_runtime_memory_info(rt, &m) == JT_OK ? m.live_bytes : 0;
}

/* ---- contexts ---------------------------------------------------------------------------------------------------- */

/* Without a listener the thread's interruption is looked at once a tick of the coarse clock, some milliseconds. */
static jt_status jj_watch(void* user, int64_t compiled, int64_t to_compile) {
  static __thread struct timespec looked;
  struct timespec now;
  JNIEnv* env;
  jboolean goes_on;
  if (!user && !clock_gettime(CLOCK_MONOTONIC_COARSE, &now)) {
    if (now.tv_nsec == looked.tv_nsec && now.tv_sec == looked.tv_sec) return JT_OK;
    looked = now;
  }
  if ((*jj_vm)->GetEnv(jj_vm, (void**)&env, JNI_VERSION_1_8) != JNI_OK) return JT_OK;
  goes_on =
      (*env)->CallStaticBooleanMethod(env, jj_calls, jj_on_watch, (jobject)user, (jlong)compiled, (jlong)to_compile);
  if ((*env)->ExceptionCheck(env)) return jj_keep_cause(env), JT_E_CANCELLED;
  return goes_on ? JT_OK : JT_E_CANCELLED;
}
static jlong context_create(JNIEnv* env, jt_runtime* rt) {
  jt_context* out = NULL;
  jt_status status = jt_context_create(rt, &out);
  if (status == JT_OK) status = jt_context_set_watch(out, jj_watch, NULL);
  if (status != JT_OK) jj_throw(env, status);
  return (jlong)(intptr_t)out;
}
/* The listener that jj_watch asks beside the interruption of the thread; returns a reference to be given back by the
 * next call, or by unwatch. */
static jlong context_watch(JNIEnv* env, jt_context* ctx, jobject listener, jlong before) {
  jobject kept = listener ? (*env)->NewGlobalRef(env, listener) : NULL;
  jt_status status = jt_context_set_watch(ctx, jj_watch, kept);
  if (status != JT_OK) {
    if (kept) (*env)->DeleteGlobalRef(env, kept);
    jj_throw(env, status);
    return before;
  }
  if (before) (*env)->DeleteGlobalRef(env, (jobject)(intptr_t)before);
  return (jlong)(intptr_t)kept;
}
static void unwatch(JNIEnv* env, jlong kept) {
  if (kept) (*env)->DeleteGlobalRef(env, (jobject)(intptr_t)kept);
}

/* ---- texts ------------------------------------------------------------------------------------------------------- */

static jbyteArray graph_text(JNIEnv* env, jt_context* ctx, jt_tensor* const* TENSORS, size_t TENSORS_LEN, jint stage) {
  size_t room = 0;
  char* text = NULL;
  jbyteArray out = NULL;
  jt_status status = jt_graph_print(ctx, TENSORS, TENSORS_LEN, (jt_stage)stage, NULL, 0, &room);
  if (status == JT_OK && !(text = (char*)malloc(room + 1)))
    return jj_refuse(env, JT_E_NOMEM, "graph", "no memory"), NULL;
  if (status == JT_OK) status = jt_graph_print(ctx, TENSORS, TENSORS_LEN, (jt_stage)stage, text, room, &room);
  if (status == JT_OK) out = jj_bytes(env, text, room ? room - 1 : 0);
  else jj_throw(env, status);
  free(text);
  return out;
}
static jbyteArray stats_text(JNIEnv* env, jt_runtime* rt) {
  size_t room = 0;
  char* text = NULL;
  jbyteArray out = NULL;
  jt_status status = jt_stats_print(rt, NULL, 0, &room);
  room += 4096; /* a kernel may run meanwhile */
  if (status == JT_OK && !(text = (char*)malloc(room))) return jj_refuse(env, JT_E_NOMEM, "stats", "no memory"), NULL;
  if (status == JT_OK) status = jt_stats_print(rt, text, room, &room);
  if (status == JT_OK) out = jj_bytes(env, text, strlen(text));
  else jj_throw(env, status);
  free(text);
  return out;
}

/* ---- layers and optimisers --------------------------------------------------------------------------------------- */

static jlong module_create(JNIEnv* env, jt_context* ctx, const char* TEXT, size_t TEXT_LEN, jbyteArray fields) {
  jj_fields f;
  jt_module* out = NULL;
  jt_status status;
  if (!jj_read_fields(env, "Layer", fields, &f)) return 0;
  status = jt_module_create(ctx, TEXT, TEXT_LEN, f.list, f.count, &out);
  jj_drop_fields(&f);
  if (status != JT_OK) jj_throw(env, status);
  return (jlong)(intptr_t)out;
}
static void module_set_fields(JNIEnv* env, jt_context* ctx, jt_module* module, jbyteArray fields) {
  jj_fields f;
  size_t i;
  jt_status status = JT_OK;
  if (!jj_read_fields(env, "Layer", fields, &f)) return;
  for (i = 0; i < f.count && status == JT_OK; i++) status = jt_module_set_field(ctx, module, &f.list[i]);
  jj_drop_fields(&f);
  if (status != JT_OK) jj_throw(env, status);
}
static jlong optimizer_create(JNIEnv* env, jt_context* ctx, const char* TEXT, size_t TEXT_LEN, jbyteArray fields,
                              jt_tensor* const* TENSORS, size_t TENSORS_LEN) {
  jj_fields f;
  jt_optimizer* out = NULL;
  jt_status status;
  if (!jj_read_fields(env, "Optimizer", fields, &f)) return 0;
  status = jt_optimizer_create(ctx, TEXT, TEXT_LEN, f.list, f.count, TENSORS, TENSORS_LEN, &out);
  jj_drop_fields(&f);
  if (status != JT_OK) jj_throw(env, status);
  return (jlong)(intptr_t)out;
}
static const char* optimizer_state_name(jt_context* ctx, jt_optimizer* optimizer, jlong i) {
  const char* name = NULL;
  return jt_optimizer_state(ctx, optimizer, (size_t)i, &name, NULL) == JT_OK ? name : NULL;
}
static jlong optimizer_state(JNIEnv* env, jt_context* ctx, jt_optimizer* optimizer, jlong i) {
  jt_tensor* out = NULL;
  jt_status status = jt_optimizer_state(ctx, optimizer, (size_t)i, NULL, &out);
  if (status != JT_OK) jj_throw(env, status);
  return (jlong)(intptr_t)out;
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

/* `names`: as many texts as there are tensors, a NUL behind each. */
static jt_status checkpoint_save(jt_context* ctx, const char* TEXT, size_t TEXT_LEN, const char* NAMES,
                                 size_t NAMES_LEN, jt_tensor* const* TENSORS, size_t TENSORS_LEN) {
  const char** list = (const char**)calloc(TENSORS_LEN + 1, sizeof *list);
  size_t at, i = 0;
  jt_status status;
  if (!list) return JT_E_NOMEM;
  for (at = 0; at < NAMES_LEN && i < TENSORS_LEN; at += strlen(NAMES + at) + 1) list[i++] = NAMES + at;
  status = jt_checkpoint_save(ctx, TEXT, TEXT_LEN, list, TENSORS, TENSORS_LEN);
  free((void*)list);
  return status;
}
static void checkpoint_release(jt_checkpoint* x) { jt_checkpoint_release(x); }
#endif
