// Which image: chosen, dropped or pasted files, the sample, or the image of an earlier job.

import { at, make, say, show } from "./dom.js";
import { paintSample } from "./sample.js";
import { bytes } from "./words.js";

const input = at("file");
let earlier = null;

/** What to process: `{ name, field }`, where `field` is the form's field that gives the image. */
export function chosenImages() {
  if (earlier) return [{ name: earlier.name, field: ["from", earlier.id] }];
  return [...input.files].map((file) => ({ name: file.name, field: ["image", file] }));
}

/** Chooses the image of a job that the server still has. */
export function chooseEarlier(job) {
  input.value = "";
  earlier = job;
  render();
}

/** Leaves only these of the chosen images. */
export function keepImages(images) {
  const files = images.map(({ field: [, value] }) => value);
  setFiles(files.filter((value) => value instanceof File));
  if (!images.length) earlier = null;
  render();
}

function setFiles(files) {
  const transfer = new DataTransfer();
  for (const file of files) transfer.items.add(file);
  input.files = transfer.files;
}

/** Calls `onChoice` after each choice. */
export function startSelecting(onChoice) {
  const take = (files) => {
    if (files.length) setFiles(files);
    earlier = null;
    render();
    onChoice();
  };
  input.addEventListener("change", () => take([]));
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
  render();
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
  const images = chosenImages();
  at("chosen").replaceChildren(...images.map(chosenItem));
  show(at("chosen"), images.length > 0);
  say(at("process"), images.length > 1 ? `Process ${images.length} Images` : "Process Image");
}

function chosenItem({ name, field: [, value] }, index, images) {
  const size = earlier ? "the image of an earlier job" : bytes(value.size);
  const remove = make("button", { type: "button", className: "small", title: `Remove ${name}` }, "✕");
  remove.setAttribute("aria-label", `Remove ${name}`);
  remove.addEventListener("click", () => {
    keepImages(images.toSpliced(index, 1));
    (at("chosen").querySelector("button") ?? input).focus();
  });
  return make("li", {}, make("span", {}, `${name}, ${size}`), remove);
}
