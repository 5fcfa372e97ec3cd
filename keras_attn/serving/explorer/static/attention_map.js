// The server's outputs as translations, and their maps for the views.
import { byteLength, indexOfByte, slice } from "./bytes.js";
import { links } from "./links.js";
import { mergeAttention, mergeScores, wordSpans } from "./words.js";

export const END = "</s>";
const NO_SOURCE = "(no source)";

// Returns a translation for each hypothesis, best first: the fields of keras_attn's
// `Translation`, without padding.
export function readTranslations(outputs, source, target) {
  const column = (name) => outputs[name]?.[0];
  const isNbest = Array.isArray(column("score"));
  const count = isNbest ? column("score").length : 1;
  const sourceTokens = tokens(column, "source");
  return Array.from({ length: count }, (_, k) => {
    const field = (name) => (isNbest ? column(name)?.[k] : column(name));
    const targetTokens = tokens(field, "target");
    const text = target ?? field("translation");
    const weights = (name) =>
      field(name)
        .slice(0, targetTokens.length)
        .map((row) => row.slice(0, sourceTokens.length));
    return {
      source,
      text,
      score: field("score"),
      source_tokens: sourceTokens,
      target_tokens: targetTokens,
      token_scores: field("token_scores").slice(0, targetTokens.length),
      attention: weights("attention"),
      // Very long texts have none, nor have models without an aligner, nor hypotheses that
      // the search did not find, which are without tokens.
      ...(targetTokens.length && field("alignment")?.[0].length && { alignment: weights("alignment") }),
      source_truncated: column("source_truncated") ?? 0,
      target_truncated: Boolean(field("target_truncated")),
      sentences: sentences(column, field("sentence_target_length"), targetTokens) ?? [
        {
          source_begin: 0,
          source_end: byteLength(source),
          target_begin: 0,
          target_end: byteLength(text),
          source_tokens: [0, sourceTokens.length],
          target_tokens: [0, targetTokens.length],
        },
      ],
    };
  });
}

// Returns the sentences of a text as `Translation` has them; undefined if the server is
// older and does not say.
function sentences(column, targetLengths, targetTokens) {
  let [source, target] = [0, 0];
  return column("sentence_source_length")
    ?.filter((length) => length > 0)
    .map((length, number) => {
      const sourceTokens = [source, (source += length)];
      const range = [target, (target += targetLengths[number])];
      return {
        source_begin: column("sentence_begin")[number],
        source_end: column("sentence_end")[number],
        // A hypothesis that the search did not find has no tokens.
        target_begin: targetTokens[range[0]]?.begin ?? 0,
        target_end: targetTokens[range[1] - 1]?.end ?? 0,
        source_tokens: sourceTokens,
        target_tokens: range,
      };
    });
}

// Returns one sentence of a translation as a translation of its own.
export function sentenceOf(translation, number) {
  const sentence = translation.sentences[number];
  const [first, stop] = sentence.target_tokens;
  const scores = translation.token_scores.slice(first, stop);
  const part = (text, side) => slice(text, indexOfByte(text), sentence[`${side}_begin`], sentence[`${side}_end`]);
  const shifted = (side) =>
    translation[`${side}_tokens`]
      .slice(...sentence[`${side}_tokens`])
      .map(({ piece, begin, end }) => ({ piece, begin: begin - sentence[`${side}_begin`], end: end - sentence[`${side}_begin`] }));
  const sourceTokens = shifted("source");
  // Very long texts come without attention.
  const block = (weights) =>
    weights.slice(first, stop).map((row) => sourceTokens.map((_, s) => row[sentence.source_tokens[0] + s] ?? 0));
  return {
    source: part(translation.source, "source"),
    text: part(translation.text, "target"),
    score: scores.reduce((sum, score) => sum + score, 0),
    source_tokens: sourceTokens,
    target_tokens: shifted("target"),
    token_scores: scores,
    attention: block(translation.attention),
    ...(translation.alignment && { alignment: block(translation.alignment) }),
  };
}

function tokens(field, side) {
  const pieces = field(`${side}_tokens`).slice(0, field(`${side}_length`));
  const [begins, ends] = [field(`${side}_begin`), field(`${side}_end`)];
  return pieces.map((piece, index) => ({ piece, begin: begins[index], end: ends[index] }));
}

// Returns the maps of a translation by name: {attention} or {alignment, attention}.
export function makeMaps(translation, unit) {
  const maps = { attention: makeMap(translation, translation.attention, unit) };
  if (translation.alignment) maps.alignment = toAlignment(makeMap(translation, translation.alignment, unit));
  return maps;
}

// Turns the last column into "no source", what the words of a row lack to 1.
function toAlignment(map) {
  map.weights = map.weights.map((row) => {
    const words = row.slice(0, -1);
    return [...words, Math.min(1, Math.max(0, 1 - words.reduce((sum, weight) => sum + weight, 0)))];
  });
  map.source.units.at(-1).label = NO_SOURCE;
  return { ...map, name: "alignment", links: links(map.weights) };
}

// Returns {name, source, target, weights, links, blank}: `weights` has a row for each of
// target.units and a column for each of source.units, the end token last in both;
// `links` has [target, source] of linked words, `null` for attention.
function makeMap(translation, attention, unit) {
  const { source_tokens, target_tokens, token_scores } = translation;
  if (unit === "subwords") {
    const source = side(translation.source, source_tokens, (token) => token.piece);
    const target = side(translation.text, target_tokens, (token) => token.piece);
    return buildMap(source, target, attention, token_scores);
  }
  const sourceSpans = wordSpans(translation.source);
  const targetSpans = wordSpans(translation.text);
  return buildMap(
    side(translation.source, withEnd(sourceSpans, translation.source)),
    side(translation.text, withEnd(targetSpans, translation.text)),
    mergeAttention(attention, source_tokens, target_tokens, sourceSpans, targetSpans),
    mergeScores(token_scores, target_tokens, targetSpans),
  );
}

function buildMap(source, target, weights, scores) {
  target.units.forEach((unit, index) => (unit.score = scores[index]));
  return { name: "attention", source, target, weights, links: null, blank: !weights.some((row) => row.some((w) => w > 0)) };
}

function withEnd(spans, text) {
  const length = byteLength(text);
  return [...spans, { begin: length, end: length }];
}

// A unit has the label that pictures show and its surface in the text.
function side(text, spans, label) {
  const indices = indexOfByte(text);
  const units = spans.map((span, position) => {
    const isEnd = position === spans.length - 1 && span.begin === span.end;
    const surface = slice(text, indices, span.begin, span.end);
    const shown = isEnd ? END : printable(label ? label(span) : surface);
    return { label: shown, surface, begin: indices[span.begin], end: indices[span.end], isEnd };
  });
  return { text, units };
}

// Returns `label` without characters that reverse or hide their neighbours.
function printable(label) {
  const shown = label
    .replace(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, "")
    .replace(/[\u0000-\u001f]/gu, (c) => String.fromCodePoint(0x2400 + c.codePointAt(0)));
  if (/[^\p{Cf}\p{M}\p{Zs}]/u.test(shown)) return shown;
  const codes = [...label].map((c) => `U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`);
  return codes.join(" ") || "(empty)";
}
