/* state: the virtual machine, the classes of org.jt that C calls, and a status of jt as an exception. */
#ifndef JT_JAVA_STATE_H
#define JT_JAVA_STATE_H
#include <jni.h>
#include <jt/jt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static JavaVM* jj_vm;
/* org.jt.Calls: static methods that C calls. */
static jclass jj_calls;
static jmethodID jj_on_error, jj_on_log, jj_on_watch, jj_on_forward, jj_on_backward;

/* What Java's code threw inside a call of jt in this thread, until the call returns to Java: the cause of the
 * exception. */
static __thread jthrowable jj_cause;

static int jj_find(JNIEnv* env, jmethodID* out, const char* name, const char* signature) {
  return (*out = (*env)->GetStaticMethodID(env, jj_calls, name, signature)) != NULL;
}
JNIEXPORT jint JNICALL JNI_OnLoad(JavaVM* vm, void* reserved) {
  JNIEnv* env;
  jclass local;
  (void)reserved;
  jj_vm = vm;
  if ((*vm)->GetEnv(vm, (void**)&env, JNI_VERSION_1_8) != JNI_OK) return JNI_ERR;
  if (!(local = (*env)->FindClass(env, "org/jt/Calls"))) return JNI_ERR;
  jj_calls = (jclass)(*env)->NewGlobalRef(env, local);
  (*env)->DeleteLocalRef(env, local);
  if (!jj_calls ||
      !jj_find(env, &jj_on_error, "error", "(IJLjava/lang/String;[BLjava/lang/Throwable;)Ljava/lang/Throwable;") ||
      !jj_find(env, &jj_on_log, "log", "(I[B[B)V") || !jj_find(env, &jj_on_watch, "watch", "(Ljava/lang/Object;JJ)Z") ||
      !jj_find(env, &jj_on_forward, "forward", "(Ljava/lang/Object;J)V") ||
      !jj_find(env, &jj_on_backward, "backward", "(Ljava/lang/Object;J)V"))
    return JNI_ERR;
  return JNI_VERSION_1_8;
}

/* Takes what is being thrown, so that C may go on; the latest one is kept as the cause. */
static void jj_keep_cause(JNIEnv* env) {
  jthrowable thrown = (*env)->ExceptionOccurred(env);
  if (!thrown) return;
  (*env)->ExceptionClear(env);
  if (jj_cause) (*env)->DeleteGlobalRef(env, jj_cause);
  jj_cause = (jthrowable)(*env)->NewGlobalRef(env, thrown);
  (*env)->DeleteLocalRef(env, thrown);
}

static jbyteArray jj_bytes(JNIEnv* env, const char* text, size_t length) {
  jbyteArray out = (*env)->NewByteArray(env, (jsize)length);
  if (out) (*env)->SetByteArrayRegion(env, out, 0, (jsize)length, (const jbyte*)text);
  return out;
}

/* Throws the exception of a status, with the text. */
static void jj_throw_text(JNIEnv* env, jt_status status, jlong native_code, const char* function, const char* text) {
  jbyteArray bytes;
  jstring name;
  jthrowable cause = NULL, made = NULL;
  if ((*env)->ExceptionCheck(env)) return;
  if (jj_cause) { /* of this call, or of one before that could do without what failed */
    if (status == JT_E_USER || status == JT_E_CANCELLED) cause = (jthrowable)(*env)->NewLocalRef(env, jj_cause);
    (*env)->DeleteGlobalRef(env, jj_cause);
    jj_cause = NULL;
  }
  bytes = jj_bytes(env, text, strlen(text));
  name = bytes ? (*env)->NewStringUTF(env, function) : NULL;
  if (name)
    made = (jthrowable)(*env)->CallStaticObjectMethod(env, jj_calls, jj_on_error, (jint)status, native_code, name,
                                                      bytes, cause);
  if (made && !(*env)->ExceptionCheck(env)) (*env)->Throw(env, made);
}
static void jj_throw(JNIEnv* env, jt_status status) {
  jt_error_info info;
  memset(&info, 0, sizeof info);
  info.struct_size = sizeof info;
  jt_last_error(&info);
  jj_throw_text(env, status, (jlong)info.native_code, info.function ? info.function : "jt",
                info.message ? info.message : "");
}
/* A refusal of the binding itself: "op: why". */
static void jj_refuse(JNIEnv* env, jt_status status, const char* op, const char* why) {
  char text[256];
  snprintf(text, sizeof text, "%s: %s", op, why);
  jj_throw_text(env, status, 0, op, text);
}
#endif
