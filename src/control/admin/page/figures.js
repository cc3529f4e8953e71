// How figures are written, and how they get into the page: as text, always. Names and payloads come from players.

/** Makes an element. `children` are elements or texts. */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "class") made.className = value;
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value != null) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

/** Changes a text where it is another, so that what is selected stays so. */
export function say(at, text) {
  if (at.textContent !== text) at.textContent = text;
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export const none = "–";

export function count(value) {
  if (value == null) return none;
  return value < 10_000 ? whole.format(value) : short.format(value);
}

/** A rate: small ones with a digit behind the point. */
export function rate(value) {
  if (value == null) return none;
  return value > 0 && value < 10 ? value.toFixed(1) : count(value);
}

export function bytes(value) {
  if (value == null) return none;
  const units = ["B", "kB", "MB", "GB", "TB"];
  let place = 0;
  while (value >= 1000 && place < units.length - 1) {
    value /= 1000;
    place += 1;
  }
  return `${place > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[place]}`;
}

/** A short span, in microseconds. */
export function micros(value) {
  if (value == null) return none;
  if (value < 1000) return `${Math.round(value)} µs`;
  if (value < 1_000_000) return `${(value / 1000).toFixed(value < 10_000 ? 1 : 0)} ms`;
  return `${(value / 1_000_000).toFixed(1)} s`;
}

/** A longer span, in milliseconds. */
export function millis(value) {
  if (value == null) return none;
  if (value < 1000) return `${value} ms`;
  return seconds(value / 1000);
}

export function seconds(value) {
  if (value == null) return none;
  if (value < 60) return `${value < 10 ? value.toFixed(1) : Math.round(value)} s`;
  if (value < 3600) return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
  if (value < 86_400) return `${Math.floor(value / 3600)} h ${Math.floor((value % 3600) / 60)} min`;
  return `${Math.floor(value / 86_400)} d ${Math.floor((value % 86_400) / 3600)} h`;
}

export function percent(part) {
  return part == null ? none : `${(part * 100).toFixed(part < 0.1 ? 1 : 0)} %`;
}

/** How long ago a moment was. */
export function since(moment) {
  return seconds(Math.max(0, (Date.now() - Date.parse(moment)) / 1000));
}

/** Figures side by side: a name, a value, and what it is of. */
export function tiles(names) {
  const list = element("dl", { class: "tiles" });
  const known = new Map();
  for (const name of names) {
    const value = element("dd");
    const of = element("span", { class: "of" });
    list.append(element("div", { class: "tile" }, element("dt", {}, name), value, of));
    known.set(name, [value, of]);
  }
  const show = (name, value, of = "") => {
    const [at, below] = known.get(name);
    say(at, value);
    say(below, of);
  };
  return { list, show };
}

/**
 * A table whose rows have keys, so that they stay the same elements while their figures change.
 * A column: `name`, `of(row)` (a text, or an element), `class`, `sort`.
 */
export function table(columns, { key, empty, onrow, onsort }) {
  const heads = columns.map((column) => {
    const inside = column.sort && onsort
      ? element("button", { type: "button", onclick: () => onsort(column.sort), "data-sort": column.sort }, column.name)
      : column.name;
    return element("th", { class: column.class ?? "", title: column.title, scope: "col" }, inside);
  });
  const body = element("tbody");
  const nothing = element("p", { class: "empty" }, empty);
  const grid = element("table", {}, element("thead", {}, element("tr", {}, ...heads)), body);
  const box = element("div", { class: "scroll" }, grid, nothing);
  const rows = new Map();

  const fill = (cell, made) => {
    if (made instanceof Node) {
      if (!cell.firstChild?.isEqualNode?.(made)) cell.replaceChildren(made);
    } else say(cell, made ?? "");
  };
  const show = (items) => {
    nothing.hidden = items.length > 0;
    const kept = new Set();
    items.forEach((item, place) => {
      const id = key(item);
      kept.add(id);
      let known = rows.get(id);
      if (!known) {
        const cells = columns.map((column) => element("td", { class: column.class ?? "" }));
        known = { row: element("tr", { class: onrow ? "link" : "" }, ...cells), cells };
        if (onrow) known.row.addEventListener("click", (event) => event.target.closest("a, button") || onrow(known.item));
        rows.set(id, known);
      }
      known.item = item;
      columns.forEach((column, at) => {
        if (!column.once || !known.cells[at].firstChild) fill(known.cells[at], column.of(item, known.cells[at], () => known.item));
      });
      if (body.children[place] !== known.row) body.insertBefore(known.row, body.children[place] ?? null);
    });
    for (const [id, { row }] of rows) {
      if (kept.has(id)) continue;
      row.remove();
      rows.delete(id);
    }
  };
  const sorted = (by, ascending) => {
    for (const button of grid.querySelectorAll("th button")) {
      if (button.dataset.sort === by) button.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      else button.removeAttribute("aria-sort");
    }
  };
  return { box, show, sorted };
}

/** A part of a whole as a bar. */
export function bar(part) {
  const fill = element("i");
  fill.style.width = `${Math.min(100, Math.max(0, part * 100))}%`;
  return element("span", { class: part > 0.85 ? "bar hot" : "bar" }, fill);
}
