// A table of weights: one row per target word, one column per source word.
import { VISIBLE, element, shade, wordButton } from "./dom.js";

const KEYS = {
  attention: "Weights in percent: a row a target word, a column a source word",
  alignment: "Probabilities in percent: a row a target word, a column a source word",
};
const MAX_ROOMY_COLUMNS = 18;  // with more, cells have no room for a number

export function heatmapView({ name, source, target, weights, links }) {
  const linked = new Set(links?.map(String));
  const head = source.units.map((unit, s) =>
    element("th", { scope: "col", "data-source": s }, wordButton("source", s, unit)),
  );
  const rows = target.units.map((unit, t) =>
    element(
      "tr",
      {},
      element("th", { scope: "row", "data-target": t }, wordButton("target", t, unit)),
      ...weights[t].map((weight, s) => cell(weight, s, t, linked.has(`${t},${s}`))),
    ),
  );
  const table = element(
    "table",
    { "aria-label": KEYS[name] },
    element("thead", { lang: "" }, element("tr", {}, element("td"), ...head)),
    element("tbody", { lang: "" }, ...rows),
  );
  const size = source.units.length > MAX_ROOMY_COLUMNS ? "dense" : "roomy";
  const label = `${name === "alignment" ? "Alignment" : "Attention"} map`;
  const node = element("div", { class: `map ${size}`, role: "region", "aria-label": label, tabindex: 0 }, table);
  return { node, redraw() {} };
}

function cell(weight, s, t, isLink) {
  const percent = element("span", {}, weight < VISIBLE ? "" : `${Math.round(weight * 100)}`);
  const node = element("td", { "data-source": s, "data-target": t, "data-weight": weight.toFixed(4) }, percent);
  node.classList.toggle("link", isLink);
  shade(node, weight);
  return node;
}
