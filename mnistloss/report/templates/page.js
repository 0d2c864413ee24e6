
"use strict";
const updateTabStops = () => {
  for (const box of document.querySelectorAll(".scroll"))
    box.scrollWidth > box.clientWidth ? box.setAttribute("tabindex", "0") : box.removeAttribute("tabindex");
};
const toNumber = (text) => (text === "infinite" ? Infinity : text === "." ? 0 : parseFloat(text.replaceAll(",", "")));
const compare = (a, b) => {
  const [x, y] = [toNumber(a), toNumber(b)];
  if (isNaN(x) || isNaN(y)) return isNaN(x) - isNaN(y) || a.localeCompare(b, "en");
  return x === y ? 0 : x - y;
};
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    if (!head.textContent.trim()) return;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent.trim();
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const descending = head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const cell = (row) => row.cells[column].textContent.trim();
      const rows = [...table.tBodies[0].rows].sort((a, b) => compare(cell(a), cell(b)) * (descending ? -1 : 1));
      table.tBodies[0].append(...rows);
    });
  });
}
updateTabStops();
addEventListener("resize", updateTabStops);
addEventListener("toggle", updateTabStops, true);
