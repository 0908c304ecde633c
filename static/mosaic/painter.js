// Draws a mosaic on a canvas: all of it when its size changes, else only the changed tiles.

import { DIM, colourOf } from "./colours.js";
import { drawCorner, drawDimmed, drawEdge, drawEmpty, drawStripes } from "./marks.js";
import { paintTint } from "./tint.js";

/** A tile of at least this side in CSS pixels has an edge in its worker's colour; a smaller one is tinted. */
const EDGED = 14;
const TINT = 0.3;
/** Milliseconds that a tile glows after it arrived, and the most tiles that glow at a time. */
const [GLOW, GLOWING] = [700, 200];
/** More changed tiles than this are drawn together rather than one by one. */
const MANY = 2000;

const calm = matchMedia("(prefers-reduced-motion: reduce)");

/** Draws a mosaic on `canvas`. */
export class Painter {
  #canvas;
  #context;
  #mosaic = null;
  /** The picture and its tint as canvases, which can be drawn at any size. */
  #picture = new OffscreenCanvas(1, 1).getContext("2d");
  #tint = new OffscreenCanvas(1, 1).getContext("2d");
  #changed = new Set();
  /** The arrival time of each glowing tile. */
  #glowing = new Map();
  #whole = false;
  #asked = false;
  #coloured = true;
  #wanted = 0;

