/*
 * pillion_loader.h - loads a Pillion library at run time.
 *
 * Header-only: everything here is static, include it in the file that loads.
 * C99 and C++ on POSIX. A compiler in strict mode (-std=c99) needs this header
 * to come first, or -D_POSIX_C_SOURCE=200809L. Link with -ldl and -lpthread
 * where the C library asks for them.
 *
 *
 * OVERVIEW
 *
 *     pillion_api api;
 *     char        err[512];
 *
 *     if (pillion_loader_open("/srv/app.so", &api, err, sizeof(err)) == -1) {
 *         fprintf(stderr, "%s\n", err);
 *         exit(1);
 *     }
 *
 *     api.init(NULL);
 *     api.app_find("demo", 4, &app);
 *
 * Every function of pillion.h is a member of pillion_api under its name without
 * "pillion_" and behaves as pillion.h says.
 *
 * A library is never unloaded: a Go runtime cannot be. So there is no close,
 * and a library is loaded once in a process. To replace the file, rename the
 * new one over it; writing into a file that a process has loaded crashes that
 * process.
 *
 *
 * THREADS AND SIGNALS
 *
 * Loading starts the Go runtime and with it threads. All signals are blocked
 * while they are made, and they inherit that, so that a signal sent to the
 * process is taken by the server's own threads and never by Go's. The mask of
 * the calling thread is put back before the call returns.
 */

#ifndef PILLION_LOADER_H
#define PILLION_LOADER_H

#if defined(__STRICT_ANSI__) && !defined(_POSIX_C_SOURCE)
#define _POSIX_C_SOURCE 200809L
#endif

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#ifdef __ELF__
#include <link.h>
#endif

#include "pillion.h"


/*
 * The functions of a library: a member, its return type, its parameters. The
 * list is in the order of pillion.h. abi comes first: it is called before the
 * others are looked up.
 */
#define PILLION_LOADER_FUNCTIONS(X)                                            \
    X(abi,           uint32_t,     (void))                                     \
    X(version,       const char *, (void))                                     \
    X(strerror,      const char *, (int32_t))                                  \
    X(init,          int32_t,      (const pillion_config *))                   \
    X(app_find,      int32_t,      (const char *, uint64_t, uint64_t *))       \
    X(app_name,      int32_t,      (uint32_t, const char **, uint64_t *))      \
    X(stop,          int32_t,      (uint32_t, uint32_t))                       \
    X(stats,         int32_t,      (pillion_stats_t *))                        \
    X(call,          int32_t,      (const pillion_request *, pillion_response *)) \
    X(response_free, int32_t,      (uint64_t))                                 \
    X(call_event,    int32_t,      (uint64_t, const char *, uint64_t, const char *, uint64_t, pillion_response *)) \
    X(serve,         int32_t,      (const pillion_request *, const pillion_io *)) \
    X(queue_new,     int32_t,      (const pillion_queue_config *, uint64_t *)) \
    X(queue_fd,      int32_t,      (uint64_t, int32_t *))                      \
    X(queue_free,    int32_t,      (uint64_t))                                 \
    X(submit,        int32_t,      (uint64_t, const pillion_request *, uint64_t *)) \
    X(feed,          int32_t,      (uint64_t, const char *, uint64_t, int32_t, uint64_t *)) \
    X(feed_trailers, int32_t,      (uint64_t, const pillion_pair *, uint32_t))     \
    X(poll,          int32_t,      (uint64_t, pillion_event *, uint32_t, uint32_t, uint32_t *)) \
    X(flush,         int32_t,      (uint64_t))                                 \
    X(peek,          int32_t,      (uint64_t, uint32_t *))                     \
    X(credit,        int32_t,      (uint64_t, uint64_t))                       \
    X(cancel,        int32_t,      (uint64_t))                                 \
    X(release,       int32_t,      (uint64_t))

/* A loaded library. Filled by pillion_loader_open(), never freed. */
typedef struct pillion_api {
#define PILLION_LOADER_MEMBER(name, type, args) type (*name) args;
    PILLION_LOADER_FUNCTIONS(PILLION_LOADER_MEMBER)
#undef PILLION_LOADER_MEMBER
} pillion_api;


/* Writes a sentence into err. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
static inline void
pillion_loader_say(char *err, size_t err_len, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void) vsnprintf(err, err_len, format, args);
    va_end(args);
}


/* Looks up one symbol. Returns 0, or -1 and a sentence in err. */
static inline int
pillion_loader_symbol(void *library, const char *path, const char *name, void *function,
    size_t size, char *err, size_t err_len)
{
    void *symbol = dlsym(library, name);

    if (symbol == NULL) {
        pillion_loader_say(err, err_len,
                           "PILLION-3010: \"%s\" is not a Pillion library: it has no "
                           "function %s; was it built without importing pillion/capi?",
                           path, name);
        return -1;
    }

    /* C has no conversion from an object's to a function's pointer. */
    memcpy(function, &symbol, size);

    return 0;
}


