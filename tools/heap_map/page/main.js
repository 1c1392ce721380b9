// Puts the page together: what is shown, what is searched, what is told.
'use strict';

const snapshots = JSON.parse(document.getElementById('data').textContent)
                      .map(unpack);
const $ = (id) => document.getElementById(id);
const state = {view: snapshots.length - 1, query: null};

function make(name, attributes, ...children) {
  const element = Object.assign(document.createElement(name), attributes);
  element.append(...children);
  return element;
}

function swatch(colour, striped) {
  const element = make('i', {className: 'swatch'});
  if (!colour) {
    element.style.outline = '1px solid var(--line)';
    element.style.outlineOffset = '-1px';
  } else {
    const stripes = `${colour} 0 2px, transparent 0 4px`;
    element.style.background =
        striped ? `repeating-linear-gradient(-45deg, ${stripes})` : colour;
  }
  return element;
}

// ---- what is told of a block ----

function ownerText(snapshot, block) {
  if (block.owner < 0) return 'nobody';
  const heap = snapshot.heaps[block.owner];
  return `thread heap ${block.owner} (${heap.state})`;
}

// Pairs of a name and a text; the first is the heading.
function factsOf(snapshot, block) {
  const page = snapshot.head.page;
  const facts = [];
  if (block.is === 'small') {
    facts.push(['', `Block of ${block.cell}-byte cells`],
               ['in use', `${countText(block.used)} of ` +
                   `${countText(block.capacity)} ` +
                   `(${percent(occupancy(block))})`],
               ['carved', `${countText(block.carved)}, ` +
                   `${countText(block.purged)} purged`],
               ['place', block.place],
               ['owner', ownerText(snapshot, block)]);
  } else {
    facts.push(['', (KINDS[block.is].name || block.is)
                        .replace(/^./, (first) => first.toUpperCase())]);
    if (block.at === 0) facts.push(['is', block.place]);
  }
  const last = block.start + block.bytes - 1;
  facts.push(['at', `${hex(block.start)} – ${hex(last)}`],
             ['size', `${bytesText(block.bytes)}, ` +
                 plural(block.n, 'granule')]);
  if (block.resident !== null) {
    facts.push(['resident', `${bytesText(block.resident * page)} ` +
        `(${percent(block.resident * page / block.bytes)})`]);
  }
  const before = beforeOf(state.view);
  if (before && block.at > 0) {
    const {what, by} = changeOf(block, before);
    facts.push(['since', `${CHANGES[what].name}` +
        (by ? `, ${changeText(by, bytesText)}` : '')]);
  }
  const address = state.query && state.query.address;
  if (address >= block.start && address <= last && block.cell) {
    const cell = Math.floor((address - block.start) / block.cell);
    const start = block.start + cell * block.cell;
    facts.push(['cell', `number ${cell}, from ${hex(start)}, ` +
        `${address - start} bytes in`]);
  }
  return facts;
}

function factsElement(facts) {
  const list = make('dl', {className: 'facts'});
  for (const [name, text] of facts) {
    if (name === '') {
      list.append(make('strong', {textContent: text}));
    } else {
      list.append(make('dt', {textContent: name}),
                  make('dd', {textContent: text, className: 'mono'}));
    }
  }
  return list;
}

// ---- the parts ----

function beforeOf(view) {
  return snapshots.length === 2 && view === 2 ? snapshots[0] : null;
}

function residentText(bytes) {
  return isResidentKnown(shown()) ? bytesText(bytes) : '–';
}

function shown() { return snapshots[Math.min(state.view, 1)] || snapshots[0]; }

const map = new HeapMap($('map'), (block, arena, event) => {
  const tip = $('tip');
  tip.hidden = !block;
  if (!block) return;
  tip.replaceChildren(factsElement(factsOf(shown(), block)));
  const box = tip.getBoundingClientRect();
  const left = Math.min(event.clientX + 14, innerWidth - box.width - 8);
  const below = event.clientY + 18;
  const top = below + box.height > innerHeight - 8 ?
      event.clientY - box.height - 12 : below;
  tip.style.left = `${Math.max(8, left)}px`;
  tip.style.top = `${Math.max(8, top)}px`;
}, (block) => {
  const details = $('details');
  details.hidden = !block;
  if (block) details.replaceChildren(factsElement(factsOf(shown(), block)));
});

