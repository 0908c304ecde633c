// Before and after, one over the other in one view: the original is left of the line. Where the filters moved pixels,
// such as `crop` does, the two have no common places: then one or the other is shown.

import { at, say, show } from "../dom.js";
import { count, percent } from "../words.js";
import { Camera } from "./camera.js";
import { ZOOM, listen } from "./gestures.js";
import { Layer } from "./layer.js";
import { createOverview } from "./overview.js";

/** How far from the line a pointer can grab it, in CSS pixels. */
const REACH = 24;

const canvas = at("viewer");
const context = canvas.getContext("2d");
const divider = at("divider");
const figure = at("stage");

let job = null;
let camera = null;
let layers = {};
/** Whether the original alone is shown, of a job whose filters moved pixels. */
let original = false;
/** A small picture of the result, shown until its tiles are there. */
let preview = null;
let asked = false;
let onSharp = () => {};
/** The place of the pointer on the canvas, or null. */
let pointer = null;
/** How much of each image's pyramid the server has made, from 0 to 1. */
const making = new Map();

const overview = createOverview(at("overview"), (point) => {
  camera.moveTo(point);
  draw();
});

/** Calls `onSharp()` each time the result is drawn as finely as the screen can show it. */
export function startViewer({ onSharp: sharp }) {
  onSharp = sharp;
  new ResizeObserver(draw).observe(canvas);
  canvas.addEventListener("pointermove", ({ offsetX, offsetY }) => {
    pointer = [offsetX, offsetY];
    showPlace();
  });
  canvas.addEventListener("pointerleave", () => {
    pointer = null;
    showPlace();
  });
  divider.addEventListener("input", draw);
  listen(canvas, { camera: () => camera, onMove: draw, grab: takeLine });
  const press = (id, action) => at(id).addEventListener("click", () => { action(); draw(); });
  press("zoom-in", () => camera.zoomTo(camera.scale * ZOOM));
  press("zoom-out", () => camera.zoomTo(camera.scale / ZOOM));
  press("zoom-fit", () => camera.fit());
  press("zoom-full", () => camera.zoomTo(1));
  press("full-screen", toggleFullScreen);
  press("show-original", () => look(!original));
  show(at("full-screen"), Boolean(document.fullscreenEnabled));
}

/** Shows the images of a complete job. */
export function openViewer(opened) {
  closeViewer();
  job = opened;
  const label = `${job.name} before and after ${job.filters || "no filter"}`;
  canvas.setAttribute("aria-label", `${label}: arrow keys move, plus and minus zoom, 0 fits, 1 is full size`);
  const images = job.links.original ? ["original", "result"] : ["result"];
  for (const image of images) {
    layers[image] = new Layer(job, image, { onChange: draw, onState: (view) => tell(image, view) });
  }
  show(at("divider-field"), Boolean(layers.original) && !job.moved);
  show(at("show-original"), Boolean(layers.original) && job.moved);
  look(false);
  if (job.links.thumbnail) loadPreview(job.links.thumbnail);
  draw();
}

/** Looks at all of the result, or of the original alone. */
function look(atOriginal) {
  original = atOriginal;
  at("show-original").setAttribute("aria-pressed", String(original));
  camera = original ? new Camera(job.width, job.height) : new Camera(job.result_width, job.result_height);
}

/** Closes the view and stops its requests. */
export function closeViewer() {
  for (const layer of Object.values(layers)) layer.stop();
  [job, camera, layers, preview] = [null, null, {}, null];
  making.clear();
  figure.classList.remove("parted");
  show(at("viewer-making"), false);
  say(at("viewer-said"), "");
}

function loadPreview(path) {
  const image = new Image();
  const opened = camera;
  image.onload = () => {
    if (camera !== opened) return;
    preview = image;
    draw();
  };
  image.src = path;
}

