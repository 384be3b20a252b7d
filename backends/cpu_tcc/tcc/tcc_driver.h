/* tcc_driver: C text in, code in the caller's memory out, through the functions of some libtcc.
 *
 * This part is C because libtcc is left by longjmp when memory ends: no frame in between may own anything.
 * Everything libtcc allocates in a compile is on a list, so that after such a jump all of it is freed. */
#ifndef JT_TCC_DRIVER_H
#define JT_TCC_DRIVER_H
#include <stddef.h>

#include "backends/cpu_tcc/tcc/shim.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct TCCState TCCState;
typedef void* jt_tcc_resize(void* block, unsigned long size);

/* The functions of one loaded libtcc. Those of the shim are NULL in a foreign one. */
typedef struct jt_tcc_api {
  TCCState* (*make)(void);
  void (*drop)(TCCState*);
  void (*set_options)(TCCState*, const char*);
  void (*set_error_func)(TCCState*, void*, void (*)(void*, const char*));
  int (*set_output_type)(TCCState*, int);
  int (*compile_string)(TCCState*, const char*);
  int (*add_symbol)(TCCState*, const char*, const void*);
  void* (*get_symbol)(TCCState*, const char*);
  int (*relocate)(TCCState*, void*);
  int (*relocate_in_heap)(TCCState*);  /* set instead of relocate: the code lives as long as its state */
  void (*set_realloc)(jt_tcc_resize*); /* some foreign ones have it; without it memory is not ours to count */
  void (*enter)(const jt_tcc_hooks*);
  void (*reset)(void);
  void (*leave)(void);
} jt_tcc_api;

typedef struct jt_tcc_block {
  struct jt_tcc_block *previous, *next;
  size_t size, padding; /* a multiple of 16 in all, as malloc aligns */
} jt_tcc_block;

/* Where libtcc's memory comes from, and how much of it is out. */
typedef struct jt_tcc_memory {
  /* As realloc, told the old size; new size 0 frees and cannot fail. NULL: there is no memory. */
  void* (*resize)(void* user, void* block, size_t old_size, size_t new_size);
  void* user;
  long until_failure; /* tests: this many more allocations and one fails; 0 is off */
  size_t live_bytes;
  jt_tcc_block *running, *kept; /* of the compile under way; of states that own their code */
} jt_tcc_memory;

typedef struct jt_tcc_symbol {
  const char* name;
  const void* address;
} jt_tcc_symbol;

typedef enum jt_tcc_outcome {
  JT_TCC_DONE,
  JT_TCC_REFUSED,   /* the source has an error: see message */
  JT_TCC_NO_MEMORY, /* the allocator had none */
  JT_TCC_NO_PLACE,  /* place returned NULL */
  JT_TCC_QUIT       /* libtcc wanted to end the process */
} jt_tcc_outcome;

typedef struct jt_tcc_job {
  const jt_tcc_api* api;
  jt_tcc_memory* memory;
  const char* source;
  const char* entry;
  const jt_tcc_symbol* symbols;
  size_t symbol_count;
  void* (*place)(void* user, size_t size); /* writable memory for the code, or NULL; must not throw */
  void* place_user;
  void* address;      /* out: of entry */
  TCCState* state;    /* out: owns the code, if the api relocates in its heap; else NULL */
  char message[1024]; /* out: libtcc's first message */
  int is_lost;        /* out: libtcc was left by a jump and cannot be reset; unload it before the next job */
} jt_tcc_job;

/* Any thread; one job runs at a time. */
jt_tcc_outcome jt_tcc_run(jt_tcc_job* job);
/* Frees a state that a job returned, and its code. */
void jt_tcc_drop(const jt_tcc_api* api, jt_tcc_memory* memory, TCCState* state);
size_t jt_tcc_live_bytes(jt_tcc_memory* memory);
/* For tests: lets the n-th allocation from now fail, once; 0 takes that back. */
void jt_tcc_fail_at(jt_tcc_memory* memory, long n);

#ifdef __cplusplus
}
#endif
#endif
