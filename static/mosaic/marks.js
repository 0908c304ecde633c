// The marks over a tile; their second argument is its place in pixels of the canvas.

import { DIM, colourOf } from "./colours.js";

/** Width of an edge in CSS pixels, drawn inside the tile. */
const EDGE = 2;
/** The least side of a marked corner in CSS pixels; smaller only in a smaller tile. */
const CORNER = 5;
const EMPTY = "rgb(128 128 128 / 0.35)";

/** A tile that is not back: only its outline. */
export function drawEmpty(context, { left, top, width, height }) {
  context.strokeStyle = EMPTY;
  context.lineWidth = 1;
  context.strokeRect(left + 0.5, top + 0.5, width - 1, height - 1);
}

/** A tile of another worker than the selected one. */
export function drawDimmed(context, { left, top, width, height }) {
  context.fillStyle = DIM;
  context.fillRect(left, top, width, height);
}

/** A tile that is back: an edge in the colour of its worker. */
export function drawEdge(context, { left, top, width, height }, worker, pixels) {
  const line = EDGE * pixels;
  context.strokeStyle = colourOf(worker);
  context.lineWidth = line;
  context.strokeRect(left + line / 2, top + line / 2, width - line, height - line);
}

/**
 * A tile that changed hands: a corner in the colour of the worker before, white if that one is unknown.
 * The dark line makes it visible on any picture.
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

/** A tile with a failed attempt that is not back: stripes in the colour of the worker that failed. */
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
