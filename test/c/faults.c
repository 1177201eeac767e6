/*
 * faults.c - preloaded into a server: calls of the C library that fail when a
 * test says so, in a page that the two share (PILLION_FAULTS is its file).
 *
 * Only the main thread's calls of a process are counted, unless the test says
 * otherwise: in a worker of nginx that is the event loop.
 */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ALLOCATION = 1, TEMPORARY_FILE, EVENTFD, LIBRARY, THREAD };

/* As in faults_inject_test.go. */
struct page {
    int64_t kind;
    int64_t countdown;          /* this call fails, counted from 1 */
    int64_t sticky;             /* and so do those after it */
    int64_t failed;
    int64_t everywhere;         /* on any thread                            */
};

static struct page  none;
static struct page *page = &none;

#define NEXT(name) ((__typeof__(&name)) dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void map_page(void)
{
    const char *path = getenv("PILLION_FAULTS");
    int         fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    void       *p;

    if (fd != -1) {
        p = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (p != MAP_FAILED) {
            page = p;
        }
        close(fd);
    }
}

static int fails(int64_t kind)
{
    int64_t left;

    if (__atomic_load_n(&page->kind, __ATOMIC_SEQ_CST) != kind
        || (!page->everywhere && syscall(SYS_gettid) != getpid()))
    {
        return 0;
    }
    left = __atomic_sub_fetch(&page->countdown, 1, __ATOMIC_SEQ_CST);
    if (left > 0 || (left < 0 && !page->sticky)) {
        return 0;
    }
    __atomic_add_fetch(&page->failed, 1, __ATOMIC_SEQ_CST);
    return 1;
}

/* glibc's own names: dlsym() may allocate. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size)
{
    if (fails(ALLOCATION)) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    if (fails(ALLOCATION)) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
    if (fails(ALLOCATION)) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_realloc(p, size);
}

int posix_memalign(void **p, size_t alignment, size_t size)
{
    if (fails(ALLOCATION)) {
        return ENOMEM;
    }
    *p = __libc_memalign(alignment, size);
    return *p == NULL ? ENOMEM : 0;
}

ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t offset)
{
    if (fails(TEMPORARY_FILE)) {
        errno = ENOSPC;
        return -1;
    }
    return syscall(SYS_pwrite64, fd, bytes, n, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t offset)
{
    return pwrite64(fd, bytes, n, offset);
}

int eventfd(unsigned int value, int flags)
{
    if (fails(EVENTFD)) {
        errno = EMFILE;
        return -1;
    }
    return syscall(SYS_eventfd2, value, flags);
}

void *dlopen(const char *path, int flags)
{
    if (path != NULL && strstr(path, "/app.so") != NULL && fails(LIBRARY)) {
        path = "/no/such/library.so";
    }
    return NEXT(dlopen)(path, flags);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *data)
{
    if (fails(THREAD)) {
        return EAGAIN;
    }
    return NEXT(pthread_create)(thread, attributes, run, data);
}
