/* stub_nvrtc: a library with the functions of NVRTC that jt calls; what it compiles comes out as COMPILE_RESULT. */
#ifndef COMPILE_RESULT
#define COMPILE_RESULT 0
#endif
#define STUB(name) int name(void) { return 0; }
#ifndef OLDEST
#define OLDEST 75
#endif

int nvrtcVersion(int* major, int* minor) { return *major = 13, *minor = 5, 0; }
int nvrtcGetNumSupportedArchs(int* out) { return *out = 2, 0; }
int nvrtcGetSupportedArchs(int* out) { return out[0] = OLDEST, out[1] = OLDEST + 15, 0; }
int nvrtcCreateProgram(void** out) { return *out = (void*)out, 0; }
int nvrtcCompileProgram(void) { return COMPILE_RESULT; }
int nvrtcGetProgramLogSize(void* program, unsigned long* out) { return (void)program, *out = 6, 0; }
int nvrtcGetProgramLog(void* program, char* out) {
  (void)program;
  for (int i = 0; i < 6; i++) out[i] = "a log"[i];
  return 0;
}
int nvrtcGetCUBINSize(void* program, unsigned long* out) { return (void)program, *out = 4, 0; }
int nvrtcGetCUBIN(void* program, char* out) { return (void)program, out[0] = out[1] = out[2] = out[3] = 'c', 0; }
STUB(nvrtcDestroyProgram) STUB(nvrtcGetPTXSize) STUB(nvrtcGetPTX)
