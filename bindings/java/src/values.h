/* values: elements of tensors <-> Java's arrays and buffers. */
#ifndef JT_JAVA_VALUES_H
#define JT_JAVA_VALUES_H
#include "lists.h"

static void jj_free(void* user, void* data) { (void)user, free(data); }

static jt_status jj_borrow(jt_context* ctx, jt_dtype dtype, void* data, size_t bytes, const int64_t* dims,
                           size_t dims_len, void (*release)(void*, void*), void* user, jt_tensor** out) {
  jt_borrow_desc desc;
  memset(&desc, 0, sizeof desc);
  desc.struct_size = sizeof desc, desc.dtype = dtype, desc.data = data, desc.data_len = bytes;
  desc.dims = dims, desc.dims_len = dims_len, desc.release = release, desc.release_user = user;
  return jt_tensor_borrow(ctx, &desc, out);
}
/* The elements of a Java array of `kind` ('B' byte, 'Z' boolean, 'S' short, 'I' int, 'J' long, 'F' float, 'D' double),
 * copied once. The caller has compared kind and dtype. */
static jt_status from_array(JNIEnv* env, jt_context* ctx, jobject array, jint kind, jt_dtype dtype, const int64_t* INTS,
                            size_t INTS_LEN, jt_tensor** out) {
  jsize n = (*env)->GetArrayLength(env, (jarray)array);
  size_t bytes = (size_t)n * jt_dtype_size(dtype);
  void* data = NULL;
  jt_status status;
  if (posix_memalign(&data, 64, bytes + 64))
    return jj_refuse(env, JT_E_NOMEM, "of", "no memory for the elements"), JT_OK;
  switch (kind) {
    case 'B': (*env)->GetByteArrayRegion(env, (jbyteArray)array, 0, n, (jbyte*)data); break;
    case 'Z': (*env)->GetBooleanArrayRegion(env, (jbooleanArray)array, 0, n, (jboolean*)data); break;
    case 'S': (*env)->GetShortArrayRegion(env, (jshortArray)array, 0, n, (jshort*)data); break;
    case 'I': (*env)->GetIntArrayRegion(env, (jintArray)array, 0, n, (jint*)data); break;
    case 'J': (*env)->GetLongArrayRegion(env, (jlongArray)array, 0, n, (jlong*)data); break;
    case 'F': (*env)->GetFloatArrayRegion(env, (jfloatArray)array, 0, n, (jfloat*)data); break;
    case 'D': (*env)->GetDoubleArrayRegion(env, (jdoubleArray)array, 0, n, (jdouble*)data); break;
  }
  status = jj_borrow(ctx, dtype, data, bytes, INTS, INTS_LEN, jj_free, NULL, out);
  if (status != JT_OK) free(data);
  return status;
}
/* Fills a Java array of as many elements as the tensor has. */
static jt_status to_array(JNIEnv* env, jt_context* ctx, jt_tensor* x, jobject array, jint kind) {
  jsize n = (*env)->GetArrayLength(env, (jarray)array);
  jt_mapping m;
  jt_status status;
  memset(&m, 0, sizeof m);
  m.struct_size = sizeof m;
  if ((status = jt_tensor_map(ctx, x, &m)) != JT_OK) return status;
  switch (kind) {
    case 'B': (*env)->SetByteArrayRegion(env, (jbyteArray)array, 0, n, (const jbyte*)m.data); break;
    case 'Z': (*env)->SetBooleanArrayRegion(env, (jbooleanArray)array, 0, n, (const jboolean*)m.data); break;
    case 'S': (*env)->SetShortArrayRegion(env, (jshortArray)array, 0, n, (const jshort*)m.data); break;
    case 'I': (*env)->SetIntArrayRegion(env, (jintArray)array, 0, n, (const jint*)m.data); break;
    case 'J': (*env)->SetLongArrayRegion(env, (jlongArray)array, 0, n, (const jlong*)m.data); break;
    case 'F': (*env)->SetFloatArrayRegion(env, (jfloatArray)array, 0, n, (const jfloat*)m.data); break;
    case 'D': (*env)->SetDoubleArrayRegion(env, (jdoubleArray)array, 0, n, (const jdouble*)m.data); break;
  }
  jt_tensor_unmap(&m);
  return JT_OK;
}

/* A borrowed ByteBuffer: kept from Java's collector until jt needs the memory no more. */
static void jj_drop_buffer(void* user, void* data) {
  JNIEnv* env;
  int attached = (*jj_vm)->GetEnv(jj_vm, (void**)&env, JNI_VERSION_1_8) != JNI_OK;
  (void)data;
  if (attached && (*jj_vm)->AttachCurrentThreadAsDaemon(jj_vm, (void**)&env, NULL) != JNI_OK) return;
  (*env)->DeleteGlobalRef(env, (jobject)user);
  if (attached) (*jj_vm)->DetachCurrentThread(jj_vm);
}
static jt_status from_buffer(JNIEnv* env, jt_context* ctx, jobject buffer, jlong offset, jlong bytes, jt_dtype dtype,
                             const int64_t* INTS, size_t INTS_LEN, jt_tensor** out) {
  char* data = (char*)(*env)->GetDirectBufferAddress(env, buffer);
  jobject kept = data ? (*env)->NewGlobalRef(env, buffer) : NULL;
  jt_status status;
  if (!kept) return jj_refuse(env, JT_E_INVALID, "borrow", "no direct buffer"), JT_OK;
  status = jj_borrow(ctx, dtype, data + offset, (size_t)bytes, INTS, INTS_LEN, jj_drop_buffer, kept, out);
  if (status != JT_OK) (*env)->DeleteGlobalRef(env, kept);
  return status;
}

/* The elements where they lie. buffer_of shows a mapping as a direct ByteBuffer; unmap ends it. */
static jlong map(JNIEnv* env, jt_context* ctx, jt_tensor* x, jboolean writes) {
  jt_mapping* m = (jt_mapping*)calloc(1, sizeof *m);
  jt_status status;
  if (!m) return jj_refuse(env, JT_E_NOMEM, "map", "no memory"), 0;
  m->struct_size = sizeof *m;
  status = writes ? jt_tensor_map_write(ctx, x, m) : jt_tensor_map(ctx, x, m);
  if (status == JT_OK) return (jlong)(intptr_t)m;
  free(m);
  jj_throw(env, status);
  return 0;
}
static jobject buffer_of(JNIEnv* env, jlong mapping) {
  static char nothing;
  jt_mapping* m = (jt_mapping*)(intptr_t)mapping;
  return (*env)->NewDirectByteBuffer(env, m->data ? (void*)m->data : &nothing, (jlong)m->data_len);
}
static void unmap(jlong mapping) {
  jt_mapping* m = (jt_mapping*)(intptr_t)mapping;
  if (m) jt_tensor_unmap(m);
  free(m);
}
#endif
