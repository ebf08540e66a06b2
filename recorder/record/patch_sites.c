/* Sites: finding their regions, in an image's plan or by decoding, and room for their stubs. */
#include "recorder/record/patch_sites.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "include/rrtest/recorder_page.h"
#include "recorder/base/types.h"
#include "recorder/images/place.h"
#include "recorder/patch/occupancy.h"
#include "recorder/record/patches.h"
#include "recorder/record/space.h"

#define GRANULE 32 /* of a page of stubs */
#define USER_END 0x7ffffffff000ull
#define USER_START 0x10000ull

struct patch_site *patch_site_find(const struct space *space, uint64_t instruction)
{
    for (size_t i = 0; i < space->patches.count; i++)
        if (space->patches.site[i].instruction == instruction)
            return &space->patches.site[i];
    return NULL;
}

bool patches_is_applied(const struct space *space, uint64_t start)
{
    for (size_t i = 0; i < space->patches.count; i++)
        if (space->patches.site[i].start == start && space->patches.site[i].planned)
            return space->patches.site[i].state == PATCH_APPLIED;
    return false;
}

/* ---- regions -----------------------------------------------------------------------------------
 */

/* The stub has copies of the image's code: is it that which lies there? */
static bool is_of_image(const struct loaded_image *l, const struct patch_site *site)
{
    uint64_t address = site->start - l->bias, length = site->end - site->start;
    uint8_t code[PATCH_REGION_MAX];

    for (size_t i = 0; i < image_segment_count(l->image); i++) {
        const struct image_segment *g = image_segment(l->image, i);

        if (address < g->address || address + length > g->address + g->length)
            continue;
        return pread(image_fd(l->image), code, length,
                     (off_t)(g->cache_offset + (address - g->address))) == (ssize_t)length &&
               memcmp(code, site->code, length) == 0;
    }
    return false;
}

/* An image has planned it. */
static bool take_planned(const struct task *t, struct loaded_image *l, struct patch_site *site)
{
    uint64_t address = site->instruction - l->bias;
    struct image_where where = image_locate(l->image, address);

    if (!where.dormant || (where.place != IMAGE_START && where.place != IMAGE_INTERIOR))
        return false;
    where = image_locate(l->image, where.start);
    site->planned = true;
    site->start = where.start + l->bias;
    site->end = where.end + l->bias;
    site->target = where.copy + l->bias;
    return where.copy && site->end - site->start <= PATCH_REGION_MAX &&
           tracee_read_forced(t->tid, site->start, site->code, site->end - site->start) == 0 &&
           is_of_image(l, site);
}

/* Not a byte of it is anything that an image wrote. */
static bool is_plain(const struct loaded_image *l, uint64_t start, uint64_t end)
{
    for (uint64_t at = start; l && at < end; at++)
        if (image_locate(l->image, at - l->bias).place != IMAGE_OUTSIDE)
            return false;
    return true;
}

static bool overlaps_site(const struct space *space, uint64_t start, uint64_t end)
{
    for (size_t i = 0; i < space->patches.count; i++) {
        const struct patch_site *other = &space->patches.site[i];

        if (other->start < end && other->end > start)
            return true;
    }
    return false;
}

static bool take_decoded(const struct task *t, const struct loaded_image *l, uint64_t number,
                         struct patch_site *site)
{
    const struct map_entry *m = maps_find(&t->space->maps, site->instruction);
    uint8_t code[2 * REGION_CONTEXT];
    uint64_t before, after;

    before = site->instruction - m->start;
    after = m->end - site->instruction;
    before = before < REGION_CONTEXT ? before : REGION_CONTEXT;
    after = after < REGION_CONTEXT ? after : REGION_CONTEXT;
    if (tracee_read_forced(t->tid, site->instruction - before, code, before + after) < 0 ||
        !image_region_find(code + before, before, after, number, &site->region))
        return false;
    site->start = site->instruction - site->region.before;
    site->end = site->start + site->region.length;
    memcpy(site->code, site->region.code, site->region.length);
    return is_plain(l, site->start, site->end) && !overlaps_site(t->space, site->start, site->end);
}

static struct patch_site *add(struct space *space, const struct patch_site *site)
{
    struct patch_sites *p = &space->patches;

    if (p->count == p->capacity) {
        p->capacity = p->capacity * 2 + 16;
        p->site = realloc(p->site, p->capacity * sizeof(*p->site));
        if (!p->site)
            abort();
    }
    p->site[p->count] = *site;
    p->regions += site->start != site->end;
    return &p->site[p->count++];
}

