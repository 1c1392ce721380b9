// Text of numbers, and tables that are sorted by a click on a column.
'use strict';

function bytesText(bytes) {
  const sign = bytes < 0 ? '−' : '';
  let value = Math.abs(bytes);
  if (value < 1024) return `${sign}${value} B`;
  for (const unit of ['KiB', 'MiB', 'GiB', 'TiB']) {
    value /= 1024;
    if (value < 1024 || unit === 'TiB') {
      return `${sign}${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ` +
          unit;
    }
  }
  return '';
}

function changeText(value, text) {
  return value === 0 ? '0' : `${value > 0 ? '+' : ''}${text(value)}`;
}

function countText(count) {
  return count.toLocaleString('en-US').replace('-', '−');
}

function plural(count, name) {
  return `${countText(count)} ${name}${count === 1 ? '' : 's'}`;
}

function percent(share) {
  if (!Number.isFinite(share)) return '–';
  if (share > 0 && share < 0.005) return '< 1 %';
  return `${(100 * share).toFixed(0)} %`;
}

function hex(address) { return `0x${address.toString(16)}`; }

// `columns`: {name, value(row), text(row), bar(row), isText}. `onRow(row)`
// for a click.
class Table {
  constructor(element, columns, onRow) {
    this.element = element;
    this.columns = columns;
    this.onRow = onRow;
    this.rows = [];
    this.sorted = null;
    this.isDown = false;
    const head = element.createTHead().insertRow();
    for (const column of columns) {
      const cell = document.createElement('th');
      cell.scope = 'col';
      const button = document.createElement('button');
      button.textContent = column.name;
      button.addEventListener('click', () => this.sortBy(column));
      cell.append(button);
      cell.classList.toggle('text', Boolean(column.isText));
      head.append(cell);
      column.head = cell;
    }
    this.body = element.createTBody();
  }

  show(rows) {
    this.rows = rows;
    this.fill();
  }

  // Numbers from the largest on, then the other way round.
  sortBy(column) {
    const again = this.sorted === column;
    this.isDown = again ? !this.isDown : !column.isText;
    this.sorted = column;
    this.fill();
  }

  fill() {
    const rows = [...this.rows];
    if (this.sorted) {
      const {value} = this.sorted;
      const sign = this.isDown ? -1 : 1;
      rows.sort((a, b) => {
        const [x, y] = [value(a), value(b)];
        return sign * (x < y ? -1 : x > y ? 1 : 0);
      });
    }
    for (const column of this.columns) {
      if (column !== this.sorted) column.head.removeAttribute('aria-sort');
    }
    if (this.sorted) {
      this.sorted.head.setAttribute(
          'aria-sort', this.isDown ? 'descending' : 'ascending');
    }
    this.body.replaceChildren(...rows.map((row) => this.makeRow(row)));
  }

  makeRow(row) {
    const line = document.createElement('tr');
    line.dataset.key = row.key;
    for (const column of this.columns) {
      const cell = line.insertCell();
      cell.textContent = column.text(row);
      cell.dataset.value = column.value(row);
      cell.classList.toggle('text', Boolean(column.isText));
      if (column.sign) {
        const value = column.value(row);
        cell.classList.toggle('more', value > 0);
        cell.classList.toggle('less', value < 0);
      }
      if (column.swatch) {
        const swatch = document.createElement('i');
        swatch.className = 'swatch';
        swatch.style.background = column.swatch(row);
        cell.prepend(swatch);
      }
      if (column.bar) {
        const bar = document.createElement('b');
        bar.className = 'bar';
        bar.style.setProperty('--share', column.bar(row));
        cell.append(bar);
      }
    }
    if (this.onRow) line.addEventListener('click', () => this.onRow(row));
    return line;
  }
}
