// Inspects single tiles of a mosaic: by pointer, by tap, or with the arrow keys.

import { count, plural } from "../words.js";

const STEPS = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
  Home: [-Infinity, 0],
  End: [Infinity, 0],
};

/** Calls `onTile(tile)` with the inspected tile on `canvas`, or null. */
export function createInspector(canvas, onTile) {
  let mosaic = null;
  let chosen = null;

  function choose(tile) {
    if (tile === chosen) return;
    chosen = tile;
    onTile(tile);
  }

  function tileUnder({ offsetX, offsetY }) {
    const scale = mosaic.width / canvas.clientWidth;
    const column = Math.floor((offsetX * scale) / mosaic.side);
    const row = Math.floor((offsetY * scale) / mosaic.side);
    const inside = column >= 0 && row >= 0 && column < mosaic.columns && row < mosaic.rows;
    return inside ? row * mosaic.columns + column : null;
  }

  canvas.addEventListener("pointermove", (event) => mosaic && choose(tileUnder(event)));
  canvas.addEventListener("pointerdown", (event) => mosaic && choose(tileUnder(event)));
  canvas.addEventListener("pointerleave", ({ pointerType }) => {
    if (pointerType === "mouse" && document.activeElement !== canvas) choose(null);
  });
  canvas.addEventListener("focus", () => mosaic && chosen === null && choose(0));
  canvas.addEventListener("blur", () => choose(null));
  canvas.addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    if (!step || !mosaic || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const [column, row] = [(chosen ?? 0) % mosaic.columns, Math.floor((chosen ?? 0) / mosaic.columns)];
    const clamp = (value, many) => Math.min(many - 1, Math.max(0, value));
    const next = [clamp(column + step[0], mosaic.columns), clamp(row + step[1], mosaic.rows)];
    choose(next[1] * mosaic.columns + next[0]);
  });

  return {
    show(shown) {
      mosaic = shown;
      chosen = null;
      onTile(null);
    },
    chosen: () => chosen,
  };
}

/** Describes a tile in a sentence. */
export function describe(mosaic, tile) {
  const [column, row] = [tile % mosaic.columns, Math.floor(tile / mosaic.columns)];
  const place = `Tile ${count(tile)} (row ${row + 1}, column ${column + 1})`;
  const failed = mosaic.failed.get(tile);
  const past = failed ? `; attempt ${failed.attempt} failed on ${failed.worker}: ${failed.cause}` : "";
  if (!mosaic.back[tile]) return `${place}: not back yet${past}`;
  const worker = mosaic.workers[mosaic.worker[tile]];
  if (!worker) return `${place}: back, from an unknown worker${past}`;
  const { attempt, millis } = mosaic;
  const taken = mosaic.taken[tile] ? ", taken over from a worker that died" : "";
  return `${place}: ${worker}, attempt ${attempt[tile]}, ${plural(millis[tile], "millisecond")}${taken}${past}`;
}
