// Both sentences as running text, for those too long for a picture.
import { element, wordButton } from "./dom.js";

export function textView(attentionMap) {
  const node = element(
    "div",
    { class: "texts" },
    passage("source", "Source", attentionMap.source),
    passage("target", "Target", attentionMap.target),
  );
  return { node, redraw() {} };
}

function passage(side, name, { text, units }) {
  const parts = [];
  let written = 0;  // tokens may share a character: it is shown once
  units.forEach((unit, index) => {
    const begin = Math.max(unit.begin, written);
    if (begin > written) parts.push(text.slice(written, begin));
    written = Math.max(unit.end, begin);
    const shown = text.slice(begin, written);
    parts.push(wordButton(side, index, unit, unit.isEnd ? unit.label : shown));
  });
  if (written < text.length) parts.push(text.slice(written));
  return element(
    "section",
    {},
    element("h3", {}, name),
    element("p", { class: "passage", role: "group", "aria-label": `${name} sentence`, lang: "", dir: "auto" }, ...parts),
  );
}
