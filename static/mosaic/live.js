// The live mosaic of the shown job: its tiles appear in their finished pixels as they come back.

import { at, say, show } from "../dom.js";
import { ended, plural } from "../words.js";
import { createInspector, describe } from "./inspector.js";
import { createLegend } from "./legend.js";
import { Mosaic } from "./model.js";
import { Painter } from "./painter.js";

const canvas = at("mosaic");
const painter = new Painter(canvas);
const inspector = createInspector(canvas, showTile);
const legend = createLegend(at("legend"), (wanted) => painter.emphasise({ wanted }));
/** Milliseconds between two counts of the tiles of each worker. */
const COUNT_EVERY = 250;

let mosaic = null;
let states = new Map();
let counting = null;

export function startMosaic() {
  const coloured = at("coloured");
  coloured.addEventListener("change", () => painter.emphasise({ coloured: coloured.checked }));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => painter.redraw());
}

/**
 * Shows the tiles of this job, or none: a job that had ended before it was opened has only its result.
 * Returns whether there are tiles to show.
 */
export function showMosaic(job) {
  if (!job || (ended(job) && !isSeen(job))) mosaic = null;
  else if (job.id !== mosaic?.id) begin(job);
  if (mosaic && job.status === "complete" && mosaic.done < mosaic.count) fill(job);
  return Boolean(mosaic);
}

/** Whether there are tiles to show, now or once the thumbnail of the result fills them in. */
const isSeen = ({ id, status }) => id === mosaic?.id && (mosaic.done > 0 || status === "complete");

function begin(job) {
  mosaic = new Mosaic(job);
  canvas.style.aspectRatio = `${job.result_width} / ${job.result_height}`;
  canvas.style.setProperty("--wide", job.result_width);
  legend.reset();
  showHands(0);
  painter.show(mosaic);
  inspector.show(mosaic);
  countShares();
}

/** Applies a `tiles` event of the followed job. */
export function paintTiles(event) {
  if (event.job === mosaic?.id) changed(mosaic.apply(event));
}

/** Applies the whole mosaic of the followed job. */
export function paintMosaic(event) {
  if (event.job === mosaic?.id) changed(mosaic.applyWhole(event));
}

/** Notes the state of each worker for the legend. */
export function noteWorkers(workers) {
  states = new Map(workers.map(({ id, state }) => [id, state]));
  if (mosaic) countShares();
}

function changed(tiles) {
  painter.update(tiles);
  if (tiles.has(inspector.chosen())) showTile(inspector.chosen());
  countShares();
}

function countShares() {
  counting ??= setTimeout(() => {
    counting = null;
    if (!mosaic) return;
    legend.show(mosaic, states);
    showHands(mosaic.hands());
  }, COUNT_EVERY);
}

/** Explains the marked corners once there is one. */
function showHands(tiles) {
  show(at("hands"), tiles > 0);
  say(at("hands"), `◥ ${plural(tiles, "tile")} needed more than one attempt or worker`);
}

function fill({ id, links }) {
  if (!links.thumbnail) return;
  const image = new Image();
  image.onload = () => id === mosaic?.id && changed(mosaic.complete(image));
  image.src = links.thumbnail;
}

function showTile(tile) {
  const cursor = at("tile-cursor");
  show(cursor, tile !== null);
  if (tile === null) {
    say(at("tile-said"), "Point at a tile, tap it, or use the arrow keys to see which worker made it.");
    return;
  }
  say(at("tile-said"), describe(mosaic, tile));
  const { left, top, width, height } = painter.place(tile);
  const scale = canvas.clientWidth / canvas.width;
  const pixels = { left, top, width, height };
  for (const [side, value] of Object.entries(pixels)) cursor.style[side] = `${value * scale}px`;
}
