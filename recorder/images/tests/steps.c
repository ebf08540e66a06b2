/* Single-stepping a rewritten program: does control ever enter a window's interior, and does every
 * cycle tick? */
#include <rrtest/recorder_page.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "recorder/images/tests/launcher.h"

#define HITS (1u << 20)

/* How often an instruction was executed since the tick it was last seen in. */
struct hit {
    uint64_t address;
    int64_t ticks;
    uint32_t count;
};

struct stepper {
    struct launcher *l;
    struct hit *hits;
    int64_t ticks;
    uint64_t last; /* original address of the instruction before */
};

static const struct mapped *find_mapped(const struct stepper *s, uint64_t ip,
                                        struct image_where *ret)
{
    for (size_t i = 0; i < s->l->mapped_count; i++) {
        const struct mapped *m = &s->l->mapped[i];

        for (size_t k = 0; k < image_segment_count(m->image); k++) {
            const struct image_segment *g = image_segment(m->image, k);

            if (ip - m->bias - g->address >= g->length)
                continue;
            *ret = image_locate(m->image, ip - m->bias);
            return m;
        }
    }
    return NULL;
}

static void count_hit(struct stepper *s, const struct mapped *m, uint64_t address)
{
    struct launch_steps *r = &s->l->result->steps;
    uint64_t slot = address * 0x9e3779b97f4a7c15ull >> 44;
    struct hit *hit = &s->hits[slot % HITS];

    while (hit->address != 0 && hit->address != address)
        hit = &s->hits[++slot % HITS];
    if (hit->address == 0 || hit->ticks != s->ticks)
        *hit = (struct hit){.address = address, .ticks = s->ticks};
    hit->count++;
    if (hit->count == LAUNCH_HITS + 1)
        r->over++;
    if (hit->count > r->most_hits) {
        r->most_hits = hit->count;
        snprintf(r->worst, sizeof(r->worst), "%s %#llx", m ? m->path : "?",
                 (unsigned long long)(m ? address - m->bias : address));
    }
}

static void look(struct stepper *s, pid_t pid)
{
    struct image_where where = {.place = IMAGE_OUTSIDE};
    struct user_regs_struct regs;
    const struct mapped *m;
    uint64_t address;

    ptrace(PTRACE_GETREGS, pid, 0, &regs);
    s->l->result->steps.count++;
    if (regs.rip - RECORDER_BLOB_ADDRESS < RECORDER_BLOB_SIZE)
        return;
    m = find_mapped(s, regs.rip, &where);
    address = m ? where.original + m->bias : regs.rip;
    switch (where.place) {
    case IMAGE_INTERIOR:
        s->l->result->steps.interiors++;
        break;
    case IMAGE_STUB_HEAD:
        launcher_peek(pid, RECORDER_PAGE_ADDRESS + PAGE_TICKS, &s->ticks, 8);
        return;
    case IMAGE_STUB_BODY:
        launcher_peek(pid, RECORDER_PAGE_ADDRESS + PAGE_TICKS, &s->ticks, 8);
        if (where.exact)
            break;
        return;
    case IMAGE_START:
        return;
    case IMAGE_OUTSIDE:
        break;
    }
    /* The same one again is a repeated string instruction, or the jump out of a stub. */
    if (address != s->last)
        count_hit(s, m, address);
    s->last = address;
}

static void step_all(struct stepper *s, pid_t pid)
{
    int signal = 0;

    while (s->l->result->steps.count < s->l->launch->steps) {
        int status;

        ptrace(PTRACE_SINGLESTEP, pid, 0, signal);
        signal = 0;
        if (waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status))
            return;
        if (status >> 16 == PTRACE_EVENT_SECCOMP)
            launcher_on_mmap(s->l, pid);
        else if (status >> 16 == PTRACE_EVENT_EXIT || status >> 16 == PTRACE_EVENT_EXEC)
            return;
        else if (status >> 16 == 0 && WSTOPSIG(status) == SIGTRAP)
            look(s, pid);
        else if (status >> 16 == 0)
            signal = WSTOPSIG(status);
    }
}

bool launcher_step(struct launcher *l, pid_t pid)
{
    const uint64_t handler = RECORDER_BLOB_ADDRESS + 1;
    const int64_t never = NEVER;
    struct user_regs_struct regs;
    struct stepper s = {.l = l};

    if (pid != l->first || l->launch->steps == 0 || l->result->steps.count > 0)
        return false;
    ptrace(PTRACE_GETREGS, pid, 0, &regs);
    if (regs.rip != handler)
        return false;
    launcher_poke(pid, RECORDER_PAGE_ADDRESS + PAGE_ENTRY_TICK, &handler, 8);
    launcher_poke(pid, RECORDER_PAGE_ADDRESS + PAGE_RELOAD, &never, 8);
    s.hits = calloc(HITS, sizeof(*s.hits));
    if (s.hits)
        step_all(&s, pid);
    free(s.hits);
    ptrace(PTRACE_CONT, pid, 0, 0);
    return true;
}
