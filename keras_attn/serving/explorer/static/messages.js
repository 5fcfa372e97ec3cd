// One line about the current request or the last error.
import { byId } from "./dom.js";

const QUIET_MS = 400;  // a fast response shows no message
const SLOW_MS = 5000;

export function messages({ onRetry, onCancel }) {
  let timers = [];
  const show = (text, { cancel = false, retry = false, wrong = false } = {}) => {
    byId("message").hidden = !text;
    byId("message").classList.toggle("wrong", wrong);
    byId("message-text").textContent = text;
    byId("cancel").hidden = !cancel;
    byId("retry").hidden = !retry;
  };
  const now = (...what) => {
    timers.forEach(clearTimeout);
    timers = [];
    show(...what);
  };
  byId("retry").addEventListener("click", onRetry);
  byId("cancel").addEventListener("click", onCancel);
  return {
    clear: () => now(""),
    failed: (text) => now(text, { retry: true, wrong: true }),
    waiting(text, { cancel }) {
      now("");
      const slow = `${text} The server takes its time.`;
      timers = [
        setTimeout(() => show(text, { cancel }), QUIET_MS),
        setTimeout(() => show(slow, { cancel }), SLOW_MS),
      ];
    },
  };
}
