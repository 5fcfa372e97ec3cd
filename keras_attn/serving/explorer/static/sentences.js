// A text of several sentences: all of it to read, with the one that is shown marked.
import { indexOfByte, slice } from "./bytes.js";
import { byId, element } from "./dom.js";

const STEPS = { PageDown: 1, PageUp: -1 };
const ARROWS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

// Returns {show}; `onChoose` is called with the number of a sentence, and draws it in
// `panel`.
export function sentenceChooser(panel, onChoose) {
  const [whole, translated] = [byId("whole"), byId("translation")];
  let count = 1;
  let current = 0;

  // Keeps the focus in the part of the page where it is.
  function choose(number) {
    if (number < 0 || number >= count || number === current) return;
    const focused = document.activeElement;
    const side = panel.contains(focused) ? focused.dataset.side ?? "source" : null;
    const inText = whole.contains(focused);
    onChoose(number);
    if (side) panel.querySelector(`.word[data-side="${side}"]`)?.focus();
    if (inText) whole.querySelector("[aria-current]").focus({ preventScroll: true });
  }

  byId("result").addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey || count < 2) return;
    const part = whole.contains(event.target) ? event.target.closest(".part") : null;
    let number;
    if (event.key in STEPS) number = current + STEPS[event.key];
    else if (!part) return;
    else if (event.key in ARROWS) number = current + ARROWS[event.key];
    else if (event.key === "Home") number = 0;
    else if (event.key === "End") number = count - 1;
    else return;
    event.preventDefault();
    choose(number);
  });
  for (const text of [whole, translated]) {
    text.addEventListener("click", (event) => {
      const part = event.target.closest(".part");
      if (part && getSelection().isCollapsed) choose(Number(part.dataset.sentence));
    });
  }
  byId("previous").addEventListener("click", () => choose(current - 1));
  byId("next").addEventListener("click", () => choose(current + 1));

  return {
    // Marks a sentence of a translation, the last one if there are fewer; returns its
    // number.
    show(translation, number) {
      count = translation.sentences.length;
      current = Math.min(number, count - 1);
      byId("sentences").hidden = count < 2;
      translated.replaceChildren(...parts(translation, "target", current));
      if (count < 2) return current;
      byId("place").textContent = `Sentence ${current + 1} of ${count}`;
      // A button that is disabled would lose the focus.
      byId("previous").ariaDisabled = current === 0;
      byId("next").ariaDisabled = current === count - 1;
      whole.replaceChildren(...parts(translation, "source", current));
      for (const part of whole.children) {
        part.role = "button";
        part.tabIndex = part.ariaCurrent ? 0 : -1;
      }
      bringIntoView(whole);
      bringIntoView(translated);
      return current;
    },
  };
}

// Returns the text of one side: an element for each sentence, strings between them.
function parts(translation, side, current) {
  const text = side === "source" ? translation.source : translation.text;
  if (translation.sentences.length < 2) return [text];
  const indices = indexOfByte(text);
  const nodes = [];
  let end = 0;
  translation.sentences.forEach((sentence, number) => {
    nodes.push(slice(text, indices, end, sentence[`${side}_begin`]));
    end = sentence[`${side}_end`];
    const part = element("span", { class: "part", "data-sentence": number }, slice(text, indices, sentence[`${side}_begin`], end));
    if (number === current) part.setAttribute("aria-current", "true");
    nodes.push(part);
  });
  nodes.push(slice(text, indices, end, indices.length - 1));
  return nodes;
}

// Scrolls inside of a text alone: the page stays where the reader looks.
function bringIntoView(text) {
  const box = text.getBoundingClientRect();
  const part = text.querySelector("[aria-current]").getBoundingClientRect();
  if (part.top < box.top) text.scrollTop -= box.top - part.top;
  else if (part.bottom > box.bottom) text.scrollTop += Math.min(part.bottom - box.bottom, part.top - box.top);
}
