// The view in the panel as an SVG picture, and that as a PNG.
import { svg } from "./dom.js";

const MARGIN = 16;
const MAX_PIXELS = 8192;  // larger canvases fail in some browsers

// Returns an <svg> with all words, shades and curves of the panel's view, including those
// scrolled out of sight.
export function toSvg(panel, title) {
  panel.classList.add("whole");  // nothing scrolls or sticks while it is measured
  try {
    return drawView(panel, title);
  } finally {
    panel.classList.remove("whole");
  }
}

function drawView(panel, title) {
  const view = panel.firstElementChild;
  const origin = view.getBoundingClientRect();
  const width = Math.ceil(Math.max(origin.width, view.scrollWidth)) + 2 * MARGIN;
  const height = Math.ceil(Math.max(origin.height, view.scrollHeight)) + 2 * MARGIN;
  const paper = svgColor(getComputedStyle(panel).getPropertyValue("background-color"));
  const left = MARGIN - origin.left;
  const top = MARGIN - origin.top;
  const picture = svg(
    "svg",
    { xmlns: "http://www.w3.org/2000/svg", width, height, viewBox: `0 0 ${width} ${height}` },
    svg("title", {}, title),
    svg("rect", { width, height, ...paper }),
  );
  for (const path of view.querySelectorAll("path")) {
    const style = getComputedStyle(path);
    const stroke = svgColor(style.stroke, "stroke");
    const opacity = Number(style.strokeOpacity) * Number(style.opacity);
    picture.append(
      svg("path", {
        d: path.getAttribute("d"),
        transform: `translate(${MARGIN} ${MARGIN})`,
        fill: "none",
        ...stroke,
        "stroke-opacity": opacity.toFixed(3),
        "stroke-width": style.strokeWidth,
      }),
    );
  }
  for (const box of view.querySelectorAll("td[data-weight], .word")) drawBox(picture, box, left, top);
  return picture;
}

function drawBox(picture, box, left, top) {
  const style = getComputedStyle(box);
  const { x, y, width, height } = box.getBoundingClientRect();
  const fill = svgColor(style.backgroundColor);
  if (fill["fill-opacity"] !== "0") {
    picture.append(svg("rect", { x: x + left, y: y + top, width, height, rx: parseFloat(style.borderRadius) || 0, ...fill }));
  }
  const text = box.textContent;
  const textStyle = box.firstElementChild ? getComputedStyle(box.firstElementChild) : style;
  if (!text || textStyle.display === "none") return;
  const [cx, cy] = [x + left + width / 2, y + top + height / 2];
  const rotated = style.writingMode.startsWith("vertical");
  picture.append(
    svg(
      "text",
      {
        x: cx,
        y: cy,
        "text-anchor": "middle",
        "dominant-baseline": "central",
        "font-family": style.fontFamily,
        "font-size": style.fontSize,
        "font-weight": style.fontWeight,
        ...(rotated && { transform: `rotate(-90 ${cx} ${cy})` }),
        ...svgColor(style.color),
      },
      text,
    ),
  );
}

// Returns the attributes of a computed colour in a form that all SVG programs read.
function svgColor(color, name = "fill") {
  const numbers = color.match(/[\d.]+(?:e-?\d+)?/g)?.map(Number) ?? [0, 0, 0, 0];
  const scale = color.startsWith("color(") ? 255 : 1;
  const [red, green, blue] = numbers.map((number) => Math.round(number * scale));
  return { [name]: `rgb(${red},${green},${blue})`, [`${name}-opacity`]: `${numbers[3] ?? 1}` };
}

export const svgText = (picture) => new XMLSerializer().serializeToString(picture);

// Returns the picture as a PNG blob, at twice its size where possible.
export async function toPng(picture) {
  const url = URL.createObjectURL(new Blob([svgText(picture)], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const scale = Math.min(2, MAX_PIXELS / Math.max(image.width, image.height));
    const canvas = document.createElement("canvas");
    canvas.width = image.width * scale;
    canvas.height = image.height * scale;
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  } finally {
    URL.revokeObjectURL(url);
  }
}