#ifdef __ELF__

/* What this is compiled for, in ELF's and in Go's words, where Go makes shared
 * libraries. Then the GOARCH of a number of ELF's, or the number. */
#if defined(__x86_64__) && defined(__LP64__)
#define PILLION_LOADER_MACHINE 62
#define PILLION_LOADER_GOARCH  "amd64"
#elif defined(__aarch64__) && defined(__LP64__)
#define PILLION_LOADER_MACHINE 183
#define PILLION_LOADER_GOARCH  "arm64"
#elif defined(__i386__)
#define PILLION_LOADER_MACHINE 3
#define PILLION_LOADER_GOARCH  "386"
#elif defined(__arm__)
#define PILLION_LOADER_MACHINE 40
#define PILLION_LOADER_GOARCH  "arm"
#elif defined(__riscv) && defined(__LP64__)
#define PILLION_LOADER_MACHINE 243
#define PILLION_LOADER_GOARCH  "riscv64"
#elif defined(__s390x__)
#define PILLION_LOADER_MACHINE 22
#define PILLION_LOADER_GOARCH  "s390x"
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define PILLION_LOADER_MACHINE 21
#define PILLION_LOADER_GOARCH  "ppc64le"
#elif defined(__loongarch64)
#define PILLION_LOADER_MACHINE 258
#define PILLION_LOADER_GOARCH  "loong64"
#else
#define PILLION_LOADER_MACHINE 0
#define PILLION_LOADER_GOARCH  "?"
#endif

static inline void
pillion_loader_goarch(unsigned machine, char *name, size_t size)
{
    const char *known;

    switch (machine) {
    case 3:
        known = "386";
        break;
    case 22:
        known = "s390x";
        break;
    case 40:
        known = "arm";
        break;
    case 62:
        known = "amd64";
        break;
    case 183:
        known = "arm64";
        break;
    case 243:
        known = "riscv64";
        break;
    case 258:
        known = "loong64";
        break;
    default:
        (void) snprintf(name, size, "number %u of ELF", machine);
        return;
    }

    (void) snprintf(name, size, "%s", known);
}


/* Reads a part of a file. Returns 0, or -1. */
static inline int
pillion_loader_read(FILE *file, uint64_t offset, void *part, size_t size)
{
    if (offset > LONG_MAX || fseek(file, (long) offset, SEEK_SET) == -1) {
        return -1;
    }

    return (fread(part, 1, size, file) == size) ? 0 : -1;
}


/* Looks at a file of so many bytes for what dlopen() would not say, or not live
 * to say: it maps a file without a look at its size, and the process that touches
 * what is missing dies of SIGBUS. Sets *machine, a number of ELF's. */
#define PILLION_LOADER_FITS       0
#define PILLION_LOADER_NOT_SHARED 1
#define PILLION_LOADER_FOREIGN    2
#define PILLION_LOADER_CUT        3

#ifndef DF_1_PIE
#define DF_1_PIE 0x08000000
#endif

