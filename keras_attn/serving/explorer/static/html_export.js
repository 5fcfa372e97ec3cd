// The maps as a page that works offline. The templates with their style, their script and
// its policy come from keras_attn.plotting.attention_html; their elements are copied and
// filled in here.
import { partnersText } from "./highlight.js";

const SHADES = 20;
const MIN_PERCENT = 5;  // smaller weights are not written into a cell
export const NO_ATTENTION = "No attention: every weight is zero.";

// Returns the text of the page for one translation, whose map `show` is seen first.
export function toHtml(templates, translation, maps, show) {
  const template = maps.alignment ? templates.alignment : templates.attention;
  // Parses only the part with words: this page's policy would block the template's style.
  const [, before, content, after] = template.match(/^(.*<main>)(.*)(<\/main>.*)$/s);
  const page = new DOMParser().parseFromString(content, "text/html");
  const map = page.querySelector(".map");
  const views = map.querySelectorAll(".view");
  if (!views.length) fillView(map, translation, maps.attention);
  for (const view of views) fillView(view, translation, maps[view.dataset.show]);
  for (const input of map.querySelectorAll("input")) input.toggleAttribute("checked", input.value === show);
  for (const text of notes(translation)) addNote(map, text);
  return `${before}\n${page.body.innerHTML}${after}`;
}

function fillView(view, translation, map) {
  for (const side of ["source", "target"]) fillSentence(view, side, map);
  view.querySelector(".score").textContent = `log p = ${translation.score.toFixed(2)}`;
  if (map.links) fillLines(view.querySelector("svg"), map);
  if (map.blank) {
    for (const part of view.querySelectorAll(".key, .scroll")) part.remove();
    addNote(view, NO_ATTENTION);
  } else fillTable(view.querySelector("table"), map);
}

function addNote(parent, text) {
  const note = parent.ownerDocument.createElement("p");
  note.className = "note";
  note.textContent = text;
  parent.append(note);
}

// Returns warnings about a translation.
export function notes(translation) {
  return [
    translation.source_truncated &&
      `The last ${translation.source_truncated} source tokens were over the model's limit and not read.`,
    translation.target_truncated && "The translation was ended by the length limit.",
  ].filter(Boolean);
}

function fillSentence(map, side, attentionMap) {
  const button = map.querySelector(`button[data-${side}]`);
  const words = attentionMap[side].units.flatMap(({ label }, index) => {
    const word = numbered(button, side, index);
    word.textContent = label;
    word.title = partnersText(attentionMap, { side, index }) || "no weight of 5% or more";
    return [word, " "];
  });
  button.parentElement.replaceChildren(...words.slice(0, -1));
}

function fillLines(svg, { weights, links }) {
  const lines = links.map(([target, source]) => {
    const line = numbered(numbered(svg.querySelector("path"), "source", source), "target", target);
    line.setAttribute("stroke-opacity", `${percent(weights[target][source])}%`);
    return line;
  });
  svg.replaceChildren(...lines);
}

function fillTable(table, { source, target, weights, links }) {
  const linked = new Set(links?.map(String));
  const column = table.querySelector("th[data-source]");
  const row = table.querySelector("tbody tr");
  const heads = source.units.map(({ label }, index) => {
    const head = numbered(column, "source", index);
    head.firstElementChild.textContent = label;
    return head;
  });
  table.querySelector("thead tr").replaceChildren(table.querySelector("thead td"), ...heads);
  const rows = target.units.map(({ label }, index) => {
    const head = numbered(row.querySelector("th"), "target", index);
    head.textContent = label;
    const line = row.cloneNode(false);
    line.append(head, ...weights[index].map((weight, s) => cell(row, weight, linked.has(`${index},${s}`))));
    return line;
  });
  table.tBodies[0].replaceChildren(...rows);
}

function numbered(element, side, index) {
  const copy = element.cloneNode(true);
  copy.dataset[side] = index;
  return copy;
}

function cell(row, weight, isLink) {
  const copy = row.querySelector("td").cloneNode(false);
  const shown = percent(weight);
  copy.className = `w${Math.floor(weight * SHADES + 0.5)}`;
  copy.dataset.percent = shown;
  copy.toggleAttribute("data-link", isLink);
  copy.textContent = shown < MIN_PERCENT ? "" : shown;
  return copy;
}

const percent = (weight) => Math.floor(weight * 100 + 0.5);
