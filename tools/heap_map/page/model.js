// The snapshots as objects, their sums, and what differs between two.
'use strict';

const SMALL_FIELDS =
    ['cell', 'place', 'used', 'carved', 'capacity', 'purged', 'owner'];

// What the lines say, with addresses and bytes beside. Addresses have less than
// 53 bits: numbers hold them.
function unpack(raw) {
  const granule = raw.head.granule;
  const arenas = raw.arenas.map((arena) => {
    const blocks = arena.blocks.map((row) => {
      const [at, n, is, resident, ...small] = row;
      const block = {at, n, is, resident};
      if (is === 'small') {
        SMALL_FIELDS.forEach((name, i) => { block[name] = small[i]; });
      }
      block.start = arena.start + at * granule;
      block.bytes = n * granule;
      return block;
    });
    return {...arena, blocks};
  });
  const byStart = new Map(arenas.map((arena) => [arena.start, arena]));
  return {...raw, arenas, byStart};
}

// A core dump does not say, nor does each sandbox.
function isResidentKnown(snapshot) {
  return snapshot.arenas.every((arena) => arena.resident !== null);
}

function isAllocated(block) {
  return block.is === 'small' || block.is === 'large';
}

// How full a block is, from 0 to 1.
function occupancy(block) {
  if (block.is === 'small') return block.used / block.capacity;
  return block.is === 'large' ? 1 : 0;
}

function liveBytes(block) {
  if (block.is === 'small') return block.used * block.cell;
  return block.is === 'large' ? block.bytes : 0;
}

// Rows of the table of classes: one for each cell size that has a block, then
// large and huge blocks.
function classRows(snapshot) {
  const page = snapshot.head.page;
  const rows = new Map();
  const row = (key, order) => {
    if (!rows.has(key)) {
      rows.set(key, {key, order, blocks: 0, used: 0, capacity: 0, live: 0,
                     span: 0, resident: 0});
    }
    return rows.get(key);
  };
  const add = (into, used, capacity, live, span, resident) => {
    into.blocks += 1;
    into.used += used;
    into.capacity += capacity;
    into.live += live;
    into.span += span;
    into.resident += (resident || 0) * page;
  };
  for (const arena of snapshot.arenas) {
    for (const block of arena.blocks) {
      if (block.is === 'small') {
        add(row(String(block.cell), block.cell), block.used, block.capacity,
            liveBytes(block), block.bytes, block.resident);
      } else if (block.is === 'large') {
        add(row('large', 1e9), 1, 1, block.bytes, block.bytes, block.resident);
      }
    }
  }
  for (const huge of snapshot.huge) {
    if (huge.cached) continue;
    add(row('huge', 2e9), 1, 1, huge.bytes, huge.mapped, huge.resident);
  }
  return [...rows.values()].sort((a, b) => a.order - b.order);
}

// Where all of the heap's address space is, in bytes, and what is resident.
function totals(snapshot) {
  const {page, granule} = snapshot.head;
  const sum = {live: 0, large: 0, huge: 0, freeCells: 0, uncarved: 0, kept: 0,
               dirty: 0, clean: 0, other: 0, cached: 0, backed: 0,
               resident: 0, blocks: 0, arenas: snapshot.arenas.length};
  for (const arena of snapshot.arenas) {
    sum.other += granule;
    sum.backed += granule;
    sum.resident += (arena.resident || 0) * page;
    for (const block of arena.blocks) {
      sum.backed += block.bytes;
      sum.resident += (block.resident || 0) * page;
      if (block.is === 'small') {
        sum.blocks += 1;
        sum.live += liveBytes(block);
        sum.freeCells += (block.carved - block.used) * block.cell;
        sum.uncarved += block.bytes - block.carved * block.cell;
      } else if (block.is === 'large') {
        sum.blocks += 1;
        sum.large += block.bytes;
      } else if (['kept', 'dirty', 'clean'].includes(block.is)) {
        sum[block.is] += block.bytes;
      } else {
        sum.other += block.bytes;
      }
    }
  }
  for (const huge of snapshot.huge) {
    sum.resident += (huge.resident || 0) * page;
    const table = huge.huge - huge.mapping;
    sum.backed += table + huge.mapped;
    if (huge.cached) {
      sum.cached += huge.mapped;
    } else {
      sum.blocks += 1;
      sum.huge += huge.bytes;
      sum.cached += huge.mapped - huge.bytes;
    }
    sum.other += table;
  }
  return sum;
}

function arenaAt(snapshot, address) {
  return snapshot.byStart.get(
      address - address % snapshot.head.arena_bytes);
}

// The block that has the arena's granule; undefined for the table, and for
// what is not backed.
function blockOfGranule(arena, granule) {
  let low = 0;
  let high = arena.blocks.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const block = arena.blocks[middle];
    if (granule < block.at) high = middle;
    else if (granule >= block.at + block.n) low = middle + 1;
    else return block;
  }
  return undefined;
}

// How the later snapshot's block came to be: 'came', 'grew', 'shrank', 'same';
// 'went' of a free run where a block was. `by` in bytes in use.
function changeOf(block, before) {
  const arena = arenaAt(before, block.start);
  const old = arena && blockOfGranule(arena, block.at);
  if (isAllocated(block)) {
    const isSame = old && old.at === block.at && old.is === block.is &&
        old.cell === block.cell && isAllocated(old);
    if (!isSame) return {what: 'came', by: liveBytes(block)};
    const by = liveBytes(block) - liveBytes(old);
    return {what: by > 0 ? 'grew' : by < 0 ? 'shrank' : 'same', by};
  }
  let by = 0;
  if (arena) {
    for (const other of arena.blocks) {
      if (other.at >= block.at + block.n) break;
      if (other.at + other.n > block.at) by -= liveBytes(other);
    }
  }
  return {what: by < 0 ? 'went' : 'same', by};
}

// What the text of a search means: a test of blocks with a description, and an
// address if it is one. Null for none.
function query(text, classes) {
  const wanted = text.trim().toLowerCase();
  if (wanted === '') return null;
  if (/^0x[0-9a-f]+$/.test(wanted)) {
    const address = parseInt(wanted, 16);
    return {
      address,
      label: wanted,
      test: (b) => address >= b.start && address < b.start + b.bytes,
    };
  }
  if (/^\d+$/.test(wanted)) {
    const cell = classes.find((size) => size >= Number(wanted));
    return {
      label: cell ? `cells of ${cell} bytes` : 'no class',
      test: (b) => b.is === 'small' && b.cell === cell,
    };
  }
  return {
    label: wanted,
    test: (b) => b.is === wanted || b.place === wanted,
  };
}
