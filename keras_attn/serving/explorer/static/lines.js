// Two sentences with a curve for each weight; in an alignment those of links stand out.
import { VISIBLE, element, svg, wordButton } from "./dom.js";

const MIN_DRAWN_WEIGHT = 0.02;

// Returns {node, redraw}: call `redraw` when the size of the node changes.
export function linesView(attentionMap) {
  const curves = svg("svg", { class: "curves", "aria-hidden": "true" });
  const source = sentence("source", attentionMap.source);
  const target = sentence("target", attentionMap.target);
  const node = element("div", { class: "lines" }, curves, source, target);
  return { node, redraw: () => redraw(node, curves, source, target, attentionMap) };
}

function sentence(side, { units }) {
  const name = `${side === "source" ? "Source" : "Target"} sentence`;
  const words = units.map((unit, index) => wordButton(side, index, unit));
  return element("div", { class: `sentence ${side}`, role: "group", "aria-label": name, lang: "", dir: "auto" }, ...words);
}

function redraw(node, curves, source, target, { weights, links }) {
  node.classList.remove("columns");
  const fits = (sentence) => sentence.scrollWidth <= sentence.clientWidth;
  const inColumns = !fits(source) || !fits(target);
  node.classList.toggle("columns", inColumns);
  const origin = node.getBoundingClientRect();
  const boxes = (sentence) =>
    [...sentence.children].map((word) => {
      const { left, right, top, bottom } = word.getBoundingClientRect();
      return {
        left: left - origin.left,
        right: right - origin.left,
        top: top - origin.top,
        bottom: bottom - origin.top,
      };
    });
  const [from, to] = [boxes(source), boxes(target)];
  const path = inColumns ? across : down;
  const linked = links && new Set(links.map(String));
  curves.replaceChildren();
  weights.forEach((row, t) =>
    row.forEach((weight, s) => {
      const isNoSource = linked && s === row.length - 1;
      if (weight < MIN_DRAWN_WEIGHT || isNoSource) return;
      const isWeak = linked ? !linked.has(`${t},${s}`) : weight < VISIBLE;
      curves.append(
        svg("path", {
          d: path(from[s], to[t]),
          "data-source": s,
          "data-target": t,
          class: isWeak ? "weak" : "",
          "stroke-width": (0.75 + 3.25 * weight).toFixed(2),
          "stroke-opacity": Math.min(1, weight).toFixed(3),
        }),
      );
    }),
  );
}

function down(source, target) {
  const x1 = (source.left + source.right) / 2;
  const x2 = (target.left + target.right) / 2;
  const middle = (source.bottom + target.top) / 2;
  return curve([x1, source.bottom], [x1, middle], [x2, middle], [x2, target.top]);
}

function across(source, target) {
  const y1 = (source.top + source.bottom) / 2;
  const y2 = (target.top + target.bottom) / 2;
  const middle = (source.right + target.left) / 2;
  return curve([source.right, y1], [middle, y1], [middle, y2], [target.left, y2]);
}

function curve(start, ...others) {
  const point = ([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`;
  return `M${point(start)}C${others.map(point).join(" ")}`;
}
