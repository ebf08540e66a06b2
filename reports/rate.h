/* How often a test fails, told from the runs there were. Pure. */
#ifndef REPORTS_RATE_H
#define REPORTS_RATE_H

#include <stddef.h>
#include <stdint.h>

/* The 95 % confidence interval of a failure rate of which `failed` of `runs` runs are known: that
 * of Clopper and Pearson (Biometrika 26, 1934), whose limits hold at least 95 % of the time.
 * Without a failure (and, mirrored, without a pass) only one side is open, so that side gets all of
 * the 5 %: the upper limit is 1 - 0.05^(1/runs), "0 of 2000: at most 0.15 %". (The two-sided
 * interval would say 0.18 %.) A test that stops at its first failure, in run k, is taken as 1 of k:
 * the lower limit is then the same as that of the geometric distribution, the upper one a little
 * wide. 0 to 1 without runs. failed <= runs. */
void rate_interval(uint64_t failed, uint64_t runs, double *ret_low, double *ret_high);

enum rate_rounding { RATE_DOWN, RATE_NEAREST, RATE_UP };
/* "1.5 %": two significant digits. Limits are rounded outwards, so that what is said holds. 32
 * bytes are enough for every rate. */
void rate_format(double rate, enum rate_rounding rounding, char *text, size_t size);

struct report_test;
/* Set failure_rate, rate_low and rate_high from runs and failed. */
void rate_of_test(struct report_test *test);
/* "fails in at most 1.5 % of runs (95 %)", "fails in 0.13 % to 27 % of runs (95 %)". 96 bytes. */
void rate_describe(const struct report_test *test, char *text, size_t size);

#endif
