/* What must hold for every rewritten image, whatever is in it, checked over the system's own
 * programs and libraries and over small programs of other kinds (position-dependent, static musl,
 * C++ with exceptions). Frames and symbols are taken from elfutils here, so that the rewriter's own
 * readers are checked too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <gelf.h>
#include <rrtest/recorder_page.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "recorder/images/cache.h"
#include "recorder/images/code.h"
#include "recorder/images/image.h"
#include "recorder/images/place.h"
#include "recorder/images/plan.h"

struct subject {
    const char *name; /* several paths separated by spaces: the first that exists */
    bool required;
    bool full_loops; /* 98 % of its loops have windows, and every other one is counted */
};

static const struct subject subjects[] = {
    {"/lib64/ld-linux-x86-64.so.2", true, true},
    {"/lib/x86_64-linux-gnu/libc.so.6 /lib64/libc.so.6", true, true},
    {"/usr/bin/bash /bin/bash", true, true},
    {"/usr/bin/python3.11 /usr/bin/python3", false, true},
    {"/usr/bin/perl", false, true},
    {"/usr/bin/git", false, true},
    {"/usr/lib/x86_64-linux-gnu/libcrypto.so.3", false, false},
    {"/usr/lib/x86_64-linux-gnu/libstdc++.so.6", false, false},
    {TEST_PROGRAM_FIXED, true, false},
    {TEST_PROGRAM_MUSL, false, false},
    {TEST_PROGRAM_CXX, false, false},
};

struct opened {
    const char *path;
    struct image *image;
    struct elf_file elf;
    struct code code;
    int fd;
};

static bool open_subject(const struct subject *s, struct opened *ret)
{
    char *names = strdup(s->name), *rest = NULL;
    struct rr_error error = {0};

    ret->fd = -1;
    for (char *name = strtok_r(names, " ", &rest); name && ret->fd < 0;
         name = strtok_r(NULL, " ", &rest))
        ret->fd = open(name, O_RDONLY | O_CLOEXEC);
    free(names);
    ret->path = s->name;
    if (ret->fd < 0) {
        if (s->required)
            fail_msg("%s is missing", s->name);
        return false;
    }
    if (image_open(NULL, ret->fd, IMAGE_OPTION_CALLS, &ret->image, &error) != 0)
        fail_msg("%s: %s", s->name, error.message);
    if (!ret->image) { /* nothing to rewrite is fine for an image named by hand */
        if (s->required)
            fail_msg("%s: %s", s->name, error.message);
        print_message("%s: %s\n", s->name, error.message);
        close(ret->fd);
        return false;
    }
    assert_int_equal(elf_file_read(ret->fd, &ret->elf, &error), 0);
    assert_int_equal(code_build(&ret->elf, &ret->code), 0);
    return true;
}

static void close_subject(struct opened *o)
{
    code_done(&o->code);
    elf_file_done(&o->elf);
    image_free(o->image);
    close(o->fd);
}

/* Bytes of the rewritten image at an address of it; NULL outside its segments. */
static const uint8_t *rewritten(const struct image *image, uint64_t address)
{
    for (size_t i = 0; i < image_segment_count(image); i++) {
        const struct image_segment *s = image_segment(image, i);

        if (address - s->address < s->length)
            return image->data + s->cache_offset + (address - s->address);
    }
    return NULL;
}

static const struct cache_window *windows_of(const struct image *image, size_t *ret_count)
{
    *ret_count = image->header->tables[TABLE_WINDOWS].count;
    return image->tables[TABLE_WINDOWS];
}

static uint64_t jump_target(const uint8_t *jump, uint64_t address)
{
    int32_t distance;

    memcpy(&distance, jump + 1, 4);
    return address + 5 + (uint64_t)(int64_t)distance;
}

/* A branch or call that ticks on its way: itself unmoved, its target reached through the stub. */
static void check_edge(const struct opened *o, const struct cache_window *w, const uint8_t *bytes,
                       const uint8_t *original)
{
    uint64_t start = o->image->header->base + w->start;
    uint64_t stub = o->image->header->base + (uint64_t)o->image->header->displacement + w->hot;
    uint64_t target = o->image->header->base + w->target;
    struct decoded before, after;
    struct image_where where = image_locate(o->image, start);

    assert_true(decode(original, w->length, &before) && decode(bytes, w->length, &after));
    assert_int_equal(before.length, w->length);
    assert_true(before.flow == FLOW_BRANCH || before.flow == FLOW_CALL);
    assert_int_equal(after.flow, before.flow);
    assert_int_equal(before.condition, after.condition);
    assert_int_equal(start + w->length + (uint64_t)before.relative, target);
    assert_int_equal(start + w->length + (uint64_t)after.relative, stub);
    assert_int_equal(where.place, IMAGE_OUTSIDE);
    assert_int_equal(where.original, start);
    where = image_locate(o->image, stub);
    assert_int_equal(where.place, IMAGE_STUB_HEAD);
    assert_int_equal(where.original, target);
    where = image_locate(o->image, stub + 15); /* behind sub and js */
    assert_int_equal(where.place, IMAGE_STUB_BODY);
    assert_true(where.exact);
    assert_int_equal(where.original, target);
    assert_int_equal(jump_target(rewritten(o->image, stub + 15), stub + 15), target);
}

