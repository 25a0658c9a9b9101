// The heads of two circuits: which are in both, by a map that is clicked, and by name.
"use strict";
for (const figure of document.querySelectorAll("figure#heads")) {
  const { circuits, rows } = JSON.parse(figure.querySelector("script").textContent);
  const form = document.createElement("form");
  const [told, names] = [document.createElement("p"), document.createElement("dl")];
  told.setAttribute("role", "status");
  names.className = "facts";
  form.setAttribute("aria-label", "Which circuits");
  const choice = (name, text, pairs, chosen) => {
    const [heading, select] = [document.createElement("label"), document.createElement("select")];
    select.name = name;
    heading.append(text, " ", select);
    form.append(heading);
    sparc3.options(select, pairs, chosen);
    return select;
  };
  const every = rows.map((row, i) => [i, sparc3.label(row)]);
  const first = choice("first", "First", every, 0);
  const second = choice("second", "Second", every, 1);
  const size = choice("size", "Circuit", circuits.map((text, i) => [i, text]).slice(1), Math.min(2, circuits.length - 1));
  const name = (one) => `L${one.block}H${one.head}`;

  function draw() {
    const [a, b, at] = [rows[first.value], rows[second.value], Number(size.value)];
    const kinds = [`both`, `only ${sparc3.label(a)}`, `only ${sparc3.label(b)}`, "neither"];
    const cells = a.levels.flatMap((row, block) => row.map((level, head) => {
      const [mine, its] = [level >= at, b.levels[block][head] >= at];
      return { block, head, kind: mine && its ? 0 : mine ? 1 : its ? 2 : 3 };
    }));
    const width = Math.min(860, figure.clientWidth || 640, 60 + 40 * a.levels[0].length);
    const colours = ["var(--ink)", sparc3.colour(a), sparc3.colour(b), "var(--paper)"];
    const drawing = Plot.plot({
      width,
      height: 64 + 17 * a.levels.length,
      marginLeft: 44,
      marginTop: 44,
      style: { background: "transparent", color: "var(--ink)", fontSize: "12px" },
      x: { label: "head", axis: "top", tickSize: 0, domain: a.levels[0].keys() },
      y: { label: "block", tickSize: 0, domain: a.levels.keys() },
      marks: [
        Plot.cell(cells, { x: "head", y: "block", fill: (one) => colours[one.kind], fillOpacity: 0.75, stroke: "var(--rule)" }),
        // A head that only the second has is told from one that only the first has without colours, too.
        Plot.text(cells.filter((one) => one.kind === 1 || one.kind === 2), {
          x: "head", y: "block", text: (one) => String(one.kind), fill: "var(--paper)", fontWeight: 600,
        }),
        Plot.tip(cells, Plot.pointer({ x: "head", y: "block", fill: "var(--paper)", title: (one) => `${name(one)}: ${kinds[one.kind]}` })),
      ],
    });
    const count = kinds.map((_, kind) => cells.filter((one) => one.kind === kind));
    sparc3.show(
      figure,
      `Heads in the circuit of ${circuits[at]}: ${count[0].length} in both (black), ${count[1].length} of ${sparc3.label(a)} alone (1), ${count[2].length} of ${sparc3.label(b)} alone (2). Choose a head to see every scorer.`,
      drawing,
    );
    drawing.addEventListener("click", () => {
      const one = drawing.value;
      if (!one) return;
      const circuit = (row) => `${sparc3.label(row)}: ${circuits[row.levels[one.block][one.head]]}`;
      told.textContent = `${name(one)}, head ${one.head} of block ${one.block}: the smallest circuit it belongs to is, by scorer, ${rows.map(circuit).join("; ")}.`;
    });
    names.replaceChildren(...count.slice(0, 3).flatMap((some, kind) => {
      const [term, text] = [document.createElement("dt"), document.createElement("dd")];
      term.textContent = kinds[kind];
      text.textContent = some.map(name).join(", ") || "none";
      return [term, text];
    }));
  }

  form.className = "script";
  form.addEventListener("change", draw);
  figure.prepend(form);
  figure.append(told, names);
  sparc3.onresize(draw);
  draw();
}
