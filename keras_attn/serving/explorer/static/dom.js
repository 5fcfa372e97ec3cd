// Creates elements. Text is inserted as text nodes, never as markup.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

export function element(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// Returns the button of one word or subword; `unit` is from an attention map.
export function wordButton(side, index, unit, label = unit.label) {
  const button = element(
    "button",
    { type: "button", class: "word", "data-side": side, "data-index": index, tabindex: index ? -1 : 0 },
    label,
  );
  if (unit.isEnd) button.classList.add("end");
  if (!label) button.setAttribute("aria-label", unit.label);
  return button;
}

// Returns native radio buttons, with their keyboard control.
export function radios(name, options, chosen, onChoose) {
  return options.map(([value, ...content]) => {
    const input = element("input", { type: "radio", name, value });
    input.checked = value === chosen;
    input.addEventListener("change", () => onChoose(value));
    return element("label", {}, input, element("span", {}, ...content));
  });
}

// Shows a weight on an element by its shade.
export function shade(node, weight) {
  node.style.setProperty("--w", weight.toFixed(4));
  node.classList.toggle("lit", weight >= VISIBLE);
  node.classList.toggle("deep", weight >= DEEP);
}

export const VISIBLE = 0.05;  // smaller weights are drawn faintly and not read out
const DEEP = 0.685;  // from here on light text on a dark shade has the better contrast
