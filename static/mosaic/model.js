// The known state of a job's tiles: pixels, worker, attempt, and failed attempts of each.

/** Bytes of a packed tile before its pixels. */
const HEAD = 12;
/** The bit of a packed attempt that says that the tile was taken over from a worker that died. */
const TAKEN = 0x8000;

/** The tiles of one job. */
export class Mosaic {
  constructor(job) {
    const { id, result_width: width, result_height: height, tile_size: side } = job;
    Object.assign(this, { id, width, height, side });
    this.columns = Math.ceil(width / side);
    this.rows = Math.ceil(height / side);
    this.count = this.columns * this.rows;
    /** Side of a tile's slot in the picture, in pixels. */
    this.slot = Math.min(128, Math.max(1, Math.floor(512 / Math.max(this.columns, this.rows))));
    /** All slots side by side. */
    this.picture = new ImageData(this.columns * this.slot, this.rows * this.slot);
    /** Names of workers, and for each tile the number of its own, 0 if unknown. */
    this.workers = [""];
    this.worker = new Uint16Array(this.count);
    this.attempt = new Uint16Array(this.count);
    /** Whether a tile was taken over from a worker that died. */
    this.taken = new Uint8Array(this.count);
    this.millis = new Uint32Array(this.count);
    this.back = new Uint8Array(this.count);
    this.done = 0;
    /** Failed attempts by tile, also of tiles that are back: `{ worker, attempt, cause }`. */
    this.failed = new Map();
  }

  /** Applies the tiles of an event; `anew` says that they are all there are. Returns the changed tiles. */
  apply({ workers, failed, packed, anew }) {
    const changed = new Set(this.#noteFailed(failed));
    if (anew) for (const tile of this.#clear()) changed.add(tile);
    const numbers = [0, ...workers.map((name) => this.#numberOf(name))];
    const bytes = fromBase64(packed);
    const view = new DataView(bytes.buffer);
    const length = HEAD + 4 * this.slot ** 2;
    for (let at = 0; at + length <= bytes.length; at += length) {
      const tile = view.getUint32(at, true);
      const [worker, attempt] = [view.getUint16(at + 4, true), view.getUint16(at + 6, true)];
      const taken = (attempt & TAKEN) !== 0;
      this.#note(tile, numbers[worker], attempt & ~TAKEN, taken, view.getUint32(at + 8, true));
      this.#paint(tile, bytes.subarray(at + HEAD, at + length));
      changed.add(tile);
    }
    return changed;
  }

  /** Applies the whole mosaic, as `/tiles` and `/mosaic` return it. Returns the changed tiles. */
  applyWhole({ tiles, picture }) {
    const { width, height } = this.picture;
    const gone = this.#clear();
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(picture, 0, 0);
    this.picture.data.set(context.getImageData(0, 0, width, height).data);
    for (const { tile, worker, attempt, taken_over: taken, millis } of tiles) {
      this.#note(tile, worker ? this.#numberOf(worker) : 0, attempt ?? 0, Boolean(taken), millis ?? 0);
    }
    return new Set([...gone, ...tiles.map(({ tile }) => tile)]);
  }

  /** Paints the tiles that never arrived, the last ones of an ended job, from a thumbnail. Returns them. */
  complete(image) {
    const { width, height } = this.picture;
    const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
    const changed = new Set();
    for (let tile = 0; tile < this.count; tile += 1) {
      if (this.back[tile]) continue;
      const { x, y, width: w, height: h } = this.region(tile);
      const scale = image.naturalWidth / this.width;
      const [left, top] = this.#corner(tile);
      context.drawImage(image, x * scale, y * scale, w * scale, h * scale, left, top, this.slot, this.slot);
      this.#paint(tile, context.getImageData(left, top, this.slot, this.slot).data);
      this.#note(tile, 0, 0, false, 0);
      changed.add(tile);
    }
    return changed;
  }

  /** The rectangle of the image that a tile covers. */
  region(tile) {
    const [x, y] = [(tile % this.columns) * this.side, Math.floor(tile / this.columns) * this.side];
    return { x, y, width: Math.min(this.side, this.width - x), height: Math.min(this.side, this.height - y) };
  }

  /** Tiles by worker: `[number, count]`, in the order in which the workers first appeared. */
  shares() {
    const counts = new Array(this.workers.length).fill(0);
    for (let tile = 0; tile < this.count; tile += 1) {
      if (this.back[tile]) counts[this.worker[tile]] += 1;
    }
    return [...counts.entries()].filter(([number, count]) => number > 0 && count > 0);
  }

  /** The number of the worker that failed at a tile before its present one; 0 if none did. */
  before(tile) {
    const failed = this.failed.get(tile);
    const number = failed ? this.#numberOf(failed.worker) : 0;
    return number === this.worker[tile] ? 0 : number;
  }

  /** Whether a tile that is back needed more than one attempt or worker. */
  changedHands(tile) {
    if (!this.back[tile]) return false;
    return this.attempt[tile] > 1 || this.taken[tile] === 1 || this.before(tile) > 0;
  }

  /** The number of tiles that changed hands. */
  hands() {
    let many = 0;
    for (let tile = 0; tile < this.count; tile += 1) if (this.changedHands(tile)) many += 1;
    return many;
  }

  /** Forgets the tiles that are back. Returns them. */
  #clear() {
    const gone = [];
    this.back.forEach((back, tile) => back && gone.push(tile));
    this.back.fill(0);
    this.picture.data.fill(0);
    this.done = 0;
    return gone;
  }

  #noteFailed(failed) {
    const news = failed.filter(({ tile, attempt }) => this.failed.get(tile)?.attempt !== attempt);
    for (const attempt of news) this.failed.set(attempt.tile, attempt);
    return news.map(({ tile }) => tile);
  }

  #note(tile, worker, attempt, taken, millis) {
    if (!this.back[tile]) this.done += 1;
    this.back[tile] = 1;
    this.worker[tile] = worker;
    this.attempt[tile] = attempt;
    this.taken[tile] = taken;
    this.millis[tile] = millis;
  }

  #corner(tile) {
    return [(tile % this.columns) * this.slot, Math.floor(tile / this.columns) * this.slot];
  }

  #paint(tile, pixels) {
    const [left, top] = this.#corner(tile);
    const { data, width } = this.picture;
    const row = 4 * this.slot;
    for (let y = 0; y < this.slot; y += 1) {
      data.set(pixels.subarray(y * row, (y + 1) * row), 4 * ((top + y) * width + left));
    }
  }

  #numberOf(name) {
    const known = this.workers.indexOf(name, 1);
    return known > 0 ? known : this.workers.push(name) - 1;
  }
}

function fromBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const binary = atob(text);
  return Uint8Array.from({ length: binary.length }, (_, at) => binary.charCodeAt(at));
}
