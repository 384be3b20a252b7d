/* under: runs a command where something is refused.
 *
 *   under no-exec-memory COMMAND...    memory cannot become executable (a seccomp filter; files map as ever)
 *   under memory=MIB COMMAND...        address space of so many MiB
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define LOW(argument) (offsetof(struct seccomp_data, args[argument]))
#define REFUSE BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES)
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* mprotect and anonymous mmap with PROT_EXEC, and every memfd_create, end with EACCES. */
static int refuse_executable_memory(void) {
  struct sock_filter rules[] = {
      LOAD(nr),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_create, 8, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 5, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 7),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, LOW(3)),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, MAP_ANONYMOUS, 0, 5),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, LOW(2)),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 2, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, LOW(2)),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1),
      REFUSE,
      ALLOW,
  };
  struct sock_fprog filter = {sizeof rules / sizeof *rules, rules};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
}

static int limit_memory(long mib) {
  struct rlimit limit = {(rlim_t)mib << 20, (rlim_t)mib << 20};
  return setrlimit(RLIMIT_AS, &limit);
}

int main(int argc, char** argv) {
  int status = -1;
  if (argc > 2 && !strcmp(argv[1], "no-exec-memory")) status = refuse_executable_memory();
  else if (argc > 2 && !strncmp(argv[1], "memory=", 7)) status = limit_memory(atol(argv[1] + 7));
  else errno = EINVAL;
  if (status != 0) return perror("under"), 125;
  execvp(argv[2], argv + 2);
  perror(argv[2]);
  return 127;
}
