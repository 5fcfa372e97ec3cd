// The picture as a page that needs neither server nor network. The empty page, its style,
// its script and the policy that allows them come from keras_attn.plotting.attention_html;
// here its elements are copied and filled.
import { partnersText } from "./links.js";

const SHADES = 20;
const SMALLEST = 5;  // percent; less is not written into a cell

// Returns the text of the page for one translation.
export function toHtml(template, translation, reading) {
  // The part with words in it alone: this page's policy would refuse the other's style.
  const [, before, content, after] = template.match(/^(.*<main>)(.*)(<\/main>.*)$/s);
  const page = new DOMParser().parseFromString(content, "text/html");
  const map = page.querySelector(".map");
  for (const side of ["source", "target"]) fillSentence(map, side, reading);
  map.querySelector(".score").textContent = `log p = ${translation.score.toFixed(2)}`;
  if (reading.blank) for (const part of map.querySelectorAll(".key, .scroll")) part.remove();
  else fillTable(map.querySelector("table"), reading);
  for (const text of notes(translation, reading)) {
    const note = page.createElement("p");
    note.className = "note";
    note.textContent = text;
    map.append(note);
  }
  return `${before}\n${page.body.innerHTML}${after}`;
}

// Says what must be known of a translation.
export function notes(translation, reading) {
  return [
    reading.blank && "No attention: every weight is zero.",
    translation.source_truncated &&
      `The last ${translation.source_truncated} source tokens were over the model's limit and not read.`,
    translation.target_truncated && "The translation was ended by the length limit.",
  ].filter(Boolean);
}

function fillSentence(map, side, reading) {
  const button = map.querySelector(`button[data-${side}]`);
  const words = reading[side].units.flatMap(({ label }, index) => {
    const word = numbered(button, side, index);
    word.textContent = label;
    word.title = partnersText(reading, { side, index }) || "no weight of 5% or more";
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
  copy.textContent = percent < SMALLEST ? "" : percent;
  return copy;
}
