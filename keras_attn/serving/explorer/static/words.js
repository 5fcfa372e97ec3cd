// Words in a text and attention between them: the rules of keras_attn/text/words.py.
import { utf8Length } from "./bytes.js";

// Letters and digits with their marks; an apostrophe or hyphen inside belongs to the
// word; any other mark that is not a space is a word of its own.
const WORD = /[\p{L}\p{N}]A*(?:[\p{L}\p{N}]A*|['’-](?=[\p{L}\p{N}]))*|[^\p{L}\p{N}\s_]A*|_A*/gu;
const ACCENT = "\u0300";
const COMBINING = /^[\p{M}\u00ad\u200c\u200d]$/u;
const INVISIBLE = /^[\p{Cc}\p{Cf}]$/u;

// Returns {begin, end} in bytes of each word of `text`, in order.
export function wordSpans(text) {
  const starts = [];  // byte of each index of the skeleton
  let skeleton = "";
  let byte = 0;
  for (const character of text) {
    let role = character;
    if (COMBINING.test(character)) role = ACCENT;
    else if (INVISIBLE.test(character)) role = " ";
    skeleton += role;
    for (let unit = 0; unit < role.length; unit++) starts.push(byte);
    byte += utf8Length(character);
  }
  starts.push(byte);
  const pattern = new RegExp(WORD.source.replaceAll("A", ACCENT), "gu");
  return [...skeleton.matchAll(pattern)].map((match) => ({
    begin: starts[match.index],
    end: starts[match.index + match[0].length],
  }));
}

// Returns rows of attention between words: summed over the source tokens of a word,
// averaged over the target tokens of a word; the end tokens are last.
export function mergeAttention(attention, sourceTokens, targetTokens, sourceSpans, targetSpans) {
  const source = shares(sourceTokens, sourceSpans);
  const target = shares(targetTokens, targetSpans);
  const rows = zeros(targetSpans.length + 1, sourceSpans.length + 1);
  const tokens = new Array(rows.length).fill(0);
  target.forEach((words, t) => {
    for (const [row, part] of words) {
      tokens[row] += part;
      source.forEach((columns, s) => {
        for (const [column, share] of columns) {
          rows[row][column] += part * attention[t][s] * share;
        }
      });
    }
  });
  return rows.map((row, r) => row.map((sum) => (tokens[r] ? sum / tokens[r] : 0)));
}

// Returns each word's sum of the values of its target tokens.
export function mergeScores(scores, tokens, spans) {
  const sums = new Array(spans.length + 1).fill(0);
  shares(tokens, spans).forEach((words, t) => {
    for (const [word, part] of words) sums[word] += part * scores[t];
  });
  return sums;
}

// Returns for each token the words that it overlaps, as [word, share of the token].
function shares(tokens, spans) {
  return tokens.map(({ begin, end }, position) => {
    const overlaps = [];
    spans.forEach((span, word) => {
      const bytes = Math.min(end, span.end) - Math.max(begin, span.begin);
      if (bytes > 0) overlaps.push([word, bytes]);
    });
    const total = overlaps.reduce((sum, [, bytes]) => sum + bytes, 0);
    if (total) return overlaps.map(([word, bytes]) => [word, bytes / total]);
    const isEnd = position === tokens.length - 1 && begin === end;
    const following = spans.findIndex((span) => span.end > begin);
    const word = following < 0 ? spans.length - 1 : following;
    return [[isEnd || !spans.length ? spans.length : word, 1]];
  });
}

const zeros = (rows, columns) =>
  Array.from({ length: rows }, () => new Array(columns).fill(0));
