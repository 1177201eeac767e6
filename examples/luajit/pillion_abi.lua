-- Generated from include/pillion.h by go generate ./capi/abi; do not edit.

return [[
enum {
    PILLION_ABI_MAJOR = 1,
    PILLION_ABI_MINOR = 1,
    PILLION_ABI = 65537,
    PILLION_OK = 0,
    PILLION_E_ARG = -1,
    PILLION_E_SIZE = -2,
    PILLION_E_STATE = -3,
    PILLION_E_STOPPED = -4,
    PILLION_E_FORKED = -5,
    PILLION_E_GONE = -6,
    PILLION_E_FULL = -7,
    PILLION_E_APP = -8,
    PILLION_E_LIMIT = -9,
    PILLION_E_MEMORY = -10,
    PILLION_E_OS = -11,
    PILLION_E_START = -12,
    PILLION_E_ABORTED = -13,
    PILLION_E_IO = -14,
    PILLION_E_TIMEOUT = -15,
    PILLION_MAX_PAIRS = 65536,
    PILLION_MAX_BLOCK = 67108864,
    PILLION_MAX_INFLIGHT = 1048576,
    PILLION_MAX_QUEUES = 4096,
    PILLION_MAX_WINDOW = 1073741824,
    PILLION_LOG_DEBUG = -4,
    PILLION_LOG_INFO = 0,
    PILLION_LOG_WARN = 4,
    PILLION_LOG_ERROR = 8,
    PILLION_CONFIG_IGNORE_SIGPIPE = 1,
    PILLION_REQUEST_MORE = 1,
    PILLION_REQUEST_FILES = 2,
    PILLION_REQUEST_HIJACK = 4,
    PILLION_IO_AGAIN = -11,
    PILLION_QUEUE_BATCH = 1,
    PILLION_EVENT_INFO = 1,
    PILLION_EVENT_HEAD = 2,
    PILLION_EVENT_BODY = 4,
    PILLION_EVENT_FLUSH = 8,
    PILLION_EVENT_TRAILERS = 16,
    PILLION_EVENT_COMPLETE = 32,
    PILLION_EVENT_ABORTED = 64,
    PILLION_EVENT_ROOM = 128,
    PILLION_EVENT_FILE = 256,
    PILLION_EVENT_HIJACK = 512
};

typedef struct pillion_pair pillion_pair;
typedef struct pillion_config pillion_config;
typedef struct pillion_request pillion_request;
typedef struct pillion_stats_t pillion_stats_t;
typedef struct pillion_response pillion_response;
typedef struct pillion_io pillion_io;
typedef struct pillion_queue_config pillion_queue_config;
typedef struct pillion_event pillion_event;

typedef void (*pillion_log_fn)(void *data, int32_t level, const char *msg, uint64_t len);

struct pillion_pair {
    const char *name;
    const char *value;
    uint32_t name_len;
    uint32_t value_len;
};

struct pillion_config {
    uint32_t size;
    uint32_t env_len;
    const pillion_pair *env;
    pillion_log_fn log;
    void *log_data;
    int32_t log_fd;
    int32_t log_level;
    int32_t crash_fd;
    int32_t gomaxprocs;
    int32_t gc_percent;
    uint32_t flags;
    int64_t memory_limit;
    const char *server_software;
    uint64_t server_software_len;
};

struct pillion_request {
    uint32_t size;
    uint32_t flags;
    uint64_t app;
    const pillion_pair *environ;
    const pillion_pair *headers;
    uint32_t environ_len;
    uint32_t headers_len;
    const char *body;
    uint64_t body_len;
    void *data;
    uint32_t credit;
    uint32_t window;
};

struct pillion_stats_t {
    uint32_t size;
    uint32_t queues;
    uint64_t requests;
    uint64_t responses;
    uint64_t running;
    uint64_t buffered;
    uint64_t goroutines;
    uint64_t heap;
    uint64_t wakes_in;
    uint64_t wakes_out;
    uint64_t completed;
    uint64_t abandoned;
    uint64_t abandoned_bytes;
};

struct pillion_response {
    uint32_t size;
    int32_t status;
    uint64_t handle;
    const pillion_pair *headers;
    const pillion_pair *trailers;
    uint32_t headers_len;
    uint32_t trailers_len;
    const char *body;
    uint64_t body_len;
};

struct pillion_io {
    uint32_t size;
    uint32_t alive_ms;
    void *data;
    int64_t (*read)(void *data, char *buf, uint64_t cap);
    int32_t (*head)(void *data, int32_t status, const pillion_pair *headers, uint32_t headers_len);
    int32_t (*write)(void *data, const char *buf, uint64_t len);
    int32_t (*flush)(void *data);
    int32_t (*trailers)(void *data, const pillion_pair *trailers, uint32_t trailers_len);
    int32_t (*alive)(void *data);
    int32_t (*file)(void *data, int32_t fd, uint64_t offset, uint64_t len);
    int32_t (*request_trailers)(void *data, const pillion_pair **trailers, uint32_t *trailers_len);
    int32_t (*hijack)(void *data, int32_t *fd);
};

struct pillion_queue_config {
    uint32_t size;
    uint32_t flags;
    uint32_t max_in_flight;
    uint32_t reserved;
};

struct pillion_event {
    uint64_t request;
    void *data;
    uint32_t flags;
    int32_t status;
    const pillion_pair *headers;
    const char *body;
    uint64_t body_len;
    uint32_t headers_len;
    int32_t file;
    uint64_t file_offset;
    uint64_t file_len;
};

uint32_t pillion_abi(void);
const char *pillion_version(void);
const char *pillion_strerror(int32_t status);
int32_t pillion_init(const pillion_config *config);
int32_t pillion_app_find(const char *name, uint64_t name_len, uint64_t *app);
int32_t pillion_app_name(uint32_t index, const char **name, uint64_t *name_len);
int32_t pillion_stop(uint32_t drain_ms, uint32_t stop_ms);
int32_t pillion_stats(pillion_stats_t *stats);
int32_t pillion_call(const pillion_request *request, pillion_response *response);
int32_t pillion_response_free(uint64_t handle);
int32_t pillion_call_event(uint64_t app, const char *event, uint64_t event_len, const char *context, uint64_t context_len, pillion_response *response);
int32_t pillion_serve(const pillion_request *request, const pillion_io *io);
int32_t pillion_queue_new(const pillion_queue_config *config, uint64_t *queue);
int32_t pillion_queue_fd(uint64_t queue, int32_t *fd);
int32_t pillion_queue_free(uint64_t queue);
int32_t pillion_submit(uint64_t queue, const pillion_request *request, uint64_t *handle);
int32_t pillion_feed(uint64_t request, const char *bytes, uint64_t len, int32_t last, uint64_t *taken);
int32_t pillion_feed_trailers(uint64_t request, const pillion_pair *trailers, uint32_t trailers_len);
int32_t pillion_poll(uint64_t queue, pillion_event *events, uint32_t event_size, uint32_t cap, uint32_t *n);
int32_t pillion_flush(uint64_t queue);
int32_t pillion_peek(uint64_t queue, uint32_t *n);
int32_t pillion_credit(uint64_t request, uint64_t bytes);
int32_t pillion_cancel(uint64_t request);
int32_t pillion_release(uint64_t request);
]]
