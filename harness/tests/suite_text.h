/* Suites as text, for the tests of their parser. */
#ifndef HARNESS_TESTS_SUITE_TEXT_H
#define HARNESS_TESTS_SUITE_TEXT_H

#include "harness/suite/suite.h"

#define HEAD "version: 1\ntests:\n"
#define TEST HEAD "  - name: a\n    command: [x]\n"

/* The suite that the text is, in the folder /suites; the caller ends it with suite_free(). */
struct suite *parse(const char *text);

/* The text must be refused at this place ("LINE:COLUMN"), with these words. */
void refused(const char *text, const char *position, const char *words);

#endif
