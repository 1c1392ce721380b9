// Colours: cell sizes from blue (small) to red (64 KiB), and the other kinds.
'use strict';

const RAMP = [[59, 104, 201], [33, 142, 176], [46, 160, 110], [146, 173, 52],
              [226, 167, 48], [224, 118, 56], [205, 66, 85]];
const KINDS = {
  large: {name: 'large block', light: '#8a5fc9', dark: '#a47fe0'},
  kept: {name: 'kept by a thread (free)', light: '#8a5fc9', dark: '#a47fe0',
         striped: true},
  dirty: {name: 'free, with memory', light: '#a08a63', dark: '#8f7d5c',
          striped: true},
  clean: {name: 'free, purged or new', light: null, dark: null},
  purging: {name: 'being purged', light: '#4d9bb5', dark: '#4d9bb5',
            striped: true},
  metadata: {name: 'tables, thread heaps', light: '#6b7280', dark: '#8b93a1'},
  foreign: {name: "others' memory", light: '#b5b9c0', dark: '#3c414b',
            striped: true},
};
const CHANGES = {
  came: {name: 'block came', colour: '#2a78d6'},
  grew: {name: 'more in use', colour: '#7fb3ea'},
  same: {name: 'as before', colour: '#8b93a1'},
  shrank: {name: 'less in use', colour: '#f0b07c'},
  went: {name: 'block went', colour: '#dd6b20'},
};

function isDark() {
  return matchMedia('(prefers-color-scheme: dark)').matches;
}

function mixed(from, to, share) {
  return from.map((part, i) => Math.round(part + (to[i] - part) * share));
}

// Of a number from 0 to 1.
function rampColour(share) {
  const place = Math.max(0, Math.min(1, share)) * (RAMP.length - 1);
  const i = Math.min(Math.floor(place), RAMP.length - 2);
  const colour = mixed(RAMP[i], RAMP[i + 1], place - i);
  return `rgb(${(isDark() ? mixed(colour, [255, 255, 255], 0.12) : colour)
      .join(',')})`;
}

// By the doubling, from 16 bytes to 64 KiB.
function cellColour(cell) {
  return rampColour((Math.log2(cell) - 4) / 12);
}

// Neighbours in the list are far apart on the wheel.
function ownerColour(owner) {
  if (owner < 0) return isDark() ? '#8b93a1' : '#6b7280';
  return `hsl(${(owner * 137.5) % 360} 55% ${isDark() ? 62 : 48}%)`;
}

function kindColour(is) {
  return KINDS[is][isDark() ? 'dark' : 'light'];
}
