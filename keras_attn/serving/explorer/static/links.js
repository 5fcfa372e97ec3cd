// Pointing at a word lights up what it looked at, or what looked at it.
import { VISIBLE, shade } from "./dom.js";

const PARTNERS = 3;
const FORWARD = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

// Connects the words inside of `panel` by the weights of `reading`; `announce` is given
// a sentence that says what lights up, "" when nothing does.
// Returns {refresh, stop}: `refresh` lights up what has been drawn anew.
export function linkWords(panel, reading, announce) {
  const stop = new AbortController();
  const listen = (name, act) => panel.addEventListener(name, act, { signal: stop.signal });
  const focused = () => place(panel.contains(document.activeElement) ? document.activeElement : null);
  let shown = null;
  const refresh = () => light(panel, reading.weights, shown);
  const show = (at) => {
    shown = at;
    refresh();
    announce(at ? describe(reading, at) : "");
  };
  listen("pointerover", (event) => show(place(event.target) ?? focused()));
  listen("pointerleave", () => show(focused()));
  listen("focusin", (event) => show(place(event.target)));
  listen("focusout", (event) => {
    if (!panel.contains(event.relatedTarget)) show(null);
  });
  listen("keydown", (event) => move(event, panel, reading));
  listen("click", (event) => event.target.closest(".word")?.focus());
  return { refresh, stop: () => stop.abort() };
}

// Returns {side, index} of a word, {source, target} of a cell or a curve, or null.
function place(node) {
  const word = node?.closest(".word");
  if (word) return { side: word.dataset.side, index: Number(word.dataset.index) };
  const link = node?.closest("[data-source][data-target]");
  return link && { source: Number(link.dataset.source), target: Number(link.dataset.target) };
}

// Returns {side, index, weight} of all words on the other side.
function partners(weights, { side, index }) {
  const row = side === "target" ? weights[index] : weights.map((each) => each[index]);
  const other = side === "target" ? "source" : "target";
  return row.map((weight, position) => ({ side: other, index: position, weight }));
}

function light(panel, weights, at) {
  panel.classList.toggle("active", Boolean(at));
  const weightOf = { source: [], target: [] };
  if (at?.side) for (const each of partners(weights, at)) weightOf[each.side][each.index] = each.weight;
  else if (at) {
    weightOf.source[at.source] = weights[at.target][at.source];
    weightOf.target[at.target] = weights[at.target][at.source];
  }
  for (const word of panel.querySelectorAll(".word")) {
    const { side, index } = word.dataset;
    shade(word, weightOf[side][index] ?? 0);
    word.classList.toggle("here", at?.side === side && at.index === Number(index));
  }
  for (const link of panel.querySelectorAll("[data-source][data-target]")) {
    const [source, target] = [Number(link.dataset.source), Number(link.dataset.target)];
    const here = at?.side ? { source, target }[at.side] === at.index : at?.source === source && at.target === target;
    link.classList.toggle("here", Boolean(at) && here);
  }
}

// Says in words what lights up.
function describe(reading, at) {
  if (!at.side) {
    const [source, target] = [reading.source.units[at.source], reading.target.units[at.target]];
    return `“${target.label}” looked at ${source.label} ${Math.round(reading.weights[at.target][at.source] * 100)}%`;
  }
  const { label } = reading[at.side].units[at.index];
  const verb = at.side === "target" ? "looked at" : "was looked at by";
  return `“${label}” ${verb} ${partnersText(reading, at) || "nothing with 5% or more"}`;
}

// Returns the strongest partners of a word: "Hund 81%, der 12%", or "" without any.
export function partnersText(reading, at) {
  return partners(reading.weights, at)
    .filter(({ weight }) => weight >= VISIBLE)
    .sort((a, b) => b.weight - a.weight)
    .slice(0, PARTNERS)
    .map(({ side, index, weight }) => {
      const { label } = reading[side].units[index];
      return `${label} ${Math.round(weight * 100)}%`;
    })
    .join(", ");
}

function move(event, panel, reading) {
  const at = event.target.matches(".word") ? place(event.target) : null;
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
    const best = partners(reading.weights, at).reduce((a, b) => (b.weight > a.weight ? b : a));
    next = words(best.side)[best.index];
  } else if (event.key === "Escape") return event.target.blur();
  else return;
  event.preventDefault();
  if (!next) return;
  for (const word of words(next.dataset.side)) word.tabIndex = word === next ? 0 : -1;
  next.focus();
}

const isRightToLeft = (node) => getComputedStyle(node.parentElement).direction === "rtl";
