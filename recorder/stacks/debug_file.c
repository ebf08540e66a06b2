/* Sessions of libdwfl, and separate debug files from the local tree only: libdwfl's own search may
 * ask the network. The places are gdb's (info "(gdb) Separate Debug Files"). */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <elfutils/libdwelf.h>

#include "recorder/base/file.h"
#include "recorder/base/text.h"
#include "recorder/stacks/names.h"

#define DEBUG_TREE "/usr/lib/debug"
#define ID_MAX 64

struct build_id {
    uint8_t data[ID_MAX];
    size_t length; /* 0: none */
};

static struct build_id id_of_module(Dwfl_Module *module)
{
    struct build_id id = {.length = 0};
    const unsigned char *data;
    GElf_Addr at;
    int length = dwfl_module_build_id(module, &data, &at);

    if (length > 1 && length <= ID_MAX) {
        memcpy(id.data, data, (size_t)length);
        id.length = (size_t)length;
    }
    return id;
}

/* CRC-32 as in zlib and .gnu_debuglink. False: unreadable. */
static bool checksum_of(int fd, uint32_t *ret)
{
    uint32_t table[256], crc = ~0u;
    uint8_t *buffer = malloc(1 << 16);
    off_t at = 0;
    ssize_t n;

    if (!buffer)
        abort();
    for (uint32_t i = 0; i < 256; i++) {
        table[i] = i;
        for (int bit = 0; bit < 8; bit++)
            table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320u : 0);
    }
    while ((n = pread(fd, buffer, 1 << 16, at)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            crc = table[(crc ^ buffer[i]) & 0xff] ^ crc >> 8;
        at += n;
    }
    free(buffer);
    *ret = ~crc;
    return n == 0;
}

/* The file belongs to the module if their build-ids are equal; without one, if its content has the
 * link's checksum. */
static bool belongs(int fd, const struct build_id *id, uint32_t checksum)
{
    const void *data = NULL;
    uint32_t found;
    ssize_t length;
    bool same;
    Elf *elf;

    elf_version(EV_CURRENT);
    elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
    if (!elf)
        return false;
    if (elf_kind(elf) != ELF_K_ELF) {
        elf_end(elf);
        return false;
    }
    length = dwelf_elf_gnu_build_id(elf, &data);
    if (id->length > 0 && length > 0)
        same = (size_t)length == id->length && memcmp(data, id->data, id->length) == 0;
    else
        same = checksum_of(fd, &found) && found == checksum;
    elf_end(elf);
    return same;
}

static int try_file(const char *path, const struct build_id *id, uint32_t checksum)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd >= 0 && !belongs(fd, id, checksum)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static int try_build_id(const struct build_id *id)
{
    char path[sizeof(DEBUG_TREE) + 32 + 2 * ID_MAX];
    size_t n;

    if (id->length < 2)
        return -1;
    n = (size_t)snprintf(path, sizeof(path), DEBUG_TREE "/.build-id/%02x/", id->data[0]);
    for (size_t i = 1; i < id->length; i++)
        n += (size_t)snprintf(path + n, sizeof(path) - n, "%02x", id->data[i]);
    snprintf(path + n, sizeof(path) - n, ".debug");
    return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

/* Beside the file, in .debug beside it, and at the same place below the debug tree. */
static int try_link(const char *file, const char *link, const struct build_id *id,
                    uint32_t checksum)
{
    static const char *const before[] = {"", "", DEBUG_TREE};
    static const char *const between[] = {"", ".debug/", ""};
    const char *slash = strrchr(file, '/');
    int fd = -1;

    if (!slash)
        return -1;
    for (size_t i = 0; i < sizeof(before) / sizeof(*before) && fd < 0; i++) {
        char *path;

        path = text_make("%s%.*s/%s%s", before[i], (int)(slash - file), file, between[i], link);
        fd = strcmp(path, file) != 0 ? try_file(path, id, checksum) : -1;
        free(path);
    }
    return fd;
}

/* file: the module's own path. link NULL: it has no .gnu_debuglink. An absolute link is what the
 * debug data share with others' (dwz). */
static int find_debug_file(Dwfl_Module *module, void **user, const char *name, Dwarf_Addr base,
                           const char *file, const char *link, GElf_Word checksum, char **ret_name)
{
    struct build_id id = id_of_module(module);
    int fd;

    (void)user;
    (void)base;
    (void)ret_name;
    if (link && link[0] == '/')
        return open(link, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    fd = try_build_id(&id);
    if (fd < 0 && link)
        fd = try_link(file ? file : name, link, &id, checksum);
    return fd;
}

static int find_no_file(Dwfl_Module *module, void **user, const char *name, Dwarf_Addr base,
                        char **ret_name, Elf **ret_elf)
{
    (void)module;
    (void)user;
    (void)name;
    (void)base;
    (void)ret_name;
    (void)ret_elf;
    return -1;
}

Dwfl *names_begin(void)
{
    static const Dwfl_Callbacks callbacks = {
        .find_elf = find_no_file,
        .find_debuginfo = find_debug_file,
    };

    return dwfl_begin(&callbacks);
}

Dwfl_Module *names_report(Dwfl *dwfl, const char *path, int fd, uint64_t bias)
{
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    Dwfl_Module *module;

    if (own < 0)
        return NULL;
    /* on success the descriptor is dwfl's */
    module = dwfl_report_elf(dwfl, path, path, own, bias, true);
    if (!module)
        close(own);
    return module;
}
