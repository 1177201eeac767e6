// What a call costs, and whether calls leave something behind:
//
//     make library
//     npm ci --prefix examples/node --ignore-scripts
//     node --expose-gc examples/node/bench.js build/libpillion.so 100000
'use strict';

const fs = require('fs');
const { Library } = require('./pillion');

const [path, count] = process.argv.slice(2);
const calls = Number(count);

const body = Buffer.from('name=' + 'x'.repeat(1000));
const environ = {
  REQUEST_METHOD: 'POST',
  REQUEST_URI: '/',
  SERVER_PROTOCOL: 'HTTP/1.1',
  HTTP_HOST: 'localhost',
  CONTENT_TYPE: 'application/x-www-form-urlencoded',
  CONTENT_LENGTH: String(body.length),
};

const library = new Library(path);
library.init({}, { log_level: 8 });
const hello = library.app('hello');

function run(n) {
  for (let i = 0; i < n; i++) {
    const response = library.callSync(hello, environ, body);
    if (response.status !== 200 || response.body.length !== 1009) {
      throw new Error(`status ${response.status}`);
    }
    try {
      library.callSync(0, environ, body);
    } catch (error) {
      continue;
    }
    throw new Error('0 is no application');
  }
}

function resident() {
  global.gc();
  return Number(/^VmRSS:\s+(\d+)/m.exec(fs.readFileSync('/proc/self/status', 'latin1'))[1]);
}

run(calls / 10);
const before = resident();
const start = process.hrtime.bigint();
run(calls);
const micros = Number(process.hrtime.bigint() - start) / 1e3 / calls;
console.log(`node: ${calls} calls, ${micros.toFixed(1)} us each, resident ${before} KiB, then ${resident()} KiB`);
library.stop();
