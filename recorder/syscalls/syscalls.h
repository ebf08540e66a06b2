/* What the recorder knows about each x86-64 system call, as data: one row per number
 * (syscalls.def), plus irregular shapes in irregular/. Pure: reads tracee memory only through the
 * callback it is given; changes nothing. */
#ifndef RECORDER_SYSCALLS_SYSCALLS_H
#define RECORDER_SYSCALLS_SYSCALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recorder/base/types.h"

#define SYSCALL_NUMBER_LIMIT 512

enum syscall_class {
    SYSCALL_CLASS_RUN,    /* executed by the kernel; its outputs follow from the row */
    SYSCALL_CLASS_MODEL,  /* the recorder answers or transforms it (record/ has a handler) */
    SYSCALL_CLASS_REFUSE, /* answered with row->error (ENOSYS, EPERM...), a documented choice */
    SYSCALL_CLASS_UNSUPPORTED, /* ends the run with one clear message */
    SYSCALL_CLASS_COUNT
};

/* Does the call wait, and for what? fd_argument says which argument is the descriptor. */
enum syscall_blocks {
    SYSCALL_BLOCKS_NEVER,
    SYSCALL_BLOCKS_READ,    /* until the fd is readable (POLLIN), unless O_NONBLOCK/MSG_DONTWAIT */
    SYSCALL_BLOCKS_WRITE,   /* until the fd is writable (POLLOUT) */
    SYSCALL_BLOCKS_ACCEPT,  /* accept: readable */
    SYSCALL_BLOCKS_CONNECT, /* cannot be polled before; sleeps in the kernel, traced */
    SYSCALL_BLOCKS_OTHER,  /* handler decides (poll family, flock, fcntl locks, SysV IPC, splice...)
                            */
    SYSCALL_BLOCKS_KERNEL, /* may sleep in the kernel (open of a fifo, foreign ioctls) */
};

enum syscall_flag {
    SYSCALL_FLAG_NEW_FD = 1 << 0, /* result is a new descriptor */
    SYSCALL_FLAG_CLOSES_FD =
        1 << 1, /* removes or replaces descriptors (close, dup2, close_range) */
    SYSCALL_FLAG_CHANGES_MAPS = 1 << 2, /* mmap family */
    SYSCALL_FLAG_PATH = 1 << 3,         /* takes a path */
    SYSCALL_FLAG_WRITES_FILE =
        1 << 4,                    /* may change file content (write family, ftruncate, copy...) */
    SYSCALL_FLAG_TIMED = 1 << 5,   /* has a timeout argument */
    SYSCALL_FLAG_DATA_IN = 1 << 6, /* its SHAPE_IN_ARG or SHAPE_IOVEC_IN is data for a file */
};

/* Shape of one pointer argument (or pair). OUT shapes are memory the kernel writes. */
enum syscall_shape {
    SHAPE_VALUE,        /* a number */
    SHAPE_FD,           /* a descriptor */
    SHAPE_PATH,         /* in: NUL-terminated path */
    SHAPE_STRING,       /* in: NUL-terminated string */
    SHAPE_POINTER,      /* an address that is not read or written as a buffer (mmap address...) */
    SHAPE_IN,           /* in: fixed bytes = size */
    SHAPE_IN_ARG,       /* in: bytes = args[size] */
    SHAPE_OUT,          /* out: fixed bytes = size (when the call succeeded) */
    SHAPE_OUT_ALWAYS,   /* out: fixed bytes even on error */
    SHAPE_OUT_RESULT,   /* out: bytes = result, at most args[size] */
    SHAPE_OUT_ARG,      /* out: bytes = args[size] */
    SHAPE_INOUT,        /* both: fixed bytes = size, written even on error */
    SHAPE_IOVEC_IN,     /* iovec array, count args[size], data going in */
    SHAPE_IOVEC_OUT,    /* iovec array, count args[size], result bytes coming out */
    SHAPE_SOCKADDR_OUT, /* out: socket address; args[size] points to the in/out length */
    SHAPE_IRREGULAR,    /* handler in irregular/ */
};

struct syscall_argument {
    uint8_t shape; /* enum syscall_shape */
    uint8_t text;  /* how syscall_format() shows it: enum syscall_text of format.h */
    uint16_t size; /* see the shape */
};

