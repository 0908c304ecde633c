// Which image: chosen, dropped or pasted files, or the image of an earlier job.

import { at, make, say, show } from "./dom.js";
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
  const transfer = new DataTransfer();
  const files = images.map(({ field: [, value] }) => value).filter((value) => value instanceof File);
  for (const file of files) transfer.items.add(file);
  input.files = transfer.files;
  if (!images.length) earlier = null;
  render();
}

/** Calls `onChoice` after each choice. */
export function startSelecting(onChoice) {
  const take = (files) => {
    if (files.length) input.files = files;
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
  at("unchoose").addEventListener("click", () => {
    keepImages([]);
    input.focus();
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
  const lines = earlier
    ? [`${earlier.name}, the image of an earlier job`]
    : [...input.files].map((file) => `${file.name}, ${bytes(file.size)}`);
  at("chosen").replaceChildren(...lines.map((line) => make("li", {}, line)));
  show(at("choice"), lines.length > 0);
  say(at("process"), lines.length > 1 ? `Process ${lines.length} Images` : "Process Image");
}
