// Effects: a row a level, its effect with the interval, and a line where there is none.
"use strict";
(() => {
  const { plot, dot, ruleX, ruleY, tip, pointerY } = Plot;
  const { number, frame, onresize, show } = sparc3;

  function ranges({ log, title, rows }, width) {
    const every = rows.map(([label, value, low, high]) => ({ label, value, low, high }));
    const left = 20 + 7 * Math.max(...rows.map(([label]) => label.length));
    return plot({
      ...frame(width, true),
      height: 70 + 24 * rows.length,
      marginLeft: left,
      x: { type: log ? "log" : "linear", label: title, labelAnchor: "right", grid: true, ticks: 4, tickFormat: (x) => `${log ? "×" : ""}${number(x, 2)}` },
      y: { domain: rows.map(([label]) => label), type: "band", label: null, tickSize: 0 },
      marks: [
        ruleX([log ? 1 : 0], { stroke: "var(--ink)", strokeOpacity: 0.6 }),
        ruleY(every, { y: "label", x1: "low", x2: "high", stroke: "var(--c0)", strokeWidth: 2 }),
        dot(every, { x: "value", y: "label", r: 4, fill: "var(--c0)" }),
        tip(every, pointerY({ x: "value", y: "label", fill: "var(--paper)", title: (one) => `${one.label}\n${number(one.value)} (${number(one.low)} to ${number(one.high)})` })),
      ],
    });
  }

  for (const figure of document.querySelectorAll("figure[data-ranges]")) {
    const data = JSON.parse(figure.querySelector("script").textContent);
    const caption = figure.querySelector("figcaption").textContent;
    const redraw = () => show(figure, caption, ranges(data, Math.max(280, Math.min(420, figure.clientWidth || 380))));
    redraw();
    onresize(redraw);
  }
})();