static void check_window(const struct opened *o, const struct cache_window *w)
{
    uint64_t start = o->image->header->base + w->start, end = start + w->length;
    uint64_t stub = o->image->header->base + (uint64_t)o->image->header->displacement + w->hot;
    const uint8_t *bytes = rewritten(o->image, start);
    const uint8_t *original = elf_file_at(&o->elf, start, w->length);

    assert_non_null(bytes);
    assert_non_null(original);
    if (w->edge) {
        check_edge(o, w, bytes, original);
        return;
    }
    if (!w->trap) {
        assert_int_equal(bytes[0], 0xe9);
        assert_int_equal(jump_target(bytes, start), stub + w->entry);
    }
    for (uint64_t at = w->trap ? 0 : WINDOW_JUMP; at < w->length; at++)
        assert_int_equal(bytes[at], 0xcc);
    for (uint64_t at = 0; at < w->length;) {
        size_t length = image_instruction_length(original + at, w->length - at);

        if (length == 0)
            fail_msg("%s: window %#lx ends inside an instruction", o->path, start);
        if (at > 0 && !place_traps(bytes[at]))
            fail_msg("%s: %#lx: former boundary at byte %lu does not trap", o->path, start, at);
        at += length;
    }
    for (uint64_t at = start + 1; at < end; at++)
        if (code_is_target(&o->code, at))
            fail_msg("%s: window %#lx has a target inside at %#lx", o->path, start, at);
}

/* Text outside windows is the file's own, byte by byte. */
static void check_rest(const struct opened *o)
{
    size_t count;
    const struct cache_window *w = windows_of(o->image, &count);
    size_t next = 0;

    for (size_t i = 0; i < image_segment_count(o->image); i++) {
        const struct image_segment *s = image_segment(o->image, i);

        if (s->stubs)
            continue;
        assert_true(s->file_offset + s->length < o->elf.size + 4096);
        for (uint64_t at = 0; at < s->length && s->file_offset + at < o->elf.size; at++) {
            uint64_t address = s->address + at;

            while (next < count &&
                   o->image->header->base + w[next].start + w[next].length <= address)
                next++;
            if (next < count && address >= o->image->header->base + w[next].start)
                continue;
            if (o->image->data[s->cache_offset + at] != o->elf.data[s->file_offset + at])
                fail_msg("%s: byte %#lx changed outside windows", o->path, address);
        }
    }
}

/* Stubs and slow paths are disjoint, inside the one stub segment, and all else there traps. */
static void check_stub_area(const struct opened *o)
{
    const struct image_segment *area = NULL;
    const struct cache_cold *cold = o->image->tables[TABLE_COLD];
    uint64_t zero = o->image->header->base + (uint64_t)o->image->header->displacement;
    size_t count;
    const struct cache_window *w = windows_of(o->image, &count);
    uint8_t *used;

    for (size_t i = 0; i < image_segment_count(o->image); i++)
        if (image_segment(o->image, i)->stubs)
            area = image_segment(o->image, i);
    assert_non_null(area);
    used = calloc(area->length, 1);
    assert_non_null(used);
    for (size_t i = 0; i < count + o->image->header->tables[TABLE_COLD].count; i++) {
        uint64_t at = zero + (i < count ? w[i].hot : cold[i - count].cold) - area->address;
        uint64_t size = i < count ? w[i].hot_size : cold[i - count].size;

        assert_true(at + size <= area->length);
        for (uint64_t k = at; k < at + size; k++)
            assert_int_equal(used[k]++, 0);
    }
    for (uint64_t k = 0; k < area->length; k++)
        if (!used[k])
            assert_int_equal(o->image->data[area->cache_offset + k], 0xcc);
    free(used);
    /* The area is the image's own span, shifted. */
    assert_true(area->address - zero < o->elf.high - o->elf.low);
    assert_true(area->address - zero + area->length <= o->elf.high - o->elf.low);
}

