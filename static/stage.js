// The picture of a job: its tiles while it is active, then the result over the original, in the same place.

import { at, make, say, show } from "./dom.js";
import { showMosaic, startMosaic } from "./mosaic/live.js";
import { closeViewer, openViewer, startViewer } from "./viewer/compare.js";
import * as words from "./words.js";

const NONE = {
  complete: "The result is no longer kept.",
  failed: "There is no result: the job failed.",
  cancelled: "There is no result: the job was cancelled.",
};

let job = null;
let shown = null;
/** Whether the job has tiles to show, whether its result is sharp by now, and whether the reader wants the tiles. */
let [tiled, sharp, tilesAsked] = [false, false, false];

/** Calls `onAgain(job)` when the reader wants other filters for its image. */
export function startStage(onAgain) {
  startMosaic();
  startViewer({ onSharp: () => sharp || set({ sharp: true }) });
  at("again").addEventListener("click", () => onAgain(job));
  at("show-tiles").addEventListener("click", () => set({ tilesAsked: !tilesAsked }));
}

/** Shows the picture of a job, or none (null); a result that is already shown stays as it is. */
export function showStage(now) {
  if (now?.id !== job?.id) [sharp, tilesAsked] = [false, false];
  job = now;
  tiled = showMosaic(job);
  if (job) at("frame").style.setProperty("--ratio", job.result_width / job.result_height);
  showResult();
  arrange();
}

function set(change) {
  sharp = change.sharp ?? sharp;
  tilesAsked = change.tilesAsked ?? tilesAsked;
  arrange();
}

/** The tiles stay until the result can be seen in its own pixels. */
function arrange() {
  const complete = Boolean(job?.links.result);
  const comparing = complete && !tilesAsked && (sharp || !tiled);
  show(at("stage"), tiled || complete);
  // It keeps its size while it is out of sight: the tiles that it fetches depend on that.
  show(at("comparison"), complete);
  at("comparison").classList.toggle("behind", !comparing);
  for (const id of ["comparison-tools", "zoom-tools", "coordinates"]) show(at(id), comparing);
  show(at("mosaic-frame"), tiled && !comparing, at("viewer"));
  show(at("tiles-caption"), tiled && !comparing, at("viewer"));
  show(at("show-tiles"), complete && tiled && sharp);
  at("show-tiles").setAttribute("aria-pressed", tilesAsked);
}

function showResult() {
  const { original, result } = job?.links ?? {};
  const state = job ? `${job.id} ${job.status} ${original} ${result}` : "";
  if (state === shown) return;
  shown = state;
  closeViewer();
  sharp = false;
  const complete = Boolean(result);
  show(at("download"), complete);
  show(at("original"), complete && Boolean(original));
  show(at("again"), Boolean(original) && words.ended(job));
  say(at("result-said"), complete ? "" : (NONE[job?.status] ?? ""));
  showFacts();
  if (complete) openViewer(job);
}

function showFacts() {
  const complete = Boolean(job?.links.result);
  say(at("result-facts"), complete ? facts() : "");
  at("result-notes").replaceChildren(...(complete ? job.notes : []).map((note) => make("li", {}, note)));
  at("download").href = job?.links.result ?? "";
  at("original").href = job?.links.original ?? "";
}

function facts() {
  const { format, bytes, tiles_total: tiles, tile_size: side, attempts } = job;
  const [width, height] = [job.result_width, job.result_height];
  const again = attempts > 1 ? `; a tile needed ${attempts} attempts` : "";
  const made = `${words.plural(tiles, "tile")} of ${words.count(side)} pixels a side${again}`;
  return [format.toUpperCase(), words.size(width, height), words.bytes(bytes), made].join(", ");
}
