/* Memory without code: changed by the kernel here, and made again in replay. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "recorder/blob/handlers.h"

#define OURS_END (RECORDER_PAGE_ADDRESS + RECORDER_PAGE_SIZE + RECORDER_BLOB_SIZE)

static bool touches_ours(uint64_t address, uint64_t length)
{
    return address < OURS_END && address + length > RECORDER_PAGE_ADDRESS;
}

static int64_t maps_recorded(const struct blob_frame *f, int64_t result)
{
    struct record r = record_begin(f, RING_FLAG_MAPS);

    return record_end(&r, result);
}

/* The old break goes into the record. The first call that asks where it is tells. */
int64_t blob_brk(const struct blob_frame *f)
{
    uint64_t before = page_get(PAGE_BREAK);
    struct record r;
    int64_t result;

    if ((!before && f->argument[0]) || !blob_may(f, 0, 32))
        return BLOB_DECLINE;
    result = blob_pass(f);
    before = before ? before : (uint64_t)result;
    page_set(PAGE_BREAK, (uint64_t)result);
    r = record_begin(f, RING_FLAG_MAPS);
    record_add(&r, 0, &before, 8);
    return record_end(&r, result);
}

/* ---- mmap ---------------------------------------------------------------------------------- */

static bool is_error(int64_t result)
{
    return result < 0 && result >= -4095;
}

static bool is_elf(uint64_t fd)
{
    uint32_t magic = 0;

    return blob_call(SYS_pread64, fd, (uint64_t)(uintptr_t)&magic, 4, 0, 0, 0) == 4 &&
           magic == 0x464c457f;
}

/* Images go where the recorder wants them (place_image() of record/mm.c). The place, or 0. */
static uint64_t place_for(const struct blob_frame *f)
{
    uint64_t length = (f->argument[1] + 4095) & ~4095ull, next = page_get(PAGE_ZONE_NEXT);

    if (f->argument[0] || (f->argument[3] & MAP_FIXED) || f->argument[5] ||
        next - page_get(PAGE_ZONE_START) < length + 0x40000 || !is_elf(f->argument[4]))
        return 0;
    return (next - length - 0x10000) & ~0xffffull;
}

/* Its descriptor stays open until the recorder has the content. False: no more of them. */
static bool keep(uint64_t fd)
{
    uint64_t count = page_get(PAGE_MAPPED_COUNT);

    if (blob_fd_is_kept(fd))
        return true;
    if (count >= PAGE_MAPPED_MAX)
        return false;
    page_set(PAGE_MAPPED + 8 * (unsigned)count, (uint32_t)fd);
    page_set(PAGE_MAPPED_COUNT, count + 1);
    return true;
}

static bool is_of_this_run(const struct kernel_stat *st)
{
    int64_t start = blob_facts()->start;

    return (st->modified + 1) * FACTS_NS > start || (st->changed + 1) * FACTS_NS > start;
}

/* A private mapping of a file that the run has not touched and cannot write to through this
 * descriptor. The record says which file it was. */
static int64_t map_file(const struct blob_frame *f)
{
    const uint64_t allowed = MAP_PRIVATE | MAP_FIXED | MAP_DENYWRITE;
    uint64_t fd = f->argument[4], place, which[6];
    const struct fact *fact;
    struct kernel_stat st;
    uint32_t number;
    struct record r;
    int64_t result;

    if ((f->argument[3] & ~allowed) || !(*blob_fd(fd) & PAGE_FD_FILE) ||
        !blob_may(f, PAGE_SWITCH_FILE_WRITES, RING_SEGMENT + sizeof(which)) ||
        (blob_call(SYS_fcntl, fd, F_GETFL, 0, 0, 0, 0) & O_ACCMODE) != O_RDONLY ||
        blob_call(SYS_fstat, fd, (uint64_t)(uintptr_t)&st, 0, 0, 0, 0) != 0 || is_of_this_run(&st))
        return BLOB_DECLINE;
    number = facts_number(blob_facts(), st.device, st.inode);
    fact = &blob_facts()->fact[number];
    if (!number || fact->shared || !(fact->kept || keep(fd)))
        return BLOB_DECLINE;
    place = place_for(f);
    result = place ? blob_call(SYS_mmap, place, f->argument[1], f->argument[2],
                               f->argument[3] | MAP_FIXED, fd, 0)
                   : blob_pass(f);
    if (is_error(result))
        return BLOB_DECLINE;
    if (place)
        page_set(PAGE_ZONE_NEXT, place);
    which[0] = st.device;
    which[1] = st.inode;
    which[2] = (uint64_t)st.size;
    which[3] = (uint64_t)st.modified;
    which[4] = (uint64_t)st.modified_ns;
    which[5] = 0; /* the descriptor to be mapped in replay */
    r = record_begin(f, RING_FLAG_MAPS);
    record_add(&r, 0, which, sizeof(which));
    return record_end(&r, result);
}

