// The form: sends the chosen images, one job after another, and shows the progress.

import { ApiError, createJob, request } from "./api.js";
import { chain, setChain } from "./chain/builder.js";
import { at, make, say, show } from "./dom.js";
import { noteUpload } from "./phases.js";
import { chooseEarlier, chosenImages, removeImages, startSelecting } from "./select.js";
import { createSending } from "./sending.js";
import { plural, seconds } from "./words.js";

/** At most this many images that could not be sent are named. */
const NAMED = 5;

/** The controller that aborts the upload in progress, or null. */
let running = null;

/**
 * Calls `onJob(job)` for the first job of each submission, `onProgress(text)` while it is sent, and `onChoice(images)`
 * with the chosen images.
 */
export function startForm({ onJob, onProgress, onChoice }) {
  startSelecting(onChoice, () => tellErrors([]));
  at("stop").addEventListener("click", () => running?.abort());
  at("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    if (running) return;
    const wrong = wrongField();
    if (wrong) return refuse(wrong);
    const images = chosenImages().filter((image) => !image.wrong);
    if (!images.length) return refuseNothing();
    running = new AbortController();
    setBusy(true);
    await sendAll(images, { onJob, onProgress });
    running = null;
    setBusy(false);
    onProgress(null);
  });
}

/** Prepares the form to process the image of `job` again. */
export function offerAgain(job) {
  chooseEarlier(job);
  setChain(job.filters);
  tellErrors([]);
  at("filters").focus();
  at("filters").select();
}

/** A field that shows something other than what would be sent. */
const wrongField = () =>
  [...at("form").querySelectorAll("input[type=number], .parameter input")]
    .find((field) => field.validity.badInput || field.ariaInvalid === "true");

/** Shows what is wrong with a field until something is changed, and moves the focus there. */
function refuse(field) {
  const range = field.max ? `from ${field.min} to ${field.max}` : `of at least ${field.min}`;
  const allowed = field.dataset.allowed ?? `a number ${range}`;
  tellErrors([`${field.labels[0].textContent} must be ${allowed}.`]);
  at("form").addEventListener("input", () => tellErrors([]), { once: true });
  field.closest("details")?.setAttribute("open", "");
  field.focus();
}

/** Shows that there is nothing to send, and moves the focus to the file chooser. */
function refuseNothing() {
  const none = "No image is chosen. Choose, drop or paste a file first.";
  tellErrors([chosenImages().length ? "The server would refuse what is chosen. Choose another image." : none]);
  at("file").focus();
}

/** Sends images. Those that could not be sent stay chosen, and so do those that were chosen meanwhile. */
async function sendAll(images, { onJob, onProgress }) {
  const shown = location.hash;
  const errors = [];
  const sent = [];
  const fields = [...options(), ...batchOf(images)];
  const sending = createSending(images, onProgress);
  tellErrors(errors);
  for (const [index, image] of images.entries()) {
    if (running.signal.aborted) break;
    try {
      const job = await sendAtLast(image, fields, sending);
      // A reader who has opened something else meanwhile stays there.
      if (!sent.length && location.hash === shown) onJob(job);
      sent.push(image);
    } catch (error) {
      errors.push(`${image.name}: ${error.message}`);
      tellErrors(errors);
      sending.over(image);
      const left = images.length - index - 1;
      const isRefused = error.status !== 0 && !error.foreign;
      if (left === 0 || isRefused || running.signal.aborted || (await answers())) continue;
      tellErrors(errors, [`The server does not answer any more. Not sent: ${plural(left, "other image")}.`]);
      break;
    }
  }
  removeImages(sent);
}

/** Several images are one batch: a number of 128 random bits names it. */
function batchOf(images) {
  if (images.length < 2) return [];
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [["batch", Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")]];
}

/** Whether the server answers: one file may have broken the connection. */
const answers = () => request("GET", "/healthz").then(() => true, () => false);

/** Sends an image, and retries while the server has no place for it. */
async function sendAtLast(image, fields, sending) {
  for (;;) {
    try {
      const job = await send(image, fields, sending);
      sending.over(image);
      return job;
    } catch (error) {
      if (!error.after) throw error;
      sending.wait(image, `${error.message}. Trying again in ${seconds(error.after)}.`);
      await pause(1000 * error.after);
    }
  }
}

/** Waits, unless the upload is stopped. */
function pause(milliseconds) {
  const { signal } = running;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new ApiError(0, "The upload was stopped."));
    });
  });
}

async function send(image, fields, sending) {
  const began = performance.now();
  const tell = (sent, length) => sending.tell(image, sent, length);
  tell(0, 1);
  const job = await createJob([...fields, image.field], { onProgress: tell, signal: running.signal });
  noteUpload(job, (performance.now() - began) / 1000);
  return job;
}

/** The fields beside the image; those left empty are omitted, so the server's defaults apply. */
function options() {
  const fields = [["format", "format"], ["quality", "quality"], ["sample_type", "sample-type"], ["page", "page"],
    ["tile_size", "tile-size"]];
  const given = fields.map(([name, id]) => [name, at(id).value]).filter(([, value]) => value);
  return [["filters", chain()], ...given];
}

/** The button is not `disabled`: it would lose the focus. */
function setBusy(busy) {
  at("process").setAttribute("aria-disabled", busy);
  if (busy) addEventListener("beforeunload", ask);
  else removeEventListener("beforeunload", ask);
  show(at("stop"), busy, at("process"));
  show(at("upload"), busy);
}

/** Makes the browser ask before the page is left and the upload lost. */
function ask(event) {
  event.preventDefault();
}

/** Shows errors of images, of which many are folded, and what else there is to say. */
function tellErrors(errors, more = []) {
  const left = errors.length - NAMED;
  const told = left > 1 ? [...errors.slice(0, NAMED), `and ${left} more`] : errors;
  at("form-error").replaceChildren(...[...told, ...more].map((error) => make("span", {}, error)));
}
