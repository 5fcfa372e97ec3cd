// TensorFlow Serving's REST API: metadata and predictions.

// An error with a message for the user.
export class ServerError extends Error {}

const TIMEOUT_MS = 60_000;

// Returns {models, api}: names of the models, and the base URL of the API.
export async function readConfig() {
  return parseJson(await fetchText("explorer/config.json"));
}

// Returns the text of a file.
export async function readText(url) {
  return fetchText(url);
}

// Returns {version, signatures: Set of names}.
export async function readModel(base) {
  const response = parseJson(await fetchText(`${base}/metadata`));
  const signatures = response?.metadata?.signature_def?.signature_def;
  if (!signatures) throw new ServerError("The server's metadata names no signatures.");
  return {
    version: response.model_spec?.version ?? "",
    signatures: new Set(Object.keys(signatures)),
  };
}

// Returns the outputs of one signature by name, in columns.
export async function predict(base, signature, inputs, signal) {
  const body = JSON.stringify({ signature_name: signature, inputs });
  const headers = { "Content-Type": "application/json" };
  const options = { method: "POST", body, headers };
  const response = parseJson(await fetchText(`${base}:predict`, options, signal));
  if (!response?.outputs) throw new ServerError("The server's answer has no outputs.");
  return response.outputs;
}

export const modelUrl = (api, name) => `${api}/${encodeURIComponent(name)}`;

// Returns the text of a response; throws a ServerError without one.
async function fetchText(url, options = {}, signal = null) {
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
  if (response.ok) return text;
  const reason = tryParse(text)?.error ?? response.statusText;
  throw new ServerError(`The server answered ${response.status}: ${reason || "no reason given"}`);
}

function parseJson(text) {
  const value = tryParse(text);
  if (value === undefined) throw new ServerError("The server's answer is not JSON.");
  return value;
}

function tryParse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