/* A relocated instruction does what the original did. */
static void check_copy(const struct opened *o, uint64_t original, uint64_t copy)
{
    const uint8_t *from = elf_file_at(&o->elf, original, 1);
    const uint8_t *to = rewritten(o->image, copy);
    struct decoded a, b;
    int32_t x, y;

    assert_non_null(to);
    assert_true(decode(from, 15, &a));
    assert_true(decode(to, 15, &b));
    assert_int_equal(a.flow, b.flow);
    if (a.flow == FLOW_BRANCH || a.flow == FLOW_JUMP) {
        uint64_t target = original + a.length + (uint64_t)a.relative;
        uint64_t reached = copy + b.length + (uint64_t)b.relative;
        struct image_where where = image_locate(o->image, reached);

        assert_int_equal(where.original, target);
        if (a.flow == FLOW_BRANCH)
            assert_int_equal(a.condition, b.condition);
        return;
    }
    assert_int_equal(a.length, b.length);
    for (uint8_t i = 0; i < a.length; i++)
        if (!a.rip_offset || i < a.rip_offset || i >= a.rip_offset + 4)
            assert_int_equal(from[i], to[i]);
    if (!a.rip_offset)
        return;
    memcpy(&x, from + a.rip_offset, 4);
    memcpy(&y, to + a.rip_offset, 4);
    assert_int_equal(original + a.length + (uint64_t)(int64_t)x,
                     copy + b.length + (uint64_t)(int64_t)y);
}

static void check_map(const struct opened *o, const struct cache_window *w)
{
    const struct stub_map *map = (const struct stub_map *)o->image->tables[TABLE_HOT_MAP] + w->map;
    uint64_t start = o->image->header->base + w->start;
    uint64_t stub = o->image->header->base + (uint64_t)o->image->header->displacement + w->hot;
    struct image_where where = image_locate(o->image, start);
    bool returns = false;

    assert_int_equal(where.place, IMAGE_START);
    assert_int_equal(where.original, start);
    assert_int_equal(where.copy, stub + w->entry);
    assert_int_equal(where.trap, w->trap);
    assert_int_equal(map[0].at, 0);
    for (uint16_t i = 0; i < w->map_count; i++) {
        uint64_t original = start + map[i].original;

        where = image_locate(o->image, stub + map[i].at);
        assert_int_equal(where.original, original);
        assert_int_equal(where.start, start);
        assert_int_equal(where.end, start + w->length);
        if (map[i].state != STATE_BODY) {
            assert_int_equal(where.place, IMAGE_STUB_HEAD);
            continue;
        }
        assert_int_equal(where.place, IMAGE_STUB_BODY);
        assert_true(where.exact);
        where = image_locate(o->image, stub + map[i].at + 1);
        if ((i + 1u < w->map_count ? map[i + 1].at : w->hot_size) > map[i].at + 1)
            assert_false(where.exact);
        /* The jump back stands for the instruction it leads to. */
        returns = *rewritten(o->image, stub + map[i].at) == 0xe9 &&
                  jump_target(rewritten(o->image, stub + map[i].at), stub + map[i].at) == original;
        if (!returns)
            check_copy(o, original, stub + map[i].at);
    }
}

/* From the program's side: every original boundary in a window has a copy that leads back. */
static void check_interior(const struct opened *o, const struct cache_window *w)
{
    uint64_t start = o->image->header->base + w->start;
    const uint8_t *original = elf_file_at(&o->elf, start, w->length);
    uint64_t boundary = 0;

    for (uint64_t at = 0; at < w->length; at++) {
        struct image_where where = image_locate(o->image, start + at);

        assert_int_equal(where.place, at ? IMAGE_INTERIOR : IMAGE_START);
        assert_int_equal(where.original, start + at);
        if (at != boundary) {
            assert_int_equal(where.copy, 0);
            continue;
        }
        boundary += image_instruction_length(original + at, w->length - at);
        assert_int_not_equal(where.copy, 0);
        assert_int_equal(image_locate(o->image, where.copy).original, start + at);
    }
    assert_int_equal(image_locate(o->image, start + w->length).place == IMAGE_INTERIOR, 0);
}

/* elfutils' view of where code is: each window lies in one FDE or one function symbol. */
struct covers {
    uint8_t *bits;
    uint64_t base;
    uint64_t size;
};

static void cover(struct covers *c, uint64_t start, uint64_t size)
{
    for (uint64_t at = start; at < start + size && at - c->base < c->size; at++)
        c->bits[at - c->base] = 1;
}

static void cover_frames(struct covers *c, Elf *elf)
{
    Dwarf_CFI *cfi = dwarf_getcfi_elf(elf);
    Elf_Scn *section = NULL;
    size_t names;

    assert_non_null(cfi);
    elf_getshdrstrndx(elf, &names);
    while ((section = elf_nextscn(elf, section))) {
        Dwarf_CFI_Entry entry;
        Dwarf_Off offset = 0, next;
        GElf_Shdr header;
        Elf_Data *data;

        gelf_getshdr(section, &header);
        if (strcmp(elf_strptr(elf, names, header.sh_name), ".eh_frame") != 0)
            continue;
        data = elf_getdata(section, NULL);
        while (dwarf_next_cfi((const unsigned char *)elf_getident(elf, NULL), data, true, offset,
                              &next, &entry) == 0) {
            if (!dwarf_cfi_cie_p(&entry)) {
                const unsigned char *p = entry.fde.start;
                uint64_t place = header.sh_addr + (uint64_t)(p - (unsigned char *)data->d_buf);
                int32_t start;
                uint32_t size;

                memcpy(&start, p, 4); /* pcrel sdata4, as every x86-64 toolchain writes it */
                memcpy(&size, p + 4, 4);
                cover(c, place + (uint64_t)(int64_t)start, size);
            }
            offset = next;
        }
    }
    dwarf_cfi_end(cfi);
}