const isCompared = snapshots.length === 2;
const keyName = (row) => /^\d+$/.test(row.key) ? row.key : `${row.key} blocks`;
const classTable = new Table($('classes'), [
  {name: 'Cell size', value: (r) => r.order, text: keyName,
   swatch: (r) => /^\d+$/.test(r.key) ?
       cellColour(r.order) : kindColour('large')},
  {name: 'Blocks', value: (r) => r.blocks, text: (r) => countText(r.blocks)},
  {name: 'Cells used', value: (r) => r.used, text: (r) => countText(r.used)},
  {name: 'In use', value: (r) => r.live, text: (r) => bytesText(r.live)},
  ...(isCompared ? [{name: 'Change', sign: true, value: (r) => r.change,
                     text: (r) => changeText(r.change, bytesText)}] : []),
  {name: 'Full', value: (r) => r.used / r.capacity || 0,
   text: (r) => percent(r.used / r.capacity),
   bar: (r) => r.used / r.capacity || 0},
  {name: 'Resident', value: (r) => r.resident,
   text: (r) => residentText(r.resident)},
], (row) => {
  $('search').value = row.key;
  search();
});

const heapTable = new Table($('heaps'), [
  {name: '#', value: (r) => r.number, text: (r) => r.number,
   swatch: (r) => ownerColour(r.number)},
  {name: 'State', isText: true, value: (r) => r.state, text: (r) => r.state},
  {name: 'pthread_self()', isText: true, value: (r) => r.thread,
   text: (r) => r.thread},
  {name: 'Blocks', value: (r) => r.blocks, text: (r) => countText(r.blocks)},
  {name: 'In use', value: (r) => r.live, text: (r) => bytesText(r.live)},
]);

const hugeTable = new Table($('huge'), [
  {name: 'Address', isText: true, value: (r) => r.huge,
   text: (r) => hex(r.huge)},
  {name: 'Is', isText: true, value: (r) => r.is, text: (r) => r.is},
  {name: 'Size', value: (r) => r.bytes, text: (r) => bytesText(r.bytes)},
  {name: 'Mapped', value: (r) => r.mapped, text: (r) => bytesText(r.mapped)},
  {name: 'Resident', value: (r) => r.resident,
   text: (r) => residentText(r.resident), bar: (r) => r.resident / r.mapped},
]);

function showCards(sum, before) {
  const used = (of) => of.live + of.large + of.huge;
  const cards = [
    ['in-use', 'in use by the program', used],
    ['free-cells', 'free cells in blocks', (of) => of.freeCells],
    ['dirty', 'free, with memory', (of) => of.dirty + of.kept + of.cached],
    ['clean', 'purged or never used', (of) => of.clean + of.uncarved],
    ['resident', 'resident', (of) => of.resident],
    ['blocks', 'blocks in use', (of) => of.blocks],
  ];
  $('cards').replaceChildren(...cards.map(([id, name, value]) => {
    const text = id === 'blocks' ? countText :
        id === 'resident' ? residentText : bytesText;
    const card = make('div', {className: 'card', id: `card-${id}`});
    card.dataset.value = value(sum);
    if (before) {
      const change = value(sum) - value(before);
      card.append(make('em', {
        textContent: changeText(change, text),
        className: change > 0 ? 'more' : change < 0 ? 'less' : '',
      }));
    }
    card.append(make('b', {textContent: text(value(sum))}),
                make('span', {textContent: name}));
    return card;
  }));
}

function showShare(sum) {
  const parts = [
    ['cells in use', sum.live, rampColour(0.15)],
    ['large blocks', sum.large, kindColour('large')],
    ['huge blocks', sum.huge, rampColour(0.97)],
    ['free cells', sum.freeCells, rampColour(0.65)],
    ['not carved yet', sum.uncarved, isDark() ? '#39414d' : '#d5dae1'],
    ['free with memory', sum.dirty + sum.kept, kindColour('dirty')],
    ['kept huge mappings', sum.cached, rampColour(0.82)],
    ['purged or new', sum.clean, isDark() ? '#262c35' : '#eceff3'],
    ['tables and others', sum.other, kindColour('metadata')],
  ].filter((part) => part[1] > 0);
  const title = ([name, bytes]) =>
      `${name}: ${bytesText(bytes)} (${percent(bytes / sum.backed)})`;
  $('share').replaceChildren(...parts.map((part) => {
    const piece = make('i', {title: title(part)});
    piece.style.background = part[2];
    piece.style.flexGrow = part[1];
    return piece;
  }));
  $('share-legend').replaceChildren(...parts.map(
      (part) => make('span', {}, swatch(part[2]), title(part))));
}

