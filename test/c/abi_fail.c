/*
 * abi_fail.c - stands between the library and the C library: a program's own
 * functions come before those of shared objects.
 */

#include "abi.h"
#include "abi_fail.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>

static int64_t  left[FAIL_KINDS] = { INT64_MAX, INT64_MAX, INT64_MAX };
static int64_t  some[FAIL_KINDS];
static int64_t  failed[FAIL_KINDS];
static uint64_t heap_start, heap_size, heap_next;


void fail_after(int kind, int64_t calls, int64_t n)
{
    __atomic_store_n(&failed[kind], 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&some[kind], n, __ATOMIC_SEQ_CST);
    __atomic_store_n(&left[kind], calls, __ATOMIC_SEQ_CST);
}


int64_t fail_count(int kind)
{
    return __atomic_load_n(&failed[kind], __ATOMIC_SEQ_CST);
}


int64_t fail_no_more(int kind)
{
    __atomic_store_n(&left[kind], INT64_MAX, __ATOMIC_SEQ_CST);
    return fail_count(kind);
}


static int fails(int kind)
{
    if (__atomic_load_n(&left[kind], __ATOMIC_SEQ_CST) == INT64_MAX
        || __atomic_fetch_sub(&left[kind], 1, __ATOMIC_SEQ_CST) > 0)
    {
        return 0;
    }
    if (__atomic_fetch_sub(&some[kind], 1, __ATOMIC_SEQ_CST) <= 0) {
        return 0;
    }
    __atomic_add_fetch(&failed[kind], 1, __ATOMIC_SEQ_CST);
    return 1;
}


int eventfd(unsigned int count, int flags)
{
    static int (*real)(unsigned int, int);

    if (fails(FAIL_EVENTFD)) {
        errno = EMFILE;
        return -1;
    }
    if (real == NULL) {
        real = (int (*)(unsigned int, int)) dlsym(RTLD_NEXT, "eventfd");
    }
    return real(count, flags);
}


int pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attr, void *(*run)(void *),
                   void *restrict arg)
{
    static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

    if (fails(FAIL_THREAD)) {
        return EAGAIN;
    }
    if (real == NULL) {
        real = (int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *)) dlsym(RTLD_NEXT, "pthread_create");
    }
    return real(thread, attr, run, arg);
}


/* A sanitizer has malloc() to itself. */
#ifndef __SANITIZE_ADDRESS__

#define RANGES 512

static uint64_t  from[RANGES], until[RANGES];
static int       ranges;
static uintptr_t base;

static int find_base(struct dl_phdr_info *info, size_t size, void *path)
{
    (void) size;
    if (strcmp(info->dlpi_name, path) == 0) {
        base = info->dlpi_addr;
    }
    return 0;
}


/* ABI_C_CODE is a list of addresses and lengths, in the library's file. */
void fail_where(const char *library)
{
    const char *at = getenv("ABI_C_CODE");
    char       *end;
    int         n = 0;

    dl_iterate_phdr(find_base, (void *) (uintptr_t) library);
    while (at != NULL && *at != '\0' && n < RANGES) {
        from[n] = base + strtoull(at, &end, 16);
        until[n] = from[n] + strtoull(end + 1, &end, 16);
        at = *end == ',' ? end + 1 : end;
        n++;
    }
    ranges = n;
}


/* Whether that address is in the library's C. */
static int is_ours(const void *caller)
{
    uint64_t at = (uint64_t) (uintptr_t) caller;
    int      i;

    for (i = 0; i < ranges; i++) {
        if (at >= from[i] && at < until[i]) {
            return 1;
        }
    }
    return 0;
}


void garbage_from(uint64_t start, uint64_t size)
{
    heap_size = size;
    heap_start = start;
}


static void litter(void *p, size_t size)
{
    uint64_t *words = p;
    size_t    i;

    for (i = 0; i < size / sizeof(uint64_t); i++) {
        words[i] = heap_start + (heap_next = (heap_next * 6364136223846793005u + 8) & ~7ull) % heap_size;
    }
}


extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size)
{
    int   ours = ranges != 0 && is_ours(__builtin_return_address(0));
    void *p;

    if (ours && fails(FAIL_MEMORY)) {
        errno = ENOMEM;
        return NULL;
    }
    p = __libc_malloc(size);
    if (ours && heap_start != 0 && p != NULL) {
        litter(p, size);
    }
    return p;
}


void *calloc(size_t n, size_t size)
{
    if (ranges != 0 && is_ours(__builtin_return_address(0)) && fails(FAIL_MEMORY)) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_calloc(n, size);
}


void *aligned_alloc(size_t alignment, size_t size)
{
    if (ranges != 0 && is_ours(__builtin_return_address(0)) && fails(FAIL_MEMORY)) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_memalign(alignment, size);
}

#else

void fail_where(const char *library)
{
    (void) library;
}


void garbage_from(uint64_t start, uint64_t size)
{
    heap_start = start;
    heap_size = size;
    (void) heap_next;
}

#endif
