// The page: its form, its requests and its state.
import { ServerError, modelUrl, predict, readConfig, readModel, readText } from "./api.js";
import { readTranslations } from "./attention_map.js";
import { wellFormed } from "./bytes.js";
import { byId, element } from "./dom.js";
import { messages } from "./messages.js";
import { resultView } from "./result.js";
import { fromFragment, toFragment } from "./state.js";
import { themeButton } from "./theme.js";

let state = fromFragment(location.hash);
let config = null;
let model = null;
let running = null;  // the AbortController of the current request
let startCount = 0;  // only the last start counts
let starting = false;

const message = messages({ onRetry: () => (model ? translate() : start()), onCancel: () => running?.abort() });
const result = resultView((changes) => remember(changes));

function remember(changes) {
  Object.assign(state, changes);
  history.replaceState(null, "", toFragment(state));
}

// Reads the server's metadata, then translates text from the link or the form.
async function start() {
  const thisStart = ++startCount;
  model = null;
  starting = true;
  message.waiting("Looking for the model …", { cancel: false });
  try {
    config ??= { ...(await readConfig()), templates: await readTemplates() };
    chooseModel();
    const metadata = await readModel(modelUrl(config.api, state.model));
    if (thisStart !== startCount) return;
    model = metadata;
  } catch (error) {
    return thisStart === startCount && fail(error);
  } finally {
    if (thisStart === startCount) starting = false;
  }
  byId("served").textContent = `${state.model} · version ${model.version}`;
  const aligns = model.signatures.has("align");
  byId("toggle-own").hidden = !aligns;
  openOwn(aligns && Boolean(state.target));
  message.clear();
  if (state.text) await translate();
}

// Returns the pages that HTML downloads fill in: of translations with one map and with two.
async function readTemplates() {
  const names = ["explorer/standalone.html", "explorer/standalone-aligned.html"];
  const [attention, alignment] = await Promise.all(names.map(readText));
  return { attention, alignment };
}

function chooseModel() {
  if (!config.models.length) throw new ServerError("The server names no model.");
  if (!config.models.includes(state.model)) state.model = config.models[0];
  const options = config.models.map((name) => element("option", { value: name }, name));
  byId("model").replaceChildren(...options);
  byId("model").value = state.model;
  byId("model-choice").hidden = options.length < 2;
}

async function translate() {
  running?.abort();
  const text = wellFormed(byId("text").value);
  const target = byId("own").hidden ? "" : wellFormed(byId("target").value);
  if (!text.trim()) return byId("text").focus();
  remember({ text, target });
  if (!model) return starting || start();
  const control = (running = new AbortController());
  message.waiting(target ? "Aligning …" : "Translating …", { cancel: true });
  byId("result").setAttribute("aria-busy", "true");
  try {
    const translations = await requestTranslations(text, target, control.signal);
    if (running !== control) return;
    remember({ number: Math.min(state.number, translations.length - 1) });
    result.show(translations, state, { isOwn: Boolean(target), templates: config.templates });
    message.clear();
  } catch (error) {
    if (running === control) fail(error, control.signal.aborted);
  } finally {
    if (running === control) byId("result").removeAttribute("aria-busy");
  }
}

async function requestTranslations(text, target, signal) {
  const base = modelUrl(config.api, state.model);
  const [signature, inputs] = target
    ? ["align", { text: [text], target: [target] }]
    : [model.signatures.has("nbest") ? "nbest" : "translate", { text: [text] }];
  const outputs = await predict(base, signature, inputs, signal);
  try {
    return readTranslations(outputs, text, target || null);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new ServerError(`The server's answer to \`${signature}\` lacks outputs.`);
  }
}

function fail(error, cancelled = false) {
  if (cancelled) return message.clear();
  if (!(error instanceof ServerError)) throw error;
  message.failed(`${error.message} What you typed is still here.`);
}

function openOwn(open) {
  byId("own").hidden = !open;
  byId("toggle-own").setAttribute("aria-expanded", open);
  byId("toggle-own").textContent = open ? "Let the model translate" : "Align my own translation";
  byId("go").textContent = open ? "Align" : "Translate";
}

function fillForm() {
  byId("text").value = state.text;
  byId("target").value = state.target;
}

function listen() {
  byId("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    remember({ number: 0, sentence: 0 });
    translate();
  });
  byId("ask").addEventListener("keydown", (event) => {
    const isTyped = event.target.matches("textarea") && !event.isComposing;
    if (event.key !== "Enter" || event.shiftKey || !isTyped) return;
    event.preventDefault();
    byId("ask").requestSubmit();
  });
  byId("toggle-own").addEventListener("click", () => {
    openOwn(byId("own").hidden);
    byId(byId("own").hidden ? "text" : "target").focus();
  });
  byId("model").addEventListener("change", () => {
    remember({ model: byId("model").value, number: 0, sentence: 0 });
    start();
  });
  addEventListener("hashchange", () => {
    state = fromFragment(location.hash);
    fillForm();
    start();
  });
}

themeButton(byId("theme"));
fillForm();
listen();
start();
