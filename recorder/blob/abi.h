/* What the blob's assembly and C share. */
#ifndef RECORDER_BLOB_ABI_H
#define RECORDER_BLOB_ABI_H

#define BLOB_CALL_LIMIT 512
#define BLOB_CLOCK_GETTIME 228 /* SYS_clock_gettime */
#define BLOB_DECLINE (-5000)   /* no result of any call: the call is to be traced */

#endif
