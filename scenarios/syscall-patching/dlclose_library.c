/* The library is the one whose read dlclose.c interrupts. */
#include "site.h"

SITE(library_read, NR_read, (long fd, void *buffer, size_t size));

long library_read(int shape, long fd, void *buffer, size_t size);
unsigned long library_instruction(int shape);

long library_read(int shape, long fd, void *buffer, size_t size)
{
    return library_read_sites[shape].call(fd, buffer, size);
}

unsigned long library_instruction(int shape)
{
    return (unsigned long)library_read_sites[shape].call +
           (unsigned long)library_read_sites[shape].facts->instruction;
}
