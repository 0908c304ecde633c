// The limits of the server, shown before anything is sent.

import { request } from "./api.js";
import { at, say } from "./dom.js";
import { bytes, count, size } from "./words.js";

let limits = null;

/** Requests the server's limits, and shows them where images are chosen. Without a response, nothing is shown or checked. */
export async function startLimits(onKnown) {
  limits = await request("GET", "/api/limits").catch(() => null);
  if (!limits) return;
  const { upload_bytes: most, pixels, side } = limits;
  const taken = at("takes").textContent;
  say(at("takes"), `${taken}; up to ${bytes(most)}, ${megapixels(pixels)}, ${count(side)} pixels a side`);
  onKnown();
}

const megapixels = (pixels) => `${count(Math.floor(pixels / 1e6))} megapixels`;

/** Why the server would refuse a file of `length` bytes with an image of this size (or null); "" if it would not. */
export function refusal(length, image) {
  if (!limits) return "";
  if (length === 0) return "the file is empty";
  if (length > limits.upload_bytes) return `${bytes(length)}; at most ${bytes(limits.upload_bytes)} (limits.max_upload)`;
  if (!image) return "";
  const { width, height } = image;
  if (Math.max(width, height) > limits.side) return `${size(width, height)}; a side of at most ${count(limits.side)} (limits.max_side)`;
  if (width * height <= limits.pixels) return "";
  return `${megapixels(width * height)}; at most ${megapixels(limits.pixels)} (limits.max_megapixels)`;
}
