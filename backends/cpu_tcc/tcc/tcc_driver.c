/* tcc_driver: see tcc_driver.h. */
#include "backends/cpu_tcc/tcc/tcc_driver.h"

#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include "core/base/fork_lock.h"

enum { kOutputMemory = 1 }; /* TCC_OUTPUT_MEMORY */

/* libtcc's hooks carry no user pointer, so the memory and the way out of the job under way are here. */
static jt_fork_lock lock;
static jt_tcc_memory* memory_now;
static jmp_buf way_out;
static jt_tcc_outcome why_out;

static void jump_out(jt_tcc_outcome why) {
  why_out = why;
  longjmp(way_out, 1);
}

static void link_block(jt_tcc_block** list, jt_tcc_block* block) {
  block->previous = NULL;
  block->next = *list;
  if (*list) (*list)->previous = block;
  *list = block;
}

static void unlink_block(jt_tcc_memory* memory, jt_tcc_block* block) {
  if (block->next) block->next->previous = block->previous;
  if (block->previous)
    block->previous->next = block->next;
  else if (memory->running == block)
    memory->running = block->next;
  else
    memory->kept = block->next;
}

static void free_block(jt_tcc_memory* memory, jt_tcc_block* block) {
  unlink_block(memory, block);
  memory->live_bytes -= block->size;
  memory->resize(memory->user, block, block->size + sizeof *block, 0);
}

static void free_running(jt_tcc_memory* memory) {
  while (memory->running) free_block(memory, memory->running);
}

static void keep_running(jt_tcc_memory* memory) {
  while (memory->running) {
    jt_tcc_block* block = memory->running;
    unlink_block(memory, block);
    link_block(&memory->kept, block);
  }
}

static int is_to_fail(jt_tcc_memory* memory) {
  return memory->until_failure > 0 && --memory->until_failure == 0;
}

/* The new block, unlinked, or NULL; the old one is then as it was. */
static jt_tcc_block* grow(jt_tcc_memory* memory, jt_tcc_block* old, size_t size) {
  if (is_to_fail(memory) || size > SIZE_MAX / 2) return NULL;
  return memory->resize(memory->user, old, old ? old->size + sizeof *old : 0, size + sizeof *old);
}

static void* resize_hook(void* data, unsigned long size) {
  jt_tcc_memory* memory = memory_now;
  jt_tcc_block* old = data ? (jt_tcc_block*)data - 1 : NULL;
  jt_tcc_block* block;
  size_t old_size = old ? old->size : 0;
  if (!size) {
    if (old) free_block(memory, old);
    return NULL;
  }
  if (old) unlink_block(memory, old);
  block = grow(memory, old, size);
  if (!block) {
    if (old) link_block(&memory->running, old);
    jump_out(JT_TCC_NO_MEMORY);
  }
  memory->live_bytes += size - old_size;
  block->size = size;
  link_block(&memory->running, block);
  return block + 1;
}

static void quit_hook(void) { jump_out(JT_TCC_QUIT); }

static const jt_tcc_hooks kHooks = {resize_hook, quit_hook};

/* Whether a thread of the parent's was inside when this process was forked: its blocks are left as they are, for
 * it may have been about to link one. A libtcc without a box keeps its own lock taken then, as after a jump. */
static int enter(const jt_tcc_api* api, jt_tcc_memory* memory) {
  int is_taken_over = jt_fork_lock_take(&lock);
  if (is_taken_over && memory_now) memory_now->running = NULL;
  memory_now = memory;
  if (is_taken_over && !api->reset) return 1;
  if (api->enter) api->enter(&kHooks);
  if (is_taken_over) api->reset();
  if (api->set_realloc) api->set_realloc(resize_hook);
  return 0;
}

static void leave(const jt_tcc_api* api) {
  if (api->set_realloc) api->set_realloc(NULL);
  if (api->leave) api->leave();
  memory_now = NULL;
  jt_fork_lock_give(&lock);
}

