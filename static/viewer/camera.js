// The visible part of an image and its scale: pan and zoom, within limits.

/** The most CSS pixels for one pixel of the image. */
const CLOSEST = 16;

/** A view of an image of `width` × `height` pixels, in CSS pixels of the screen. */
export class Camera {
  constructor(width, height) {
    Object.assign(this, { width, height, screen: [1, 1], fitted: true });
    this.fit();
  }

  /** Sets the size of the screen; a fitted image stays fitted. */
  resize(width, height) {
    this.screen = [Math.max(1, width), Math.max(1, height)];
    if (this.fitted) this.fit();
    else this.#settle();
  }

  /** Shows the whole image, no larger than it is. */
  fit() {
    this.fitted = true;
    this.scale = this.#least();
    [this.x, this.y] = [this.width / 2, this.height / 2];
  }

  /** Shows the image at `scale`; the point of the image at this point of the screen stays there. */
  zoomTo(scale, [left, top] = this.screen.map((side) => side / 2)) {
    const [x, y] = this.toImage([left, top]);
    this.scale = Math.min(CLOSEST, Math.max(this.#least(), scale));
    this.fitted = this.scale === this.#least();
    this.x = x - (left - this.screen[0] / 2) / this.scale;
    this.y = y - (top - this.screen[1] / 2) / this.scale;
    this.#settle();
  }

  /** Moves the view by this many pixels of the screen. */
  pan(right, down) {
    this.x -= right / this.scale;
    this.y -= down / this.scale;
    this.#settle();
  }

  /** Brings a point of the image to the middle of the screen. */
  moveTo([x, y]) {
    [this.x, this.y] = [x, y];
    this.#settle();
  }

  /** The point of the image at a point of the screen. */
  toImage([left, top]) {
    const [wide, high] = this.screen;
    return [this.x + (left - wide / 2) / this.scale, this.y + (top - high / 2) / this.scale];
  }

  /** The point of the screen at a point of the image. */
  toScreen([x, y]) {
    const [wide, high] = this.screen;
    return [wide / 2 + (x - this.x) * this.scale, high / 2 + (y - this.y) * this.scale];
  }

  #least() {
    return Math.min(1, this.screen[0] / this.width, this.screen[1] / this.height);
  }

  /** Keeps the image's edges outside the screen, and a smaller image in the middle. */
  #settle() {
    const settle = (centre, side, screen) => {
      const half = screen / 2 / this.scale;
      return side <= 2 * half ? side / 2 : Math.min(side - half, Math.max(half, centre));
    };
    this.x = settle(this.x, this.width, this.screen[0]);
    this.y = settle(this.y, this.height, this.screen[1]);
  }
}
