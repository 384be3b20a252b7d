/* custom: ops of the program's own: functions of Java, and C source.
 *
 * What an op of Java's sees of a call are longs: the addresses of jt_custom_call and jt_custom_grad, valid during it,
 * from
 * which the functions here take buffers and handles. */
#ifndef JT_JAVA_CUSTOM_H
#define JT_JAVA_CUSTOM_H
#include "values.h"

static jt_status jj_call_java(void* user, jmethodID method, const void* call, char* message, size_t message_len) {
  JNIEnv* env;
  if ((*jj_vm)->GetEnv(jj_vm, (void**)&env, JNI_VERSION_1_8) != JNI_OK) return JT_E_INTERNAL;
  if ((*env)->PushLocalFrame(env, 64)) return jj_keep_cause(env), JT_E_NOMEM;
  (*env)->CallStaticVoidMethod(env, jj_calls, method, (jobject)user, (jlong)(intptr_t)call);
  if ((*env)->ExceptionCheck(env)) {
    jj_keep_cause(env);
    snprintf(message, message_len, "its Java function threw an exception");
    (*env)->PopLocalFrame(env, NULL);
    return JT_E_USER;
  }
  (*env)->PopLocalFrame(env, NULL);
  return JT_OK;
}
static jt_status jj_forward(void* user, const jt_custom_call* call) {
  return jj_call_java(user, jj_on_forward, call, call->message, call->message_len);
}
static jt_status jj_backward(void* user, const jt_custom_grad* call) {
  return jj_call_java(user, jj_on_backward, call, call->message, call->message_len);
}
static void jj_drop_op(void* user) { jj_drop_buffer(user, NULL); }

/* Types of results from a list of dtype, rank, extents, ... To be freed; NULL with an exception. */
static jt_custom_type* jj_types(JNIEnv* env, const char* op, jlongArray list, int64_t** words, size_t* count) {
  jsize n = list ? (*env)->GetArrayLength(env, list) : 0, at;
  jt_custom_type* out = (jt_custom_type*)calloc((size_t)n + 1, sizeof *out);
  *words = (int64_t*)malloc(((size_t)n + 1) * sizeof **words), *count = 0;
  if (!out || !*words) return free(out), free(*words), jj_refuse(env, JT_E_NOMEM, op, "no memory"), NULL;
  if (list) (*env)->GetLongArrayRegion(env, list, 0, n, (jlong*)*words);
  for (at = 0; at + 1 < n && (*words)[at + 1] <= n - at - 2; at += 2 + (jsize)(*words)[at + 1]) {
    jt_custom_type* t = &out[(*count)++];
    t->dtype = (jt_dtype)(*words)[at], t->dims_len = (size_t)(*words)[at + 1], t->dims = *words + at + 2;
  }
  return out;
}

static jt_status custom(JNIEnv* env, jt_context* ctx, const char* TEXT, size_t TEXT_LEN, jobject op,
                        jboolean has_gradient, jlongArray types, jt_tensor* const* TENSORS, size_t TENSORS_LEN,
                        jt_tensor** outputs, size_t outputs_len) {
  jt_custom_desc desc;
  int64_t* words;
  jt_status status;
  jt_custom_type* list = jj_types(env, "custom", types, &words, &desc.outputs_len);
  size_t count = desc.outputs_len;
  if (!list) return JT_OK;
  memset(&desc, 0, sizeof desc);
  desc.struct_size = sizeof desc, desc.name = TEXT, desc.name_len = TEXT_LEN, desc.outputs = list,
  desc.outputs_len = count;
  desc.forward = jj_forward, desc.backward = has_gradient ? jj_backward : NULL, desc.release = jj_drop_op;
  desc.user = (*env)->NewGlobalRef(env, op);
  status = jt_custom(ctx, &desc, TENSORS, TENSORS_LEN, outputs, outputs_len);
  if (status != JT_OK) (*env)->DeleteGlobalRef(env, (jobject)desc.user);
  free(list), free(words);
  return status;
}

