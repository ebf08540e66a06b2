/* System calls as text, in the manner of strace: for messages and dump. */
#include "recorder/syscalls/format.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "recorder/base/types.h"
#include "recorder/syscalls/syscalls.h"

#define STRING_SHOWN 64 /* characters of a path or string */
#define DATA_SHOWN 32   /* bytes of written data */

void format_put(struct format_text *text, const char *format, ...)
{
    va_list arguments;
    size_t left = text->size - text->length;
    int n;

    va_start(arguments, format);
    n = vsnprintf(text->to + text->length, left, format, arguments);
    va_end(arguments);
    if (n > 0)
        text->length += (size_t)n < left ? (size_t)n : left - 1;
}

static void put_address(struct format_text *text, uint64_t address)
{
    if (address)
        format_put(text, "%#llx", (unsigned long long)address);
    else
        format_put(text, "NULL");
}

static void put_character(struct format_text *text, unsigned char c)
{
    static const char escaped[] = "\n\t\r\"\\";
    static const char names[] = "ntr\"\\";
    const char *at = c ? strchr(escaped, c) : NULL;

    if (at)
        format_put(text, "\\%c", names[at - escaped]);
    else if (isprint(c) && c < 128)
        format_put(text, "%c", c);
    else
        format_put(text, "\\x%02x", c);
}

/* Reads as far as memory goes, up to `limit` bytes; where `ends` is set, to the NUL, which is not
 * counted. Returns the bytes read. *ret_whole: the NUL was reached. */
static size_t read_some(const struct syscall_memory *memory, uint64_t address, char *ret,
                        size_t limit, bool ends, bool *ret_whole)
{
    *ret_whole = false;
    for (size_t i = 0; i < limit; i++) {
        if (memory->read(memory->context, taddr(address + i), &ret[i], 1) != 0)
            return i;
        if (ends && ret[i] == '\0') {
            *ret_whole = true;
            return i;
        }
    }
    return limit;
}

static void put_string(struct format_text *text, const struct syscall_memory *memory,
                       uint64_t address)
{
    char string[STRING_SHOWN + 1];
    bool whole;
    size_t length;

    if (!memory || !address) {
        put_address(text, address);
        return;
    }
    length = read_some(memory, address, string, sizeof(string), true, &whole);
    if (length == 0 && !whole) {
        put_address(text, address);
        return;
    }
    format_put(text, "\"");
    for (size_t i = 0; i < length && i < STRING_SHOWN; i++)
        put_character(text, (unsigned char)string[i]);
    format_put(text, whole ? "\"" : "\"...");
}

static void put_data(struct format_text *text, const struct syscall_memory *memory,
                     uint64_t address, uint64_t bytes)
{
    char data[DATA_SHOWN];
    size_t wanted = bytes < sizeof(data) ? (size_t)bytes : sizeof(data);
    bool whole;

    if (!memory || !address || read_some(memory, address, data, wanted, false, &whole) != wanted) {
        put_address(text, address);
        return;
    }
    format_put(text, "\"");
    for (size_t i = 0; i < wanted; i++)
        put_character(text, (unsigned char)data[i]);
    format_put(text, bytes > wanted ? "\"..." : "\"");
}

static void put_unix_path(struct format_text *text, const struct sockaddr_un *address,
                          size_t length)
{
    const char *path = address->sun_path;
    size_t size = length - offsetof(struct sockaddr_un, sun_path);

    format_put(text, "{AF_UNIX, ");
    if (size > 0 && path[0] == '\0') /* abstract */
        format_put(text, "@\"");
    else
        format_put(text, "\"");
    for (size_t i = size > 0 && path[0] == '\0' ? 1 : 0; i < size && path[i]; i++)
        put_character(text, (unsigned char)path[i]);
    format_put(text, "\"}");
}

static void put_sockaddr(struct format_text *text, const struct syscall_memory *memory,
                         uint64_t address, uint64_t bytes)
{
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    } u = {0};
    char name[INET6_ADDRSTRLEN];
    size_t length = (uint32_t)bytes;

    if (!memory || !address || length < sizeof(u.any.sa_family) || length > sizeof(u) ||
        memory->read(memory->context, taddr(address), &u, length) != 0) {
        put_address(text, address);
        return;
    }
    if (u.any.sa_family == AF_INET && length >= sizeof(u.in)) {
        inet_ntop(AF_INET, &u.in.sin_addr, name, sizeof(name));
        format_put(text, "{AF_INET, %s:%u}", name, ntohs(u.in.sin_port));
    } else if (u.any.sa_family == AF_INET6 && length >= sizeof(u.in6)) {
        inet_ntop(AF_INET6, &u.in6.sin6_addr, name, sizeof(name));
        format_put(text, "{AF_INET6, [%s]:%u}", name, ntohs(u.in6.sin6_port));
    } else if (u.any.sa_family == AF_UNIX) {
        put_unix_path(text, &u.un, length);
    } else {
        format_put(text, "{family %u, %zu bytes}", u.any.sa_family, length);
    }
}

