// The page of a board: filters rows, draws the curves and the cost of one convention.
"use strict";
(() => {
  const form = document.getElementById("filters");
  const table = document.getElementById("runs");
  const rows = [...table.tBodies[0].rows];
  const field = (name) => form.elements[name];
  const kept = ["section", "unit", "group", "aggregation", "scorer", "metric", "amount"];
  const most = 24;
  let board;

  const section = () => board.sections.find((one) => one.id === field("section").value);
  const source = (row) => board.sections[row.dataset.section].rows[row.dataset.row];

  function passes(row) {
    const at = board.sections[row.dataset.section];
    const own = source(row);
    const wanted = (name, value) => !field(name).value || field(name).value === value;
    return wanted("unit", at.unit) && wanted("group", at.group) && wanted("scorer", own.scorer)
      && wanted("aggregation", own.aggregation);
  }

  // The numbers of the convention drawn: rows that the filters leave.
  function shown() {
    const place = board.sections.indexOf(section());
    return rows
      .filter((row) => Number(row.dataset.section) === place && !row.hidden)
      .map(source)
      .sort((a, b) => a.control - b.control);
  }

  function metric() {
    const at = section();
    return Math.max(0, at.metrics.findIndex((one) => one.name === field("metric").value));
  }

  // Size 0 has no place on a logarithmic axis.
  const fits = (value, log) => value !== null && (!log || value > 0);

  function curves(at, lines) {
    const [m, logx, logy] = [metric(), field("logx").checked, field("logy").checked];
    const points = lines.flatMap((row) => at.amounts.map((amount, i) => {
      const value = row.points[i]?.[m];
      return value && fits(at.places[i], logx) && fits(value[0], logy)
        ? {
          x: at.places[i], y: value[0], scorer: sparc3.label(row), row,
          low: fits(value[1], logy) ? value[1] : null, high: value[2], at: at.texts[i],
        }
        : null;
    })).filter(Boolean);
    if (!points.length || lines.length > most) return null;
    const grey = m > 0 ? [] : at.amounts.flatMap((amount, i) => {
      const ends = lines.map((row) => row.drawn[i]).filter(Boolean);
      if (!ends.length || !fits(at.places[i], logx)) return [];
      const [low, high] = [Math.min(...ends.map((e) => e[0])), Math.max(...ends.map((e) => e[2]))];
      return fits(low, logy) ? [{ x: at.places[i], low, high }] : [];
    });
    const stroke = (one) => sparc3.colour(one.row);
    const z = "scorer";
    return Plot.plot({
      ...sparc3.frame(document.getElementById("curves")),
      x: { type: logx ? "log" : "linear", label: at.axis, tickFormat: sparc3.tick(at, logx) },
      y: {
        type: logy ? "log" : "linear", label: sparc3.titled(at.metrics[m]), grid: true, ticks: 6,
        domain: sparc3.span(points, logy),
      },
      clip: true,
      marks: [
        Plot.areaY(grey, { x: "x", y1: "low", y2: "high", fill: "var(--grey)", fillOpacity: 0.2 }),
        Plot.ruleX(points.filter((p) => p.low !== null && p.high !== null), {
          x: "x", y1: "low", y2: "high", stroke, strokeOpacity: 0.6,
        }),
        Plot.line(points, {
          x: "x", y: "y", z, stroke, strokeWidth: 2,
          strokeDasharray: (one) => (one.row.control ? "4 3" : null),
        }),
        Plot.dot(points, { x: "x", y: "y", z, fill: stroke, r: 3 }),
        Plot.tip(points, Plot.pointer({
          x: "x", y: "y", fill: "var(--paper)",
          title: (one) => `${one.scorer}\n${one.at}\n${sparc3.number(one.y)}`
            + (one.low === null ? "" : ` (${sparc3.number(one.low)} to ${sparc3.number(one.high)})`),
        })),
      ],
    });
  }

  function band(lines) {
    if (!lines.some((row) => row.drawn.some(Boolean)) || metric() > 0) return "";
    return section().chosen
      ? ", the grey band is of random controls, often on fewer samples: see the table for the test"
      : ", the grey band is of random controls";
  }

  function cut(lines) {
    return lines.some((row) => row.control) ? " What controls have beyond the axis is left out." : "";
  }

  // Of all that cost no more, the front is better than every other.
  function pareto(at, lines) {
    const m = metric();
    const i = at.amounts.findIndex((amount) => String(amount) === field("amount").value);
    const { direction } = at.metrics[m];
    const up = direction === "higher";
    const points = lines.flatMap((row) => {
      const value = row.points[i]?.[m];
      const cost = (row.cost[0] ?? 0) + (row.cost[1] ?? 0);
      return value && cost > 0 ? [{ x: cost, y: value[0], scorer: sparc3.label(row), row }] : [];
    }).sort((a, b) => a.x - b.x);
    if (!points.length || lines.length > most) return null;
    const logy = field("logy").checked && points.every((one) => one.y > 0);
    const front = [];
    for (const one of points) {
      // Where neither end is better there is no front.
      if (one.row.control || direction === "neither") continue;
      const best = front.at(-1);
      if (!best || (up ? one.y > best.y : one.y < best.y)) front.push(one);
    }
    const fill = (one) => sparc3.colour(one.row);
    const [low, high] = sparc3.span(points, logy);
    const inside = points.filter((one) => one.y >= low && one.y <= high);
    // Of many the names would cover one another; the colours are those of the key.
    const named = inside.length > 8 ? inside.filter((one) => front.includes(one)) : inside;
    return Plot.plot({
      ...sparc3.frame(document.getElementById("pareto")),
      x: { type: "log", label: "Attribution and evaluation, seconds", nice: true },
      y: {
        type: logy ? "log" : "linear", label: sparc3.titled(at.metrics[m]), grid: true, ticks: 6,
        domain: [low, high],
      },
      marks: [
        Plot.line(front, { x: "x", y: "y", curve: "step-after", stroke: "var(--muted)", strokeDasharray: "4 3" }),
        Plot.dot(inside, { x: "x", y: "y", fill, r: 5, title: "scorer" }),
        // At other heights in turn: those of like cost would cover one another.
        ...[-13, 14, -27, 28].map((dy, turn) => Plot.text(named.filter((_, i) => i % 4 === turn), {
          x: "x", y: "y", text: "scorer", fill, dy, fontWeight: 600,
          stroke: "var(--paper)", strokeWidth: 4,
        })),
      ],
    });
  }

  function draw() {
    const at = section();
    const lines = shown();
    const m = at.metrics[metric()];
    const many = lines.length > most ? ` ${lines.length} rows are too many to tell apart; choose a scorer.` : "";
    sparc3.draw(
      document.getElementById("curves"),
      `${m.title} (${m.direction} is better): ${at.words}. Thin lines are 95 % intervals${band(lines)}.${cut(lines)}${many}`,
      curves(at, lines),
      sparc3.keys(lines),
    );
    const i = at.amounts.findIndex((amount) => String(amount) === field("amount").value);
    sparc3.draw(
      document.getElementById("pareto"),
      `${m.title} at ${at.texts[i]} against cost.${m.direction === "neither" ? "" : " The dashed line is the front: nothing cheaper is better."}${cut(lines)}`,
      pareto(at, lines),
    );
    const picked = lines.filter((row) => !row.control).slice(0, 2).map((row) => at.rows.indexOf(row));
    const [first, second] = picked.length === 2 ? picked : [0, 1];
    document.getElementById("versus").hash = String(new URLSearchParams({
      board: board.id, section: at.id, first, second,
    }));
  }

  // What a cell says, and what it is sorted by, before another number was asked for.
  const usual = new Map(rows.flatMap((row) => [...row.cells].map((cell) => [
    cell, { nodes: [...cell.childNodes], value: cell.dataset.value },
  ])));

  function say(cell, value, text, detail = "") {
    cell.dataset.value = value;
    const small = document.createElement("small");
    small.textContent = detail;
    cell.replaceChildren(text, ...(detail ? [" ", small] : []));
  }

  // Of the convention drawn the table has the number that was asked for; it is not ranked by that.
  function numbers() {
    const at = section();
    const m = metric();
    const i = at.amounts.findIndex((amount) => String(amount) === field("amount").value);
    const asked = m > 0 || at.amounts[i] !== at.focus;
    for (const row of rows) {
      const cells = [2, 3, 4, 5].map((place) => row.cells[place]);
      for (const cell of cells) {
        cell.replaceChildren(...usual.get(cell).nodes);
        cell.dataset.value = usual.get(cell).value;
      }
      if (!asked || board.sections[row.dataset.section] !== at) continue;
      const [value, low, high] = source(row).points[i]?.[m] ?? [null, null, null];
      const [rank, what, number, verdict] = cells;
      say(rank, "", "–");
      say(what, at.metrics[m].title, sparc3.titled(at.metrics[m]), `at ${at.texts[i]}; ${at.metrics[m].direction} is better`);
      const ends = low === null || high === null ? "" : `${sparc3.number(low)} to ${sparc3.number(high)}`;
      say(number, value ?? "", sparc3.number(value), ends);
      say(verdict, "", "–");
    }
  }

  function fill(wanted) {
    const at = section();
    sparc3.options(field("metric"), at.metrics.map((m) => [m.name, m.title]), wanted.get("metric"));
    const amounts = at.amounts.map((amount, i) => [amount, at.texts[i]]).filter(([a]) => a > 0);
    sparc3.options(field("amount"), amounts, wanted.get("amount") ?? at.focus);
    field("logx").checked = wanted.has("logx") ? wanted.get("logx") === "1" : at.log;
    // What spans several powers of ten is unreadable on a linear axis.
    const numbers = at.rows.flatMap((row) => row.points.map((p) => p[metric()]?.[0])).filter(Number.isFinite);
    const wide = Math.min(...numbers) > 0 && Math.max(...numbers) > 10 * Math.min(...numbers);
    field("logy").checked = wanted.has("logy") ? wanted.get("logy") === "1" : wide;
  }

  function update() {
    let count = 0;
    for (const row of rows) {
      row.hidden = !passes(row);
      count += !row.hidden;
    }
    document.getElementById("shown").textContent = `${count} of ${rows.length} rows are shown.`;
    const values = Object.fromEntries(kept.map((name) => [name, field(name).value]));
    for (const name of ["logx", "logy"]) values[name] = field(name).checked ? "1" : "0";
    sparc3.keep(values);
    numbers();
    draw();
  }

  function start(wanted) {
    for (const name of ["section", "unit", "group", "aggregation", "scorer"]) {
      const options = [...field(name).options].map((one) => one.value);
      const value = wanted.get(name) ?? "";
      field(name).value = options.includes(value) ? value : options[0];
    }
    // A filter that leaves out the convention drawn moves on to the first that it leaves in.
    fill(wanted);
    update();
  }

  form.addEventListener("change", (event) => {
    const nothing = new URLSearchParams();
    if (["unit", "group"].includes(event.target.name)) {
      const at = section();
      const good = (one) => ["unit", "group"].every((n) => !field(n).value || field(n).value === one[n]);
      const other = board.sections.find(good);
      if (!good(at) && other) {
        field("section").value = other.id;
        fill(nothing);
      }
    }
    if (event.target.name === "section") fill(nothing);
    if (event.target.name === "metric") {
      const wanted = sparc3.address();
      wanted.set("metric", field("metric").value);
      wanted.delete("logy");
      fill(wanted);
    }
    update();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    start(new URLSearchParams());
  });
  addEventListener("hashchange", () => start(sparc3.address()));
  let wait;
  addEventListener("resize", () => {
    clearTimeout(wait);
    wait = setTimeout(draw, 150);
  });

  sparc3.waiting.set(table.dataset.board, [(found) => {
    board = found;
    start(sparc3.address());
  }]);
})();
