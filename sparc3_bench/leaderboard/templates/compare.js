// The page of two rows: how they differ on the same samples, amount by amount.
"use strict";
(() => {
  const form = document.getElementById("filters");
  const field = (name) => form.elements[name];
  const level = 0.05;
  let board;

  const section = () => board.sections.find((one) => one.id === field("section").value);

  // Pairs are kept once, the earlier row first; the other way round only signs change.
  function meetings(at, first, second) {
    const turned = first > second;
    const pair = at.pairs.find(([a, b]) => a === Math.min(first, second) && b === Math.max(first, second));
    const other = ratio(at) ? (one) => 1 / one : (one) => 0 - one;
    return (pair?.[2] ?? []).map(([i, value, low, high, p, adjusted]) => (turned
      ? { i, value: other(value), low: other(high), high: other(low), p, adjusted }
      : { i, value, low, high, p, adjusted }));
  }

  // What two rows are that do not differ: on a log scale they are told apart by their ratio.
  const ratio = (at) => at.metrics[0].scale === "log";
  const none = (at) => (ratio(at) ? 1 : 0);

  function sentence(at, one, other, found) {
    const [a, b] = [sparc3.label(one), sparc3.label(other)];
    if (one === other) return "Choose two different rows.";
    if (!found.length) return `${a} and ${b} cannot be tested: samples are missing, or are of one document.`;
    const metric = at.metrics[0];
    const sure = found.filter((m) => m.adjusted <= level && m.value !== none(at));
    if (!sure.length) {
      return `${a} and ${b} are not told apart at any of ${found.length} amounts in ${metric.title}.`;
    }
    const ahead = sure.filter((m) => (metric.direction === "higher") === (m.value > none(at))).length;
    const parts = [[a, b, ahead], [b, a, sure.length - ahead]]
      .filter(([, , count]) => count)
      .map(([x, y, count]) => `${x} is better than ${y} at ${count} of ${found.length} amounts`);
    return `${parts.join("; ")} in ${metric.title}, by p of at most ${level} after Holm.`;
  }

  function update() {
    const at = section();
    const [first, second] = [Number(field("first").value), Number(field("second").value)];
    const [one, other] = [at.rows[first], at.rows[second]];
    const found = first === second ? [] : meetings(at, first, second);
    document.getElementById("verdict").textContent = sentence(at, one, other, found);
    const body = document.getElementById("head-to-head").tBodies[0];
    // Of ratios near one a digit more, or they would read as one.
    const differing = (value) => sparc3.number(value, ratio(at) && Math.abs(value - 1) < 0.1 ? 5 : 4);
    const cell = (text, tag = "td") => {
      const made = document.createElement(tag);
      made.textContent = text;
      if (tag === "th") made.scope = "row";
      else made.className = "number";
      return made;
    };
    body.replaceChildren(...found.map((m) => {
      const row = document.createElement("tr");
      row.dataset.amount = at.amounts[m.i];
      row.append(
        cell(at.texts[m.i], "th"),
        cell(sparc3.number(one.points[m.i][0]?.[0])),
        cell(sparc3.number(other.points[m.i][0]?.[0])),
        cell((ratio(at) ? "×" : m.value > 0 ? "+" : "") + differing(m.value)),
        cell(`${differing(m.low)} to ${differing(m.high)}`),
        cell(sparc3.probability(m.adjusted)),
      );
      return row;
    }));
    const log = at.log;
    const points = found.map((m) => ({ ...m, x: at.places[m.i] })).filter((m) => !log || m.x > 0);
    const figure = document.getElementById("difference");
    const colour = sparc3.colour(one);
    const width = Math.max(280, Math.min(760, figure.clientWidth || 640));
    sparc3.show(
      figure,
      `${at.metrics[0].title}: ${sparc3.label(one)} ${ratio(at) ? "over" : "minus"} ${sparc3.label(other)}, ${at.words}. ${at.metrics[0].direction === "lower" ? "Below" : "Above"} ${none(at)} the first is better. Filled: told apart after Holm over the amounts; an interval is of its amount alone, and may leave out ${none(at)} where that does not.`,
      points.length === 0 ? null : Plot.plot({
        ...sparc3.frame(width),
        x: { type: log ? "log" : "linear", label: at.axis, tickFormat: sparc3.tick(at, log) },
        y: { nice: true, label: `${ratio(at) ? "Ratio" : "Difference"} in ${at.metrics[0].label}`, grid: true },
        marks: [
          Plot.ruleY([none(at)], { stroke: "var(--muted)" }),
          Plot.ruleX(points, { x: "x", y1: "low", y2: "high", stroke: colour, strokeWidth: 1.5 }),
          Plot.dot(points, {
            x: "x", y: "value", stroke: colour, strokeWidth: 1.5, r: 4.5,
            fill: (m) => (m.adjusted <= level ? colour : "var(--paper)"),
          }),
        ],
      }),
    );
    sparc3.keep({
      board: board.id, section: at.id, first: field("first").value, second: field("second").value,
    });
  }

  function rows(wanted) {
    const at = section();
    const pairs = at.rows.map((row, i) => [i, sparc3.label(row)]);
    // Rows are the best first: it opens with the two best scorers, each as the variant that stands for it.
    const best = [...at.rows.keys()].sort((a, b) => Number(at.rows[a].folded) - Number(at.rows[b].folded)
      || Number(at.rows[a].control) - Number(at.rows[b].control) || a - b);
    sparc3.options(field("first"), pairs, wanted.get("first"));
    sparc3.options(field("second"), pairs, wanted.get("second"));
    const given = (name) => field(name).value === wanted.get(name);
    if (!given("first")) field("first").value = best.find((i) => !given("second") || String(i) !== field("second").value);
    // A row against itself is shown to those only who ask for it.
    if (!given("second")) field("second").value = best.find((i) => String(i) !== field("first").value) ?? 0;
    update();
  }

  function start(wanted) {
    sparc3.load(field("board").value, (found) => {
      board = found;
      const several = board.sections.filter((one) => one.rows.length > 1);
      const offered = several.length ? several : board.sections;
      const chief = offered.findIndex((one) => one.leads);
      if (chief > 0) offered.unshift(...offered.splice(chief, 1));
      sparc3.options(field("section"), offered.map((one) => [one.id, one.words]), wanted.get("section"));
      rows(wanted);
    });
  }

  function open() {
    const wanted = sparc3.address();
    const ids = [...field("board").options].map((one) => one.value);
    if (ids.includes(wanted.get("board"))) field("board").value = wanted.get("board");
    start(wanted);
  }

  form.addEventListener("change", (event) => {
    const nothing = new URLSearchParams();
    if (event.target.name === "board") start(nothing);
    else if (event.target.name === "section") rows(nothing);
    else update();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", open);
  if (field("board").options.length) open();
})();
