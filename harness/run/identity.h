/* What makes two sessions the same. */
#ifndef HARNESS_RUN_IDENTITY_H
#define HARNESS_RUN_IDENTITY_H

#include "harness/run/options.h"
#include "recorder/base/bytes.h"

/* Append the options that decide which runs are made, as they would be typed, each after a blank:
 * sessions of one suite and seed with the same text make the same runs. */
void identity_options(const struct run_options *options, struct bytes *ret);

/* A digest of what the suite's tests run and expect. */
uint64_t identity_suite(const struct suite *suite);

#endif