/* A handler's return is known to unwinders by its bytes, and to nobody as a call to be sped up. */
static bool takes_no_patch(uint64_t number)
{
    return number == SYS_rt_sigreturn;
}

/* A call like that tells nothing of what lies behind it, which may be data that others read. */
static bool does_not_return(uint64_t number)
{
    return number == SYS_exit || number == SYS_exit_group || number == SYS_execve ||
           number == SYS_execveat;
}

struct patch_site *patch_site_new(struct session *s, struct task *t, uint64_t instruction,
                                  uint64_t number, bool *ret_transient)
{
    const struct map_entry *m = maps_find(&t->space->maps, instruction);
    struct loaded_image *l = space_image_at(t->space, instruction, NULL);
    struct patch_site site = {.instruction = instruction};
    bool found;

    (void)s;
    /* code that the program can write would be written around the jump, or compared */
    *ret_transient = !m || (m->prot & PROT_WRITE) || !(m->prot & PROT_EXEC);
    if (*ret_transient)
        return NULL;
    found = !takes_no_patch(number) && (m->flags & MAP_PRIVATE) &&
            ((l && take_planned(t, l, &site)) ||
             (!(l && image_refuses_call(l->image, instruction - l->bias)) &&
              !does_not_return(number) && take_decoded(t, l, number, &site)));
    *ret_transient = !found && does_not_return(number);
    if (*ret_transient)
        return NULL;
    if (!found)
        site = (struct patch_site){.instruction = instruction};
    return add(t->space, &site);
}

uint64_t patch_site_copy(const struct space *space, const struct patch_site *site, uint64_t address)
{
    if (site->planned) {
        struct loaded_image *l =
            space_image_at((struct space *)(uintptr_t)space, site->start, NULL);
        uint64_t copy = l ? image_locate(l->image, address - l->bias).copy : 0;

        return copy ? copy + l->bias : 0;
    }
    for (size_t i = 0; i < site->stub.place_count; i++)
        if (site->stub.place[i].offset == address - site->start)
            return site->target + site->stub.place[i].at;
    return 0;
}

bool patch_site_copies(const struct space *space, const struct patch_site *site, uint64_t address)
{
    if (site->planned)
        return patch_site_copy(space, site, address) != 0;
    for (size_t i = 0; i < site->region.count; i++)
        if (site->region.offset[i] == address - site->start)
            return true;
    return false;
}

/* ---- stubs of no image -------------------------------------------------------------------------
 */

static bool is_free(const struct patch_page *page, uint64_t at, uint64_t size)
{
    uint64_t first = at % TRACEE_PAGE_SIZE / GRANULE,
             last = (at % TRACEE_PAGE_SIZE + size - 1) / GRANULE;

    if (at % TRACEE_PAGE_SIZE + size > TRACEE_PAGE_SIZE)
        return false;
    for (uint64_t i = first; i <= last; i++)
        if (page->used[i / 32] >> i % 32 & 1)
            return false;
    return true;
}

static void use(struct patch_page *page, uint64_t at, uint64_t size)
{
    uint64_t last = (at % TRACEE_PAGE_SIZE + size - 1) / GRANULE;

    for (uint64_t i = at % TRACEE_PAGE_SIZE / GRANULE; i <= last; i++)
        page->used[i / 32] |= 1u << i % 32;
}

static bool emit_at(struct patch_site *site, uint64_t at)
{
    if (!image_region_emit(&site->region, site->start, at, &site->stub))
        return false;
    site->target = at;
    return true;
}

static bool place_in(struct patch_page *page, struct patch_site *site, uint64_t size)
{
    uint64_t end = page->address + TRACEE_PAGE_SIZE;

    for (uint64_t at = page->address; at < end; at++) {
        at = image_region_place(&site->region, site->start, at, end);
        if (!at)
            return false;
        if (is_free(page, at, size) && emit_at(site, at)) {
            use(page, at, site->stub.size);
            return true;
        }
    }
    return false;
}

static bool is_unmapped(const struct space *space, uint64_t page)
{
    const struct map_entry *e = maps_above(&space->maps, page);

    if (page < USER_START || page >= USER_END - TRACEE_PAGE_SIZE ||
        (page < RECORDER_PAGE_ADDRESS + RECORDER_AREA_SIZE &&
         page + TRACEE_PAGE_SIZE > RECORDER_PAGE_ADDRESS))
        return false;
    /* not where a stack may grow, either */
    return !e || e->start >= page + TRACEE_PAGE_SIZE + ((e->flags & MAP_GROWSDOWN) ? 1 << 30 : 0);
}

