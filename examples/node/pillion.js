// Go web applications in a Node process: pillion.h by koffi.
//
//     const { Library } = require('./pillion');
//     const library = new Library('build/libpillion.so');
//     library.init();
//     const response = await library.call(library.app('hello'), { REQUEST_METHOD: 'GET', REQUEST_URI: '/' });
//
// Names and values are strings with a character for each byte (Latin-1), as in
// Node's http; bodies are Buffers. pillion_abi.js holds the declarations; what a
// status or a field means stands in pillion.h.
'use strict';

const koffi = require('koffi');
const abi = require('./pillion_abi');

const { PILLION_OK, PILLION_E_ABORTED, PILLION_ABI_MAJOR, PILLION_ABI_MINOR, PILLION_CONFIG_IGNORE_SIGPIPE } = abi.constants;
const SIG_SETMASK = 2;
const PAIR_SIZE = 24;

const libc = koffi.load(null);
const memcpy = libc.func('void *memcpy(void *to, const void *from, size_t length)');

for (const [name, fields] of Object.entries(abi.structs)) {
  koffi.struct(name, fields);
}

// A status that is not PILLION_OK: status is its number, code 'PILLION_E_...',
// and with PILLION_E_ABORTED response what the application had sent. If loading
// failed there is neither status nor code.
class PillionError extends Error {
  constructor(status, text, response) {
    const code = status === undefined ? undefined : abi.statuses[status] ?? String(status);
    super(code === undefined ? text : `${code}: ${text}`);
    this.name = 'PillionError';
    Object.assign(this, { status, code, response });
  }
}

// A loaded library, of which there is one in a process and which stays. Only
// one of Node's threads may load it.
class Library {
  #c = {};

  constructor(path) {
    try {
      // Without a slash it would be looked for elsewhere.
      const library = blockingSignals(() => koffi.load(path.includes('/') ? path : `./${path}`));
      for (const prototype of abi.functions) {
        this.#c[/(\w+)\(/.exec(prototype)[1]] = library.func(prototype);
      }
    } catch (e) {
      throw new PillionError(undefined, `cannot load "${path}": ${e.message}`);
    }
    const has = this.#c.pillion_abi();
    if (has >> 16 !== PILLION_ABI_MAJOR || (has & 0xffff) < PILLION_ABI_MINOR) {
      throw new PillionError(undefined, `cannot load "${path}": it has the Pillion ABI ${has >> 16}.${has & 0xffff}, ` +
        `${PILLION_ABI_MAJOR}.${PILLION_ABI_MINOR} is needed`);
    }
  }

  #check(status) {
    if (status !== PILLION_OK) {
      throw new PillionError(status, this.#c.pillion_strerror(status));
    }
  }

  // pillion_init(): env are variables for the applications, settings fields of
  // pillion_config. Node ignores SIGPIPE.
  init(env = {}, settings = {}) {
    const variables = pairs(env);
    this.#check(this.#c.pillion_init({
      size: koffi.sizeof('pillion_config'),
      env: variables,
      env_len: variables.length,
      flags: PILLION_CONFIG_IGNORE_SIGPIPE,
      ...settings,
    }));
  }

  // The handle of the application registered under a name.
  app(name) {
    const bytes = Buffer.from(name, 'latin1');
    const handle = [0];
    this.#check(this.#c.pillion_app_find(bytes, bytes.length, handle));
    return handle[0];
  }

  // pillion_call() on one of koffi's threads: the event loop goes on.
  async call(app, environ, body, headers) {
    const request = newRequest(app, environ, body, headers);
    const raw = { size: koffi.sizeof('pillion_response') };
    const status = await new Promise((resolve, reject) => {
      this.#c.pillion_call.async(request, raw, (error, value) => (error ? reject(error) : resolve(value)));
    });
    return this.#response(status, raw, request);
  }

  // pillion_call() on this thread: nothing else runs meanwhile.
  callSync(app, environ, body, headers) {
    const request = newRequest(app, environ, body, headers);
    const raw = { size: koffi.sizeof('pillion_response') };
    return this.#response(this.#c.pillion_call(request, raw), raw, request);
  }

  stop(drainMs = 1000, stopMs = 5000) {
    this.#check(this.#c.pillion_stop(drainMs, stopMs));
  }

  // request is what the call has borrowed: it must live until here.
  #response(status, raw, request) {
    if (status !== PILLION_E_ABORTED) {
      this.#check(status);
    }
    const response = {
      status: raw.status,
      headers: list(raw.headers, raw.headers_len),
      trailers: list(raw.trailers, raw.trailers_len),
      body: bytes(raw.body, raw.body_len),
    };
    this.#check(this.#c.pillion_response_free(raw.handle));
    if (status === PILLION_E_ABORTED) {
      throw new PillionError(status, this.#c.pillion_strerror(status), response);
    }
    return response;
  }
}

// Go's threads are to inherit a full mask: signals are for Node's.
function blockingSignals(load) {
  const sigfillset = libc.func('int sigfillset(void *set)');
  const sigmask = libc.func('int pthread_sigmask(int how, void *set, void *old)');
  const [all, old] = [Buffer.alloc(128), Buffer.alloc(128)];
  sigfillset(all);
  sigmask(SIG_SETMASK, all, old);
  try {
    return load();
  } finally {
    sigmask(SIG_SETMASK, old, null);
  }
}

// An array of [name, value], or an object, for koffi to make pillion_pair of.
function pairs(items) {
  return (Array.isArray(items) ? items : Object.entries(items)).map((item) => {
    const [name, value] = item.map((text) => Buffer.from(text, 'latin1'));
    return { name, value, name_len: name.length, value_len: value.length };
  });
}

function newRequest(app, environ, body = Buffer.alloc(0), headers = []) {
  const [variables, fields] = [pairs(environ), pairs(headers)];
  return {
    size: koffi.sizeof('pillion_request'),
    app,
    environ: variables,
    headers: fields,
    environ_len: variables.length,
    headers_len: fields.length,
    body,
    body_len: body.length,
  };
}

function list(array, length) {
  const items = [];
  const raw = bytes(array, length * PAIR_SIZE);
  for (let at = 0; at < raw.length; at += PAIR_SIZE) {
    items.push([
      bytes(raw.readBigUInt64LE(at), raw.readUInt32LE(at + 16)).toString('latin1'),
      bytes(raw.readBigUInt64LE(at + 8), raw.readUInt32LE(at + 20)).toString('latin1'),
    ]);
  }
  return items;
}

// A copy of borrowed bytes. (koffi.decode would leave some memory behind each time.)
function bytes(pointer, length) {
  const copy = Buffer.alloc(length);
  if (length > 0) {
    memcpy(copy, pointer, length);
  }
  return copy;
}

module.exports = { Library, PillionError };
