# Generated from include/pillion.h by go generate ./capi/abi; do not edit.

module PillionABI
  PILLION_ABI_MAJOR = 1
  PILLION_ABI_MINOR = 1
  PILLION_ABI = 65537
  PILLION_OK = 0
  PILLION_E_ARG = -1
  PILLION_E_SIZE = -2
  PILLION_E_STATE = -3
  PILLION_E_STOPPED = -4
  PILLION_E_FORKED = -5
  PILLION_E_GONE = -6
  PILLION_E_FULL = -7
  PILLION_E_APP = -8
  PILLION_E_LIMIT = -9
  PILLION_E_MEMORY = -10
  PILLION_E_OS = -11
  PILLION_E_START = -12
  PILLION_E_ABORTED = -13
  PILLION_E_IO = -14
  PILLION_E_TIMEOUT = -15
  PILLION_MAX_PAIRS = 65536
  PILLION_MAX_BLOCK = 67108864
  PILLION_MAX_INFLIGHT = 1048576
  PILLION_MAX_QUEUES = 4096
  PILLION_MAX_WINDOW = 1073741824
  PILLION_LOG_DEBUG = -4
  PILLION_LOG_INFO = 0
  PILLION_LOG_WARN = 4
  PILLION_LOG_ERROR = 8
  PILLION_CONFIG_IGNORE_SIGPIPE = 1
  PILLION_REQUEST_MORE = 1
  PILLION_REQUEST_FILES = 2
  PILLION_REQUEST_HIJACK = 4
  PILLION_IO_AGAIN = -11
  PILLION_QUEUE_BATCH = 1
  PILLION_EVENT_INFO = 1
  PILLION_EVENT_HEAD = 2
  PILLION_EVENT_BODY = 4
  PILLION_EVENT_FLUSH = 8
  PILLION_EVENT_TRAILERS = 16
  PILLION_EVENT_COMPLETE = 32
  PILLION_EVENT_ABORTED = 64
  PILLION_EVENT_ROOM = 128
  PILLION_EVENT_FILE = 256
  PILLION_EVENT_HIJACK = 512

  STATUSES = {
    0 => "PILLION_OK",
    -1 => "PILLION_E_ARG",
    -2 => "PILLION_E_SIZE",
    -3 => "PILLION_E_STATE",
    -4 => "PILLION_E_STOPPED",
    -5 => "PILLION_E_FORKED",
    -6 => "PILLION_E_GONE",
    -7 => "PILLION_E_FULL",
    -8 => "PILLION_E_APP",
    -9 => "PILLION_E_LIMIT",
    -10 => "PILLION_E_MEMORY",
    -11 => "PILLION_E_OS",
    -12 => "PILLION_E_START",
    -13 => "PILLION_E_ABORTED",
    -14 => "PILLION_E_IO",
    -15 => "PILLION_E_TIMEOUT",
  }.freeze

  STRUCTS = {
    pillion_pair: [
      "void *name",
      "void *value",
      "uint32_t name_len",
      "uint32_t value_len",
    ],
    pillion_config: [
      "uint32_t size",
      "uint32_t env_len",
      "void *env",
      "void *log",
      "void *log_data",
      "int32_t log_fd",
      "int32_t log_level",
      "int32_t crash_fd",
      "int32_t gomaxprocs",
      "int32_t gc_percent",
      "uint32_t flags",
      "int64_t memory_limit",
      "void *server_software",
      "uint64_t server_software_len",
    ],
    pillion_request: [
      "uint32_t size",
      "uint32_t flags",
      "uint64_t app",
      "void *environ",
      "void *headers",
      "uint32_t environ_len",
      "uint32_t headers_len",
      "void *body",
      "uint64_t body_len",
      "void *data",
      "uint32_t credit",
      "uint32_t window",
    ],
    pillion_stats_t: [
      "uint32_t size",
      "uint32_t queues",
      "uint64_t requests",
      "uint64_t responses",
      "uint64_t running",
      "uint64_t buffered",
      "uint64_t goroutines",
      "uint64_t heap",
      "uint64_t wakes_in",
      "uint64_t wakes_out",
      "uint64_t completed",
      "uint64_t abandoned",
      "uint64_t abandoned_bytes",
    ],
    pillion_response: [
      "uint32_t size",
      "int32_t status",
      "uint64_t handle",
      "void *headers",
      "void *trailers",
      "uint32_t headers_len",
      "uint32_t trailers_len",
      "void *body",
      "uint64_t body_len",
    ],
    pillion_io: [
      "uint32_t size",
      "uint32_t alive_ms",
      "void *data",
      "void *read",
      "void *head",
      "void *write",
      "void *flush",
      "void *trailers",
      "void *alive",
      "void *file",
      "void *request_trailers",
      "void *hijack",
    ],
    pillion_queue_config: [
      "uint32_t size",
      "uint32_t flags",
      "uint32_t max_in_flight",
      "uint32_t reserved",
    ],
    pillion_event: [
      "uint64_t request",
      "void *data",
      "uint32_t flags",
      "int32_t status",
      "void *headers",
      "void *body",
      "uint64_t body_len",
      "uint32_t headers_len",
      "int32_t file",
      "uint64_t file_offset",
      "uint64_t file_len",
    ],
  }.freeze

  FUNCTIONS = [
    "uint32_t pillion_abi()",
    "void *pillion_version()",
    "void *pillion_strerror(int32_t)",
    "int32_t pillion_init(void *)",
    "int32_t pillion_app_find(void *, uint64_t, void *)",
    "int32_t pillion_app_name(uint32_t, void *, void *)",
    "int32_t pillion_stop(uint32_t, uint32_t)",
    "int32_t pillion_stats(void *)",
    "int32_t pillion_call(void *, void *)",
    "int32_t pillion_response_free(uint64_t)",
    "int32_t pillion_call_event(uint64_t, void *, uint64_t, void *, uint64_t, void *)",
    "int32_t pillion_serve(void *, void *)",
    "int32_t pillion_queue_new(void *, void *)",
    "int32_t pillion_queue_fd(uint64_t, void *)",
    "int32_t pillion_queue_free(uint64_t)",
    "int32_t pillion_submit(uint64_t, void *, void *)",
    "int32_t pillion_feed(uint64_t, void *, uint64_t, int32_t, void *)",
    "int32_t pillion_feed_trailers(uint64_t, void *, uint32_t)",
    "int32_t pillion_poll(uint64_t, void *, uint32_t, uint32_t, void *)",
    "int32_t pillion_flush(uint64_t)",
    "int32_t pillion_peek(uint64_t, void *)",
    "int32_t pillion_credit(uint64_t, uint64_t)",
    "int32_t pillion_cancel(uint64_t)",
    "int32_t pillion_release(uint64_t)",
  ].freeze
end
