// The overview map: the whole image, small, with a frame around the visible part.

import { show } from "../dom.js";

/** Its longer side in CSS pixels. */
const SIDE = 140;

/** Draws on `canvas`; calls `onMove(point)` with the point of the image to move to. */
export function createOverview(canvas, onMove) {
  const context = canvas.getContext("2d");
  let scale = 1;

  const go = ({ offsetX, offsetY }) => onMove([offsetX / scale, offsetY / scale]);
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    go(event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (canvas.hasPointerCapture(event.pointerId)) go(event);
  });

  return {
    /** Shows the part that `camera` sees, in `picture`, a small copy; hides the map if all of it is visible. */
    draw(camera, picture) {
      show(canvas, !camera.fitted && Boolean(picture));
      if (canvas.hidden) return;
      scale = SIDE / Math.max(camera.width, camera.height);
      const pixels = Math.min(devicePixelRatio, 2);
      const [wide, high] = [camera.width, camera.height].map((side) => Math.max(8, side * scale));
      Object.assign(canvas.style, { width: `${wide}px`, height: `${high}px` });
      Object.assign(canvas, { width: Math.round(wide * pixels), height: Math.round(high * pixels) });
      context.scale(pixels, pixels);
      context.drawImage(picture, 0, 0, wide, high);
      drawFrame(camera);
    },
  };

  function drawFrame(camera) {
    const [left, top] = camera.toImage([0, 0]).map((side) => Math.max(0, side * scale));
    const [right, bottom] = camera.toImage(camera.screen).map((side) => side * scale);
    const place = [left, top, Math.min(right, camera.width * scale) - left, Math.min(bottom, camera.height * scale) - top];
    // Light with a dark rim: visible on any picture.
    for (const [colour, wide] of [["#000000", 4], ["#ffffff", 2]]) {
      context.strokeStyle = colour;
      context.lineWidth = wide;
      context.strokeRect(...place);
    }
  }
}
