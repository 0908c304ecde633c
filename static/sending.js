// How far an upload is: one image, or all of a batch as one.

import { at, say } from "./dom.js";
import { lengthOf } from "./select.js";
import { bytes, images as imagesOf, percent, seconds } from "./words.js";

/** Tells how far all of `images` are: on the page, and as a title of the window by `onProgress(text)`. */
export function createSending(images, onProgress) {
  const began = performance.now();
  const total = Math.max(1, lengthOf(images));
  let before = 0;
  return {
    /** Tells that of this image so many bytes of all that are sent for it are out. */
    tell(image, sent, length) {
      const place = images.length > 1 ? ` (${images.indexOf(image) + 1} of ${images.length})` : "";
      const own = Math.max(1, lengthOf([image]));
      const part = (before + (own * sent) / length) / Math.max(total, own);
      at("upload-bar").value = part;
      const doing = sent < length ? `Uploading ${image.name}` : `Sent ${image.name}, waiting for the answer`;
      const spent = (performance.now() - began) / 1000;
      say(at("upload-said"), `${doing}${place}: ${percent(part, 1)}${pace(part * total, total, spent)}`);
      const what = images.length > 1 ? imagesOf(images.length) : image.name;
      onProgress(`↑ ${percent(part, 1)} · ${what} · tilemill`);
    },
    /** Tells why this image waits. */
    wait(image, why) {
      say(at("upload-said"), `${image.name}: ${why}`);
    },
    /** This image is through. */
    over(image) {
      before += lengthOf([image]);
    },
  };
}

/** How fast it is, as soon as that says something. */
function pace(sent, total, spent) {
  if (spent < 1 || sent === 0 || sent === total) return "";
  const rate = sent / spent;
  return `, ${bytes(rate)}/s, about ${seconds(Math.ceil((total - sent) / rate))} left`;
}
