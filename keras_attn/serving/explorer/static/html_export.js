// The attention map as a page that works offline. The template with its style, its script
// and their policy comes from keras_attn.plotting.attention_html; its elements are copied
// and filled in here.
import { partnersText } from "./highlight.js";

const SHADES = 20;
const MIN_PERCENT = 5;  // smaller weights are not written into a cell

// Returns the text of the page for one translation.
export function toHtml(template, translation, attentionMap) {
  // Parses only the part with words: this page's policy would block the template's style.
  const [, before, content, after] = template.match(/^(.*<main>)(.*)(<\/main>.*)$/s);
  const page = new DOMParser().parseFromString(content, "text/html");
  const map = page.querySelector(".map");
  for (const side of ["source", "target"]) fillSentence(map, side, attentionMap);
  map.querySelector(".score").textContent = `log p = ${translation.score.toFixed(2)}`;
  if (attentionMap.blank) for (const part of map.querySelectorAll(".key, .scroll")) part.remove();
  else fillTable(map.querySelector("table"), attentionMap);
  for (const text of notes(translation, attentionMap)) {
    const note = page.createElement("p");
    note.className = "note";
    note.textContent = text;
    map.append(note);
  }
  return `${before}\n${page.body.innerHTML}${after}`;
}

// Returns warnings about a translation.
export function notes(translation, attentionMap) {
  return [
    attentionMap.blank && "No attention: every weight is zero.",
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

function fillTable(table, { source, target, weights }) {
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
    line.append(head, ...weights[index].map((weight) => cell(row, weight)));
    return line;
  });
  table.tBodies[0].replaceChildren(...rows);
}

function numbered(element, side, index) {
  const copy = element.cloneNode(true);
  copy.dataset[side] = index;
  return copy;
}

function cell(row, weight) {
  const copy = row.querySelector("td").cloneNode(false);
  const percent = Math.floor(weight * 100 + 0.5);
  copy.className = `w${Math.floor(weight * SHADES + 0.5)}`;
  copy.dataset.percent = percent;
  copy.textContent = percent < MIN_PERCENT ? "" : percent;
  return copy;
}