function showLegend() {
  const parts = [];
  const mode = map.mode;
  if (mode === 'change') {
    for (const change of Object.values(CHANGES)) {
      parts.push(make('span', {}, swatch(change.colour), change.name));
    }
  } else if (mode !== 'owner') {
    const ramp = make('i', {className: 'ramp'});
    const stops = [0, 0.2, 0.4, 0.6, 0.8, 1].map(rampColour);
    ramp.style.background = `linear-gradient(to right, ${stops.join(',')})`;
    const [from, to] = mode === 'class' ? ['16 B', '64 KiB cells'] :
                                          ['0 %', '100 % resident'];
    parts.push(make('span', {className: 'scale'}, from, ramp, to));
  }
  if (mode !== 'resident') {
    for (const [is, kind] of Object.entries(KINDS)) {
      const isShown = is === 'metadata' ||
          shown().arenas.some((a) => a.blocks.some((b) => b.is === is));
      if (!isShown || (mode === 'change' && is === 'large')) continue;
      parts.push(make('span', {}, swatch(kindColour(is), kind.striped),
                      kind.name));
    }
  }
  $('legend').replaceChildren(...parts);
}

function heapRows(snapshot) {
  const rows = snapshot.heaps.map((heap, number) => (
    {...heap, number, key: number, blocks: 0, live: 0}));
  for (const arena of snapshot.arenas) {
    for (const block of arena.blocks) {
      if (block.is !== 'small' || block.owner < 0) continue;
      rows[block.owner].blocks += 1;
      rows[block.owner].live += liveBytes(block);
    }
  }
  return rows;
}

function rowsWithChange(snapshot) {
  const rows = classRows(snapshot);
  if (!isCompared) return rows;
  const other = new Map(classRows(snapshots[0]).map((r) => [r.key, r]));
  for (const row of rows) {
    row.change = row.live - (other.get(row.key) || {live: 0}).live;
    other.delete(row.key);
  }
  for (const gone of other.values()) {
    rows.push({...gone, blocks: 0, used: 0, capacity: 0, live: 0, span: 0,
               resident: 0, change: -gone.live});
  }
  return rows.sort((a, b) => a.order - b.order);
}

function search() {
  const snapshot = shown();
  const wanted = query($('search').value, snapshot.head.classes);
  state.query = wanted;
  map.set({query: wanted});
  $('found').textContent = '';
  $('found').dataset.count = '';
  if (!wanted) return;
  const found = [];
  for (const arena of snapshot.arenas) {
    for (const block of arena.blocks) {
      if (wanted.test(block)) found.push([block, arena]);
    }
  }
  const address = wanted.address;
  const mapping = address === undefined ? undefined : snapshot.huge.find(
      (h) => address >= h.mapping && address < h.huge + h.mapped);
  $('found').dataset.count = found.length;
  $('found').textContent = mapping ?
      `in the huge block at ${hex(mapping.huge)}` :
      `${wanted.label}: ${plural(found.length, 'block')}`;
  if (address !== undefined) map.pick(...(found[0] || []));
  if (found.length > 0) map.scrollTo(found[0][1]);
}

function show() {
  const snapshot = shown();
  const before = isCompared && state.view > 0 ? totals(snapshots[0]) : null;
  const {program, pid, hardened} = snapshot.head;
  $('title').textContent = `Heap map of ${program}`;
  $('subtitle').textContent = [
    snapshots.length === 2 ? snapshots.map((s) => s.name).join(' → ') :
                             snapshot.name,
    `process ${pid}`,
    plural(snapshot.arenas.length, 'arena'),
    plural(snapshot.heaps.length, 'thread heap'),
    ...(hardened ? ['hardened'] : []),
  ].join(' · ');
  const sum = totals(snapshot);
  showCards(sum, before);
  showShare(sum);
  map.show(snapshot, beforeOf(state.view));
  map.set({mode: state.view === 2 ? 'change' : $('mode').value});
  $('mode').disabled = state.view === 2;
  $('mode').querySelector('[value=resident]').hidden =
      !isResidentKnown(snapshot);
  showLegend();
  classTable.show(rowsWithChange(snapshot));
  heapTable.show(heapRows(snapshot));
  const huge = snapshot.huge.map((h) => ({
    ...h,
    key: h.huge,
    is: h.cached ? 'kept for reuse' : 'in use',
    resident: (h.resident || 0) * snapshot.head.page,
  }));
  hugeTable.show(huge);
  $('huge').hidden = $('huge-heading').hidden = huge.length === 0;
  for (const button of $('views').children) {
    button.setAttribute('aria-pressed',
                        String(Number(button.value) === state.view));
  }
  if (state.query) search();
}

if (isCompared) {
  state.view = 2;
  ['Before', 'After', 'Change'].forEach((name, view) => {
    const button = make('button', {textContent: name, value: view});
    button.addEventListener('click', () => {
      state.view = view;
      show();
    });
    $('views').append(button);
  });
}
$('mode').addEventListener('change', show);
$('search').addEventListener('input', search);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', show);
show();
document.body.dataset.ready = 'true';
