#include "harness/run/select.h"

#include <string.h>

#include "harness/value/value.h"

static bool has_label(const struct suite_test *test, const char *label)
{
    for (char **at = test->labels; at && *at; at++) {
        if (strcmp(*at, label) == 0)
            return true;
    }
    return false;
}

bool select_test(const struct run_options *options, const struct suite_test *test)
{
    bool asked = false, found = false;

    if (options->filter && !value_glob(options->filter, test->name))
        return false;
    for (size_t i = 0; i < options->label_count; i++) {
        const char *label = options->labels[i];

        if (*label == '!') {
            if (has_label(test, label + 1))
                return false;
        } else {
            asked = true;
            found = found || has_label(test, label);
        }
    }
    return found || !asked;
}
