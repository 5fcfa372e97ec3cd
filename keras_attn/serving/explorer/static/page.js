// The page: what is typed, what is asked, what is shown.
import { ServerError, modelUrl, predict, readConfig, readModel, readText } from "./api.js";
import { answerView } from "./answer.js";
import { wellFormed } from "./bytes.js";
import { byId, element } from "./dom.js";
import { messages } from "./messages.js";
import { translations } from "./reading.js";
import { fromFragment, toFragment } from "./state.js";
import { themeButton } from "./theme.js";

let state = fromFragment(location.hash);
let config = null;
let model = null;
let running = null;  // the AbortController of the request in work
let starts = 0;  // how often the model was looked for: only the last time counts
let starting = false;

const message = messages({ onRetry: () => (model ? ask() : start()), onCancel: () => running?.abort() });
const answer = answerView((changes) => remember(changes));

function remember(changes) {
  Object.assign(state, changes);
  history.replaceState(null, "", toFragment(state));
}

// Reads what the server has, then asks for what a link brought or was typed meanwhile.
async function start() {
  const mine = ++starts;
  model = null;
  starting = true;
  message.waiting("Looking for the model …", { cancel: false });
  try {
    config ??= { ...(await readConfig()), template: await readText("explorer/standalone.html") };
    chooseModel();
    const found = await readModel(modelUrl(config.api, state.model));
    if (mine !== starts) return;
    model = found;
  } catch (error) {
    return mine === starts && fail(error);
  } finally {
    if (mine === starts) starting = false;
  }
  byId("served").textContent = `${state.model} · version ${model.version}`;
  const aligns = model.signatures.has("align");
  byId("toggle-own").hidden = !aligns;
  openOwn(aligns && Boolean(state.target));
  message.clear();
  if (state.text) await ask();
}

function chooseModel() {
  if (!config.models.length) throw new ServerError("The server names no model.");
  if (!config.models.includes(state.model)) state.model = config.models[0];
  const options = config.models.map((name) => element("option", { value: name }, name));
  byId("model").replaceChildren(...options);
  byId("model").value = state.model;
  byId("model-choice").hidden = options.length < 2;
}

async function ask() {
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
    const found = await respond(text, target, control.signal);
    if (running !== control) return;
    remember({ number: Math.min(state.number, found.length - 1) });
    answer.show(found, state, { isOwn: Boolean(target), template: config.template });
    message.clear();
  } catch (error) {
    if (running === control) fail(error, control.signal.aborted);
  } finally {
    if (running === control) byId("result").removeAttribute("aria-busy");
  }
}

async function respond(text, target, signal) {
  const base = modelUrl(config.api, state.model);
  const [signature, inputs] = target
    ? ["align", { text: [text], target: [target] }]
    : [model.signatures.has("nbest") ? "nbest" : "translate", { text: [text] }];
  const outputs = await predict(base, signature, inputs, signal);
  try {
    return translations(outputs, text, target || null);
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
    remember({ number: 0 });
    ask();
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
    remember({ model: byId("model").value, number: 0 });
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
