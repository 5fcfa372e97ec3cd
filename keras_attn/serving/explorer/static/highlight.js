// Pointing at a word highlights the words that it attends to or translates, and the reverse.
import { VISIBLE, shade } from "./dom.js";

const PARTNERS = 3;
const FORWARD = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

// Highlights words inside `panel` by the weights of `attentionMap`; `announce` is called
// with a sentence about the highlighted words, or "".
// Returns {refresh, stop}: call `refresh` after the panel was redrawn.
export function highlightWords(panel, attentionMap, announce) {
  const stop = new AbortController();
  const listen = (name, act) => panel.addEventListener(name, act, { signal: stop.signal });
  const focused = () => position(panel.contains(document.activeElement) ? document.activeElement : null);
  let shown = null;
  const refresh = () => highlight(panel, attentionMap, shown);
  const show = (at) => {
    shown = at;
    refresh();
    announce(at ? describe(attentionMap, at) : "");
  };
  listen("pointerover", (event) => show(position(event.target) ?? focused()));
  listen("pointerleave", () => show(focused()));
  listen("focusin", (event) => show(position(event.target)));
  listen("focusout", (event) => {
    if (!panel.contains(event.relatedTarget)) show(null);
  });
  listen("keydown", (event) => move(event, panel, attentionMap));
  listen("click", (event) => event.target.closest(".word")?.focus());
  return { refresh, stop: () => stop.abort() };
}

// Returns {side, index} of a word, {source, target} of a cell or a curve, or null.
function position(node) {
  const word = node?.closest(".word");
  if (word) return { side: word.dataset.side, index: Number(word.dataset.index) };
  const link = node?.closest("[data-source][data-target]");
  return link && { source: Number(link.dataset.source), target: Number(link.dataset.target) };
}

// Returns {side, index, weight} of all words of the other sentence.
function partners(weights, { side, index }) {
  const row = side === "target" ? weights[index] : weights.map((cells) => cells[index]);
  const other = side === "target" ? "source" : "target";
  return row.map((weight, index) => ({ side: other, index, weight }));
}

function highlight(panel, { weights, links }, at) {
  panel.classList.toggle("active", Boolean(at));
  const weightOf = { source: [], target: [] };
  if (at?.side) for (const word of partners(weights, at)) weightOf[word.side][word.index] = word.weight;
  else if (at) {
    weightOf.source[at.source] = weights[at.target][at.source];
    weightOf.target[at.target] = weights[at.target][at.source];
  }
  for (const word of panel.querySelectorAll(".word")) {
    const { side, index } = word.dataset;
    shade(word, weightOf[side][index] ?? 0);
    word.classList.toggle("here", at?.side === side && at.index === Number(index));
    word.classList.toggle("linked", Boolean(at?.side) && isLinked(links, at, { side, index: Number(index) }));
  }
  for (const link of panel.querySelectorAll("[data-source][data-target]")) {
    const [source, target] = [Number(link.dataset.source), Number(link.dataset.target)];
    const here = at?.side ? { source, target }[at.side] === at.index : at?.source === source && at.target === target;
    link.classList.toggle("here", Boolean(at) && here);
  }
}

// Whether a word of one sentence and a word of the other are linked.
function isLinked(links, ...words) {
  const [target, source] = ["target", "source"].map((side) => words.find((word) => word.side === side)?.index);
  return Boolean(links?.some((link) => link[0] === target && link[1] === source));
}

const VERBS = {
  attention: { target: "looked at", source: "was looked at by" },
  alignment: { target: "translates", source: "is translated by" },
};

// Describes the highlighted words.
function describe(attentionMap, at) {
  const verbs = VERBS[attentionMap.name];
  if (!at.side) {
    const [source, target] = [attentionMap.source.units[at.source], attentionMap.target.units[at.target]];
    return `“${target.label}” ${verbs.target} ${source.label} ${Math.round(attentionMap.weights[at.target][at.source] * 100)}%`;
  }
  const { label, isEnd } = attentionMap[at.side].units[at.index];
  if (attentionMap.links && at.side === "source" && isEnd) {
    return `Without a source: ${partnersText(attentionMap, at) || "no word with 5% or more"}`;
  }
  return `“${label}” ${verbs[at.side]} ${partnersText(attentionMap, at) || "nothing with 5% or more"}`;
}

// Returns the strongest partners of a word: "Hund 81%, der 12%", or "" without any.
export function partnersText(attentionMap, at) {
  return partners(attentionMap.weights, at)
    .filter(({ weight }) => weight >= VISIBLE)
    .sort((a, b) => b.weight - a.weight)
    .slice(0, PARTNERS)
    .map(({ side, index, weight }) => {
      const { label } = attentionMap[side].units[index];
      return `${label} ${Math.round(weight * 100)}%`;
    })
    .join(", ");
}

function move(event, panel, attentionMap) {
  const at = event.target.matches(".word") ? position(event.target) : null;
  if (!at || event.ctrlKey || event.altKey || event.metaKey) return;
  const words = (side) => [...panel.querySelectorAll(`.word[data-side="${side}"]`)];
  const row = words(at.side);
  let next;
  if (event.key in FORWARD) {
    const backwards = event.key !== "ArrowDown" && event.key !== "ArrowUp" && isRightToLeft(event.target);
    next = row[at.index + FORWARD[event.key] * (backwards ? -1 : 1)];
  } else if (event.key === "Home") next = row[0];
  else if (event.key === "End") next = row.at(-1);
  else if (event.key === "Enter" || event.key === " ") {
    const best = partners(attentionMap.weights, at).reduce((a, b) => (b.weight > a.weight ? b : a));
    next = words(best.side)[best.index];
  } else if (event.key === "Escape") return event.target.blur();
  else return;
  event.preventDefault();
  if (!next) return;
  for (const word of words(next.dataset.side)) word.tabIndex = word === next ? 0 : -1;
  next.focus();
}

const isRightToLeft = (node) => getComputedStyle(node.parentElement).direction === "rtl";