static void put_value(struct format_text *text, enum syscall_text kind, uint64_t value)
{
    char symbol[512];

    switch (kind) {
    case TEXT_INT:
        format_put(text, "%d", (int32_t)value);
        return;
    case TEXT_UINT:
        format_put(text, "%u", (uint32_t)value);
        return;
    case TEXT_HEX:
        format_put(text, value ? "%#llx" : "%llu", (unsigned long long)value);
        return;
    case TEXT_OCTAL:
        format_put(text, value & 0xffffffff ? "0%o" : "%o", (uint32_t)value);
        return;
    case TEXT_DEFAULT:
        format_put(text, "%lld", (long long)value);
        return;
    case TEXT_SIGNAL:
    case TEXT_FCNTL:
        if (symbols_format(kind, value, symbol, sizeof(symbol)) > 0)
            format_put(text, "%s", symbol);
        else
            format_put(text, "%d", (int32_t)value);
        return;
    default:
        if (symbols_format(kind, value, symbol, sizeof(symbol)) > 0)
            format_put(text, "%s", symbol);
        else
            format_put(text, "%#x", (uint32_t)value);
        return;
    }
}

static void put_argument(struct format_text *text, const struct syscall_row *row, int index,
                         const uint64_t args[6], const struct syscall_memory *memory)
{
    const struct syscall_argument *a = &row->arguments[index];
    uint64_t value = args[index];

    switch (a->shape) {
    case SHAPE_VALUE:
        put_value(text, a->text, value);
        return;
    case SHAPE_FD:
        if ((int32_t)value == AT_FDCWD)
            format_put(text, "AT_FDCWD");
        else
            format_put(text, "%d", (int32_t)value);
        return;
    case SHAPE_PATH:
    case SHAPE_STRING:
        put_string(text, memory, value);
        return;
    case SHAPE_IN_ARG:
        if (a->text == TEXT_SOCKADDR)
            put_sockaddr(text, memory, value, args[a->size]);
        else if (row->flags & SYSCALL_FLAG_DATA_IN)
            put_data(text, memory, value, args[a->size]);
        else
            put_address(text, value);
        return;
    default:
        put_address(text, value);
        return;
    }
}

/* open's mode means nothing unless a file can be created. */
static int argument_count(const struct syscall_row *row, uint64_t number, const uint64_t args[6])
{
    int count = row->argument_count;
    int flags = number == SYS_open ? 1 : number == SYS_openat ? 2 : number == SYS_mq_open ? 1 : -1;

    if (flags < 0 || (args[flags] & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))))
        return count;
    return flags + 1;
}

size_t syscall_format(uint64_t number, const uint64_t args[6], const struct syscall_memory *memory,
                      char *text, size_t size)
{
    const struct syscall_row *row = syscall_row_by_number(number);
    struct format_text out = {text, size, 0};
    int count;

    if (size == 0)
        return 0;
    if (!row) {
        format_put(&out, "syscall %lld(%#llx, %#llx, %#llx, %#llx, %#llx, %#llx)",
                   (long long)number, (unsigned long long)args[0], (unsigned long long)args[1],
                   (unsigned long long)args[2], (unsigned long long)args[3],
                   (unsigned long long)args[4], (unsigned long long)args[5]);
        return out.length;
    }
    format_put(&out, "%s(", row->name);
    count = argument_count(row, number, args);
    for (int i = 0; i < count; i++) {
        if (i > 0)
            format_put(&out, ", ");
        put_argument(&out, row, i, args, memory);
    }
    format_put(&out, ")");
    return out.length;
}

/* Results of these are addresses. */
static bool result_is_address(uint64_t number)
{
    return number == SYS_mmap || number == SYS_mremap || number == SYS_brk || number == SYS_shmat;
}

size_t syscall_format_result(uint64_t number, int64_t result, char *text, size_t size)
{
    struct format_text out = {text, size, 0};

    if (size == 0)
        return 0;
    if (result < 0 && result >= -4095 && strcmp(syscall_errno_name((int)-result), "E?") != 0)
        format_put(&out, "-%s", syscall_errno_name((int)-result));
    else if (result_is_address(number))
        format_put(&out, "%#llx", (unsigned long long)result);
    else
        format_put(&out, "%lld", (long long)result);
    return out.length;
}
