// The progress of an upload: of one image, or of all images of a batch together.

import { at, say } from "./dom.js";
import { lengthOf } from "./select.js";
import { bytes, images as imagesOf, percent, seconds } from "./words.js";

/** Shows the progress of all `images` on the page, and calls `onProgress(text)` with a title for the window. */
export function createSending(images, onProgress) {
  const began = performance.now();
  const total = Math.max(1, lengthOf(images));
  let before = 0;
  const placeOf = (image) => (images.length > 1 ? ` (${images.indexOf(image) + 1} of ${images.length})` : "");
  return {
    /** Notes that `sent` of `length` bytes of this image's request are sent. */
    tell(image, sent, length) {
      const own = Math.max(1, lengthOf([image]));
      const part = (before + (own * sent) / length) / Math.max(total, own);
      at("upload-bar").value = part;
      const doing = sent < length ? `Uploading ${image.name}` : `Sent ${image.name}, waiting for the answer`;
      const spent = (performance.now() - began) / 1000;
      say(at("upload-said"), `${doing}${placeOf(image)}: ${percent(part, 1)}${pace(part * total, total, spent)}`);
      const what = images.length > 1 ? imagesOf(images.length) : image.name;
      onProgress(`↑ ${percent(part, 1)} · ${what} · tilemill`);
    },
    /** Shows why this image waits. */
    wait(image, why) {
      say(at("upload-said"), `${image.name}${placeOf(image)}: ${why}`);
    },
    /** Notes that this image is done. */
    over(image) {
      before += lengthOf([image]);
    },
  };
}

/** The speed of the upload and the time left; "" while there is no estimate. */
function pace(sent, total, spent) {
  if (spent < 1 || sent === 0 || sent === total) return "";
  const rate = sent / spent;
  return `, ${bytes(rate)}/s, about ${seconds(Math.ceil((total - sent) / rate))} left`;
}
