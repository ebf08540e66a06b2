/* The sites of one address space. Internal to patches.c and patch_sites.c. */
#ifndef RECORDER_RECORD_PATCH_SITES_H
#define RECORDER_RECORD_PATCH_SITES_H

#include "recorder/images/region.h"
#include "recorder/record/session.h"

#define PATCH_REGION_MAX 64

struct patch_site {
    uint64_t instruction;           /* the `syscall` */
    uint64_t start, end;            /* of the region; equal: it has none */
    enum patch_word state;          /* of the call that was decided about last */
    bool waiting;                   /* deferred by a call that is over: the last to leave does it */
    bool planned;                   /* the region and its stub are an image's */
    uint64_t target;                /* where the jump leads */
    uint8_t code[PATCH_REGION_MAX]; /* as it was */
    /* if not planned: */
    struct image_region region;
    struct image_region_stub stub; /* at `target`, once it has a place */
};

/* A page of stubs that no image has. */
struct patch_page {
    uint64_t address;
    uint32_t used[4]; /* a bit per 32 bytes */
};

/* NULL: none. */
struct patch_site *patch_site_find(const struct space *space, uint64_t instruction);
/* Look at the code around a `syscall` at which t makes call `number`, and make it a site; one
 * without a region if it can have none. *ret_transient: it cannot now, but may later, and has no
 * site. */
struct patch_site *patch_site_new(struct session *s, struct task *t, uint64_t instruction,
                                  uint64_t number, bool *ret_transient);
/* Address of the copy of the instruction at `address` inside the region; 0: none begins there. */
uint64_t patch_site_copy(const struct space *space, const struct patch_site *site,
                         uint64_t address);
/* Will there be one, once the region is written? */
bool patch_site_copies(const struct space *space, const struct patch_site *site, uint64_t address);
/* A place for the stub of a site that is not planned, in a page that is mapped or in one to be
 * mapped: *ret_page, else 0. False: there is none. */
bool patch_site_place(struct space *space, struct patch_site *site, uint64_t *ret_page);

#endif
