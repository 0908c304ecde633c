// One image as the server cuts it for viewing: the tiles that are needed are fetched, coarse ones first.

import { request } from "../api.js";

/** Milliseconds between two questions whether the tiles are made. */
const ASK_EVERY = 300;
/** Tiles that are fetched at a time, and that are kept. */
const [FETCHING, KEPT] = [6, 160];
/** A tile of half the size may be shown this much larger before finer ones are fetched. */
const ENOUGH = 1.3;

/** An image of a job, "original" or "result". */
export class Layer {
  #base;
  #tiles = new Map();
  #fetching = 0;
  #stopped = false;
  #levels = [];

  /** Calls `onChange()` whenever there is more to draw, `onState(view)` as the tiles are being made. */
  constructor(job, image, { onChange, onState }) {
    this.#base = `/api/jobs/${job.id}/pyramid/${image}`;
    Object.assign(this, { onChange, onState, ready: false });
    this.#wait();
  }

  /** Fetches nothing any more. */
  stop() {
    this.#stopped = true;
  }

  async #wait() {
    while (!this.#stopped && !this.ready) {
      const view = await request("GET", this.#base).catch((error) => ({ state: "failed", error: error.message }));
      if (this.#stopped) return;
      this.ready = view.state === "ready";
      if (this.ready) this.#levels = levelsOf(view);
      this.onState(view);
      if (view.state === "failed") return;
      if (this.ready) this.onChange();
      else await new Promise((resolve) => setTimeout(resolve, ASK_EVERY));
    }
  }

  /** Whether all of the image is there, be it coarse. */
  isSeen() {
    return Boolean(this.#tiles.get(`${this.#levels.length - 1}/0/0`)?.image);
  }

  /** Draws what is there of the image as `camera` sees it, between two columns of the canvas. */
  draw(context, camera, pixels, [left, right]) {
    if (!this.ready) return;
    context.save();
    context.beginPath();
    context.rect(left, 0, right - left, context.canvas.height);
    context.clip();
    context.imageSmoothingEnabled = camera.scale * pixels < 2;
    const seen = [...camera.toImage([left / pixels, 0]), ...camera.toImage([right / pixels, camera.screen[1]])];
    const finest = this.#levelFor(camera.scale * pixels);
    const wanted = [];
    for (let level = this.#levels.length - 1; level >= finest; level -= 1) {
      for (const place of this.#placesIn(level, seen)) {
        const tile = this.#tiles.get(place.key);
        if (tile?.image) this.#drawTile(context, camera, pixels, place, tile);
        else if (!tile && (level === finest || level === this.#levels.length - 1)) wanted.push(place);
      }
    }
    context.restore();
    this.#fetch(wanted);
  }

  #levelFor(scale) {
    const level = Math.floor(Math.log2(ENOUGH / scale));
    return Math.min(this.#levels.length - 1, Math.max(0, level));
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
    context.drawImage(tile.image, left, top, right - left, bottom - top);
    // What was drawn last is forgotten last.
    this.#tiles.delete(key);
    this.#tiles.set(key, tile);
  }

  #fetch(wanted) {
    for (const { key } of wanted) {
      if (this.#fetching >= FETCHING) return;
      this.#fetchTile(key);
    }
  }

  async #fetchTile(key) {
    this.#fetching += 1;
    const tile = {};
    this.#tiles.set(key, tile);
    const image = new Image();
    image.src = `${this.#base}/${key}`;
    // A tile that does not come is asked for again when the page is, and its place shows a coarser one.
    await image.decode().then(() => (tile.image = image), () => {});
    this.#fetching -= 1;
    for (const old of this.#tiles.keys()) {
      if (this.#tiles.size <= KEPT) break;
      this.#tiles.delete(old);
    }
    if (!this.#stopped) this.onChange();
  }
}

/** Each copy, the image first: its tiles, and by how much it is smaller. */
function levelsOf({ width, height, tile: side, levels }) {
  return Array.from({ length: levels }, (_, level) => {
    const factor = 2 ** level;
    const many = (length) => Math.ceil(Math.ceil(length / factor) / side);
    return { columns: many(width), rows: many(height), side, factor, width, height };
  });
}