static void cover_symbols(struct covers *c, Elf *elf)
{
    Elf_Scn *section = NULL;

    while ((section = elf_nextscn(elf, section))) {
        GElf_Shdr header;
        GElf_Sym symbol;

        gelf_getshdr(section, &header);
        if (header.sh_type != SHT_SYMTAB && header.sh_type != SHT_DYNSYM)
            continue;
        for (int i = 0; gelf_getsym(elf_getdata(section, NULL), i, &symbol); i++)
            if ((GELF_ST_TYPE(symbol.st_info) == STT_FUNC ||
                 GELF_ST_TYPE(symbol.st_info) == STT_GNU_IFUNC) &&
                symbol.st_shndx != SHN_UNDEF)
                cover(c, symbol.st_value, symbol.st_size);
    }
}

static void check_code_only(const struct opened *o)
{
    struct covers c = {.base = o->elf.low, .size = o->elf.high - o->elf.low};
    Elf *elf;
    size_t count;
    const struct cache_window *w = windows_of(o->image, &count);

    elf_version(EV_CURRENT);
    elf = elf_begin(o->fd, ELF_C_READ, NULL);
    assert_non_null(elf);
    c.bits = calloc(c.size, 1);
    assert_non_null(c.bits);
    cover_frames(&c, elf);
    cover_symbols(&c, elf);
    for (size_t i = 0; i < count; i++)
        for (uint64_t k = 0; k < w[i].length; k++)
            if (!c.bits[w[i].start + k])
                fail_msg("%s: window %#x is not code", o->path, w[i].start);
    free(c.bits);
    elf_end(elf);
}

static size_t loops_refused(const struct image *image)
{
    const struct cache_refusal *r = image->tables[TABLE_REFUSALS];
    size_t count = 0;

    for (uint64_t i = 0; i < image->header->tables[TABLE_REFUSALS].count; i++)
        count += r[i].site == SITE_LOOP;
    return count;
}

static void check_loops(const struct opened *o, const struct subject *s)
{
    struct image_statistics statistics;
    uint64_t counted;

    image_statistics(o->image, &statistics);
    counted = statistics.loops_windowed + statistics.loops_other + statistics.loops_trapped;
    assert_true(counted <= statistics.loops);
    if (!s->full_loops)
        return;
    assert_true(statistics.loops_windowed * 100 >= statistics.loops * 98);
    assert_int_equal(counted, statistics.loops);
    assert_int_equal(loops_refused(o->image), 0);
}

static bool check_subject(const struct subject *s)
{
    const struct cache_window *w;
    struct opened o;
    size_t count;

    if (!open_subject(s, &o))
        return false;
    w = windows_of(o.image, &count);
    assert_true(count > 0);
    for (size_t k = 0; k < count; k++) {
        check_window(&o, &w[k]);
        if (w[k].edge)
            continue;
        check_map(&o, &w[k]);
        check_interior(&o, &w[k]);
    }
    check_rest(&o);
    check_stub_area(&o);
    check_code_only(&o);
    check_loops(&o, s);
    close_subject(&o);
    return true;
}

static void test_system_images(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++)
        check_subject(&subjects[i]);
}

/* By hand: any files. */
static void test_named_images(void **state)
{
    for (char **path = *state; *path; path++)
        check_subject(&(struct subject){.name = *path});
}

/* The same file gives the same image. */
static void test_repeatable(void **state)
{
    struct image *a, *b;
    int fd = open(TEST_PROGRAM_FIXED, O_RDONLY | O_CLOEXEC);

    (void)state;
    assert_int_equal(image_open(NULL, fd, IMAGE_OPTION_CALLS, &a, NULL), 0);
    assert_int_equal(image_open(NULL, fd, IMAGE_OPTION_CALLS, &b, NULL), 0);
    assert_string_equal(image_hash(a), image_hash(b));
    image_free(a);
    image_free(b);
    close(fd);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_system_images),
        cmocka_unit_test(test_repeatable),
    };
    const struct CMUnitTest by_hand[] = {
        cmocka_unit_test_prestate(test_named_images, argv + 1),
    };

    if (argc > 1)
        return cmocka_run_group_tests(by_hand, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
