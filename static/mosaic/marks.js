// What is drawn over a tile to tell of it: `place` is where it is, in pixels of the canvas.

import { DIM, colourOf } from "./colours.js";

/** Width of an edge in CSS pixels: what is inside counts. */
const EDGE = 2;
/** Side of a marked corner in CSS pixels, at least, where the tile has as many. */
const CORNER = 5;
const EMPTY = "rgb(128 128 128 / 0.35)";

/** A tile that is not back: only its outline. */
export function drawEmpty(context, { left, top, width, height }) {
  context.strokeStyle = EMPTY;
  context.lineWidth = 1;
  context.strokeRect(left + 0.5, top + 0.5, width - 1, height - 1);
}

/** A tile that is not looked for. */
export function drawDimmed(context, { left, top, width, height }) {
  context.fillStyle = DIM;
  context.fillRect(left, top, width, height);
}

/** A tile that is back: an edge in the colour of who made it. */
export function drawEdge(context, { left, top, width, height }, worker, pixels) {
  const line = EDGE * pixels;
  context.strokeStyle = colourOf(worker);
  context.lineWidth = line;
  context.strokeRect(left + line / 2, top + line / 2, width - line, height - line);
}

/**
 * A tile that changed hands: a corner in the colour of who had it before, white where that is not known.
 * The dark line makes it seen on any picture.
 */
export function drawCorner(context, { left, top, width, height }, before, pixels) {
  const least = Math.min(width, height);
  const side = Math.min(least, Math.max(CORNER * pixels, least / 3));
  context.fillStyle = before ? colourOf(before) : "#ffffff";
  context.strokeStyle = "#000000";
  context.lineWidth = pixels;
  context.beginPath();
  context.moveTo(left + width, top + side);
  context.lineTo(left + width, top);
  context.lineTo(left + width - side, top);
  context.fill();
  context.beginPath();
  context.moveTo(left + width - side, top);
  context.lineTo(left + width, top + side);
  context.stroke();
}

/** A tile that was tried in vain and is not back: stripes in the colour of who tried. */
export function drawStripes(context, { left, top, width, height }, before) {
  context.save();
  context.beginPath();
  context.rect(left, top, width, height);
  context.clip();
  context.strokeStyle = colourOf(before);
  context.lineWidth = 3;
  for (let x = -height; x < width; x += 9) {
    context.beginPath();
    context.moveTo(left + x, top + height);
    context.lineTo(left + x + height, top);
    context.stroke();
  }
  context.restore();
}
