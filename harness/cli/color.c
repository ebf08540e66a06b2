/* One rule for all that writes in colours. */
#include "harness/cli/color.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int color_mode_by_name(const char *name)
{
    static const char *const names[] = {
        [COLOR_AUTO] = "auto", [COLOR_ALWAYS] = "always", [COLOR_NEVER] = "never"};

    for (int i = 0; i < (int)(sizeof(names) / sizeof(*names)); i++)
        if (strcmp(name, names[i]) == 0)
            return i;
    return -1;
}

bool color_wanted(FILE *stream, enum color_mode mode)
{
    const char *terminal = getenv("TERM");
    const char *no_color = getenv("NO_COLOR");

    if (mode != COLOR_AUTO)
        return mode == COLOR_ALWAYS;
    return isatty(fileno(stream)) && terminal && strcmp(terminal, "dumb") != 0 &&
           !(no_color && *no_color);
}