static inline int
pillion_loader_elf(FILE *file, uint64_t size, unsigned *machine)
{
    size_t               i, n, count;
    uint64_t             at;
    ElfW(Dyn)            dynamic;
    ElfW(Phdr)           segment;
    const uint16_t       one = 1;
    const unsigned char *ident;

    union {
        ElfW(Ehdr)     elf;
        unsigned char  bytes[sizeof(ElfW(Ehdr))];
    } head;

    ident = head.bytes;
    n = fread(head.bytes, 1, sizeof(head), file);

    if (n < SELFMAG || memcmp(ident, ELFMAG, SELFMAG) != 0) {
        return PILLION_LOADER_NOT_SHARED;
    }

    /* The machine, in the same place in every file, is known before the rest. */
    if (n < 20) {
        return PILLION_LOADER_CUT;
    }

    *machine = (ident[EI_DATA] == ELFDATA2MSB) ? ident[18] * 256u + ident[19]
                                               : ident[19] * 256u + ident[18];

    if (ident[EI_CLASS] != ((sizeof(void *) == 8) ? ELFCLASS64 : ELFCLASS32)
        || ident[EI_DATA] != ((*(const unsigned char *) &one == 1) ? ELFDATA2LSB : ELFDATA2MSB)
        || *machine != PILLION_LOADER_MACHINE)
    {
        return (PILLION_LOADER_MACHINE == 0) ? PILLION_LOADER_FITS : PILLION_LOADER_FOREIGN;
    }

    if (n < sizeof(head)) {
        return PILLION_LOADER_CUT;
    }

    if (head.elf.e_type != ET_DYN) {
        return PILLION_LOADER_NOT_SHARED;
    }

    if (head.elf.e_phentsize != sizeof(segment)) {
        return PILLION_LOADER_FITS;
    }

    if (head.elf.e_phoff > size
        || head.elf.e_phnum > (size - head.elf.e_phoff) / sizeof(segment))
    {
        return PILLION_LOADER_CUT;
    }

    at = 0;
    count = 0;

    for (i = 0; i < head.elf.e_phnum; i++) {
        if (pillion_loader_read(file, head.elf.e_phoff + i * sizeof(segment), &segment,
                                sizeof(segment))
            == -1)
        {
            return PILLION_LOADER_FITS;
        }

        if (segment.p_type != PT_LOAD && segment.p_type != PT_DYNAMIC) {
            continue;
        }

        if (segment.p_filesz != 0
            && (segment.p_offset > size || segment.p_filesz > size - segment.p_offset))
        {
            return PILLION_LOADER_CUT;
        }

        if (segment.p_type == PT_DYNAMIC) {
            at = segment.p_offset;
            count = segment.p_filesz / sizeof(dynamic);
        }
    }

    /* An executable that could be placed anywhere looks like a library; that it
     * names an interpreter says nothing, for libraries do as well. */
    for (i = 0; i < count; i++) {
        if (pillion_loader_read(file, at + i * sizeof(dynamic), &dynamic, sizeof(dynamic)) == -1
            || dynamic.d_tag == DT_NULL)
        {
            break;
        }

        if (dynamic.d_tag == DT_FLAGS_1 && (dynamic.d_un.d_val & DF_1_PIE)) {
            return PILLION_LOADER_NOT_SHARED;
        }
    }

    return PILLION_LOADER_FITS;
}

#endif


/* Tells why dlopen() would fail before it does. Returns 0, or -1 and a
 * sentence in err. */
static inline int
pillion_loader_look(const char *path, char *err, size_t err_len)
{
    FILE        *file;
    struct stat  st;
#ifdef __ELF__
    int          found;
    char         name[32];
    unsigned     machine = 0;
#endif

    if (stat(path, &st) == -1) {
        if (errno == ENOENT || errno == ENOTDIR) {
            pillion_loader_say(err, err_len,
                               "PILLION-3002: there is no file \"%s\"; build it with go "
                               "build -buildmode=c-shared -o %s or correct the path",
                               path, path);
        } else {
            pillion_loader_say(err, err_len, "PILLION-3003: cannot find \"%s\": %s", path,
                               strerror(errno));
        }

        return -1;
    }

    if (!S_ISREG(st.st_mode)) {
        pillion_loader_say(err, err_len,
                           "PILLION-3004: \"%s\" is not a file; name the library itself, "
                           "a file ending in .so", path);
        return -1;
    }

    file = fopen(path, "rb");
    if (file == NULL) {
        pillion_loader_say(err, err_len,
                           "PILLION-3005: cannot read \"%s\": %s; allow the user this "
                           "process runs as to read it and to enter its directories",
                           path, strerror(errno));
        return -1;
    }

#ifdef __ELF__
    found = pillion_loader_elf(file, (uint64_t) st.st_size, &machine);
    fclose(file);

    switch (found) {
    case PILLION_LOADER_NOT_SHARED:
        pillion_loader_say(err, err_len,
                           "PILLION-3006: \"%s\" is not a shared library; build it with "
                           "go build -buildmode=c-shared", path);
        return -1;

    case PILLION_LOADER_FOREIGN:
        pillion_loader_goarch(machine, name, sizeof(name));
        pillion_loader_say(err, err_len,
                           "PILLION-3013: \"%s\" is built for another machine: %s; build it "
                           "with GOARCH=%s", path, name, PILLION_LOADER_GOARCH);
        return -1;

    case PILLION_LOADER_CUT:
        pillion_loader_say(err, err_len,
                           "PILLION-3014: \"%s\" is cut: copy it again, under another name, "
                           "and rename it", path);
        return -1;
    }
#else
    fclose(file);
#endif

    return 0;
}


static inline void *
pillion_loader_wait(void *mutex)
{
    (void) pthread_mutex_lock((pthread_mutex_t *) mutex);
    (void) pthread_mutex_unlock((pthread_mutex_t *) mutex);

    return NULL;
}


/* Go ends the process if it cannot have the few threads it starts with: tells
 * before it does. Returns 0, or -1 and a sentence in err. */
