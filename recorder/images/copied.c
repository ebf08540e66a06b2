/* Finding text that is copied, by the names of symbols. */
#include "recorder/images/copied.h"

#include <string.h>

#include "recorder/images/memory.h"

#define START_SUFFIX "_embedded_blob_code_"
#define SIZE_SUFFIX START_SUFFIX "size_"

struct blob {
    const char *name;
    size_t prefix; /* bytes of the name that both symbols share */
    uint64_t start;
    uint32_t size;
};

struct blobs {
    const struct elf_file *elf;
    struct blob *list;
    size_t count;
    size_t capacity;
};

static bool ends_with(const char *name, const char *suffix, size_t *ret_prefix)
{
    size_t length = strlen(name), tail = strlen(suffix);

    if (length < tail || strcmp(name + length - tail, suffix) != 0)
        return false;
    *ret_prefix = length - tail;
    return true;
}

static struct blob *blob_named(struct blobs *b, const char *name, size_t prefix)
{
    for (size_t i = 0; i < b->count; i++)
        if (b->list[i].prefix == prefix && memcmp(b->list[i].name, name, prefix) == 0)
            return &b->list[i];
    b->list = memory_grow(b->list, b->count, &b->capacity, sizeof(*b->list));
    b->list[b->count] = (struct blob){.name = name, .prefix = prefix};
    return &b->list[b->count++];
}

static void on_symbol(const struct elf_symbol *symbol, void *context)
{
    struct blobs *b = context;
    const uint8_t *size;
    size_t prefix;

    if (ends_with(symbol->name, START_SUFFIX, &prefix)) {
        blob_named(b, symbol->name, prefix)->start = symbol->address;
    } else if (ends_with(symbol->name, SIZE_SUFFIX, &prefix)) {
        size = elf_file_at(b->elf, symbol->address, sizeof(uint32_t));
        if (size)
            memcpy(&blob_named(b, symbol->name, prefix)->size, size, sizeof(uint32_t));
    }
}

void copied_find(const struct elf_file *elf, struct copied *ret)
{
    struct blobs b = {.elf = elf};

    memset(ret, 0, sizeof(*ret));
    elf_file_symbols(elf, on_symbol, &b);
    ret->ranges = memory_zeroed(b.count, sizeof(*ret->ranges));
    for (size_t i = 0; i < b.count; i++) {
        const struct blob *blob = &b.list[i];

        if (blob->size && elf_file_executable(elf, blob->start))
            ret->ranges[ret->count++] = (struct code_range){blob->start, blob->start + blob->size};
    }
    free(b.list);
}

void copied_done(struct copied *copied)
{
    free(copied->ranges);
    memset(copied, 0, sizeof(*copied));
}

bool copied_overlaps(const struct copied *copied, uint64_t start, uint64_t end)
{
    for (size_t i = 0; i < copied->count; i++)
        if (start < copied->ranges[i].end && copied->ranges[i].start < end)
            return true;
    return false;
}
