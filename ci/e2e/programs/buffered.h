/* What the parts of the program `buffered` share (buffered.c). */
#ifndef E2E_BUFFERED_H
#define E2E_BUFFERED_H

#include <stdbool.h>
#include <stddef.h>

#define CALL(name, handler, needs) void case_##name(void);
#include "recorder/blob/calls.def"
#undef CALL

extern bool raw;
extern const char *now; /* the case */

void put(const char *format, ...) __attribute__((format(printf, 1, 2)));
void bytes(const void *data, size_t length);
/* The call's result; returns it. */
long show(long result);
/* A result or memory that depends on the machine or the run. */
void show_raw(long result, const void *data, size_t length);
void check(bool good);

/* A file of 26 bytes, open to read and write; close(2) by its number. */
int letters(void);
void done(int fd);

#endif
