// Sorts a table by the raw value of a column; without this script the tables keep their order.
document.documentElement.classList.add("js");
for (const table of document.querySelectorAll("table.sortable")) {
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
      const body = table.tBodies[0];
      body.append(...[...body.rows].sort(compare));
    });
  }
}
