/* What tests of nondeterminism may switch off in the system-call table. */
#include "recorder/record/guards.h"

#include <sys/syscall.h>

#include "recorder/record/record.h"

bool guards_let_run(uint32_t guards_off, uint64_t nr)
{
    switch (nr) {
    case SYS_rseq:
        return guards_off & RECORD_GUARD_RSEQ;
    case SYS_io_uring_setup:
    case SYS_io_uring_enter:
    case SYS_io_uring_register:
        return guards_off & RECORD_GUARD_IO_URING;
    default:
        return false;
    }
}
