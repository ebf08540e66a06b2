/* Who let a waiting task go on: futex wakes and ends of tasks, by address. Internal to
 * reports/timeline/. */
#ifndef REPORTS_TIMELINE_CAUSES_H
#define REPORTS_TIMELINE_CAUSES_H

#include <stddef.h>
#include <stdint.h>

struct causes;

/* Empty; the caller's to free. */
struct causes *causes_new(void);
void causes_free(struct causes *causes);

/* space: the address space of a private futex; NULL: a shared one, known by its address only.
 * item: the number of what wakes (items.h). to: where waiters were requeued, or 0. */
void causes_wake(struct causes *causes, const void *space, uint64_t address, uint64_t item,
                 uint64_t to);
/* The newest wake of this address with a number above `since`; 0: none is known. */
uint64_t causes_of_wait(const struct causes *causes, const void *space, uint64_t address,
                        uint64_t since);

#endif
