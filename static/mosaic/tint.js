// The tint of a mosaic whose tiles are too small for edges: one pixel for each tile that is back.

/** Paints the whole tint; `colours` has one for each worker, by its number. */
export function paintTint(context, { columns, rows, count, back, worker }, colours) {
  const image = new ImageData(columns, rows);
  const pixels = new Uint32Array(image.data.buffer);
  const packed = pack(colours);
  for (let tile = 0; tile < count; tile += 1) if (back[tile]) pixels[tile] = packed[worker[tile]];
  context.putImageData(image, 0, 0);
}

/** CSS colours as pixels: filling a million tiles one by one would take seconds. */
function pack(colours) {
  const context = new OffscreenCanvas(colours.length, 1).getContext("2d", { willReadFrequently: true });
  colours.forEach((colour, x) => {
    context.fillStyle = colour;
    context.fillRect(x, 0, 1, 1);
  });
  return new Uint32Array(context.getImageData(0, 0, colours.length, 1).data.buffer);
}
