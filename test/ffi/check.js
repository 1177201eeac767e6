// What the Node binding does when things go right and wrong, a line each: check.js BINDING LIBRARY TARGET
'use strict';

const [binding, path, target] = process.argv.slice(2);
const { Library, PillionError } = require(binding);

let library;
try {
  library = new Library(path);
} catch (e) {
  if (!(e instanceof PillionError)) {
    throw e;
  }
  console.log(`load: ${e.status} ${e.message}`);
  process.exit();
}

async function attempt(what, act) {
  try {
    await act();
    console.log(what, 'ok');
  } catch (e) {
    if (!(e instanceof PillionError)) {
      throw e;
    }
    const sent = e.response ? ` [${e.response.status} ${e.response.body}]` : '';
    console.log(`${what} ${e.status} ${e.message}${sent}`);
  }
}

function variables(target, method, body) {
  return { REQUEST_METHOD: method, REQUEST_URI: target, CONTENT_LENGTH: String(body.length) };
}

function get(app, target, method = 'GET', body = Buffer.alloc(0)) {
  return library.call(app, variables(target, method, body), body);
}

async function main() {
  const behave = library.app('behave');
  await attempt('early:', () => get(behave, '/'));
  await attempt('init:', () => library.init({ BEHAVE_X: 'from the host' }, { log_level: 99 }));
  await attempt('again:', () => library.init());
  await attempt('nobody:', () => library.app('nobody'));
  const every = Buffer.from(Array.from({ length: 1024 }, (_, i) => i % 256));
  const echo = await get(behave, '/echo', 'POST', every);
  const sync = library.callSync(behave, variables('/echo', 'POST', every), every);
  console.log('echo:', echo.body.equals(every) && sync.body.equals(every) ? 'same' : 'different');
  console.log('env:', (await get(behave, '/runtime?env=BEHAVE_X')).body.includes('from the host') ? 'there' : 'missing');
  const response = await get(behave, target);
  const many = response.headers.filter(([name]) => name === 'X-Many').map(([, value]) => value).join('|');
  console.log(`response: ${response.status} ${many} ${response.body} ${response.trailers[0].join('=')}`);
  await attempt('cut:', () => get(behave, '/panic?n=10&flush=1'));
  await attempt('nothing:', () => get(behave, '/panic'));
  await attempt('stop:', () => library.stop());
  await attempt('late:', () => get(behave, '/'));
}

main();