struct syscall_row {
    const char *name;
    uint8_t class;
    uint8_t argument_count;
    uint8_t blocks;
    int8_t fd_argument; /* -1: none */
    uint16_t flags;
    uint16_t irregular; /* 0: none; else index of a handler in irregular/ */
    int error;          /* REFUSE: positive errno */
    const char *reason; /* REFUSE, UNSUPPORTED: one line for the message */
    struct syscall_argument arguments[6];
};

/* NULL: the kernel's table has no such number (then: UNSUPPORTED with the number). */
const struct syscall_row *syscall_row_by_number(uint64_t number);
int syscall_number_by_name(const char *name); /* -1: unknown */

/* Reads `length` bytes of the tracee at `address`; 0 or -EFAULT (all or nothing). */
struct syscall_memory {
    int (*read)(void *context, struct taddr address, void *ret, size_t length);
    void *context;
};

struct syscall_region {
    uint64_t address;
    uint64_t length;
};
#define SYSCALL_REGION_MAX 1100 /* IOV_MAX + struct parts */
struct syscall_regions {
    size_t count;
    struct syscall_region region[SYSCALL_REGION_MAX];
};

/* The memory the kernel wrote in this finished call, `memory` being that after the call. `result`
 * as in rax (also -ERESTARTSYS and its like). *ret is overwritten. Every byte the kernel changed
 * lies in a region; a region can hold bytes it left alone, and its tail can be unreadable (a socket
 * address longer than its buffer, a call that ended with -EFAULT): record the readable prefix. For
 * process_vm_writev the regions are in the memory of process args[0].
 * 0, or -E2BIG if there are too many regions. */
int syscall_outputs(uint64_t number, const uint64_t args[6], int64_t result,
                    const struct syscall_memory *memory, struct syscall_regions *ret);

/* The memory going in as data for calls with output to files (write, writev, pwrite*, send*,
 * sendmsg, sendmmsg...): the first `result` bytes' regions in order. count 0 for others. */
int syscall_inputs(uint64_t number, const uint64_t args[6], int64_t result,
                   const struct syscall_memory *memory, struct syscall_regions *ret);

/* May this call, with these arguments, be run at all? 0: yes. Else a positive errno that the call
 * is answered with (REFUSE and refused sub-calls), or -EOPNOTSUPP: not modelled; `message` (size
 * bytes) then says which call, ioctl request, option or command with which arguments. */
int syscall_check(uint64_t number, const uint64_t args[6], const struct syscall_memory *memory,
                  char *message, size_t size);

/* row->blocks, made precise by the arguments: SYSCALL_BLOCKS_NEVER if these let the call wait for
 * nothing (MSG_DONTWAIT, WNOHANG, IPC_NOWAIT, LOCK_NB, O_NONBLOCK, a timeout of 0, fcntl commands
 * and ioctl requests other than the waiting ones). The descriptor's own O_NONBLOCK is not seen. */
enum syscall_blocks syscall_waits(uint64_t number, const uint64_t args[6],
                                  const struct syscall_memory *memory);

/* True if a result >= 0 of this call with these arguments is a new descriptor: rows with
 * SYSCALL_FLAG_NEW_FD but pipe, pipe2 and socketpair, and fcntl and ioctl where they make one. */
bool syscall_returns_fd(uint64_t number, const uint64_t args[6]);

/* "openat(AT_FDCWD, "/etc/passwd", O_RDONLY|O_CLOEXEC)": for messages and dump. memory may be NULL
 * (then strings are printed as addresses). Returns the text's length (truncated to size). */
size_t syscall_format(uint64_t number, const uint64_t args[6], const struct syscall_memory *memory,
                      char *text, size_t size);
/* "-ENOENT" or a number or an address. */
size_t syscall_format_result(uint64_t number, int64_t result, char *text, size_t size);
const char *syscall_errno_name(int error);    /* "ENOENT"; "E?" */
const char *syscall_signal_name(int signal);  /* "SIGUSR1"; never NULL */
int syscall_signal_by_name(const char *name); /* "SIGUSR1", "USR1"; -1 */

#endif
