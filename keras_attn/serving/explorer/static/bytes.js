// Conversion between UTF-8 byte offsets, as the server counts, and string indices.

// Returns `text` with lone surrogates, which UTF-8 lacks, replaced by U+FFFD.
export const wellFormed = (text) => new TextDecoder().decode(new TextEncoder().encode(text));

// Returns for each byte of `text`, and for its end, the index of its character.
// A byte inside of a character belongs to the character's first index.
export function indexOfByte(text) {
  const indices = [];
  let index = 0;
  for (const character of text) {
    for (let byte = utf8Length(character); byte > 0; byte--) indices.push(index);
    index += character.length;
  }
  indices.push(index);
  return indices;
}

export const byteLength = (text) => indexOfByte(text).length - 1;

export function utf8Length(character) {
  const code = character.codePointAt(0);
  return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

// Returns the characters that begin in bytes begin..end of a text, given its
// indexOfByte; offsets out of range are cut to it.
export function slice(text, indices, begin, end) {
  const last = indices.length - 1;
  return text.slice(indices[Math.min(begin, last)], indices[Math.min(end, last)]);
}