function tell(image, { state, fraction, error }) {
  if (state === "failed") say(at("viewer-said"), `The ${image} cannot be shown here: ${error}. Download it instead.`);
  if (state === "away") making.set(image, making.get(image) ?? 0);
  else making.set(image, state === "making" ? fraction : 1);
  const names = Object.keys(layers);
  const part = (name) => making.get(name) ?? 0;
  const done = names.reduce((sum, name) => sum + part(name), 0) / names.length;
  const lacking = names.filter((name) => part(name) < 1).map((name) => `the ${name}`);
  show(at("viewer-making"), lacking.length > 0);
  at("making-bar").value = done;
  const doing = `Preparing the view: ${percent(done, 1)}. Still to come: ${lacking.join(" and ")}.`;
  say(at("making-said"), state === "away" ? `${doing} Trying again: ${error}` : doing);
}

function draw() {
  if (asked || !camera) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    if (camera) drawNow();
  });
}

function drawNow() {
  const { clientWidth, clientHeight } = canvas;
  const pixels = Math.min(devicePixelRatio, 2);
  const [width, height] = [clientWidth, clientHeight].map((side) => Math.max(1, Math.round(side * pixels)));
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  camera.resize(clientWidth, clientHeight);
  // While all of the image is visible, a finger moves the page.
  canvas.style.touchAction = camera.fitted ? "pan-y" : "none";
  context.clearRect(0, 0, width, height);
  const place = Math.round((width * divider.valueAsNumber) / 100);
  const parted = isParted();
  const line = original ? width : parted ? place : 0;
  if (!original && !layers.result.isSeen() && preview) drawPreview(pixels);
  if (original || !job.moved) layers.original?.draw(context, camera, pixels, [0, original ? width : place]);
  if (!original) layers.result.draw(context, camera, pixels, [line, width]);
  figure.classList.toggle("parted", parted);
  if (parted) drawLine(line, pixels);
  say(at("zoom"), percent(camera.scale, 1));
  overview.draw(camera, original ? null : preview);
  showPlace();
  if (!original && layers.result.isSeen() && layers.result.sharp) onSharp();
}

/** Whether the line between original and result is shown. */
const isParted = () => Boolean(!job.moved && layers.original?.isSeen());

/** Shows the pixel under the pointer; without a pointer, the one in the middle of the view. */
function showPlace() {
  const point = camera?.toImage(pointer ?? camera.screen.map((side) => side / 2)).map(Math.floor);
  const inside = point && point[0] >= 0 && point[1] >= 0 && point[0] < camera.width && point[1] < camera.height;
  const told = inside && (pointer || !camera.fitted);
  say(at("coordinates"), told ? `x ${count(point[0])}, y ${count(point[1])}` : "");
}

function drawPreview(pixels) {
  const [left, top] = camera.toScreen([0, 0]);
  const [right, bottom] = camera.toScreen([camera.width, camera.height]);
  const place = [left, top, right - left, bottom - top].map((side) => side * pixels);
  context.imageSmoothingEnabled = true;
  context.drawImage(preview, ...place);
}

/** Draws the line, light with a dark rim: visible on any picture. */
function drawLine(line, pixels) {
  const middle = canvas.height / 2;
  for (const [colour, wide] of [["#000000", 4], ["#ffffff", 2]]) {
    context.fillStyle = context.strokeStyle = colour;
    context.fillRect(line - (wide * pixels) / 2, 0, wide * pixels, canvas.height);
    context.lineWidth = wide * pixels;
    context.beginPath();
    context.arc(line, middle, 12 * pixels, 0, 2 * Math.PI);
    context.stroke();
  }
}

/** Returns whether the pointer grabbed the line; then the line follows until the pointer is lifted. */
function takeLine(event) {
  const at = (canvas.clientWidth * divider.valueAsNumber) / 100;
  if (!isParted() || Math.abs(event.offsetX - at) > REACH) return false;
  const follow = ({ offsetX }) => {
    divider.value = (100 * offsetX) / canvas.clientWidth;
    draw();
  };
  canvas.setPointerCapture(event.pointerId);
  canvas.addEventListener("pointermove", follow);
  const release = () => canvas.removeEventListener("pointermove", follow);
  canvas.addEventListener("lostpointercapture", release, { once: true });
  return true;
}

function toggleFullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else figure.requestFullscreen();
}
