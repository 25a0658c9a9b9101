// Search over scorers, tasks, models and conventions; what can be found is loaded when it is asked for.
"use strict";
document.documentElement.classList.add("js");
(() => {
  const form = document.getElementById("search");
  const [field, list] = [form.elements.words, form.querySelector("ul")];
  const root = form.dataset.root;
  const most = 12;
  let places;

  function show() {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = words.length && places
      ? places.filter(([text]) => words.every((word) => text.toLowerCase().includes(word))) : [];
    list.replaceChildren(...found.slice(0, most).map(([text, href]) => {
      const [item, link] = [document.createElement("li"), document.createElement("a")];
      link.href = root + href;
      link.textContent = text;
      item.append(link);
      return item;
    }));
    const many = found.length > most ? `${found.length} found, the first ${most} shown.` : `${found.length} found.`;
    form.querySelector("[role=status]").textContent = words.length && places ? many : "";
    list.hidden = !found.length;
  }

  globalThis.sparc3Places = (found) => {
    places = found;
    show();
  };
  field.addEventListener("focus", () => {
    const script = document.createElement("script");
    script.src = `${root}static/places.js`;
    document.head.append(script);
  }, { once: true });
  field.addEventListener("input", show);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const first = list.querySelector("a");
    if (first) location.href = first.href;
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape") field.value = "";
    if (event.key === "Escape") show();
  });
})();
