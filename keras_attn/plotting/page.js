
"use strict";
for (const map of document.querySelectorAll(".map, .view")) {
  if (map.querySelector(".view")) continue;  // its two views are maps themselves
  const rows = [...map.querySelectorAll("tbody tr")].map((row) =>
    [...row.querySelectorAll("td")].map((cell) => Number(cell.dataset.percent)));
  const words = [...map.querySelectorAll("button")];
  const clear = () => {
    for (const word of words) word.className = "";
    for (const marked of map.querySelectorAll(".here")) marked.classList.remove("here");
  };
  const show = (event) => {
    const from = event.target.closest("[data-source], [data-target], tbody tr");
    clear();
    if (!from || !rows.length) return;
    const place = from.matches("tr") ? from.querySelector("th") : from;
    const side = "target" in place.dataset ? "target" : "source";
    const other = side === "target" ? "source" : "target";
    const here = place.dataset[side];
    for (const word of words) {
      const index = word.dataset[other];
      if (index === undefined) continue;
      const percent = side === "target" ? rows[here][index] : rows[index][here];
      const level = Math.round(percent / 5);
      if (level) word.className = "w" + level;
    }
    for (const same of map.querySelectorAll(`[data-${side}="${here}"]`)) {
      same.classList.add("here");
      if (side === "target" && same.matches("th")) {
        same.closest("tr").classList.add("here");
      }
    }
  };
  map.addEventListener("mouseover", show);
  map.addEventListener("focusin", show);
  map.addEventListener("mouseleave", clear);
  map.addEventListener("focusout", clear);
  const linked = map.querySelector(".linked");
  const drawLines = () => {
    const origin = linked.getBoundingClientRect();
    for (const line of linked.querySelectorAll("path")) {
      const [source, target] = ["source", "target"].map((side) => linked
        .querySelector(`button[data-${side}="${line.dataset[side]}"]`)
        .getBoundingClientRect());
      const x = ({ left, right }) => (left + right) / 2 - origin.left + linked.scrollLeft;
      const [top, bottom] = [source.bottom - origin.top, target.top - origin.top];
      const middle = (top + bottom) / 2;
      line.setAttribute("d", `M${x(source)} ${top}C${x(source)} ${middle} ` +
        `${x(target)} ${middle} ${x(target)} ${bottom}`);
    }
  };
  if (linked) new ResizeObserver(drawLines).observe(linked);
}
