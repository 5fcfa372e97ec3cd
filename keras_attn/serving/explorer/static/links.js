// Which words are linked: the rule of keras_attn/text/links.py.

// Returns [target, source] for each row of an alignment, without the end token's, whose
// largest weight is not that of "no source", the last column.
export function links(weights) {
  return weights.slice(0, -1).flatMap((row, target) => {
    const source = row.indexOf(Math.max(...row));
    return source < row.length - 1 ? [[target, source]] : [];
  });
}
