// A request from Node to a Go application. Build and run it, from the top of the tree:
//
//     make library
//     npm ci --prefix examples/node --ignore-scripts
//     node examples/node/hello.js build/libpillion.so hello '/?name=Node'
'use strict';

const { Library, PillionError } = require('./pillion');

const [path, name, target] = process.argv.slice(2);

async function main() {
  const library = new Library(path);
  library.init();
  const response = await library.call(library.app(name), {
    REQUEST_METHOD: 'POST',
    REQUEST_URI: target,
    SERVER_PROTOCOL: 'HTTP/1.1',
    HTTP_HOST: 'localhost',
    CONTENT_TYPE: 'application/x-www-form-urlencoded',
    CONTENT_LENGTH: '11',
  }, Buffer.from('color=green'));
  library.stop();

  console.log(response.status);
  for (const [field, value] of response.headers) {
    console.log(`${field}: ${value}`);
  }
  console.log();
  process.stdout.write(response.body);
}

main().catch((error) => {
  console.error(error instanceof PillionError ? error.message : error);
  process.exitCode = 1;
});
