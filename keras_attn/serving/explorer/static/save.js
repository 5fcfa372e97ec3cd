// Pictures and data as files and on the clipboard.
import { svgText, toPng, toSvg } from "./picture.js";
import { toHtml } from "./standalone.js";

export const FORMATS = {
  png: { label: "PNG picture", type: "image/png" },
  svg: { label: "SVG picture", type: "image/svg+xml" },
  json: { label: "JSON data", type: "application/json" },
  html: { label: "HTML page", type: "text/html" },
};

// Returns what is to be saved: `shown` has panel, translation, reading and template.
export async function render(format, shown) {
  const { panel, translation, reading, template } = shown;
  if (format === "png") return toPng(toSvg(panel, translation.text));
  const text = {
    svg: () => svgText(toSvg(panel, translation.text)),
    json: () => `${JSON.stringify(translation, null, 2)}\n`,
    html: () => toHtml(template, translation, reading),
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

// Copies a picture as a picture, all else as text.
export async function copy(format, blob) {
  if (format !== "png") return copyText(await blob.text());
  need(navigator.clipboard?.write);
  await navigator.clipboard.write([new ClipboardItem({ [blob.type]: blob })]);
}

export async function copyText(text) {
  need(navigator.clipboard?.writeText);
  await navigator.clipboard.writeText(text);
}

function need(clipboard) {
  if (!clipboard) throw new Error("this browser copies on https and localhost only");
}
