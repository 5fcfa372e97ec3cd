// The result: the translation, the n-best list, the selected view, saving.
import { makeMaps, sentenceOf } from "./attention_map.js";
import { byId, element, radios } from "./dom.js";
import { heatmapView } from "./heatmap.js";
import { highlightWords } from "./highlight.js";
import { NO_ATTENTION, notes } from "./html_export.js";
import { linesView } from "./lines.js";
import { FORMATS, copy, copyText, download, render } from "./save.js";
import { sentenceChooser } from "./sentences.js";
import { textView } from "./text_view.js";

const VIEWS = { lines: linesView, map: heatmapView, text: textView };
const MAP_NAMES = [["alignment", "What it translates"], ["attention", "Where it looked"]];
const VIEW_NAMES = [["lines", "Lines"], ["map", "Heat map"], ["text", "Text"]];
const UNIT_NAMES = [["words", "Words"], ["subwords", "Subwords"]];

// Returns {show}; `onChange` is called with each choice of the user.
export function resultView(onChange) {
  // `sentence` is the part of the translation that the panel shows.
  const shown = { panel: byId("panel"), translation: null, sentence: null, maps: null, attentionMap: null, templates: null };
  let all = [];
  let choices = null;
  let view = null;
  let highlight = null;

  function draw() {
    shown.translation = all[choices.number];
    const number = chooser.show(shown.translation, choices.sentence);
    shown.sentence = sentenceOf(shown.translation, number);
    shown.maps = makeMaps(shown.sentence, choices.unit);
    shown.attentionMap = shown.maps[choices.show] ?? shown.maps.attention;
    byId("map-name").textContent = shown.attentionMap.name === "alignment" ? "Alignment" : "Attention";
    byId("maps").hidden = byId("difference").hidden = !shown.maps.alignment;
    highlight?.stop();
    byId("live").textContent = "";
    view = VIEWS[choices.view](shown.attentionMap);
    shown.panel.replaceChildren(view.node);
    view.redraw();
    highlight = highlightWords(shown.panel, shown.attentionMap, (text) => (byId("live").textContent = text));
    showFacts(shown);
  }

  const choose = (name) => (value) => {
    onChange({ [name]: value });
    draw();
  };

  const chooser = sentenceChooser(shown.panel, choose("sentence"));
  const fit = () => {
    view?.redraw();
    highlight?.refresh();
  };
  new ResizeObserver(fit).observe(shown.panel);
  listenToSaveButtons(shown);
  return {
    // `templates` are the pages that an HTML download fills in.
    show(translations, state, { isOwn, templates }) {
      all = translations;
      shown.templates = templates;
      choices = state;
      byId("result").hidden = false;
      byId("result-heading").textContent = isOwn ? "Your translation" : "Translation";
      byId("maps").replaceChildren(...radios("show", MAP_NAMES, state.show, choose("show")));
      byId("views").replaceChildren(...radios("view", VIEW_NAMES, state.view, choose("view")));
      byId("units").replaceChildren(...radios("unit", UNIT_NAMES, state.unit, choose("unit")));
      byId("others").hidden = all.length < 2;
      byId("hypotheses").replaceChildren(...hypothesisRadios(all, state.number, choose("number")));
      draw();
    },
  };
}

function hypothesisRadios(all, chosen, onChoose) {
  const best = Math.max(...all.map(({ score }) => score));
  const options = all.map(({ text, score }, number) => {
    const bar = element("meter", { min: 0, max: 1, value: Math.exp(score - best), "aria-label": "Probability beside the likeliest" });
    const name = element("span", { class: "hypothesis", lang: "", dir: "auto" }, text || "(empty)");
    return [number, name, element("span", { class: "number" }, shortNumber(score)), bar];
  });
  return radios("number", options, chosen, onChoose);
}

function showFacts({ translation, attentionMap }) {
  if (!translation.text) byId("translation").textContent = "(empty)";
  const tokens = translation.target_tokens.length;
  const mean = Math.exp(translation.score / tokens);
  byId("facts").textContent =
    `log p ${shortNumber(translation.score)} · ${tokens} subwords · ${Math.round(mean * 100)}% a subword`;
  const all = [...(attentionMap.blank ? [NO_ATTENTION] : []), ...notes(translation)];
  byId("notes").replaceChildren(...all.map((note) => element("li", {}, note)));
}

const shortNumber = (value) => value.toFixed(2).replace("-", "\u2212");

function listenToSaveButtons(shown) {
  const format = byId("format");
  format.replaceChildren(...Object.entries(FORMATS).map(([name, { label }]) => element("option", { value: name }, label)));
  const onClick = (id, work) =>
    byId(id).addEventListener("click", async () => {
      try {
        byId("saved").textContent = await work();
      } catch (error) {
        byId("saved").textContent = `That did not work: ${error.message}.`;
      }
    });
  onClick("download", async () => {
    const name = `attention.${format.value}`;
    download(await render(format.value, shown), name);
    return `Saved ${name}.`;
  });
  onClick("copy", async () => {
    await copy(format.value, await render(format.value, shown));
    return "Copied.";
  });
  onClick("link", async () => {
    await copyText(location.href);
    return "Link copied.";
  });
}
