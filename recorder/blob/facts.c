#include "recorder/blob/facts.h"

static uint32_t slot_of(uint64_t device, uint64_t inode)
{
    uint64_t x = (inode ^ device << 40) * 0x9e3779b97f4a7c15ull;

    return (uint32_t)(x >> 32 ^ x >> 48) & (FACTS_SLOTS - 1);
}

uint32_t facts_number(struct facts *f, uint64_t device, uint64_t inode)
{
    uint32_t at = slot_of(device, inode), number;

    /* the slots lie where a wild write of the program can reach them */
    for (uint32_t i = 0; (number = f->slot[at]) != 0 && i < FACTS_SLOTS; i++) {
        if (number < FACTS_MAX && f->fact[number].device == device &&
            f->fact[number].inode == inode)
            return number;
        at = (at + 1) & (FACTS_SLOTS - 1);
    }
    if (number != 0 || f->count >= FACTS_MAX - 1)
        return 0;
    number = (uint32_t)++f->count;
    f->slot[at] = number;
    f->fact[number].device = device;
    f->fact[number].inode = inode;
    return number;
}

static bool is_now(const struct facts *f, int64_t real, int64_t real_now)
{
    return real >= f->start && real <= real_now + FACTS_AHEAD_NS;
}

bool facts_is_of_this_run(const struct facts *f, const struct shown_file *file, int64_t real_now)
{
    return is_now(f, file->modified, real_now) || is_now(f, file->changed, real_now) ||
           (file->born && is_now(f, file->born, real_now));
}

/* The time of what the run did last to the file, as far as its calls tell. */
static int64_t show_time(const struct facts *f, struct fact *fact, enum fact_time kind,
                         int64_t real, int64_t now)
{
    int64_t known = fact->shown[kind];
    bool news = fact->real[kind] != real;

    fact->real[kind] = real;
    if (kind == FACT_BORN && known)
        return known;
    if (fact->written > known)
        return fact->shown[kind] = fact->written;
    if (news)
        fact->shown[kind] = f->changed > known ? f->changed : now;
    return fact->shown[kind];
}

static bool is_tmpdir(const struct facts *f, const struct shown_file *file)
{
    return f->tmpdir_inode && file->device == f->tmpdir_device && file->inode == f->tmpdir_inode;
}

/* The run's own file systems may be as old as the worker or as new as the run: they do not tell. */
static bool is_scenery(const struct facts *f, const struct shown_file *file)
{
    return file->device == f->procfs ||
           (is_tmpdir(f, file) && file->modified == f->tmpdir_modified);
}

void facts_show_times(struct facts *f, struct shown_file *file, struct fact *fact, bool private,
                      int64_t now, int64_t start, int64_t real_now)
{
    bool modified = is_now(f, file->modified, real_now);
    bool changed = is_now(f, file->changed, real_now);
    bool accessed = is_now(f, file->accessed, real_now);
    bool born = file->born && is_now(f, file->born, real_now);

    if (private && is_scenery(f, file)) {
        file->accessed = file->modified = file->changed = file->born = start;
        return;
    }
    if (fact && (modified || changed || born)) {
        if (modified)
            file->modified = show_time(f, fact, FACT_MODIFIED, file->modified, now);
        if (changed)
            file->changed = show_time(f, fact, FACT_CHANGED, file->changed, now);
        if (changed && modified && file->changed < file->modified)
            file->changed = fact->shown[FACT_CHANGED] = file->modified;
        if (born)
            file->born = show_time(f, fact, FACT_BORN, file->born, now);
        if (born && modified && file->born > file->modified)
            file->born = fact->shown[FACT_BORN] = file->modified;
    }
    /* earlier runs have read it; but who sets a time of access in this run changes the file */
    if (accessed || !changed || is_tmpdir(f, file))
        file->accessed = file->modified;
    if (is_tmpdir(f, file))
        file->born = start;
}

int facts_stdio(const struct facts *f, uint64_t device, uint64_t inode)
{
    for (int i = 0; i < 2; i++)
        if ((f->stdio[i].device || f->stdio[i].inode) && f->stdio[i].device == device &&
            f->stdio[i].inode == inode)
            return i;
    return -1;
}

void facts_show_stdio(struct shown_file *file, const struct fact *fact, int index, bool private,
                      bool times, int64_t start)
{
    if (times) {
        file->changed = file->modified = fact->written ? fact->written : start;
        file->accessed = file->born = start;
    }
    if (!private)
        file->inode = FACTS_FIRST_STDIO + (unsigned)index;
}

uint64_t facts_show_inode(struct facts *f, struct fact *fact)
{
    if (!fact->shown_inode)
        fact->shown_inode = f->next_inode++;
    return fact->shown_inode;
}

uint64_t facts_show_mount(struct facts *f, struct fact *fact)
{
    if (!fact->shown_inode)
        fact->shown_inode = f->next_mount++;
    return fact->shown_inode;
}

void facts_opened(struct facts *f, struct fact *fact, bool cut, int64_t now)
{
    f->changed = now;
    if (!fact->shown[FACT_BORN])
        fact->shown[FACT_BORN] = now;
    if (cut)
        fact->written = now;
}
