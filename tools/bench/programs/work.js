// Server-like JavaScript: buffers outside the engine's heap, JSON, maps, and
// compression, whose windows come from malloc. Prints a checksum.
// Argument: how many rounds.
'use strict';
const zlib = require('zlib');

const rounds = Number(process.argv[2]);
let checksum = 0;
for (let round = 1; round <= rounds; round++) {
  let seed = round;
  const records = [];
  for (let i = 0; i < 2000; i++) {
    seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
    records.push({id: seed % 977, name: 'name' + (seed % 1231)});
  }
  const text = JSON.stringify(records);
  const packed = zlib.deflateSync(Buffer.from(text), {level: 1});
  const unpacked = zlib.inflateSync(packed).toString();
  const counts = new Map();
  for (const record of JSON.parse(unpacked)) {
    counts.set(record.name, (counts.get(record.name) || 0) + record.id);
  }
  const buffers = [];
  for (let i = 0; i < 200; i++) buffers.push(Buffer.alloc(9000 + i * 37, i));
  const joined = Buffer.concat(buffers);
  checksum =
      (checksum + unpacked.length + counts.size + joined.length) % 1000000007;
}
console.log(checksum);