  constructor(canvas) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
    new ResizeObserver(() => this.redraw()).observe(canvas);
  }

  /** Shows this mosaic from now on. */
  show(mosaic) {
    this.#mosaic = mosaic;
    Object.assign(this.#picture.canvas, { width: mosaic.picture.width, height: mosaic.picture.height });
    Object.assign(this.#tint.canvas, { width: mosaic.columns, height: mosaic.rows });
    this.#changed = new Set();
    this.#glowing.clear();
    this.redraw();
  }

  /** Draws these tiles at the next frame. */
  update(changed) {
    for (const tile of changed) this.#changed.add(tile);
    this.#startGlow(changed);
    this.#ask();
  }

  /** Draws everything at the next frame. */
  redraw() {
    this.#whole = true;
    this.#ask();
  }

  /** Sets whether workers are shown by colour, and which one is selected (0: all). */
  emphasise({ coloured = this.#coloured, wanted = this.#wanted }) {
    if (coloured === this.#coloured && wanted === this.#wanted) return;
    [this.#coloured, this.#wanted] = [coloured, wanted];
    this.redraw();
  }

  /** The place of a tile on the canvas in whole pixels, so that neighbours meet. */
  place(tile) {
    const { x, y, width, height } = this.#mosaic.region(tile);
    const scale = this.#canvas.width / this.#mosaic.width;
    const [left, top] = [Math.round(x * scale), Math.round(y * scale)];
    const [right, bottom] = [Math.round((x + width) * scale), Math.round((y + height) * scale)];
    return { left, top, width: Math.max(1, right - left), height: Math.max(1, bottom - top) };
  }

  #ask() {
    if (this.#asked || !this.#mosaic) return;
    this.#asked = true;
    requestAnimationFrame((now) => this.#frame(now));
  }

  #frame(now) {
    this.#asked = false;
    this.#draw(now);
    if (this.#glowing.size) this.#ask();
  }

  #draw(now) {
    const faded = [...this.#glowing].filter(([, came]) => now - came > GLOW);
    for (const [tile] of faded) this.#glowing.delete(tile);
    const tiles = new Set([...this.#changed, ...this.#glowing.keys(), ...faded.map(([tile]) => tile)]);
    this.#changed.clear();
    if (this.#whole || tiles.size > MANY) {
      this.#fit();
      this.#picture.putImageData(this.#mosaic.picture, 0, 0);
      this.#drawWhole();
      this.#whole = false;
    } else {
      if (tiles.size) this.#picture.putImageData(this.#mosaic.picture, 0, 0);
      for (const tile of tiles) this.#drawTile(tile);
    }
    for (const [tile, came] of this.#glowing) this.#drawGlow(tile, 1 - (now - came) / GLOW);
  }

  /** Sizes the canvas to the pixels of the screen, at most two for each CSS pixel. */
  #fit() {
    const { clientWidth, clientHeight } = this.#canvas;
    this.#canvas.width = Math.max(1, Math.round(clientWidth * this.#pixels()));
    this.#canvas.height = Math.max(1, Math.round(clientHeight * this.#pixels()));
  }

  #pixels() {
    return Math.min(devicePixelRatio, 2);
  }

  #drawWhole() {
    const { width, height } = this.#canvas;
    const { slot, count } = this.#mosaic;
    this.#context.clearRect(0, 0, width, height);
    this.#drawParts(this.#picture.canvas, slot, true);
    if (this.#isEdged()) {
      for (let tile = 0; tile < count; tile += 1) this.#drawMarks(tile);
    } else if (this.#coloured) {
      paintTint(this.#tint, this.#mosaic, this.#mosaic.workers.map((_, number) => this.#tintOf(number)));
      this.#drawParts(this.#tint.canvas, 1, false);
      for (let tile = 0; tile < count; tile += 1) this.#drawHands(tile);
    }
  }

  /** Draws a grid of cells of `cell` pixels; the last column and row may have smaller tiles. */
  #drawParts(canvas, cell, smooth) {
    const { columns, rows } = this.#mosaic;
    this.#context.imageSmoothingEnabled = smooth;
    const cuts = (many) => (many > 1 ? [[0, many - 1], [many - 1, many]] : [[0, 1]]);
    for (const [top, bottom] of cuts(rows)) {
      for (const [left, right] of cuts(columns)) {
        const from = this.place(top * columns + left);
        const to = this.place((bottom - 1) * columns + right - 1);
        this.#context.drawImage(
          canvas, left * cell, top * cell, (right - left) * cell, (bottom - top) * cell,
          from.left, from.top, to.left + to.width - from.left, to.top + to.height - from.top,
        );
      }
    }
  }

  #drawTile(tile) {
    const { columns, slot } = this.#mosaic;
    const { left, top, width, height } = this.place(tile);
    const [x, y] = [(tile % columns) * slot, Math.floor(tile / columns) * slot];
    this.#context.clearRect(left, top, width, height);
    this.#context.imageSmoothingEnabled = true;
    this.#context.drawImage(this.#picture.canvas, x, y, slot, slot, left, top, width, height);
    if (this.#isEdged()) {
      this.#drawMarks(tile);
    } else if (this.#coloured && this.#mosaic.back[tile]) {
      this.#context.fillStyle = this.#tintOf(this.#mosaic.worker[tile]);
      this.#context.fillRect(left, top, width, height);
      this.#drawHands(tile);
    }
  }

  #isEdged() {
    const { side, width } = this.#mosaic;
    return (side / width) * this.#canvas.clientWidth >= EDGED;
  }

  /** Draws the marks of a tile that is large enough for them. */
  #drawMarks(tile) {
    const mosaic = this.#mosaic;
    const place = this.place(tile);
    const worker = mosaic.worker[tile];
    if (!mosaic.back[tile]) {
      if (mosaic.failed.has(tile)) drawStripes(this.#context, place, mosaic.before(tile));
      else drawEmpty(this.#context, place);
    } else if (this.#coloured && this.#wanted && worker !== this.#wanted) {
      drawDimmed(this.#context, place);
    } else if (this.#coloured) {
      drawEdge(this.#context, place, worker, this.#pixels());
      this.#drawHands(tile);
    }
  }

  /** Draws the mark of a tile that changed hands, unless another worker is selected. */
  #drawHands(tile) {
    const mosaic = this.#mosaic;
    if (!mosaic.changedHands(tile) || (this.#wanted && mosaic.worker[tile] !== this.#wanted)) return;
    drawCorner(this.#context, this.place(tile), mosaic.before(tile), this.#pixels());
  }

  #drawGlow(tile, strength) {
    const { left, top, width, height } = this.place(tile);
    this.#context.fillStyle = colourOf(this.#mosaic.worker[tile], Math.max(0, 0.75 * strength));
    this.#context.fillRect(left, top, width, height);
  }

  #startGlow(changed) {
    if (calm.matches || changed.size > GLOWING) return;
    const now = performance.now();
    for (const tile of changed) {
      if (this.#glowing.size >= GLOWING) return;
      if (this.#mosaic.back[tile]) this.#glowing.set(tile, now);
    }
  }

  /** The tint over small tiles of a worker. */
  #tintOf(worker) {
    return this.#wanted && worker !== this.#wanted ? DIM : colourOf(worker, TINT);
  }
}
