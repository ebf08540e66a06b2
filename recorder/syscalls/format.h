/* How an argument is shown: symbolic values for the most used flag and enum arguments.
 * Internal to recorder/syscalls/. */
#ifndef RECORDER_SYSCALLS_FORMAT_H
#define RECORDER_SYSCALLS_FORMAT_H

#include <stddef.h>
#include <stdint.h>

enum syscall_text {
    TEXT_DEFAULT, /* by shape: values in decimal, addresses in hexadecimal */
    TEXT_INT,     /* 32 bits, signed */
    TEXT_UINT,    /* 32 bits */
    TEXT_HEX,
    TEXT_OCTAL,
    TEXT_SOCKADDR,
    TEXT_IOCTL,
    TEXT_FCNTL,
    TEXT_PRCTL,
    TEXT_ARCH_PRCTL,
    TEXT_SIGNAL,
    TEXT_OPEN_FLAGS,
    TEXT_PROT,
    TEXT_MAP_FLAGS,
    TEXT_REMAP_FLAGS,
    TEXT_ADVICE,
    TEXT_SYNC_FLAGS,
    TEXT_ACCESS,
    TEXT_AT_FLAGS,
    TEXT_WHENCE,
    TEXT_FUTEX,
    TEXT_CLONE_FLAGS,
    TEXT_DOMAIN,
    TEXT_SOCKET_TYPE,
    TEXT_SOCKET_LEVEL,
    TEXT_MESSAGE_FLAGS,
    TEXT_SHUTDOWN,
    TEXT_CLOCK,
    TEXT_ITIMER,
    TEXT_MASK_HOW,
    TEXT_WAIT_FLAGS,
    TEXT_EPOLL_COMMAND,
    TEXT_RESOURCE,
    TEXT_LOCK,
    TEXT_FD_FLAGS, /* SOCK_CLOEXEC and its like: all have the bits of O_CLOEXEC and O_NONBLOCK */
    TEXT_COUNT
};

/* Text that grows up to `size` (> 0), always terminated; `length` never passes size - 1. */
struct format_text {
    char *to;
    size_t size;
    size_t length;
};

void format_put(struct format_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The symbolic form of `value`; 0 if this text kind has no symbols. Returns the text's length. */
size_t symbols_format(enum syscall_text text, uint64_t value, char *ret, size_t size);

#endif
