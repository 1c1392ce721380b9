// The map: a canvas for each arena, drawn when it comes into view.
'use strict';

const ROW_HEIGHT = 22;
const ROW_GAP = 3;

class HeapMap {
  // `onHover(block, arena, event)`; block is undefined outside of any.
  constructor(root, onHover, onPick) {
    this.root = root;
    this.onHover = onHover;
    this.onPick = onPick;
    this.rows = [];
    this.picked = null;
    this.query = null;
    this.mode = 'class';
    this.before = null;
    this.observer = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        const row = this.rows[Number(entry.target.dataset.row)];
        row.isVisible = entry.isIntersecting;
        if (row.isVisible && row.isStale) this.draw(row);
      }
    }, {rootMargin: '300px'});
    new ResizeObserver(() => this.redraw()).observe(root);
  }

  // Shows a snapshot; `before`: the one that changes are shown against.
  show(snapshot, before) {
    this.snapshot = snapshot;
    this.before = before;
    this.observer.disconnect();
    this.rows = snapshot.arenas.map((arena, i) => this.makeRow(arena, i));
    this.root.replaceChildren(...this.rows.map((row) => row.element));
    for (const row of this.rows) {
      this.resize(row);
      this.observer.observe(row.element);
    }
  }

  makeRow(arena, number) {
    const element = document.createElement('div');
    element.className = 'arena';
    element.dataset.row = number;
    const label = document.createElement('div');
    label.className = 'arena-label';
    const live = arena.blocks.reduce((sum, b) => sum + liveBytes(b), 0);
    const backed = arena.granules * this.snapshot.head.granule;
    label.innerHTML = `<code>${hex(arena.start)}</code>` +
        `<span>${arena.kind === 'mapped' ? 'mapped, ' : ''}` +
        `${bytesText(live)} of ${bytesText(backed)}</span>`;
    const canvas = document.createElement('canvas');
    element.append(label, canvas);
    const row = {arena, element, canvas, isStale: true, isVisible: false};
    canvas.addEventListener('mousemove', (event) => {
      this.onHover(this.blockAt(row, event), arena, event);
    });
    canvas.addEventListener('mouseleave', () => this.onHover());
    canvas.addEventListener('click', (event) => {
      this.pick(this.blockAt(row, event), arena);
    });
    return row;
  }

  pick(block, arena) {
    this.picked = block || null;
    this.onPick(block, arena);
    this.redraw();
  }

  set(settings) {
    Object.assign(this, settings);
    this.redraw();
  }

  redraw() {
    for (const row of this.rows) {
      row.isStale = true;
      if (row.isVisible) this.draw(row);
      else this.resize(row);
    }
  }

  scrollTo(arena) {
    const row = this.rows.find((other) => other.arena === arena);
    if (row) row.element.scrollIntoView({block: 'center'});
  }

  // How many granules stand in a line, and how wide they are.
  layout(row) {
    const width = Math.max(200, row.element.clientWidth - 150);
    const total = this.snapshot.head.arena_bytes / this.snapshot.head.granule;
    const columns = width >= total * 7 ? total : total / 2;
    const lines = Math.ceil(row.arena.granules / columns);
    return {columns, cell: width / columns, lines, width,
            height: lines * (ROW_HEIGHT + ROW_GAP)};
  }

  // Gives the row its size, so that pages of rows not drawn yet are as long.
  resize(row) {
    const layout = this.layout(row);
    row.canvas.style.width = `${layout.width}px`;
    row.canvas.style.height = `${layout.height}px`;
    return layout;
  }

  blockAt(row, event) {
    const {columns, cell} = this.layout(row);
    const line = Math.floor(event.offsetY / (ROW_HEIGHT + ROW_GAP));
    const granule = line * columns + Math.floor(event.offsetX / cell);
    if (granule === 0) return this.tableOf(row.arena);
    return blockOfGranule(row.arena, granule);
  }

  tableOf(arena) {
    return {at: 0, n: 1, is: 'metadata', place: "the arena's table",
            start: arena.start, bytes: this.snapshot.head.granule,
            resident: arena.resident};
  }

  draw(row) {
    row.isStale = false;
    const {columns, cell, height, width} = this.resize(row);
    const scale = devicePixelRatio || 1;
    row.canvas.width = Math.round(width * scale);
    row.canvas.height = Math.round(height * scale);
    const context = row.canvas.getContext('2d');
    context.scale(scale, scale);
    const pieces = function* (block) {
      for (let at = block.at; at < block.at + block.n;) {
        const line = Math.floor(at / columns);
        const end = Math.min((line + 1) * columns, block.at + block.n);
        yield [(at % columns) * cell, line * (ROW_HEIGHT + ROW_GAP),
               (end - at) * cell - (cell > 3 ? 1 : 0.3), ROW_HEIGHT];
        at = end;
      }
    };
    for (const block of [this.tableOf(row.arena), ...row.arena.blocks]) {
      const isDim = this.query && !this.query.test(block);
      context.globalAlpha = isDim ? 0.12 : 1;
      for (const box of pieces(block)) this.drawBlock(context, block, box);
    }
    context.globalAlpha = 1;
    if (this.picked && row.arena.blocks.includes(this.picked)) {
      context.lineWidth = 2;
      context.strokeStyle = isDark() ? '#ffffff' : '#000000';
      for (const [x, y, w, h] of pieces(this.picked)) {
        context.strokeRect(x + 1, y + 1, Math.max(w - 2, 1), h - 2);
      }
    }
  }

  drawBlock(context, block, [x, y, w, h]) {
    const {colour, striped, full} = this.paint(block);
    if (!colour) {
      context.strokeStyle = isDark() ? '#3a3f4a' : '#cfd4dc';
      context.lineWidth = 1;
      context.strokeRect(x + 0.5, y + 0.5, Math.max(w - 1, 0.5), h - 1);
      return;
    }
    const alpha = context.globalAlpha;
    context.fillStyle = colour;
    context.globalAlpha = alpha * (striped ? 0.3 : 0.22);
    context.fillRect(x, y, w, h);
    context.globalAlpha = alpha;
    if (striped) {
      this.stripes(context, colour, x, y, w, h);
    } else {
      const filled = full > 0 ? Math.max(1.5, full * h) : 0;
      context.fillRect(x, y + h - filled, w, filled);
    }
  }

  stripes(context, colour, x, y, w, h) {
    context.save();
    context.beginPath();
    context.rect(x, y, w, h);
    context.clip();
    context.beginPath();
    const first = Math.floor((x - h) / 6) * 6;
    for (let i = first; i < x + w + h; i += 6) {
      context.moveTo(i, y + h);
      context.lineTo(i + h, y);
    }
    context.strokeStyle = colour;
    context.lineWidth = 1.4;
    context.stroke();
    context.restore();
  }

  // Colour, stripes and filling of a block in the present mode.
  paint(block) {
    const kind = KINDS[block.is] || {};
    if (this.mode === 'change' && this.before && block.at > 0) {
      const {what} = changeOf(block, this.before);
      if (what !== 'same' || isAllocated(block)) {
        const full = what === 'came' || what === 'went' ? 1 : occupancy(block);
        return {colour: CHANGES[what].colour, full};
      }
    }
    if (this.mode === 'resident' && block.resident !== null) {
      const share = block.resident * this.snapshot.head.page / block.bytes;
      return {colour: rampColour(0.1 + 0.9 * share), full: share};
    }
    if (block.is !== 'small') {
      return {colour: kindColour(block.is), striped: kind.striped, full: 1};
    }
    const colour = this.mode === 'owner' ?
        ownerColour(block.owner) :
        cellColour(block.cell);
    return {colour, full: occupancy(block)};
  }
}
