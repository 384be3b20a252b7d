/* fakegpu: what libcuda_fake.so tells and takes beside the driver API.
 *
 * Every fault of a kernel (out of bounds, misaligned, uninitialised, after free, races on shared memory, divergent
 * barriers and shuffles, endless loops) ends its launch with a sticky error, as a device's own faults do, and every
 * misuse of the driver answers with an error; both are kept here as findings, in words, with the line of PTX where
 * there is one, and printed to stderr.
 *
 * Environment, read when the library is loaded:
 *   FAKEGPU_DEVICES=1        devices                       FAKEGPU_MEMORY=8589934592  bytes of each
 *   FAKEGPU_CC=90            compute capability x 10       FAKEGPU_SMS=4              multiprocessors
 *   FAKEGPU_DRIVER=13050     version of the driver         FAKEGPU_LIMIT=100000000    instructions a warp may take
 *   FAKEGPU_REVERSE=1        blocks, warps, atomic lanes and streams in the opposite order
 *   FAKEGPU_SCHEDULE=lazy    nothing runs until something waits for it; eager: at once; a number: at random moments, by that seed
 *   FAKEGPU_FAIL=f:n:e,...   the n-th call of function f, and if n ends in + all after it, answers the error e
 *   FAKEGPU_QUIET=1          no findings on stderr         FAKEGPU_COPY_UNWRITTEN=1   copies to the host may hold unwritten bytes
 */
#ifndef JT_TESTS_FAKEGPU_H
#define JT_TESTS_FAKEGPU_H
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fakegpu_counters {
  uint64_t launches, blocks;
  uint64_t instructions, lane_instructions;      /* of warps; of their active lanes */
  uint64_t global_loads, global_stores;          /* requests of warps */
  uint64_t sectors, bytes;                       /* of 32 bytes that they touch; bytes that their lanes ask for */
  uint64_t shared_accesses, bank_conflicts;      /* requests of warps; passes beyond the least */
  uint64_t local_accesses, atomics, barriers, matrix_products;
} fakegpu_counters;

/* Counters of all launches of a kernel since the last reset, of all kernels for NULL. 0: no such kernel ran. */
int fakegpu_kernel(const char* name, fakegpu_counters* out);
/* Names of the kernels that ran, in order; NULL beyond the last. Valid until the next reset. */
const char* fakegpu_kernel_name(uint64_t index);
void fakegpu_reset_counters(void);

/* Findings so far. NULL beyond the last. Valid until they are cleared. */
uint64_t fakegpu_finding_count(void);
const char* fakegpu_finding(uint64_t index);
void fakegpu_clear_findings(void);

/* Calls of a driver function so far, of all of them for NULL; names of those called, NULL beyond the last. */
uint64_t fakegpu_calls(const char* function);
const char* fakegpu_function_name(uint64_t index);
/* The nth call from now (1: the next; 0: each) of a function, NULL: of any, answers `error` and does nothing; error 0
 * takes that back. */
void fakegpu_fail(const char* function, uint64_t nth, int error);

/* The opcodes of PTX that are built, in order of their names; NULL beyond the last. */
const char* fakegpu_opcode_name(uint64_t index);

/* Set as the environment would. */
void fakegpu_set_schedule(const char* schedule);
void fakegpu_set_reverse(int reverse);
void fakegpu_set_memory(int device, uint64_t bytes);

/* For libraries of kernels that the host stands in for. A call of theirs is counted, and made to fail, as the driver's
 * are: the answer is the error that it is to have. */
int fakegpu_call(const char* function);
/* An operation of a stream of the current context, in turn with launches and copies and captured as they are. `drop`
 * frees `data` when it is needed no more. The answer is the driver's error. */
int fakegpu_enqueue(void* stream, const char* what, void (*run)(void* data), void (*drop)(void* data), void* data);
/* In such an operation: where bytes at an address of the device lie, checked as the accesses of a kernel are; one
 * that is wrong ends the
   operation and does not return. */
void* fakegpu_bytes(uint64_t at, uint64_t bytes, int writes);

/* What is alive: device allocations, pinned allocations, streams, events, modules, graphs; all of them together for
 * NULL. */
uint64_t fakegpu_alive(const char* kind);
/* Operations that wait in streams. */
uint64_t fakegpu_pending(void);
/* The devices as new: sticky errors gone, everything dropped. Handles from before are invalid. */
void fakegpu_restart(void);

#ifdef __cplusplus
}
#endif
#endif
