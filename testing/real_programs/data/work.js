// The program that node_test.py runs on libc and on memalloc.so.
//
// Role: two waves of worker threads, each with an isolate of its own, that do
// JSON, buffers, maps, regular expressions and zlib, hand buffers over to the
// main thread, and end; plus files and child work through libuv's thread pool.
// Invariants: results are printed in the order of the tasks, and each is a
// function of the task's number.
'use strict';

const crypto = require('crypto');
const {promisify} = require('util');
const {Worker, isMainThread, parentPort, workerData} =
    require('worker_threads');
const zlib = require('zlib');

function digest(data) {
  return crypto.createHash('sha256').update(data).digest('hex').slice(0, 24);
}

function documentOf(seed) {
  let state = seed + 1;
  const random = (limit) => {
    state = (state * 48271) % 2147483647;
    return state % limit;
  };
  const items = [];
  for (let i = 0; i < 3000; i++) {
    items.push({
      id: i,
      name: 'n'.repeat(random(80)),
      values: Array.from({length: random(12)}, () => random(1e6) / 7),
      nested: {first: [random(9), null, true], text: `text ${random(1e6)}`},
    });
  }
  return items;
}

function work(seed) {
  const text = JSON.stringify(documentOf(seed));
  const packed = zlib.gzipSync(text, {level: 6});
  const again = JSON.parse(zlib.gunzipSync(packed).toString());
  const map = new Map(again.map((item) => [`${item.name}${item.id}`, item]));
  const sorted = [...map.keys()].sort();
  const buffers = [];
  for (let i = 0; i < 2000; i++) {
    buffers.push(Buffer.alloc(100 + i * 13 % 9000, i & 255));
  }
  const changed = text.replace(/text (\d+)/g, (_, n) => `<${n}>`);
  return digest(Buffer.concat([
    ...buffers,
    Buffer.from(sorted.join()),
    Buffer.from(changed),
    zlib.brotliCompressSync(text.slice(0, 50000)),
  ]));
}

function runWorker(seed) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(__filename, {workerData: seed});
    let answer;
    worker.on('message', (message) => {
      answer = `${message.digest} ${digest(Buffer.from(message.buffer))}`;
    });
    worker.on('error', reject);
    worker.on('exit', () => resolve(answer));
  });
}

async function main() {
  for (const wave of [0, 1]) {
    const seeds = [0, 1, 2, 3, 4].map((n) => wave * 5 + n);
    const answers = await Promise.all(seeds.map(runWorker));
    answers.forEach((answer, n) => console.log(`worker ${seeds[n]} ${answer}`));
  }
  const deflate = promisify(zlib.deflate);
  const texts = [...Array(24).keys()].map((n) => `${n} text `.repeat(20000));
  const packed = await Promise.all(texts.map((text) => deflate(text)));
  console.log('pool', digest(Buffer.concat(packed)));
  const keys = await Promise.all([...Array(8).keys()].map(
      (n) => promisify(crypto.pbkdf2)('secret', `${n}`, 2000, 64, 'sha512')));
  console.log('keys', digest(Buffer.concat(keys)));
  console.log('done');
}

if (isMainThread) {
  main();
} else {
  const buffer = new ArrayBuffer(300000);
  new Uint8Array(buffer).fill(workerData);
  const answer = {digest: work(workerData), buffer};
  // Moved, not copied: the main thread frees what this one allocated.
  parentPort.postMessage(answer, [buffer]);
}
