/* The first program of every start-up: built against glibc, static and dynamic, and against musl.
 */
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    char *greeting = malloc(64);
    if (greeting == NULL)
        return 1;
    snprintf(greeting, 64, "hello, %s", argc > 1 ? argv[1] : "world");
    puts(greeting);
    free(greeting);
    return argc > 2 ? atoi(argv[2]) : 0;
}