int64_t blob_mmap(const struct blob_frame *f)
{
    const uint64_t needed = MAP_PRIVATE | MAP_ANONYMOUS;
    const uint64_t allowed = needed | MAP_NORESERVE | MAP_STACK | MAP_FIXED;

    if ((f->argument[2] & ~(uint64_t)(PROT_READ | PROT_WRITE)) ||
        (f->argument[0] && touches_ours(f->argument[0], f->argument[1])))
        return BLOB_DECLINE;
    if (!(f->argument[3] & MAP_ANONYMOUS))
        return map_file(f);
    if ((f->argument[3] & needed) != needed || (f->argument[3] & ~allowed) || !blob_may(f, 0, 0))
        return BLOB_DECLINE;
    return maps_recorded(f, blob_pass(f));
}

/* ---- changes of mappings ------------------------------------------------------------------- */

int64_t blob_munmap(const struct blob_frame *f)
{
    if (touches_ours(f->argument[0], f->argument[1]) || !blob_may(f, 0, 0))
        return BLOB_DECLINE;
    return maps_recorded(f, blob_pass(f));
}

int64_t blob_mprotect(const struct blob_frame *f)
{
    if ((f->argument[2] & ~(uint64_t)(PROT_READ | PROT_WRITE)) ||
        touches_ours(f->argument[0], f->argument[1]) || !blob_may(f, 0, 0))
        return BLOB_DECLINE;
    return maps_recorded(f, blob_pass(f));
}

int64_t blob_mremap(const struct blob_frame *f)
{
    if ((f->argument[3] & ~(uint64_t)MREMAP_MAYMOVE) || !f->argument[1] || !f->argument[2] ||
        touches_ours(f->argument[0], f->argument[1]) || !blob_may(f, 0, 0))
        return BLOB_DECLINE;
    return maps_recorded(f, blob_pass(f));
}

/* Advice without effect on contents is only given; MADV_DONTNEED empties private memory, in replay
 * too; MADV_FREE may do so at any time: it does so now. With the memory goes what was written into
 * code there, maybe half of a jump. */
int64_t blob_madvise(const struct blob_frame *f)
{
    if (touches_ours(f->argument[0], f->argument[1]) || !blob_may(f, 0, 0))
        return BLOB_DECLINE;
    switch ((int)f->argument[2]) {
    case MADV_NORMAL:
    case MADV_RANDOM:
    case MADV_SEQUENTIAL:
    case MADV_WILLNEED:
    case MADV_HUGEPAGE:
    case MADV_NOHUGEPAGE:
    case MADV_DONTDUMP:
    case MADV_DODUMP:
        return blob_answer(f, blob_pass(f));
    case MADV_DONTNEED:
    case MADV_FREE:
        if (!blob_may(f, PAGE_SWITCH_CODE, 0))
            return BLOB_DECLINE;
        return maps_recorded(
            f, blob_call(SYS_madvise, f->argument[0], f->argument[1], MADV_DONTNEED, 0, 0, 0));
    default:
        return BLOB_DECLINE;
    }
}
