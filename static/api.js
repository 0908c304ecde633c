// Requests to the server, and their errors in words.
//
// All addresses are relative to that of the page, which may be below a prefix that only a proxy knows.

import { explained } from "./proxy.js";

/**
 * A request that failed. `status` is 0 without a response; `after` is the server's `Retry-After` in seconds, or 0;
 * `foreign` says that the response is not the server's.
 */
export class ApiError extends Error {
  constructor(status, text, { after = 0, foreign = false } = {}) {
    super(text);
    Object.assign(this, { status, after, foreign });
  }
}

const UNREACHABLE = "The server cannot be reached. Is it running, and is the network up?";
const BROKE_OFF =
  "The connection broke while the image was being sent. Is the server running, can the file " +
  "still be read, and is it not larger than the server accepts?";

/** Timeout of a GET in milliseconds: over a dead connection no response ever comes. */
const PATIENCE = 30_000;

/** The server's clock minus this one's, in milliseconds. */
let skew = 0;

/** The time by the server's clock, in milliseconds. */
export const serverNow = () => Date.now() + skew;

let onCall = () => {};

/** Calls `told(null)` after each response of the server, `told(error)` after each request without one. */
export const watchCalls = (told) => {
  onCall = told;
};

/**
 * The address of `path` at the server, such as "/api/jobs". A name and a password in the address of the page are left
 * out: fetch refuses addresses with them.
 */
export const here = (path) => new URL(path.slice(1), location.origin + location.pathname).href;

/** A link of the server, which may have a prefix, as an address that works from this page. */
const localised = (link) => link && here(link.slice(link.lastIndexOf("/api/")));

/** The value of a JSON text of the server, with links that work from this page. */
export function parse(text) {
  const withLinks = (key, value) => {
    if (key !== "links") return value;
    return Object.fromEntries(Object.entries(value).map(([name, link]) => [name, localised(link)]));
  };
  // A list of a million tiles has no links.
  return JSON.parse(text, text.includes('"links"') ? withLinks : undefined);
}

/** Sends a request; returns the JSON of the response, or null without any. */
export async function request(method, path) {
  let response, text;
  try {
    const signal = method === "GET" ? AbortSignal.timeout(PATIENCE) : null;
    response = await fetch(here(path), { method, cache: "no-store", signal });
    text = await response.text();
  } catch {
    throw told(new ApiError(0, UNREACHABLE));
  }
  const date = Date.parse(response.headers.get("date"));
  if (date) skew = date + 500 - Date.now();
  return answer(response.status, text, (name) => response.headers.get(name), false);
}

function told(error) {
  onCall(error);
  return error;
}

/**
 * Creates a job. Calls `onProgress(sent, total)` with bytes; an `AbortSignal` stops the upload.
 * fetch does not report the progress of an upload, so this is an XMLHttpRequest.
 */
export function createJob(fields, { onProgress, signal }) {
  const form = new FormData();
  for (const [name, value] of fields) form.append(name, value);
  const xhr = new XMLHttpRequest();
  signal.addEventListener("abort", () => xhr.abort());
  return new Promise((resolve, reject) => {
    xhr.upload.onprogress = (event) => {
      if (event.lengthComputable) onProgress(event.loaded, event.total);
    };
    xhr.onload = () => {
      try {
        resolve(answer(xhr.status, xhr.responseText, (name) => xhr.getResponseHeader(name), true));
      } catch (error) {
        reject(error);
      }
    };
    xhr.onerror = () => reject(new ApiError(0, BROKE_OFF));
    xhr.onabort = () => reject(new ApiError(0, "The upload was stopped."));
    xhr.open("POST", here("/api/jobs"));
    xhr.send(form);
  });
}

/** Uploads an image for previews through a chain of filters; `page` may be empty. */
export async function createPreview(file, page, signal) {
  const form = new FormData();
  form.append("image", file);
  if (page) form.append("page", page);
  const response = await send("/api/previews", { method: "POST", body: form, signal });
  return answerOf(response, true);
}

/** Fetches a picture as a bitmap, ready to be drawn. */
export async function fetchPicture(path, signal) {
  const response = await send(path, { signal });
  if (!response.ok || response.headers.get("content-type") !== "image/png") return answerOf(response, false);
  onCall(null);
  const [width, height] = response.headers.get("tilemill-image-size").split("x").map(Number);
  return { picture: await createImageBitmap(await response.blob()), width, height };
}

async function send(path, { method = "GET", signal, ...options }) {
  const limits = [signal, method === "GET" && AbortSignal.timeout(PATIENCE)].filter(Boolean);
  try {
    return await fetch(here(path), { method, signal: AbortSignal.any(limits), ...options });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw told(new ApiError(0, UNREACHABLE));
  }
}

const answerOf = async (response, isUpload) =>
  answer(response.status, await response.text(), (name) => response.headers.get(name), isUpload);

function answer(status, text, header, isUpload) {
  const after = Number(header("retry-after")) || 0;
  const type = header("content-type") ?? "";
  const isFine = status >= 200 && status < 300;
  if (isFine ? type.startsWith("text/html") : !type.startsWith("application/problem+json")) {
    const words = explained(status, header("server"), isUpload);
    const error = new ApiError(status, words, { after, foreign: true });
    // An upload that is too large for the proxy says nothing about other requests.
    throw status === 413 ? error : told(error);
  }
  onCall(null);
  if (!isFine) throw new ApiError(status, parse(text).detail, { after });
  return type.startsWith("application/json") ? parse(text) : null;
}
