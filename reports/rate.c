/* The limits are quantiles of beta distributions, found by bisection on the regularised incomplete
 * beta function, which a continued fraction gives (Abramowitz and Stegun 26.5.8). */
#include "reports/rate.h"

#include <math.h>
#include <stdio.h>

#include "include/rrtest/report.h"

#define ALPHA 0.05
#define TERMS_MAX 10000
#define TINY 1e-300

static double without_zero(double x)
{
    return fabs(x) < TINY ? TINY : x;
}

/* The fraction 1/(1+ d1/(1+ d2/(1+ ...))) from its head (Lentz's method). It converges fast for
 * x < (a + 1) / (a + b + 2). */
static double beta_fraction(double a, double b, double x)
{
    double c = 1;
    double d = 1 / without_zero(1 - (a + b) * x / (a + 1));
    double value = d;

    for (int term = 1; term < TERMS_MAX; term++) {
        double m = term;
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        double step;

        d = 1 / without_zero(1 + even * d);
        c = without_zero(1 + even / c);
        value *= d * c;
        d = 1 / without_zero(1 + odd * d);
        c = without_zero(1 + odd / c);
        step = d * c;
        value *= step;
        if (fabs(step - 1) < 1e-15)
            break;
    }
    return value;
}

static double log_gamma(double x)
{
    int sign; /* lgamma() would write a global */

    return lgamma_r(x, &sign);
}

/* The regularised incomplete beta function: P(X <= x) of a beta distribution. */
static double beta_cumulated(double a, double b, double x)
{
    double front;

    if (x <= 0 || x >= 1)
        return x <= 0 ? 0 : 1;
    front = exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * log(x) + b * log1p(-x));
    if (x < (a + 1) / (a + b + 2))
        return front * beta_fraction(a, b, x) / a;
    return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

static double beta_quantile(double a, double b, double probability)
{
    double low = 0;
    double high = 1;

    for (int step = 0; step < 200 && low < high; step++) {
        double middle = low + (high - low) / 2;

        if (middle <= low || middle >= high)
            break;
        if (beta_cumulated(a, b, middle) < probability)
            low = middle;
        else
            high = middle;
    }
    return high;
}

void rate_interval(uint64_t failed, uint64_t runs, double *ret_low, double *ret_high)
{
    double n = (double)runs;
    double x = (double)failed;

    *ret_low = 0;
    *ret_high = 1;
    if (runs == 0)
        return;
    if (failed == 0) {
        *ret_high = -expm1(log(ALPHA) / n);
    } else if (failed >= runs) {
        *ret_low = exp(log(ALPHA) / n);
    } else {
        /* Beyond some 10^12 runs the logarithms leave too few digits: never claim too much. */
        *ret_low = fmin(beta_quantile(x, n - x + 1, ALPHA / 2), x / n);
        *ret_high = fmax(beta_quantile(x + 1, n - x, 1 - ALPHA / 2), x / n);
    }
}

void rate_format(double rate, enum rate_rounding rounding, char *text, size_t size)
{
    double percent = rate * 100;
    double unit; /* of the second significant digit */
    double count;
    int digits;

    if (!(percent > 0)) {
        snprintf(text, size, "0 %%");
        return;
    }
    digits = 1 - (int)floor(log10(percent) + 1e-12);
    unit = pow(10, -digits);
    count = percent / unit;
    /* What differs by rounding errors only is exact. */
    if (rounding == RATE_UP)
        count = ceil(count - 1e-9);
    else if (rounding == RATE_DOWN)
        count = floor(count + 1e-9);
    else
        count = round(count);
    if (count >= 100 && digits > 0)
        digits--;
    snprintf(text, size, "%.*f %%", digits > 0 ? digits : 0, count * unit);
}

void rate_of_test(struct report_test *test)
{
    test->failure_rate = test->runs ? (double)test->failed / (double)test->runs : 0;
    rate_interval(test->failed, test->runs, &test->rate_low, &test->rate_high);
}

void rate_describe(const struct report_test *test, char *text, size_t size)
{
    char low[32], high[32];

    rate_format(test->rate_low, RATE_DOWN, low, sizeof(low));
    rate_format(test->rate_high, RATE_UP, high, sizeof(high));
    if (test->failed == 0)
        snprintf(text, size, "fails in at most %s of runs (95 %%)", high);
    else if (test->failed >= test->runs)
        snprintf(text, size, "fails in at least %s of runs (95 %%)", low);
    else
        snprintf(text, size, "fails in %s to %s of runs (95 %%)", low, high);
}
