// One image of a pyramid: fetches the tiles that are needed, coarse ones first.

import { here, request } from "../api.js";

/** Milliseconds between two requests whether the tiles are made. */
const ASK_EVERY = 300;
/** Milliseconds before the first retry of a failed request, and at most between two. */
const [FIRST, MOST] = [1000, 30_000];
/** The most tiles that are fetched at a time, and that are kept. */
const [FETCHING, KEPT] = [6, 160];
/** A tile of half the size may be enlarged by this much before finer ones are fetched. */
const ENOUGH = 1.3;

/** An image of a job, "original" or "result". */
export class Layer {
  #base;
  #tiles = new Map();
  #fetching = 0;
  #stopped = false;
  #levels = [];
  #finest = Infinity;

  /** Calls `onChange()` whenever there is more to draw, `onState(view)` while the tiles are being made. */
  constructor(job, image, { onChange, onState }) {
    this.#base = `/api/jobs/${job.id}/pyramid/${image}`;
    Object.assign(this, { onChange, onState, ready: false, sharp: false });
    this.#wait();
  }

  /** Stops fetching. */
  stop() {
    this.#stopped = true;
  }

  async #wait() {
    let failures = 0;
    while (!this.#stopped && this.#finest > 0) {
      const view = await request("GET", this.#base).catch(viewWithout);
      if (this.#stopped) return;
      failures = view.state === "away" ? failures + 1 : 0;
      const finest = view.finest ?? Infinity;
      const isMore = finest < this.#finest;
      if (isMore) [this.ready, this.#finest, this.#levels] = [true, finest, levelsOf(view)];
      // The coarse tiles fill a screen: finer ones are not needed before the reader zooms in.
      this.onState(this.ready && view.state === "making" ? { ...view, state: "ready" } : view);
      if (view.state === "failed") return;
      if (isMore) this.onChange();
      if (finest > 0) await new Promise((resolve) => setTimeout(resolve, failures ? pauseAfter(failures) : ASK_EVERY));
    }
  }

  /** Whether the whole image can be drawn, at least coarsely. */
  isSeen() {
    return Boolean(this.#tiles.get(this.#coarsest())?.image);
  }

  /** The key of the tile that has the whole image: needed even if none of the image is within the columns. */
  #coarsest() {
    return `${this.#levels.length - 1}/0/0`;
  }

  /** Draws the available tiles as `camera` sees them, between two columns of the canvas. */
  draw(context, camera, pixels, [left, right]) {
    if (!this.ready) return;
    context.save();
    context.beginPath();
    context.rect(left, 0, right - left, context.canvas.height);
    context.clip();
    context.imageSmoothingEnabled = camera.scale * pixels < 2;
    const seen = [...camera.toImage([left / pixels, 0]), ...camera.toImage([right / pixels, camera.screen[1]])];
    const finest = this.#levelFor(camera.scale * pixels);
    const wanted = [this.#coarsest()];
    this.sharp = true;
    for (let level = this.#levels.length - 1; level >= finest; level -= 1) {
      for (const place of this.#placesIn(level, seen)) {
        const tile = this.#tiles.get(place.key);
        if (tile?.image) this.#drawTile(context, camera, pixels, place, tile);
        else if (level === finest) {
          this.sharp = false;
          wanted.push(place.key);
        }
      }
    }
    context.restore();
    this.#fetch(wanted);
  }

  #levelFor(scale) {
    const level = Math.floor(Math.log2(ENOUGH / scale));
    return Math.min(this.#levels.length - 1, Math.max(this.#finest, level));
  }

  *#placesIn(level, [x0, y0, x1, y1]) {
    const { columns, rows, side, factor } = this.#levels[level];
    const first = (from) => Math.max(0, Math.floor(from / factor / side));
    const end = (to, many) => Math.min(many, Math.ceil(to / factor / side));
    for (let row = first(y0); row < end(y1, rows); row += 1) {
      for (let column = first(x0); column < end(x1, columns); column += 1) {
        yield { level, column, row, key: `${level}/${column}/${row}` };
      }
    }
  }

  #drawTile(context, camera, pixels, { level, column, row, key }, tile) {
    const { side, factor, width, height } = this.#levels[level];
    const edge = (place, limit) => Math.min(place * side * factor, limit);
    const corner = (c, r) => camera.toScreen([edge(c, width), edge(r, height)]).map((at) => Math.round(at * pixels));
    const [[left, top], [right, bottom]] = [corner(column, row), corner(column + 1, row + 1)];
    // Coarser pixels would show through where the image has alpha.
    context.clearRect(left, top, right - left, bottom - top);
    context.drawImage(tile.image, left, top, right - left, bottom - top);
    // To the end of the map: the least recently drawn tile is evicted first.
    this.#tiles.delete(key);
    this.#tiles.set(key, tile);
  }

  #fetch(wanted) {
    const now = performance.now();
    for (const key of wanted) {
      if (this.#fetching >= FETCHING) return;
      if (isDue(this.#tiles.get(key), now)) this.#fetchTile(key);
    }
  }

  async #fetchTile(key) {
    this.#fetching += 1;
    const tile = { failures: this.#tiles.get(key)?.failures ?? 0, due: Infinity };
    this.#tiles.set(key, tile);
    const image = new Image();
    image.src = here(`${this.#base}/${key}`);
    await image.decode().then(() => (tile.image = image), () => this.#putOff(tile));
    this.#fetching -= 1;
    for (const old of this.#tiles.keys()) {
      if (this.#tiles.size <= KEPT) break;
      this.#tiles.delete(old);
    }
    if (!this.#stopped) this.onChange();
  }

  /** Schedules a retry for a tile; until then its place shows a coarser one. */
  #putOff(tile) {
    tile.failures += 1;
    const pause = pauseAfter(tile.failures);
    tile.due = performance.now() + pause;
    setTimeout(() => this.#stopped || this.onChange(), pause);
  }
}

/** Whether to fetch a tile: for the first time, or again. */
const isDue = (tile, now) => !tile || (!tile.image && tile.due <= now);

const pauseAfter = (failures) => Math.min(FIRST * 2 ** (failures - 1), MOST);

/** The state after an error: a refusal (4xx) is final, all else may pass. */
function viewWithout({ status, message: error }) {
  return { state: status >= 400 && status < 500 ? "failed" : "away", error };
}

/** The levels, the image itself first: the tiles of each, and the factor by which it is smaller. */
function levelsOf({ width, height, tile: side, levels }) {
  return Array.from({ length: levels }, (_, level) => {
    const factor = 2 ** level;
    const many = (length) => Math.ceil(Math.ceil(length / factor) / side);
    return { columns: many(width), rows: many(height), side, factor, width, height };
  });
}
