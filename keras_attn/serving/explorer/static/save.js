// Pictures and data as files and on the clipboard.
import { toHtml } from "./html_export.js";
import { svgText, toPng, toSvg } from "./picture_export.js";

export const FORMATS = {
  png: { label: "PNG picture", type: "image/png" },
  svg: { label: "SVG picture", type: "image/svg+xml" },
  json: { label: "JSON data", type: "application/json" },
  html: { label: "HTML page", type: "text/html" },
};

// Returns the file as a blob; `shown` has panel, translation, sentence, maps,
// attentionMap and templates. Pictures and pages have the sentence that is shown, data
// the whole text.
export async function render(format, shown) {
  const { panel, translation, sentence, maps, attentionMap, templates } = shown;
  if (format === "png") return toPng(toSvg(panel, sentence.text));
  const text = {
    svg: () => svgText(toSvg(panel, sentence.text)),
    json: () => `${JSON.stringify(translation, null, 2)}\n`,
    html: () => toHtml(templates, { ...translation, score: sentence.score }, maps, attentionMap.name),
  }[format]();
  return new Blob([text], { type: `${FORMATS[format].type};charset=utf-8` });
}

export function download(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);  // the browser may still read it
}

// Copies PNG as a picture, other formats as text.
export async function copy(format, blob) {
  if (format !== "png") return copyText(await blob.text());
  requireClipboard(navigator.clipboard?.write);
  await navigator.clipboard.write([new ClipboardItem({ [blob.type]: blob })]);
}

export async function copyText(text) {
  requireClipboard(navigator.clipboard?.writeText);
  await navigator.clipboard.writeText(text);
}

function requireClipboard(clipboard) {
  if (!clipboard) throw new Error("this browser copies on https and localhost only");
}
