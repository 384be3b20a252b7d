/* lists: Java's arrays -> the lists that C takes. A null array is refused, with the name of the function. */
#ifndef JT_JAVA_LISTS_H
#define JT_JAVA_LISTS_H
#include "state.h"

/* More numbers than any field of a layer can mean: before and after of JT_MAX_RANK axes; and than an op takes. */
enum { JJ_MAX_INTS = JT_MAX_RANK * 2, JJ_MAX_LIST = 128 };

static int jj_ints(JNIEnv* env, const char* op, jlongArray array, int64_t* list, size_t* length) {
  jsize n;
  if (!array) return jj_refuse(env, JT_E_INVALID, op, "a list of integers is null"), 0;
  n = (*env)->GetArrayLength(env, array);
  if (n > JJ_MAX_LIST) {
    char why[80];
    snprintf(why, sizeof why, "a list of %d integers; at most %d make sense", (int)n, JJ_MAX_LIST);
    return jj_refuse(env, JT_E_INVALID, op, why), 0;
  }
  (*env)->GetLongArrayRegion(env, array, 0, n, (jlong*)list);
  *length = (size_t)n;
  return 1;
}
/* UTF-8 with a NUL behind it, to be freed. */
static char* jj_text(JNIEnv* env, const char* op, jbyteArray array, size_t* length) {
  jsize n;
  char* out;
  if (!array) return jj_refuse(env, JT_E_INVALID, op, "a text is null"), NULL;
  n = (*env)->GetArrayLength(env, array);
  if (!(out = (char*)malloc((size_t)n + 1))) return jj_refuse(env, JT_E_NOMEM, op, "no memory"), NULL;
  (*env)->GetByteArrayRegion(env, array, 0, n, (jbyte*)out);
  out[n] = 0, *length = (size_t)n;
  return out;
}
/* Handles, to be freed. */
static int jj_handles(JNIEnv* env, const char* op, jlongArray array, jt_tensor* const** list, size_t* length) {
  jsize n, i;
  jlong* words;
  jt_tensor** out;
  if (!array) return jj_refuse(env, JT_E_INVALID, op, "a list of tensors is null"), 0;
  n = (*env)->GetArrayLength(env, array);
  out = (jt_tensor**)malloc(((size_t)n + 1) * sizeof *out);
  words = (jlong*)malloc(((size_t)n + 1) * sizeof *words);
  if (!out || !words) return free(out), free(words), jj_refuse(env, JT_E_NOMEM, op, "no memory"), 0;
  (*env)->GetLongArrayRegion(env, array, 0, n, words);
  for (i = 0; i < n; i++) out[i] = (jt_tensor*)(intptr_t)words[i];
  free(words);
  *list = out, *length = (size_t)n;
  return 1;
}
/* Room for as many handles as the array has, to be filled by a call and freed. */
static int jj_room(JNIEnv* env, const char* op, jlongArray array, jt_tensor*** list, size_t* length) {
  if (!array) return jj_refuse(env, JT_E_INVALID, op, "a list of results is null"), 0;
  *length = (size_t)(*env)->GetArrayLength(env, array);
  if (!(*list = (jt_tensor**)calloc(*length + 1, sizeof **list))) return jj_refuse(env, JT_E_NOMEM, op, "no memory"), 0;
  return 1;
}
static void jj_give(JNIEnv* env, jlongArray array, jt_tensor* const* list, size_t length) {
  size_t i;
  if ((*env)->ExceptionCheck(env)) return;
  for (i = 0; i < length; i++) {
    jlong word = (jlong)(intptr_t)list[i];
    (*env)->SetLongArrayRegion(env, array, (jsize)i, 1, &word);
  }
}
/* Room for as many results as a list has values. */
static int jj_make_list(JNIEnv* env, const char* op, size_t count, jt_tensor*** list, size_t* length) {
  if (!(*list = (jt_tensor**)calloc(count + 1, sizeof **list))) return jj_refuse(env, JT_E_NOMEM, op, "no memory"), 0;
  return *length = count, 1;
}
/* Results as Java has them; NULL, and the handles given back, where there is no room. */
static jlongArray jj_list(JNIEnv* env, jt_tensor** list, size_t count) {
  jlongArray out = NULL;
  jlong word;
  size_t i;
  if (!(*env)->ExceptionCheck(env)) out = (*env)->NewLongArray(env, (jsize)count);
  for (i = 0; i < count; i++) {
    word = (jlong)(intptr_t)list[i];
    if (out) (*env)->SetLongArrayRegion(env, out, (jsize)i, 1, &word);
    else if (list[i]) jt_tensor_release(list[i]);
  }
  return out;
}
/* Another result of an op that has several; NULL, and the handle given back, where there is no room. */
static jlongArray jj_append(JNIEnv* env, jlongArray list, jt_tensor* handle) {
  jlong words[8];
  jsize n = 0;
  jlongArray out;
  if ((*env)->ExceptionCheck(env)) return NULL;
  if (list) {
    n = (*env)->GetArrayLength(env, list);
    (*env)->GetLongArrayRegion(env, list, 0, n, words);
  }
  words[n] = (jlong)(intptr_t)handle;
  if (!(out = (*env)->NewLongArray(env, n + 1))) return jt_tensor_release(handle), NULL;
  (*env)->SetLongArrayRegion(env, out, 0, n + 1, words);
  return out;
}
#endif
