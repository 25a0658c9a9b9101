// The page of a board: filters rows, draws the curves and the cost of one convention.
"use strict";
(() => {
  const form = document.getElementById("filters");
  const table = document.getElementById("runs");
  const rows = [...table.tBodies[0].rows];
  const field = (name) => form.elements[name];
  const kept = ["section", "unit", "group", "aggregation", "scorer", "metric", "amount", "cost"];
  // Seconds compare on one kind of machine only; where the cost of a row has what is asked for.
  const costs = { seconds: [0, "seconds"], tokens: [3, "tokens through the model"], bytes: [4, "bytes of memory at most"], flops: [5, "operations of the model"] };
  const hidden = new Set();
  const wide = (figure) => Math.max(280, Math.min(760, figure.clientWidth || 640));
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

  function band(lines) {
    const seeds = lines.some((row) => row.control);
    if (!seeds && (!lines.some((row) => row.drawn.some(Boolean)) || metric() > 0)) return "";
    return section().chosen
      ? ", the grey band is of random controls, often on fewer samples: see the table for the test"
      : ", the grey band is of random controls";
  }

  const compares = (at, row) => field("cost").value !== "seconds" || row.machine === at.machine;

  // Quality against the cost of the scores.
  function cost(at, lines) {
    const m = metric();
    const i = at.amounts.findIndex((amount) => String(amount) === field("amount").value);
    const [place, unit] = costs[field("cost").value];
    const rows = lines.filter((row) => compares(at, row)).flatMap((row) => {
      const [value, spent] = [row.points[i]?.[m], row.cost[place]];
      return value && spent > 0
        ? [{ ...row, runs: null, points: [[spent, null, null, ...value, null]] }] : [];
    });
    const ys = sparc3.of(rows, (row) => row.points.map((p) => p[3]));
    return sparc3.charts.scatter({
      x: { label: `Attribution, ${unit}`, log: true, direction: "lower" },
      y: { ...at.metrics[m], log: field("logy").checked && ys.every((y) => y > 0) },
      rows,
      dense: at.metrics[m].dense === null ? [] : [[null, at.metrics[m].dense]],
      random: null,
      front: at.metrics[m].direction !== "neither",
      names: true,
    }, rows, wide(document.getElementById("pareto")));
  }

  function draw() {
    const at = section();
    const every = shown();
    const lines = every.filter((row) => !hidden.has(row));
    const m = at.metrics[metric()];
    const figure = document.getElementById("curves");
    sparc3.show(
      figure,
      `${m.title} (${m.direction} is better): ${at.words}. Thin lines are 95 % intervals${band(lines)}.`,
      sparc3.charts.curves(at, lines, wide(figure), { m: metric(), logx: field("logx").checked, logy: field("logy").checked }),
    );
    sparc3.legend(figure, every, hidden, draw);
    const i = at.amounts.findIndex((amount) => String(amount) === field("amount").value);
    const others = at.rows.filter((row) => !compares(at, row)).length;
    const nothing = lines.filter((row) => compares(at, row) && !(row.cost[costs[field("cost").value][0]] > 0)).length;
    const left = [
      others ? ` ${others} row${others > 1 ? "s were" : " was"} made on another kind of machine, and seconds do not compare.` : "",
      nothing ? ` ${nothing} row${nothing > 1 ? "s" : ""} took none, or nothing is recorded of it.` : "",
    ].join("");
    sparc3.show(
      document.getElementById("pareto"),
      `${m.title} at ${at.texts[i]} against the cost of the scores${field("cost").value === "seconds" ? `, on ${at.machine}` : ""}.${m.direction === "neither" ? "" : " The dashed line is the front: nothing cheaper has a better number."}${left}`,
      cost(at, lines),
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
      say(what, at.metrics[m].title, at.metrics[m].label, `at ${at.texts[i]}; ${at.metrics[m].direction} is better`);
      const ends = low === null || high === null ? "" : `${sparc3.number(low)} to ${sparc3.number(high)}`;
      say(number, value ?? "", sparc3.number(value), ends);
      say(verdict, "", "–");
    }
  }

  function fill(wanted) {
    const at = section();
    sparc3.options(field("metric"), at.metrics.map((m) => [m.name, m.title]), wanted.get("metric"));
    const amounts = at.amounts.map((amount, i) => [amount, at.texts[i]]).filter(([a]) => a > 0);
    sparc3.options(field("amount"), amounts, wanted.get("amount") ?? at.opens);
    field("logx").checked = wanted.has("logx") ? wanted.get("logx") === "1" : at.log;
    // What spans several powers of ten is unreadable on a linear axis.
    const numbers = sparc3.of(at.rows, (row) => row.points.map((p) => p[metric()]?.[0])).filter(Number.isFinite);
    field("logy").checked = wanted.has("logy") ? wanted.get("logy") === "1" : sparc3.spread(numbers);
    hidden.clear();
    for (const row of sparc3.hidden(at.rows)) hidden.add(row);
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
    for (const name of ["section", "unit", "group", "aggregation", "scorer", "cost"]) {
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
  sparc3.onresize(() => board && draw());

  sparc3.waiting.set(table.dataset.board, [(found) => {
    board = found;
    start(sparc3.address());
  }]);
})();
