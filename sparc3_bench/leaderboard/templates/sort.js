// Sorts a table by the raw value of a column, and folds the variants of a row behind it; without this script tables keep their order, unfolded.
document.documentElement.classList.add("js");
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  // A row with the variants behind it, which stay there however rows are sorted.
  const groups = [];
  for (const row of body.rows) {
    if (row.classList.contains("variant") && groups.length) groups.at(-1).push(row);
    else groups.push([row]);
  }
  for (const [first, ...variants] of groups) {
    if (!variants.length) continue;
    const more = document.createElement("button");
    more.type = "button";
    more.className = "fold";
    const fold = (folded) => {
      variants.forEach((row) => { row.hidden = folded; });
      more.setAttribute("aria-expanded", String(!folded));
      more.textContent = `${folded ? "Show" : "Fold"} ${variants.length} variant${variants.length > 1 ? "s" : ""}`;
    };
    more.addEventListener("click", () => fold(more.getAttribute("aria-expanded") === "true"));
    fold(true);
    first.cells[0].append(more);
  }
  const headings = [...table.querySelectorAll("th[data-column]")];
  for (const heading of headings) {
    heading.querySelector("button").addEventListener("click", () => {
      const before = heading.getAttribute("aria-sort");
      const first = heading.dataset.first ?? "ascending";
      const other = first === "ascending" ? "descending" : "ascending";
      const direction = before === first ? other : first;
      for (const each of headings) each.setAttribute("aria-sort", "none");
      heading.setAttribute("aria-sort", direction);
      const sign = direction === "ascending" ? 1 : -1;
      const value = (row) => row.cells[heading.dataset.column].dataset.value;
      const compare = heading.dataset.kind === "text"
        ? (a, b) => sign * value(a).localeCompare(value(b), "en")
        // Rows without a number stay at the end, whichever way the others go.
        : (a, b) => (value(a) === "") - (value(b) === "") || sign * (value(a) - value(b));
      body.append(...groups.toSorted(([a], [b]) => compare(a, b)).flat());
    });
  }
}
// A table that goes on beyond the edge shows that it does.
const edges = () => {
  for (const box of document.querySelectorAll(".scroll")) {
    box.toggleAttribute("data-more", box.scrollWidth - box.clientWidth - box.scrollLeft > 4);
  }
};
document.querySelectorAll(".scroll").forEach((box) => box.addEventListener("scroll", edges));
addEventListener("resize", edges);
edges();
