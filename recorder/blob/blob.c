/* Where the blob's entries lie in the tracee: a table at its start says so. */
#include "recorder/blob/blob.h"

#include <string.h>

extern const uint8_t blob_code_end[];

size_t blob_size(void)
{
    return (size_t)(blob_code_end - blob_code);
}

uint64_t blob_address(enum blob_entry entry)
{
    uint64_t address;

    memcpy(&address, blob_code + 8u * entry, sizeof(address));
    return address;
}
