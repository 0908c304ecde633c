// Which image: chosen, dropped or pasted files, the sample, or the image of an earlier job.

import { at, make, say, show } from "./dom.js";
import { paintSample } from "./sample.js";
import { bytes } from "./words.js";

const input = at("file");
let chosen = [];

/** What to process: `{ name, field }`, where `field` is the form's field that gives the image. */
export const chosenImages = () => chosen;

/** Chooses the image of a job that the server still has. */
export function chooseEarlier(job) {
  choose([{ name: job.name, field: ["from", job.id] }]);
}

/** Takes these out of what is chosen now, which may be something else than when they were. */
export function removeImages(images) {
  if (images.some((image) => chosen.includes(image))) choose(chosen.filter((image) => !images.includes(image)));
}

const chooseFiles = (files) => choose([...files].map((file) => ({ name: file.name, field: ["image", file] })));

function choose(images) {
  chosen = images;
  const transfer = new DataTransfer();
  for (const { field: [, value] } of images) if (value instanceof File) transfer.items.add(value);
  input.files = transfer.files;
  render();
}

/** Calls `onChoice` after each choice. */
export function startSelecting(onChoice) {
  const take = (files) => {
    chooseFiles(files);
    onChoice();
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
}

/** A drop anywhere counts: beside the zone the browser would leave the page for the file. */
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
  at("chosen").replaceChildren(...chosen.map(chosenItem));
  show(at("chosen"), chosen.length > 0);
  say(at("process"), chosen.length > 1 ? `Process ${chosen.length} Images` : "Process Image");
  if (focused) (at("chosen").querySelector("button") ?? input).focus();
}

function chosenItem(image) {
  const { name, field: [, value] } = image;
  const size = value instanceof File ? bytes(value.size) : "the image of an earlier job";
  const remove = make("button", { type: "button", className: "small", title: `Remove ${name}` }, "✕");
  remove.setAttribute("aria-label", `Remove ${name}`);
  remove.addEventListener("click", () => removeImages([image]));
  return make("li", {}, make("span", {}, `${name}, ${size}`), remove);
}
