// Charts: what the figures of a page draw of their data, and the legends that hide its rows.
"use strict";
(() => {
  const {
    plot, areaY, line, dot, ruleX, ruleY, text, tip, pointer, rect, link, cell,
  } = Plot;
  const { number, colour, symbol, label } = sparc3;
  const named = (row) => (row.folded || !row.short ? label(row) : row.short);
  const grey = "var(--grey)";
  const ends = (low, high) => (low === null || high === null ? "" : ` (${number(low)} to ${number(high)})`);

  // Size 0 has no place on a logarithmic axis.
  const fits = (value, log) => value !== null && value !== undefined && (!log || value > 0);

  // The span of an axis: that of the scorers, as controls may lie many powers of ten away.
  function span(values, log) {
    const inside = values.filter((value) => fits(value, log));
    if (!inside.length) return undefined;
    const [low, high] = [Math.min(...inside), Math.max(...inside)];
    if (log) return [low / (high / low) ** 0.12, high * (high / low) ** 0.12];
    const room = (high - low || Math.abs(high) || 1) * 0.12;
    return [low - room, high + room];
  }

  const spread = (values) => values.length > 0 && Math.min(...values) > 0
    && Math.max(...values) > 10 * Math.min(...values);
  // The rows that an axis is made for: of the scorers those that no wide gap sets apart from the most.
  function field(rows, values, dense) {
    const own = rows.some((row) => !row.control) ? rows.filter((row) => !row.control) : rows;
    const every = own.flatMap(values).filter((v) => v !== null);
    const bent = spread(every) ? Math.log : (v) => v;
    const start = dense !== null && dense !== undefined && fits(dense, bent === Math.log) ? bent(dense) : bent(every[0] ?? 0);
    const far = own.map((row) => [Math.max(0, ...values(row).filter((v) => v !== null).map((v) => Math.abs(bent(v) - start))), row])
      .sort((a, b) => a[0] - b[0]);
    const cut = far.findIndex(([d], i) => i >= Math.max(1, far.length / 2) && far[i - 1][0] > 0 && d > 2.5 * far[i - 1][0]);
    return (cut < 0 ? far : far.slice(0, cut)).map(([, row]) => row);
  }
  const of = (rows, use) => (rows.some((row) => !row.control) ? rows.filter((row) => !row.control) : rows).flatMap(use);

  // An amount on an axis; of a logarithmic one the numbers between would run together.
  function tick(at, log) {
    const named = (x) => (at.share ? `${Number((100 * x).toPrecision(3))} %` : x.toLocaleString("en"));
    return (x) => (log && !"125".includes(x.toExponential()[0]) ? "" : named(x));
  }

  function frame(width, small) {
    return {
      width,
      height: Math.round(small ? 230 : Math.max(260, Math.min(440, width * 0.6))),
      marginLeft: small ? 44 : 64,
      marginRight: 28, // half of the longest number under the axis
      marginBottom: 40,
      insetLeft: small ? 4 : 7, // half of a mark
      insetRight: small ? 4 : 7,
      style: { background: "transparent", color: "var(--ink)", fontSize: "13px", overflow: "visible" },
    };
  }

  const better = (metric) => `${metric.label ?? metric.title}${metric.direction === "neither" ? "" : `, ${metric.direction} is better`}`;
  const short = (value) => (Math.abs(value) < 1e4 ? number(value, 3) : value.toLocaleString("en", { notation: "compact" }));
  // Ticks of a logarithmic axis that spans less than a decade would be few: all of those are named.
  const scale = (log, domain) => {
    const narrow = log && domain && domain[1] < 10 * domain[0];
    return {
      type: log ? "log" : "linear", domain, ticks: narrow ? 4 : 6,
      tickFormat: (value) => (log && !narrow && !"125".includes(value.toExponential()[0]) ? "" : short(value)),
    };
  };
  // A drawing with what of it lies beyond its axis, which its caption then says.
  const beyond = (drawing, rows, outside) => {
    drawing.beyond = rows.filter(outside).map(named);
    return drawing;
  };
  const told = (points, title) => tip(points, pointer({
    x: "x", y: "y", fill: "var(--paper)", title,
  }));
  const marks = (row, points, r = 4) => dot(points, {
    x: "x", y: "y", symbol: symbol(row), stroke: colour(row), r, strokeWidth: 1.5,
    fill: row.look < 0 ? "none" : colour(row), fillOpacity: row.folded ? 0 : 1,
  });

  // A metric over the amounts. Options: which metric, and whether axes are logarithmic.
  function curves(at, rows, width, { m = 0, logx = at.log, logy } = {}) {
    const metric = at.metrics[m];
    const values = (row) => row.points.flatMap((point) => point[m] ?? []).filter((v) => v !== null);
    const own = field(rows, values, metric.dense).flatMap(values);
    const log = logy ?? (!at.small && spread(own));
    const lines = rows.map((row) => ({
      row,
      points: at.amounts.flatMap((amount, i) => {
        const value = row.points[i]?.[m];
        return value && fits(at.places[i], logx) && fits(value[0], log)
          ? [{ x: at.places[i], y: value[0], low: fits(value[1], log) ? value[1] : null, high: value[2], at: at.texts[i], row }]
          : [];
      }),
    }));
    const points = lines.flatMap((one) => one.points);
    if (!points.length) return null;
    const random = m > 0 ? [] : at.amounts.flatMap((amount, i) => {
      const bands = rows.map((row) => row.drawn[i]).filter(Boolean);
      const [low, high] = [Math.min(...bands.map((b) => b[0])), Math.max(...bands.map((b) => b[2]))];
      return bands.length && fits(at.places[i], logx) && fits(low, log) ? [{ x: at.places[i], low, high }] : [];
    });
    const seeds = lines.filter(({ row }) => row.control)
      .flatMap(({ points: some }) => some.filter((p) => p.low !== null));
    const known = [metric.dense, metric.chance ?? null].filter((v) => fits(v, log));
    const domain = at.small ? span([...own, ...known, 0], false) : span([...own, ...known], log);
    const drawing = plot({
      ...frame(width, at.small),
      x: { type: logx ? "log" : "linear", label: at.small ? null : at.axis, tickFormat: tick(at, logx), ticks: at.small ? 4 : undefined },
      y: {
        ...scale(log, domain),
        label: at.small ? metric.unit : better(metric), grid: true,
      },
      clip: true,
      marks: [
        areaY(random, { x: "x", y1: "low", y2: "high", fill: grey, fillOpacity: 0.2 }),
        areaY(seeds, { x: "x", y1: "low", y2: "high", z: (p) => label(p.row), fill: grey, fillOpacity: 0.15 }),
        ruleY(known.slice(0, 1), { stroke: "var(--ink)", strokeOpacity: 0.6 }),
        ruleY(known.slice(1), { stroke: "var(--alarm)", strokeDasharray: "4 3" }),
        at.small ? null : text(known.slice(0, 1), {
          y: (v) => v, frameAnchor: "right", text: (v) => `dense model: ${number(v)}`, textAnchor: "end",
          dy: -8, fill: "var(--muted)", stroke: "var(--paper)", strokeWidth: 4,
        }),
        text(known.slice(1), {
          y: (v) => v, frameAnchor: "left", text: () => "chance", textAnchor: "start", dx: 4, dy: -7,
          fill: "var(--muted)", stroke: "var(--paper)", strokeWidth: 4,
        }),
        ...[...lines].reverse().flatMap(({ row, points: some }) => [
          row.control ? null : ruleX(some.filter((p) => p.low !== null && p.high !== null), {
            x: "x", y1: "low", y2: "high", stroke: colour(row), strokeOpacity: 0.6,
          }),
          line(some, { x: "x", y: "y", stroke: colour(row), strokeWidth: 2, strokeDasharray: row.control ? "4 3" : row.folded ? "8 3" : null }),
          row.control ? null : marks(row, some, at.small ? 3 : 4),
        ]),
        told(points, (p) => `${label(p.row)}\n${p.at}\n${number(p.y)}${ends(p.low, p.high)}`),
      ],
    });
    return beyond(drawing, rows, (row) => points.some((p) => p.row === row && (p.y < domain[0] || p.y > domain[1])));
  }

  // One number against another, with the intervals of both; of what costs no more, the front.
  function scatter(data, rows, width) {
    const points = rows.flatMap((row) => row.points.map(([x, xl, xh, y, yl, yh, said], i) => ({
      x, xl, xh, y, yl, yh, said, row, run: row.runs?.[i],
    }))).filter((p) => fits(p.x, data.x.log) && fits(p.y, data.y.log));
    if (!points.length) return null;
    const dense = (data.dense ?? []).map(([x, y]) => ({ x, y }));
    const inner = field(rows, (row) => row.points.flatMap((p) => [p[3], p[4], p[5]]), dense[0]?.y);
    const own = points.filter((p) => inner.includes(p.row));
    const domain = span([...own.flatMap((p) => [p.y, p.yl, p.yh]), ...dense.map((d) => d.y)], data.y.log);
    const inside = points.filter((p) => p.y >= domain[0] && p.y <= domain[1]);
    const front = [];
    for (const one of data.front ? own.toSorted((a, b) => a.x - b.x) : []) {
      const best = front.at(-1);
      if (!best || (data.y.direction === "higher" ? one.y > best.y : one.y < best.y)) front.push(one);
    }
    const band = data.random ? [data.random] : [];
    const labelled = data.names ? inside.filter((p) => inside.length <= 8 || front.includes(p)) : [];
    const across = span([...(data.front ? points : own).flatMap((p) => [p.x, p.xl, p.xh]), ...dense.map((d) => d.x)], data.x.log);
    const bent = data.x.log ? Math.log : (v) => v;
    // A name near an end of the axis goes inwards.
    const anchor = (p) => {
      const share = (bent(p.x) - bent(across[0])) / (bent(across[1]) - bent(across[0]));
      return share > 0.8 ? "end" : share < 0.2 ? "start" : "middle";
    };
    const drawing = plot({
      ...frame(width),
      x: { ...scale(data.x.log, across), label: data.x.label, labelAnchor: "right" },
      y: { ...scale(data.y.log, domain), label: better(data.y), grid: true },
      clip: true,
      marks: [
        rect(band, { y1: (b) => Math.max(b[0], domain[0]), y2: (b) => Math.min(b[2], domain[1]), fill: grey, fillOpacity: 0.2 }),
        ruleY(band.filter((b) => b[1] > domain[0] && b[1] < domain[1]), { y: (b) => b[1], stroke: grey, strokeDasharray: "2 3" }),
        text(band, {
          y: (b) => Math.min(Math.max(b[1], domain[0]), domain[1]), frameAnchor: "middle", fill: "var(--muted)",
          text: (b) => (b[1] > domain[1] ? `random: ${number(b[1], 2)} ↑` : b[1] < domain[0] ? `random: ${number(b[1], 2)} ↓` : "random"),
          dy: band.some((b) => b[1] > domain[1]) ? 8 : -8,
          stroke: "var(--paper)", strokeWidth: 4,
        }),
        ruleY(dense.filter((d) => d.x === null), { y: "y", stroke: "var(--ink)", strokeOpacity: 0.6 }),
        text(dense.filter((d) => d.x === null), {
          y: "y", frameAnchor: "right", text: (d) => `dense model: ${number(d.y)}`, textAnchor: "end", dy: -8,
          fill: "var(--muted)", stroke: "var(--paper)", strokeWidth: 4,
        }),
        line(points.filter((p) => p.run), { x: "x", y: "y", z: "run", stroke: (p) => colour(p.row), strokeOpacity: 0.35 }),
        line(front, { x: "x", y: "y", curve: "step-after", stroke: "var(--muted)", strokeDasharray: "4 3" }),
        ruleX(inside.filter((p) => p.yl !== null), { x: "x", y1: "yl", y2: "yh", stroke: (p) => colour(p.row), strokeOpacity: 0.7 }),
        ruleY(inside.filter((p) => p.xl !== null), { y: "y", x1: "xl", x2: "xh", stroke: (p) => colour(p.row), strokeOpacity: 0.7 }),
        ...rows.map((row) => marks(row, inside.filter((p) => p.row === row), 5)),
        dot(dense.filter((d) => d.x !== null), { x: "x", y: "y", r: 6, stroke: "var(--ink)", strokeWidth: 1.75 }),
        // At other heights in turn: those of like cost would cover one another.
        ...[-13, 15, -27, 29].flatMap((dy, turn) => ["start", "middle", "end"].map((textAnchor) => text(
          labelled.filter((p, i) => i % 4 === turn && anchor(p) === textAnchor),
          { x: "x", y: "y", text: (p) => named(p.row), className: "name", fill: "var(--ink)", dy, textAnchor, stroke: "var(--paper)", strokeWidth: 4 },
        ))),
        told(inside, (p) => p.said ?? `${label(p.row)}\n${number(p.y)}${ends(p.yl, p.yh)}\n${number(p.x)}`),
      ],
    });
    return beyond(drawing, rows, (row) => points.some((p) => p.row === row && !inside.includes(p)));
  }

  // What is gained against what it costs: linear up to the limit, then ever more dense.
  function frontier(data, rows, width) {
    const { dense } = data.x;
    const most = Math.abs(data.limit - dense) || Math.max(...rows.flatMap((row) => row.points.map((p) => Math.abs(p[0] - dense)))) || 1;
    const last = dense + 100 * most;
    const place = (x) => Math.min(x, last) - dense;
    const points = rows.flatMap((row) => row.points.map(([x, y, low, high, amount]) => ({
      x: place(x), y, low, high, row, far: x > last, said: `${label(row)}, ${amount} removed\n${number(y)}${ends(low, high)}\nat ${number(x)}`,
    })));
    if (!points.length) return null;
    const random = data.random.map(([x, y]) => ({ x: place(x), y }));
    const domain = span([...of(rows, (row) => points.filter((p) => p.row === row)).flatMap((p) => [p.y, p.low, p.high])], false);
    const right = Math.max(1.5 * most, ...points.map((p) => p.x));
    const left = Math.min(-0.15 * most, ...points.map((p) => p.x));
    const chosen = rows.map((row) => ({ x: place(row.chosen[0]), y: row.chosen[1] }));
    return plot({
      ...frame(width),
      x: {
        type: "symlog", constant: most / 10, domain: [left, right], label: `${data.x.label}, symmetric log`, labelAnchor: "right",
        ticks: [0, ...[0.1, 0.3, 1, 10, 100].map((step) => step * most)].filter((v) => v <= right),
        tickFormat: (v) => (v >= 100 * most ? `> ${number(last, 3)}` : number(v + dense, 2)),
      },
      y: { ...scale(false, domain), label: better(data.y), grid: true },
      clip: true,
      marks: [
        rect([0], { x1: data.limit - dense, x2: right, fill: "var(--alarm)", fillOpacity: 0.08 }),
        ruleX([data.limit - dense], { stroke: "var(--alarm)", strokeDasharray: "4 3" }),
        text([data.limit - dense], { x: (v) => v, frameAnchor: "top", text: () => `limit ${number(data.limit)}`, dy: -12, fill: "var(--muted)" }),
        dot(random, { x: "x", y: "y", r: 2, fill: grey, fillOpacity: 0.5 }),
        ruleX(points.filter((p) => p.low !== null), { x: "x", y1: "low", y2: "high", stroke: (p) => colour(p.row), strokeOpacity: 0.6 }),
        ...rows.flatMap((row) => {
          const some = points.filter((p) => p.row === row);
          return [
            line(some, { x: "x", y: "y", stroke: colour(row), strokeWidth: 2, strokeDasharray: row.control ? "4 3" : null }),
            marks(row, some.filter((p) => !p.far)),
            text(some.filter((p) => p.far), { x: "x", y: "y", text: () => "▶", fill: colour(row) }),
          ];
        }),
        dot(chosen, { x: "x", y: "y", r: 9, stroke: "var(--ink)", strokeWidth: 1.75 }),
        told(points, (p) => p.said),
      ],
    });
  }

  // A matrix: the darker a cell, the larger its number.
  function cells(data, _, width) {
    const every = data.rows.flatMap((row, i) => data.columns.map((column, j) => ({
      row, column, share: data.shares[i][j], said: data.row_title ? `${data.row_title} ${row}, ${data.column_title} ${column}: ${data.texts[i][j]}` : `${row}\n${data.rows[j]}\n${data.texts[i][j]}`,
    })));
    const longest = (names) => Math.max(...names.map((name) => name.length));
    const turned = longest(data.columns) > 4;
    const left = Math.max(48, 6.2 * longest(data.rows));
    const above = turned ? 20 + 5 * longest(data.columns) : 36;
    return plot({
      width: Math.min(width, left + 26 * Math.max(6, data.columns.length) + (turned ? 70 : 20)),
      height: above + 16 + 16 * data.rows.length,
      marginTop: above,
      marginLeft: left,
      marginRight: turned ? 70 : 20,
      marginBottom: 4,
      style: { background: "transparent", color: "var(--ink)", fontSize: "11px", overflow: "visible" },
      x: { domain: data.columns, axis: "top", label: data.column_title || null, tickRotate: turned ? -35 : 0, tickSize: 0 },
      y: { domain: data.rows, label: data.row_title || null, tickSize: 0 },
      marks: [
        cell(every, { x: "column", y: "row", fill: "var(--c0)", fillOpacity: (one) => one.share ?? 0, stroke: "var(--rule)", inset: 0 }),
        text(every.filter((one) => one.share === null), { x: "column", y: "row", text: () => "×", fill: grey }),
        tip(every, pointer({ x: "column", y: "row", fill: "var(--paper)", title: "said" })),
      ],
    });
  }

  sparc3.charts = { curves, scatter, frontier, cells };
  sparc3.spread = spread;
  sparc3.of = of;
  sparc3.fits = fits;
  sparc3.tick = tick;
  sparc3.frame = frame;

  // Puts a drawing below its caption; of what cannot be drawn it says so.
  sparc3.show = (figure, caption, drawing) => {
    const left = drawing?.beyond?.length ? ` Beyond the axis: ${drawing.beyond.join(", ")}.` : "";
    figure.querySelector("figcaption").textContent = caption + (left && !/[.:]$/.test(caption) ? "." : "") + left;
    figure.querySelectorAll("svg, .empty").forEach((old) => old.remove());
    if (!drawing) {
      const none = document.createElement("p");
      none.className = "empty muted";
      none.textContent = "Nothing to draw for this choice.";
      figure.querySelector("figcaption").after(none);
      return;
    }
    drawing.setAttribute("role", "img");
    drawing.setAttribute("aria-label", figure.dataset.label || caption);
    // The drawing is one picture with one name; its groups have no role that could have another.
    drawing.querySelectorAll("g[aria-label]").forEach((group) => group.removeAttribute("aria-label"));
    figure.querySelector("figcaption").after(drawing);
    // A name that would cover another is left out: the legend has it.
    const said = [];
    for (const name of drawing.querySelectorAll(".name text")) {
      const box = name.getBoundingClientRect();
      const covers = said.some((other) => box.left < other.right && other.left < box.right && box.top < other.bottom && other.top < box.bottom);
      covers ? name.remove() : said.push(box);
    }
  };

  // A line for every row, which hides it or shows it; the variants of a scorer come when asked for.
  sparc3.legend = (figure, rows, hidden, redraw) => {
    figure.querySelector(".legend")?.remove();
    const list = document.createElement("ul");
    list.className = "legend";
    const variants = [];
    for (const row of rows) {
      const item = document.createElement("li");
      const button = document.createElement("button");
      button.type = "button";
      button.setAttribute("aria-pressed", String(!hidden.has(row)));
      button.append(sparc3.key(row), label(row));
      button.addEventListener("click", () => {
        hidden.has(row) ? hidden.delete(row) : hidden.add(row);
        button.setAttribute("aria-pressed", String(!hidden.has(row)));
        redraw();
      });
      item.append(button);
      list.append(item);
      if (row.folded) variants.push(item);
    }
    if (variants.length) {
      const item = document.createElement("li");
      const more = document.createElement("button");
      more.type = "button";
      const fold = (folded) => {
        variants.forEach((one) => { one.hidden = folded; });
        more.setAttribute("aria-expanded", String(!folded));
        more.textContent = `${folded ? "Show" : "Fold"} ${variants.length} variant${variants.length > 1 ? "s" : ""}`;
      };
      more.addEventListener("click", () => fold(more.getAttribute("aria-expanded") === "true"));
      fold(rows.every((row) => !row.folded || hidden.has(row)));
      item.append(more);
      list.append(item);
    }
    figure.append(list);
  };

  const most = 14;

  // What is hidden at first: variants, and of very many scorers all but the first.
  sparc3.hidden = (rows) => {
    const own = rows.filter((row) => !row.folded && !row.control);
    return new Set([...rows.filter((row) => row.folded), ...own.slice(most)]);
  };

  let wait;
  const redraws = [];
  sparc3.onresize = (use) => redraws.push(use);
  addEventListener("resize", () => {
    clearTimeout(wait);
    wait = setTimeout(() => redraws.forEach((use) => use()), 150);
  });

  for (const figure of document.querySelectorAll("figure[data-chart]")) {
    const data = JSON.parse(figure.querySelector("script").textContent);
    const caption = figure.querySelector("figcaption").textContent;
    const rows = data.shares ? [] : data.rows;
    const hidden = sparc3.hidden(rows);
    const redraw = () => {
      // What is folded away has no width.
      const width = Math.max(280, Math.min(data.small ? 380 : 860, figure.clientWidth || 640));
      sparc3.show(figure, caption, sparc3.charts[figure.dataset.chart](data, rows.filter((row) => !hidden.has(row)), width));
    };
    redraw();
    if (rows.length > 1 && !data.small) sparc3.legend(figure, rows, hidden, redraw);
    sparc3.onresize(redraw);
    figure.closest("details")?.addEventListener("toggle", redraw);
  }
})();
