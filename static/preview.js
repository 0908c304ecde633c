// The preview: a part of the chosen image through the chain of filters, which the server computes as it will the result.

import { ApiError, createPreview, fetchPicture } from "./api.js";
import { chain, moves } from "./chain/builder.js";
import { at, say, show } from "./dom.js";
import { fileOf } from "./select.js";
import { count } from "./words.js";

/** Milliseconds without a change before the server is asked. */
const CALM = 250;
/** The widest part that is requested, in pixels. */
const MOST = 1024;
/** Pixels by which a key moves the part. */
const STEP = 64;
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const canvas = at("preview-picture");
const context = canvas.getContext("2d");

/** The previewed image, and the controller that aborts all its requests. */
let image = null;
let life = new AbortController();
/** Its path at the server and its size; `sending` is their promise, so that a change of the chain uploads only once. */
let sending = null;
let source = null;
/** The size of the picture that a chain which moves pixels makes of the image, once the server has told it. */
let moved = { by: "", size: null };
/**
 * The middle of the part, as fractions of the picture's width and height, the delay before a request, and the controller
 * that aborts the previous request.
 */
let middle = [0.5, 0.5];
let timer = null;
let asking = new AbortController();
/** Whether the server has dropped the image once: it is not uploaded over and over. */
let isForgotten = false;

export function startPreview() {
  at("preview").addEventListener("toggle", refresh);
  for (const id of ["preview-before", "format", "quality"]) at(id).addEventListener("change", refresh);
  at("page").addEventListener("change", forget);
  canvas.addEventListener("pointerdown", drag);
  canvas.addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    if (!step || !source || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    moveBy(step[0] * STEP, step[1] * STEP);
    refresh();
  });
  new ResizeObserver(refresh).observe(canvas);
}

/** Uploads the image once more, for another page of it. */
function forget() {
  [source, sending] = [null, null];
  refresh();
}

/** Offers a preview of the first of these images. */
export function offerPreview(images) {
  const first = images.find(({ wrong }) => !wrong) ?? null;
  show(at("preview"), Boolean(first));
  if (first === image) return;
  life.abort();
  asking.abort();
  [life, asking] = [new AbortController(), new AbortController()];
  [image, source, sending, isForgotten] = [first, null, null, false];
  middle = [0.5, 0.5];
  refresh();
}

/** Requests the part again once nothing has changed for a moment. */
export function refresh() {
  clearTimeout(timer);
  if (image && at("preview").open) timer = setTimeout(look, CALM);
}

async function look() {
  asking.abort();
  const current = (asking = new AbortController());
  const late = () => current !== asking;
  say(at("preview-said"), source ? "Filtering…" : "Sending the image…");
  try {
    if (!source) {
      sending ??= find(image, life.signal);
      const found = await sending;
      if (late()) return;
      source = found;
      moved = { by: "", size: null };
    }
    const filters = filtersNow();
    const size = sizeUnder(filters);
    if (!size) middle = [0.5, 0.5];
    const part = partOf(size ?? { width: MOST, height: MOST });
    const query = queryOf(filters, size ? part : { width: part.width, height: part.height });
    const { picture, width, height } = await fetchPicture(`${source.path}?${query}`, current.signal);
    if (late()) return;
    isForgotten = false;
    if (!size) moved = { by: filters, size: { width, height } };
    draw(picture, partOf({ width, height }));
  } catch (error) {
    if (!late()) failed(error);
  }
}

/** Handles an error. The server keeps an image only for some minutes: then it is uploaded once more. */
function failed(error) {
  const gone = error instanceof ApiError && error.status === 404 && !error.foreign;
  const again = gone && source && fileOf(image) && !isForgotten;
  if (!source || again) [source, sending] = [null, null];
  if (!again) return say(at("preview-said"), error.message);
  isForgotten = true;
  refresh();
}

/** The path of an image at the server. It is uploaded, unless it is that of an earlier job. */
async function find({ field: [, value], size }, signal) {
  if (!(value instanceof File)) return { path: `/api/jobs/${value}/preview`, ...size };
  const { id, width, height } = await createPreview(value, at("page").value, signal);
  return { path: `/api/previews/${id}`, width, height };
}

const filtersNow = () => (at("preview-before").checked ? "" : chain());

/** The size of the picture that these filters make, or null if it is not known yet. */
function sizeUnder(filters) {
  if (!filters || !moves()) return source;
  return filters === moved.by ? moved.size : null;
}

/** The part of the picture around the middle that fits the canvas. */
function partOf({ width, height }) {
  const [wide, high] = [Math.min(width, canvas.clientWidth, MOST), Math.min(height, canvas.clientHeight)];
  const start = (at, side, all) => Math.round(Math.min(all - side, Math.max(0, at * all - side / 2)));
  return { x: start(middle[0], wide, width), y: start(middle[1], high, height), width: wide, height: high };
}

function queryOf(filters, part) {
  const output = ["format", "quality"].map((id) => [id, at(id).value]).filter(([, value]) => value);
  return new URLSearchParams({ filters, ...Object.fromEntries(output), ...part });
}

function draw(picture, { x, y, width, height }) {
  Object.assign(canvas, { width: canvas.clientWidth, height: canvas.clientHeight });
  const [left, top] = [(canvas.width - width) / 2, (canvas.height - height) / 2].map(Math.floor);
  context.drawImage(picture, left, top);
  say(at("preview-said"), `1:1 at x ${count(x)}, y ${count(y)}`);
}

function moveBy(right, down) {
  const { width, height } = sizeUnder(filtersNow()) ?? source;
  const clamp = (value) => Math.min(1, Math.max(0, value));
  middle = [clamp(middle[0] + right / width), clamp(middle[1] + down / height)];
}

/** The picture follows the pointer; the new part is requested when the pointer is lifted. */
function drag(down) {
  if (!source || down.button !== 0) return;
  canvas.setPointerCapture(down.pointerId);
  const follow = ({ clientX, clientY }) => {
    canvas.style.translate = `${clientX - down.clientX}px ${clientY - down.clientY}px`;
  };
  canvas.addEventListener("pointermove", follow);
  canvas.addEventListener("lostpointercapture", ({ clientX, clientY }) => {
    canvas.removeEventListener("pointermove", follow);
    canvas.style.translate = "";
    moveBy(down.clientX - clientX, down.clientY - clientY);
    refresh();
  }, { once: true });
}
