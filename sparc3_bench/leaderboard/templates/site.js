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
      ? value.toExponential(2).replace(/e\+?(-?\d+)/, " × 10^$1")
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

  // A scorer has the same colour on every page.
  colour(row) {
    return `var(--${row.control ? "grey" : row.colour})`;
  },

  label(row) {
    return row.difference ? `${row.title}, ${row.difference}` : row.title;
  },

  // What the colours mean stands beneath a drawing: beside the lines it would cover others.
  keys(rows) {
    const list = document.createElement("ul");
    list.className = "keys";
    for (const row of rows) {
      const item = document.createElement("li");
      const mark = document.createElement("span");
      mark.className = "key";
      mark.style.background = sparc3.colour(row);
      item.append(mark, sparc3.label(row));
      list.append(item);
    }
    return list;
  },

  // A size or an amount on an axis; of a logarithmic one the numbers between would run together.
  tick(at, log) {
    const named = (x) =>
      at.share ? `${Number((100 * x).toPrecision(3))} %` : x.toLocaleString("en");
    return (x) => (log && !"125".includes(x.toExponential()[0]) ? "" : named(x));
  },

  draw(figure, caption, plot, keys) {
    figure.querySelector("figcaption").textContent = caption;
    figure.querySelectorAll("svg, .empty, .keys").forEach((old) => old.remove());
    if (plot && keys) figure.append(keys);
    if (plot) {
      plot.setAttribute("role", "img");
      plot.setAttribute("aria-label", caption);
      // The drawing is one picture with one name; its groups have no role that could have another.
      plot.querySelectorAll("g[aria-label]").forEach((group) => group.removeAttribute("aria-label"));
      figure.querySelector("figcaption").after(plot);
    } else {
      const none = document.createElement("p");
      none.className = "empty muted";
      none.textContent = "Nothing to draw for this choice.";
      figure.append(none);
    }
  },

  frame(figure) {
    const width = Math.max(300, Math.min(760, figure.clientWidth || 640));
    return {
      width,
      height: Math.round(Math.max(260, width * 0.6)),
      marginLeft: 56,
      marginRight: 28, // half of the longest number under the axis
      marginBottom: 40,
      style: { background: "transparent", color: "var(--ink)", fontSize: "13px", overflow: "visible" },
    };
  },

  // The span of an axis: that of the scorers, as controls may lie many powers of ten away.
  span(points, log) {
    const own = points.filter((one) => !one.row.control);
    const ends = (own.length ? own : points)
      .flatMap((one) => [one.y, one.low ?? one.y, one.high ?? one.y])
      .filter((value) => !log || value > 0);
    const [low, high] = [Math.min(...ends), Math.max(...ends)];
    if (log) return [low / (high / low) ** 0.12, high * (high / low) ** 0.12];
    const room = (high - low || Math.abs(high) || 1) * 0.12;
    return [low - room, high + room];
  },

  titled(metric) {
    return metric.unit && metric.unit !== "1" ? `${metric.title}, ${metric.unit}` : metric.title;
  },
};
