/* Regular expressions of CMake as extended POSIX ones. */
#ifndef HARNESS_IMPORT_CTEST_REGEX_H
#define HARNESS_IMPORT_CTEST_REGEX_H

#include <stddef.h>

/* The patterns as one alternative of all; malloced. NULL if the result does not compile: then
 * *ret_problem says why (at most `size` bytes). CMake's dialect (cmake-commands, string(REGEX),
 * "Regex Specification") has no braces and no classes such as \w; its ^ and $ stand for the ends of
 * the whole output, here for those of any line. */
char *ctest_regex(char *const *patterns, size_t count, char *ret_problem, size_t size);

#endif
