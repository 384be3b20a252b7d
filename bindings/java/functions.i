// functions: what src/ adds to the C API, as declarations for SWIG.
%apply (const char* TEXT, size_t TEXT_LEN) {
  (const char* SOURCE, size_t SOURCE_LEN), (const char* HEADER, size_t HEADER_LEN), (const char* GRADS, size_t GRADS_LEN),
  (const char* NAMES, size_t NAMES_LEN)
};
void tensor_release(jt_tensor* x);
void tensor_retain(jt_tensor* x);
void context_release(jt_context* x);
void runtime_release(jt_runtime* x);
void module_release(jt_module* x);
void optimizer_release(jt_optimizer* x);
void checkpoint_release(jt_checkpoint* x);
jt_status from_array(JNIEnv* env, jt_context* ctx, jobject array, jint kind, jt_dtype dtype, const int64_t* INTS, size_t INTS_LEN, jt_tensor** OUT);
jt_status to_array(JNIEnv* env, jt_context* ctx, jt_tensor* x, jobject array, jint kind);
jt_status from_buffer(JNIEnv* env, jt_context* ctx, jobject buffer, jlong offset, jlong bytes, jt_dtype dtype, const int64_t* INTS, size_t INTS_LEN, jt_tensor** OUT);
jlong map(JNIEnv* env, jt_context* ctx, jt_tensor* x, jboolean writes);
jobject buffer_of(JNIEnv* env, jlong mapping);
void unmap(jlong mapping);
jt_status custom(JNIEnv* env, jt_context* ctx, const char* TEXT, size_t TEXT_LEN, jobject op, jboolean has_gradient, jlongArray types,
  jt_tensor* const* TENSORS, size_t TENSORS_LEN, jt_tensor** outputs, size_t outputs_len);
jt_status code(JNIEnv* env, jt_context* ctx, const char* TEXT, size_t TEXT_LEN, const char* SOURCE, size_t SOURCE_LEN, const char* HEADER,
  size_t HEADER_LEN, const char* GRADS, size_t GRADS_LEN, const char* NAMES, size_t NAMES_LEN, jlongArray value_bits, jlongArray types,
  jt_tensor* const* TENSORS, size_t TENSORS_LEN, jt_tensor** outputs, size_t outputs_len);
jlong call_count(jlong call, jboolean of_outputs);
jobject call_buffer(JNIEnv* env, jlong call, jboolean of_outputs, jlong i);
jint call_dtype(jlong call, jboolean of_outputs, jlong i);
jlongArray call_dims(JNIEnv* env, jlong call, jboolean of_outputs, jlong i);
jlong grad_context(jlong call);
jlong grad_count(jlong call, jboolean of_outputs);
jlong grad_handle(jlong call, jint of, jlong i);
jboolean grad_needs(jlong call, jlong i);
void grad_set(jlong call, jlong i, jt_tensor* x);
jlong runtime_create(JNIEnv* env, jbyteArray encoded);
jlongArray runtime_numbers(JNIEnv* env, jt_runtime* rt);
jlong live_bytes(jt_runtime* rt);
jlong context_create(JNIEnv* env, jt_runtime* rt);
jlong context_watch(JNIEnv* env, jt_context* ctx, jobject listener, jlong before);
void unwatch(JNIEnv* env, jlong kept);
jbyteArray graph_text(JNIEnv* env, jt_context* ctx, jt_tensor* const* TENSORS, size_t TENSORS_LEN, jint stage);
jbyteArray stats_text(JNIEnv* env, jt_runtime* rt);
jbyteArray device_name(JNIEnv* env, jt_runtime* rt, jint device);
jlong module_create(JNIEnv* env, jt_context* ctx, const char* TEXT, size_t TEXT_LEN, jbyteArray fields);
void module_set_fields(JNIEnv* env, jt_context* ctx, jt_module* module, jbyteArray fields);
jlong optimizer_create(JNIEnv* env, jt_context* ctx, const char* TEXT, size_t TEXT_LEN, jbyteArray fields, jt_tensor* const* TENSORS,
  size_t TENSORS_LEN);
const char* optimizer_state_name(jt_context* ctx, jt_optimizer* optimizer, jlong i);
jlong optimizer_state(JNIEnv* env, jt_context* ctx, jt_optimizer* optimizer, jlong i);
jt_status checkpoint_save(jt_context* ctx, const char* TEXT, size_t TEXT_LEN, const char* NAMES, size_t NAMES_LEN,
  jt_tensor* const* TENSORS, size_t TENSORS_LEN);