/* Texts with a NUL behind each, by their beginnings; an empty one is NULL. To be freed. */
static const char** jj_texts(const char* all, size_t length, size_t* count) {
  const char** out = (const char**)calloc(length + 1, sizeof *out);
  size_t at;
  *count = 0;
  for (at = 0; out && at < length; at += strlen(all + at) + 1) out[(*count)++] = all[at] ? all + at : NULL;
  return out;
}
static jt_status code(JNIEnv* env, jt_context* ctx, const char* TEXT, size_t TEXT_LEN, const char* SOURCE,
                      size_t SOURCE_LEN, const char* HEADER, size_t HEADER_LEN, const char* GRADS, size_t GRADS_LEN,
                      const char* NAMES, size_t NAMES_LEN, jlongArray value_bits, jlongArray types,
                      jt_tensor* const* TENSORS, size_t TENSORS_LEN, jt_tensor** outputs, size_t outputs_len) {
  jt_code_desc desc;
  size_t count, grads, names;
  int64_t* words;
  double values[64];
  jt_custom_type* list = jj_types(env, "code", types, &words, &count);
  const char** grad_texts = jj_texts(GRADS, GRADS_LEN, &grads);
  const char** name_texts = jj_texts(NAMES, NAMES_LEN, &names);
  jt_status status = JT_E_NOMEM;
  if (list && grad_texts && name_texts) {
    jsize n = value_bits ? (*env)->GetArrayLength(env, value_bits) : 0;
    memset(&desc, 0, sizeof desc);
    if (n > 64) n = 64;
    if (value_bits) (*env)->GetLongArrayRegion(env, value_bits, 0, n, (jlong*)values);
    desc.struct_size = sizeof desc, desc.name = TEXT, desc.name_len = TEXT_LEN, desc.source = SOURCE,
    desc.source_len = SOURCE_LEN;
    desc.header = HEADER_LEN ? HEADER : NULL, desc.header_len = HEADER_LEN;
    desc.grad_sources = grads ? grad_texts : NULL, desc.grad_sources_len = grads;
    desc.data_names = name_texts, desc.data_values = values, desc.data_len = names < (size_t)n ? names : (size_t)n;
    desc.outputs = list, desc.outputs_len = count;
    status = jt_code(ctx, &desc, TENSORS, TENSORS_LEN, outputs, outputs_len);
  }
  free((void*)grad_texts), free((void*)name_texts), free(list), free(words);
  return status;
}

/* ---- what a call has, for org.jt --------------------------------------------------------------------------------- */

static jlong call_count(jlong call, jboolean of_outputs) {
  const jt_custom_call* c = (const jt_custom_call*)(intptr_t)call;
  return (jlong)(of_outputs ? c->outputs_len : c->inputs_len);
}
static const jt_custom_buffer* jj_buffer(jlong call, jboolean of_outputs, jlong i) {
  const jt_custom_call* c = (const jt_custom_call*)(intptr_t)call;
  return of_outputs ? &c->outputs[i] : &c->inputs[i];
}
static jobject call_buffer(JNIEnv* env, jlong call, jboolean of_outputs, jlong i) {
  const jt_custom_buffer* b = jj_buffer(call, of_outputs, i);
  return (*env)->NewDirectByteBuffer(env, b->data, (jlong)b->data_len);
}
static jint call_dtype(jlong call, jboolean of_outputs, jlong i) { return (jint)jj_buffer(call, of_outputs, i)->dtype; }
static jlongArray call_dims(JNIEnv* env, jlong call, jboolean of_outputs, jlong i) {
  const jt_custom_buffer* b = jj_buffer(call, of_outputs, i);
  jlongArray out = (*env)->NewLongArray(env, (jsize)b->dims_len);
  if (out) (*env)->SetLongArrayRegion(env, out, 0, (jsize)b->dims_len, (const jlong*)b->dims);
  return out;
}
static jlong grad_context(jlong call) { return (jlong)(intptr_t)((const jt_custom_grad*)(intptr_t)call)->ctx; }
static jlong grad_count(jlong call, jboolean of_outputs) {
  const jt_custom_grad* c = (const jt_custom_grad*)(intptr_t)call;
  return (jlong)(of_outputs ? c->outputs_len : c->inputs_len);
}
/* Handle i of the inputs (0), outputs (1) or gradients of outputs (2), with a count of its own; 0: there is none. */
static jlong grad_handle(jlong call, jint of, jlong i) {
  const jt_custom_grad* c = (const jt_custom_grad*)(intptr_t)call;
  jt_tensor* handle = of == 0 ? c->inputs[i] : of == 1 ? c->outputs[i] : c->grads[i];
  jt_tensor_retain(handle);
  return (jlong)(intptr_t)handle;
}
static jboolean grad_needs(jlong call, jlong i) { return ((const jt_custom_grad*)(intptr_t)call)->needs[i] != 0; }
static void grad_set(jlong call, jlong i, jt_tensor* x) {
  jt_tensor** place = &((const jt_custom_grad*)(intptr_t)call)->input_grads[i];
  jt_tensor_retain(x);
  jt_tensor_release(*place);
  *place = x;
}
#endif
