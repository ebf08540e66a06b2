/* Which tests of a suite a session means. */
#ifndef HARNESS_RUN_SELECT_H
#define HARNESS_RUN_SELECT_H

#include "harness/run/options.h"

/* --filter and --label; whether the suite skips it is another question. Of several labels one must
 * be the test's; of those with "!" none may be. */
bool select_test(const struct run_options *options, const struct suite_test *test);

#endif
