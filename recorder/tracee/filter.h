/* The seccomp filter under which every tracee runs, in recording and in replay alike. */
#ifndef RECORDER_TRACEE_FILTER_H
#define RECORDER_TRACEE_FILTER_H

#include <stdint.h>

/* Called in the tracee before it runs any program: from now on exactly the `syscall` instructions
 * at batch_ip and that at handlers_ip (BLOB_ENTRY_SYSCALL, _UNTRACED) reach the kernel, and the
 * mmap of the recorder's area from TRACEE_FD_AREA to where it belongs; every other stops at the
 * tracer (SECCOMP_RET_TRACE), and calls of a foreign architecture raise SIGSYS (SYS_SECCOMP). Needs
 * CAP_SYS_ADMIN or PR_SET_NO_NEW_PRIVS. 0 or -errno.
 */
int tracee_install_filter(uint64_t batch_ip, uint64_t handlers_ip);

#endif
