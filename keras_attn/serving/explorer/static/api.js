// TensorFlow Serving's REST API: what a model offers, and its answers.

// What was wrong, in words for the reader of the page.
export class ServerError extends Error {}

const TIMEOUT_MS = 60_000;

// Returns {models, api}: whom to ask, and where.
export async function readConfig() {
  return parsed(await ask("explorer/config.json"));
}

// Returns the text of a file beside the page.
export async function readText(url) {
  return (await ask(url)).text;
}

// Returns {version, signatures: Set of names}.
export async function readModel(base) {
  const answer = parsed(await ask(`${base}/metadata`));
  const found = answer?.metadata?.signature_def?.signature_def;
  if (!found) throw new ServerError("The server's metadata names no signatures.");
  return {
    version: answer.model_spec?.version ?? "",
    signatures: new Set(Object.keys(found)),
  };
}

// Returns the named outputs of one signature, in columns.
export async function predict(base, signature, inputs, signal) {
  const body = JSON.stringify({ signature_name: signature, inputs });
  const headers = { "Content-Type": "application/json" };
  const options = { method: "POST", body, headers };
  const answer = parsed(await ask(`${base}:predict`, options, signal));
  if (!answer?.outputs) throw new ServerError("The server's answer has no outputs.");
  return answer.outputs;
}

export const modelUrl = (api, name) => `${api}/${encodeURIComponent(name)}`;

// Returns {text}, or says why there is none.
async function ask(url, options = {}, signal = null) {
  const limit = AbortSignal.timeout(TIMEOUT_MS);
  const both = signal ? AbortSignal.any([signal, limit]) : limit;
  let response, text;
  try {
    response = await fetch(url, { ...options, signal: both, cache: "no-store" });
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ServerError(
      limit.aborted
        ? `The server did not answer within ${TIMEOUT_MS / 1000} seconds.`
        : "The server cannot be reached. Is it running?",
    );
  }
  if (response.ok) return { text };
  const reason = parse(text)?.error ?? response.statusText;
  throw new ServerError(`The server answered ${response.status}: ${reason || "no reason given"}`);
}

function parsed({ text }) {
  const answer = parse(text);
  if (answer === undefined) throw new ServerError("The server's answer is no JSON.");
  return answer;
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
