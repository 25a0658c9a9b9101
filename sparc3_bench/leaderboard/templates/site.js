// What the pages with charts share: numbers as texts, filters in the address, how lines look.
"use strict";
document.documentElement.classList.add("js");

const sparc3 = {
  boards: new Map(),
  waiting: new Map(),

  // Called by a file of data; a page that was opened as a file may load scripts, but no JSON.
  receive(board) {
    sparc3.boards.set(board.id, board);
    for (const use of sparc3.waiting.get(board.id) ?? []) use(board);
    sparc3.waiting.delete(board.id);
  },

  load(id, use) {
    if (sparc3.boards.has(id)) return use(sparc3.boards.get(id));
    if (sparc3.waiting.has(id)) return sparc3.waiting.get(id).push(use);
    sparc3.waiting.set(id, [use]);
    const script = document.createElement("script");
    script.src = `data/${encodeURIComponent(id)}.js`;
    document.head.append(script);
  },

  // As the tables have them: so many significant digits, thousands apart, a true minus sign.
  number(value, digits = 4) {
    if (value === null || value === undefined) return "–";
    if (value === 0) return "0";
    const size = Math.floor(Math.log10(Math.abs(value)));
    const text = size < -4 || size >= 7
      ? value.toExponential(2).replace(/e\+?(-?\d+)/, (_, power) => ` × 10${[...power].map((one) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[one] ?? "⁻").join("")}`)
      : Number(value.toPrecision(digits)).toLocaleString("en", {
        minimumFractionDigits: 0,
        maximumFractionDigits: Math.max(0, digits - 1 - size),
      });
    return text.replace("-", "−");
  },

  probability(value) {
    return value < 1e-3 ? "< 0.001" : String(Number(value.toPrecision(2)));
  },

  // The filters stand behind the # of the address, so that it can be kept and passed on.
  address() {
    return new URLSearchParams(location.hash.slice(1));
  },

  keep(values) {
    const kept = new URLSearchParams(Object.entries(values).filter(([, value]) => value !== ""));
    history.replaceState(null, "", `#${kept}`);
  },

  options(select, pairs, chosen) {
    select.replaceChildren(...pairs.map(([value, text]) => new Option(text, value)));
    if (pairs.some(([value]) => String(value) === String(chosen))) select.value = chosen;
  },

  // A scorer has the same colour and marker on every page; a control is grey and has none.
  colour(row) {
    return row.look < 0 ? "var(--grey)" : `var(--c${row.look % 12})`;
  },

  symbol(row) {
    const down = { draw: (context, size) => {
      const r = Math.sqrt(size / 1.8);
      context.moveTo(0, r);
      context.lineTo(r, -0.8 * r);
      context.lineTo(-r, -0.8 * r);
      context.closePath();
    } };
    return ["circle", "square", "triangle", "diamond", "star", "cross", down][row.look % 7] ?? "times";
  },

  key(row) {
    const mark = document.createElement("span");
    mark.className = `key ${row.look < 0 ? "control" : `c${row.look % 12} m${row.look % 7}`}`;
    mark.setAttribute("aria-hidden", "true");
    return mark;
  },

  label(row) {
    return row.difference ? `${row.title}, ${row.difference}` : row.title;
  },
};
