/*
 * abi_fail.h - calls of the C library that fail when a scenario says so.
 */

#ifndef ABI_FAIL_H
#define ABI_FAIL_H

#include <stdint.h>

/* What can fail: allocations of the library's C, as ABI_C_CODE tells where that
 * is; eventfd(); pthread_create(). */
enum { FAIL_MEMORY, FAIL_EVENTFD, FAIL_THREAD, FAIL_KINDS };

#define FAIL_ALL INT64_MAX

/* From now on the first calls succeed, as many as that, then some fail. */
void fail_after(int kind, int64_t calls, int64_t some);

/* How many have failed. fail_no_more() also ends it. */
int64_t fail_count(int kind);
int64_t fail_no_more(int kind);

/* Fresh memory of the library's C is filled with words that look like pointers
 * into Go's heap. */
void garbage_from(uint64_t start, uint64_t size);

/* Finds the C of the library that was loaded from that path. */
void fail_where(const char *library);

#endif
