/* Function, file and line of an address in an ELF file that a trace holds, as
 * recorder/stacks/names.h finds them. Internal to reports/timeline/. */
#ifndef REPORTS_TIMELINE_SYMBOLS_H
#define REPORTS_TIMELINE_SYMBOLS_H

#include "recorder/trace/trace.h"
#include "reports/timeline/timeline.h"

struct symbols;

struct symbols *timeline_symbols_new(struct trace_reader *reader); /* the reader must outlive it */
void timeline_symbols_free(struct symbols *symbols);

/* *ret is owned by the caller. file: of the trace; 0: none backs the address. What is not known is
 * NULL or 0; module and address are always told. */
void timeline_symbols_find(struct symbols *symbols, uint32_t file, uint64_t address,
                           struct timeline_place *ret);
void timeline_symbols_place_done(struct timeline_place *place);

#endif