static inline int
pillion_loader_threads(const char *path, char *err, size_t err_len)
{
    int              n, rc;
    pthread_t        threads[4];
    pthread_mutex_t  together = PTHREAD_MUTEX_INITIALIZER;

    rc = 0;
    (void) pthread_mutex_lock(&together);

    for (n = 0; n < 4; n++) {
        rc = pthread_create(&threads[n], NULL, pillion_loader_wait, &together);
        if (rc != 0) {
            break;
        }
    }

    (void) pthread_mutex_unlock(&together);

    while (n > 0) {
        (void) pthread_join(threads[--n], NULL);
    }

    if (rc != 0) {
        pillion_loader_say(err, err_len,
                           "PILLION-3012: cannot load \"%s\": it needs threads: %s; raise the limit of "
                           "processes of this user or service", path, strerror(rc));
        return -1;
    }

    return 0;
}


/*
 * Loads a library, compares its ABI number and fills *api.
 *
 * path is borrowed until the call returns, and so is err, where the call writes
 * a NUL-terminated sentence, at most err_len bytes, that says what is wrong and
 * what to change. *api is the caller's and may be copied; its functions stay
 * valid as long as the process lives. On failure *api is zeroed.
 *
 * Call it in the process that serves, after its last fork() (see FORK in
 * pillion.h). Any thread. Blocks as long as the dynamic linker does; Go starts
 * in the background, and the first function that needs it waits.
 *
 * Returns 0, or -1:
 *     there is no such file, it cannot be read, is not a shared library, is one
 *         of another machine, or is cut
 *     no thread can be made
 *     the dynamic linker refuses it (its own words are in err)
 *     it is not a Pillion library: a function is missing
 *     its ABI number does not go with the one this file was compiled with
 *
 * A library that was refused after the dynamic linker had accepted it stays in
 * the process, with Go's threads if it holds Go. End the process soon.
 */
static inline int
pillion_loader_open(const char *path, pillion_api *api, char *err, size_t err_len)
{
    int         rc;
    char        full[PATH_MAX];
    void       *library;
    uint32_t    abi;
    sigset_t    all, old;
    const char *problem;

    memset(api, 0, sizeof(*api));

    if (path == NULL || path[0] == '\0') {
        pillion_loader_say(err, err_len, "PILLION-3001: no library was named");
        return -1;
    }

    if (pillion_loader_look(path, err, err_len) == -1) {
        return -1;
    }

    /* dlopen() would look for a name without a slash along its search path. */
    if (strchr(path, '/') == NULL) {
        rc = snprintf(full, sizeof(full), "./%s", path);

        if (rc < 0 || (size_t) rc >= sizeof(full)) {
            pillion_loader_say(err, err_len, "PILLION-3007: the name \"%s\" is too long",
                               path);
            return -1;
        }

        path = full;
    }

    sigfillset(&all);

    rc = pthread_sigmask(SIG_SETMASK, &all, &old);
    if (rc != 0) {
        pillion_loader_say(err, err_len,
                           "PILLION-3008: cannot block signals to load \"%s\": %s", path,
                           strerror(rc));
        return -1;
    }

    if (pillion_loader_threads(path, err, err_len) == -1) {
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        return -1;
    }

    library = dlopen(path, RTLD_NOW|RTLD_LOCAL);
    problem = (library == NULL) ? dlerror() : NULL;

    pthread_sigmask(SIG_SETMASK, &old, NULL);

    if (library == NULL) {
        pillion_loader_say(err, err_len, "PILLION-3009: cannot load \"%s\": %s", path,
                           (problem == NULL) ? "unknown error" : problem);
        return -1;
    }

    if (pillion_loader_symbol(library, path, "pillion_abi", &api->abi,
                              sizeof(api->abi), err, err_len)
        == -1)
    {
        return -1;
    }

    abi = api->abi();

    if ((abi >> 16) != PILLION_ABI_MAJOR || (int) (abi & 0xffff) < PILLION_ABI_MINOR) {
        memset(api, 0, sizeof(*api));
        pillion_loader_say(err, err_len,
                           "PILLION-3011: \"%s\" has the Pillion ABI version %u.%u, but "
                           "version %u.%u is needed; %s", path, (unsigned) (abi >> 16),
                           (unsigned) (abi & 0xffff), (unsigned) PILLION_ABI_MAJOR,
                           (unsigned) PILLION_ABI_MINOR,
                           (abi >> 16) > PILLION_ABI_MAJOR
                               ? "rebuild the server's module with the library's pillion.h"
                               : "rebuild the library with the Pillion the server's module "
                                 "was built from");
        return -1;
    }

#define PILLION_LOADER_LOOKUP(name, type, args)                                \
    if (pillion_loader_symbol(library, path, "pillion_" #name, &api->name,     \
                              sizeof(api->name), err, err_len)                 \
        == -1)                                                                 \
    {                                                                          \
        memset(api, 0, sizeof(*api));                                          \
        return -1;                                                             \
    }

    PILLION_LOADER_FUNCTIONS(PILLION_LOADER_LOOKUP)

#undef PILLION_LOADER_LOOKUP

    return 0;
}


#endif /* PILLION_LOADER_H */