/* libtcc goes on after some errors; the first message is the cause. */
static void keep_first_message(void* user, const char* message) {
  jt_tcc_job* job = user;
  if (!job->message[0]) strncpy(job->message, message, sizeof job->message - 1);
}

static jt_tcc_outcome compile(jt_tcc_job* job) {
  const jt_tcc_api* api = job->api;
  TCCState* state = job->state = api->make();
  if (!state) return JT_TCC_NO_MEMORY;
  api->set_error_func(state, job, keep_first_message);
  /* -Werror: an unknown function or builtin is only a warning, and then fails without a line number. */
  api->set_options(state, "-nostdlib -nostdinc -Wimplicit-function-declaration -Werror");
  api->set_output_type(state, kOutputMemory);
  for (size_t i = 0; i < job->symbol_count; i++)
    api->add_symbol(state, job->symbols[i].name, job->symbols[i].address);
  return api->compile_string(state, job->source) < 0 ? JT_TCC_REFUSED : JT_TCC_DONE;
}

static jt_tcc_outcome place(jt_tcc_job* job) {
  const jt_tcc_api* api = job->api;
  if (api->relocate_in_heap) {
    if (api->relocate_in_heap(job->state) < 0) return JT_TCC_REFUSED;
  } else {
    int size = api->relocate(job->state, NULL);
    void* target;
    if (size < 0) return JT_TCC_REFUSED;
    target = job->place(job->place_user, (size_t)size + !size);
    if (!target) return JT_TCC_NO_PLACE;
    if (api->relocate(job->state, target) < 0) return JT_TCC_REFUSED;
  }
  job->address = api->get_symbol(job->state, job->entry);
  return job->address ? JT_TCC_DONE : JT_TCC_REFUSED;
}

static void drop_state(jt_tcc_job* job) {
  if (job->state) job->api->drop(job->state);
  job->state = NULL;
}

/* Left by a jump, the state is half made: its blocks are freed one by one, not by tcc_delete. */
static void clean_up_after_jump(jt_tcc_job* job) {
  job->state = NULL;
  free_running(job->memory);
  if (job->api->reset)
    job->api->reset();
  else
    job->is_lost = 1;
}

static jt_tcc_outcome run_to_the_end(jt_tcc_job* job) {
  jt_tcc_outcome outcome = compile(job);
  if (outcome == JT_TCC_DONE) outcome = place(job);
  if (outcome == JT_TCC_DONE && job->api->relocate_in_heap)
    keep_running(job->memory);
  else
    drop_state(job);
  free_running(job->memory); /* what libtcc forgot, after an error say */
  if (outcome != JT_TCC_DONE && job->api->reset) job->api->reset();
  return outcome;
}

jt_tcc_outcome jt_tcc_run(jt_tcc_job* job) {
  jt_tcc_outcome outcome;
  job->address = NULL;
  job->state = NULL;
  job->message[0] = job->message[sizeof job->message - 1] = 0;
  job->is_lost = 0;
  if (enter(job->api, job->memory)) {
    memory_now = NULL;
    job->is_lost = 1;
    jt_fork_lock_give(&lock);
    return JT_TCC_NO_MEMORY;
  }
  if (setjmp(way_out) == 0) {
    outcome = run_to_the_end(job);
  } else {
    outcome = why_out;
    clean_up_after_jump(job);
  }
  leave(job->api);
  return outcome;
}

void jt_tcc_drop(const jt_tcc_api* api, jt_tcc_memory* memory, TCCState* state) {
  if (!enter(api, memory) && setjmp(way_out) == 0) api->drop(state);
  leave(api);
}

size_t jt_tcc_live_bytes(jt_tcc_memory* memory) {
  size_t bytes;
  jt_fork_lock_take(&lock);
  bytes = memory->live_bytes;
  jt_fork_lock_give(&lock);
  return bytes;
}

void jt_tcc_fail_at(jt_tcc_memory* memory, long n) {
  jt_fork_lock_take(&lock);
  memory->until_failure = n;
  jt_fork_lock_give(&lock);
}
