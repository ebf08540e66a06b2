/* The growing timeline: strings and places kept once, items kept up to a bound, older ones merged.
 * Internal to reports/timeline/. */
#ifndef REPORTS_TIMELINE_ITEMS_H
#define REPORTS_TIMELINE_ITEMS_H

#include "reports/timeline/spaces.h"
#include "reports/timeline/timeline.h"

struct items;

/* limit: as timeline_read(). The timeline's strings, places and items are filled in. */
struct items *items_new(struct timeline *timeline, size_t limit);
void items_free(struct items *items);

/* Numbers of items count from 1 and stay the same when older ones are merged: causes are such
 * numbers until items_finish(). */
uint64_t items_add(struct items *items, const struct timeline_item *item);
/* NULL: merged already. Valid until the next items_add(). */
struct timeline_item *items_get(struct items *items, uint64_t number);

/* An index into strings; "" is 0. Good until the next items_add(), for the item
 * that is added there or for one that is there already: merging moves strings. */
uint32_t items_text(struct items *items, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* An index into places. Function and line are found later, for places that are still used. */
uint32_t items_place(struct items *items, struct mapped_position position);

/* Merged stretches become items of their own, all are put in order, causes become indices. */
void items_finish(struct items *items);
/* The position of places[index]. */
struct mapped_position items_position(const struct items *items, size_t index);

#endif
