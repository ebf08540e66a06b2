/* libFuzzer: no archive may crash or hang the unpacker, nor make it write what its table of
 * contents does not announce. Checksums and compression would keep the fuzzer out, so this program
 * adds them. The first byte says what is fed: 0 a file as it is, 1 a tar archive, 2 a table of
 * contents, 3 members with a table that is right but where the input says otherwise. */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "harness/pack/manifest.h"
#include "harness/pack/pack.h"
#include "recorder/base/file.h"
#include "recorder/trace/output.h"

#define TAR_BLOCK 512
#define MEMBERS_MAX 12

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- what may be written ---- */

static void check_entries(int parent, const char *name, bool top)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fdopendir(fd);
    struct dirent *entry;

    while (stream && (entry = readdir(stream))) {
        struct stat status;
        char path[NAME_MAX + 16];

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (fstatat(fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0)
            abort();
        snprintf(path, sizeof(path), "%s%s", top ? "" : "images/", entry->d_name);
        if (top && strcmp(path, "images") == 0)
            check_entries(fd, path, false);
        else if (!manifest_is_name(path) || !S_ISREG(status.st_mode) || status.st_nlink != 1)
            abort();
    }
    if (stream)
        closedir(stream);
}

static void extract(const void *data, size_t length)
{
    char path[] = "/dev/shm/rrtest-fuzz-XXXXXX";
    cleanup_fd int fd = memfd_create("fuzz", MFD_CLOEXEC);
    struct rr_error error = {0};
    int result;

    if (!mkdtemp(path) || fd < 0 || file_write_all(fd, data, length) || lseek(fd, 0, SEEK_SET) < 0)
        abort();
    result = pack_extract(fd, "fuzz.rrt", path, &error);
    if (result && (strncmp(error.message, "fuzz.rrt", 8) != 0 || strchr(error.message, '\n')) &&
        strncmp(error.message, "cannot write ", 13) != 0)
        abort();
    check_entries(AT_FDCWD, path, true);
    output_remove(path);
    if (access(path, F_OK) == 0)
        abort();
}

static void extract_tar(const void *data, size_t length)
{
    size_t bound = ZSTD_compressBound(length);
    void *packed = malloc(bound);

    extract(packed, ZSTD_compress(packed, bound, data, length, 1));
    free(packed);
}

/* ---- made archives ---- */

static void put_table_end(struct bytes *text)
{
    char tail[64];

    snprintf(tail, sizeof(tail), "%016" PRIx64 " end\n", bytes_hash(text->data, text->length, 0));
    bytes_append(text, tail, strlen(tail));
}

static void feed_table(const uint8_t *data, size_t size)
{
    struct manifest manifest;
    struct bytes text = {0};

    bytes_append(&text, data, size);
    put_table_end(&text);
    if (manifest_parse((const char *)text.data, text.length, &manifest) == 0) {
        for (size_t i = 0; i < manifest.count; i++) {
            if (!manifest_is_name(manifest.entries[i].name))
                abort();
        }
        manifest_done(&manifest);
    }
    bytes_done(&text);
}

/* ustar (POSIX.1-1988): name, mode, size, type and the sum of the header's bytes. */
static void put_member(struct bytes *tar, const char *name, char type, const uint8_t *data,
                       size_t length)
{
    char header[TAR_BLOCK] = "";
    unsigned sum = 0;

    snprintf(header, 100, "%s", name);
    memcpy(header + 100, "0000644", 8);
    snprintf(header + 124, 12, "%011zo", length);
    memset(header + 148, ' ', 8);
    header[156] = type;
    snprintf(header + 157, 100, "trace/meta.json");
    memcpy(header + 257, "ustar\00000", 8);
    for (size_t i = 0; i < TAR_BLOCK; i++)
        sum += (uint8_t)header[i];
    snprintf(header + 148, 8, "%06o", sum);
    bytes_append(tar, header, sizeof(header));
    bytes_append(tar, data, length);
    memset(bytes_extend(tar, -length % TAR_BLOCK), 0, -length % TAR_BLOCK);
}

static const char *const names[] = {"data.zst",     "events.zst", "images/0001-0123456789abcdef",
                                    "images/index", "meta.json",  "stderr",
                                    "../stdout",    "/stdout",    "contents"};

/* Each member: a byte for its name, one for its oddities, a length, content. */
static void feed_members(struct bytes_reader *input)
{
    struct bytes members = {0}, text = {0}, tar = {0};

    bytes_append(&text, "rrtest pack 1\n", 14);
    for (int i = 0; i < MEMBERS_MAX && !input->failed && input->at < input->length; i++) {
        const char *name = names[bytes_get_u8(input) % (sizeof(names) / sizeof(names[0]))];
        uint8_t odd = bytes_get_u8(input);
        size_t length = bytes_get_uvarint(input) % 2048;
        const uint8_t *data = bytes_get(input, length);
        char line[128], full[64];

        if (!data)
            break;
        snprintf(full, sizeof(full), "trace/%s", name);
        put_member(&members, full, odd & 1 ? (char)bytes_get_u8(input) : '0', data, length);
        snprintf(line, sizeof(line), "%016" PRIx64 " %zu %s\n",
                 length ? bytes_hash(data, length, 0) : 0, odd & 2 ? length + 1 : length, name);
        if (!(odd & 4))
            bytes_append(&text, line, strlen(line));
    }
    put_table_end(&text);
    put_member(&tar, MANIFEST_NAME, '0', text.data, text.length);
    bytes_append(&tar, members.data, members.length);
    memset(bytes_extend(&tar, 2 * (size_t)TAR_BLOCK), 0, 2 * (size_t)TAR_BLOCK);
    extract_tar(tar.data, tar.length);
    bytes_done(&members);
    bytes_done(&text);
    bytes_done(&tar);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes_reader input;

    if (size == 0)
        return 0;
    bytes_reader_init(&input, data + 1, size - 1);
    switch (data[0] % 4) {
    case 0:
        extract(data + 1, size - 1);
        break;
    case 1:
        extract_tar(data + 1, size - 1);
        break;
    case 2:
        feed_table(data + 1, size - 1);
        break;
    default:
        feed_members(&input);
        break;
    }
    return 0;
}
