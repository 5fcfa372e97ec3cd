// The state in a link: texts, model and view.

export const CHOICES = {
  show: ["alignment", "attention"],
  view: ["lines", "map", "text"],
  unit: ["words", "subwords"],
};

export function defaults() {
  return { text: "", target: "", model: "", show: "alignment", view: "lines", unit: "words", number: 0, sentence: 0 };
}

// Returns the state that a fragment such as "#text=Hallo&view=map" means.
export function fromFragment(fragment) {
  const state = defaults();
  const values = new URLSearchParams(fragment.replace(/^#/, ""));
  for (const name of ["text", "target", "model"]) state[name] = values.get(name) ?? "";
  for (const [name, allowed] of Object.entries(CHOICES)) {
    if (allowed.includes(values.get(name))) state[name] = values.get(name);
  }
  for (const name of ["number", "sentence"]) {
    const number = Number(values.get(name));
    if (Number.isInteger(number) && number > 0) state[name] = number - 1;
  }
  return state;
}

// Returns the fragment of a state, without default values.
export function toFragment(state) {
  const values = new URLSearchParams();
  const defaultState = defaults();
  for (const name of ["text", "target", "model", "show", "view", "unit"]) {
    if (state[name] !== defaultState[name]) values.set(name, state[name]);
  }
  for (const name of ["number", "sentence"]) {
    if (state[name]) values.set(name, state[name] + 1);
  }
  return `#${values}`;
}
