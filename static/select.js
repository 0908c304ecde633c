// The chosen images: chosen, dropped or pasted files, the sample, or the image of an earlier job.

import { at, make, say, show } from "./dom.js";
import { sizeOf } from "./header.js";
import { refusal, startLimits } from "./limits.js";
import { paintSample } from "./sample.js";
import { bytes, images as imagesOf, size } from "./words.js";

/** At most this many images that cannot be sent are named. */
const NAMED = 5;

const input = at("file");
let chosen = [];
let onChoice = () => {};

/**
 * The chosen images: `{ name, field, size, wrong }`. `field` is the form's field for the image, `size` its width and
 * height or null if its header was not understood, `wrong` why the server would refuse it, or "".
 */
export const chosenImages = () => chosen;

/** Chooses the image of a job that the server still has. */
export function chooseEarlier(job) {
  choose([{ name: job.name, field: ["from", job.id], size: { width: job.width, height: job.height }, wrong: "" }]);
}

/** Removes these from the chosen images, which may have changed since. */
export function removeImages(images) {
  if (images.some((image) => chosen.includes(image))) choose(chosen.filter((image) => !images.includes(image)));
}

function chooseFiles(files) {
  choose([...files].map((file) => ({ name: file.name, field: ["image", file], size: null, wrong: "" })));
  examine();
}

/** Compares the headers of the chosen files with the limits of the server. */
async function examine() {
  const examined = chosen;
  for (const image of examined) {
    const file = fileOf(image);
    if (!file) continue;
    image.size ??= await sizeOf(file);
    image.wrong = refusal(file.size, image.size);
  }
  // Some of the examined images may be removed by now.
  render();
  onChoice(chosen);
}

/** The file of a chosen image; null for the image of an earlier job. */
export const fileOf = ({ field: [, value] }) => (value instanceof File ? value : null);

function choose(images) {
  chosen = images;
  const transfer = new DataTransfer();
  for (const file of images.map(fileOf)) if (file) transfer.items.add(file);
  input.files = transfer.files;
  render();
  onChoice(chosen);
}

/** Calls `changed(images)` whenever the choice changes, and before that `taken()` if the reader changed it. */
export function startSelecting(changed, taken) {
  onChoice = changed;
  const take = (files) => {
    taken();
    chooseFiles(files);
  };
  input.addEventListener("change", () => take(input.files));
  document.addEventListener("paste", (event) => {
    const { files } = event.clipboardData;
    if (!files.length) return;
    event.preventDefault();
    take(files);
  });
  at("sample").addEventListener("click", async () => {
    take([await paintSample()]);
    at("process").focus();
  });
  startDropping(take);
  // A browser may restore the choice when the page is reloaded.
  chooseFiles(input.files);
  startLimits(examine);
}

/** Accepts a drop anywhere: outside the zone the browser would otherwise navigate to the file. */
function startDropping(take) {
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  const mark = (on) => at("drop").classList.toggle("over", on);
  document.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    mark(true);
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) mark(false);
  });
  document.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    mark(false);
    take(event.dataTransfer.files);
  });
}

function render() {
  const focused = at("chosen").contains(document.activeElement);
  const many = chosen.length > 1;
  at("chosen-one").replaceChildren(...(many ? [] : chosen.map(chosenItem)));
  at("chosen-list").replaceChildren(...(many ? chosen.map((image) => make("li", {}, chosenItem(image))) : []));
  say(at("chosen-said"), many ? `${imagesOf(chosen.length)}, ${bytes(lengthOf(chosen))}` : "");
  show(at("chosen-many"), many);
  show(at("chosen"), chosen.length > 0);
  at("drop").classList.toggle("filled", chosen.length > 0);
  showWrong();
  const right = chosen.filter(({ wrong }) => !wrong).length;
  say(at("process"), right > 1 ? `Process ${right} Images` : "Process Image");
  if (focused) (at("chosen").querySelector("button") ?? input).focus();
}

/** Bytes of all files among these images. */
export const lengthOf = (images) => images.reduce((sum, image) => sum + (fileOf(image)?.size ?? 0), 0);

function showWrong() {
  const wrong = chosen.filter((image) => image.wrong);
  const lines = wrong.slice(0, NAMED).map(({ name, wrong }) => `${name}: ${wrong}`);
  if (wrong.length > NAMED) lines.push(`and ${wrong.length - NAMED} more`);
  const text = lines.join("\n");
  if (at("chosen-wrong").dataset.text === text) return;
  at("chosen-wrong").dataset.text = text;
  at("chosen-wrong").replaceChildren(...lines.map((line) => make("li", {}, line)));
}

function chosenItem(image) {
  const file = fileOf(image);
  const facts = [image.size && size(image.size.width, image.size.height), file ? bytes(file.size) : "the image of an earlier job"];
  const remove = make("button", { type: "button", className: "small", title: `Remove ${image.name}` }, "✕");
  remove.setAttribute("aria-label", `Remove ${image.name}`);
  remove.addEventListener("click", () => removeImages([image]));
  const text = [image.name, ...facts.filter(Boolean)].join(", ");
  return make("div", { className: image.wrong ? "image wrong" : "image" }, make("span", {}, text), remove);
}