static struct patch_page *add_page(struct patch_sites *p, uint64_t address)
{
    p->page = realloc(p->page, (p->page_count + 1) * sizeof(*p->page));
    if (!p->page)
        abort();
    p->page[p->page_count] = (struct patch_page){.address = address};
    return &p->page[p->page_count++];
}

/* The jump's two upper bytes choose 64 KiB, of which a page is free or not. Both are tried among
 * the bytes that always trap first: they may have to be, and are far from everything. */
static bool place_anew(struct space *space, struct patch_site *site, uint64_t size,
                       uint64_t *ret_page)
{
    for (unsigned upper = 0; upper < 0x10000; upper++) {
        unsigned high = (0xf4 + (upper >> 8)) & 0xff, middle = upper & 0xff;
        uint64_t block = site->start + REGION_JUMP +
                         (uint64_t)(int64_t)(int32_t)((uint32_t)high << 24 | middle << 16);

        if (!place_traps((uint8_t)high) || !place_traps((uint8_t)middle))
            continue;
        for (uint64_t page = page_up(block); page + TRACEE_PAGE_SIZE <= block + 0x10000;
             page += TRACEE_PAGE_SIZE) {
            if (!is_unmapped(space, page))
                continue;
            if (!place_in(add_page(&space->patches, page), site, size)) {
                space->patches.page_count--;
                continue;
            }
            *ret_page = page;
            return true;
        }
    }
    return false;
}

bool patch_site_place(struct space *space, struct patch_site *site, uint64_t *ret_page)
{
    uint64_t size;

    *ret_page = 0;
    if (!image_region_emit(&site->region, site->start, page_down(site->start), &site->stub))
        return false;
    size = site->stub.size;
    for (size_t i = 0; i < space->patches.page_count; i++)
        if (place_in(&space->patches.page[i], site, size))
            return true;
    return place_anew(space, site, size, ret_page);
}

/* ---- where things are --------------------------------------------------------------------------
 */

static bool locate_stub(const struct patch_site *site, uint64_t address, struct image_where *ret)
{
    const struct image_region_place *place = NULL;
    uint64_t at = address - site->target;

    if (at >= site->stub.size)
        return false;
    for (size_t i = 0; i < site->stub.place_count && site->stub.place[i].at <= at; i++)
        place = &site->stub.place[i];
    if (!place)
        return false;
    *ret = (struct image_where){.place = place->head ? IMAGE_STUB_HEAD : IMAGE_STUB_BODY,
                                .original = site->start + place->offset,
                                .start = site->start,
                                .end = site->end,
                                .point = IMAGE_POINT_CALL,
                                .exact = place->at == at};
    return true;
}

bool patches_locate(const struct space *space, uint64_t address, struct image_where *ret)
{
    for (size_t i = 0; i < space->patches.count; i++) {
        const struct patch_site *site = &space->patches.site[i];

        if (site->planned || !site->target)
            continue;
        if (site->state == PATCH_APPLIED && address >= site->start && address < site->end) {
            *ret =
                (struct image_where){.place = address == site->start ? IMAGE_START : IMAGE_INTERIOR,
                                     .original = address,
                                     .copy = patch_site_copy(space, site, address),
                                     .start = site->start,
                                     .end = site->end,
                                     .point = IMAGE_POINT_CALL};
            return true;
        }
        if (locate_stub(site, address, ret))
            return true;
    }
    return false;
}

/* ---- their lives -------------------------------------------------------------------------------
 */

static void *copy_of(const void *data, size_t size)
{
    void *copy = size ? malloc(size) : NULL;

    if (size && !copy)
        abort();
    if (size)
        memcpy(copy, data, size);
    return copy;
}

void patches_copy(struct space *to, const struct space *from)
{
    const struct patch_sites *p = &from->patches;

    to->patches = *p;
    to->patches.capacity = p->count;
    to->patches.site = copy_of(p->site, p->count * sizeof(*p->site));
    to->patches.page = copy_of(p->page, p->page_count * sizeof(*p->page));
    to->patches.waiting = 0;
    /* what was deferred was by calls of tasks that the child does not have */
    for (size_t i = 0; i < p->count; i++) {
        struct patch_site *site = &to->patches.site[i];

        site->waiting = false;
        if (site->state == PATCH_DEFERRED_ENTRY || site->state == PATCH_DEFERRED_OCCUPIED)
            site->state = PATCH_NONE;
    }
}

void patches_free(struct space *space)
{
    free(space->patches.site);
    free(space->patches.page);
}
