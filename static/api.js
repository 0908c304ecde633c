// Requests to the server, and what went wrong with one, in words.

/**
 * A request that failed; `status` is 0 when there was no answer at all, `after` the seconds after which the
 * server is worth another try, if it says so.
 */
export class ApiError extends Error {
  constructor(status, text, after = 0) {
    super(text);
    Object.assign(this, { status, after });
  }
}

const UNREACHABLE = "The server cannot be reached. Is it running, and is the network up?";
const BROKE_OFF =
  "The connection broke while the image was being sent. Is the server running, can the file " +
  "still be read, and is it not larger than the server accepts?";

/** Milliseconds that what is asked for may take: over a dead connection no answer ever comes. */
const PATIENCE = 30_000;

/** The server's clock minus this one's, in milliseconds. */
let skew = 0;

/** The time as the server has it, in milliseconds. */
export const serverNow = () => Date.now() + skew;

/** Seconds since a time that the server gave. */
export const secondsSince = (timestamp) => Math.max(0, (serverNow() - Date.parse(timestamp)) / 1000);

/** Sends a request; returns the JSON of the answer, null when there is none. */
export async function request(method, path) {
  let response, text;
  try {
    const signal = method === "GET" ? AbortSignal.timeout(PATIENCE) : null;
    response = await fetch(path, { method, cache: "no-store", signal });
    text = await response.text();
  } catch {
    throw new ApiError(0, UNREACHABLE);
  }
  const date = Date.parse(response.headers.get("date"));
  if (date) skew = date + 500 - Date.now();
  return answer(response.status, text);
}

/**
 * Creates a job. `onProgress` is told the bytes that were sent, and all. An `AbortSignal` stops it.
 * fetch cannot tell how far an upload is, so this is an XMLHttpRequest.
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
        resolve(answer(xhr.status, xhr.responseText, Number(xhr.getResponseHeader("retry-after"))));
      } catch (error) {
        reject(error);
      }
    };
    xhr.onerror = () => reject(new ApiError(0, BROKE_OFF));
    xhr.onabort = () => reject(new ApiError(0, "The upload was stopped."));
    xhr.open("POST", "/api/jobs");
    xhr.send(form);
  });
}

function answer(status, text, after = 0) {
  let value = null;
  try {
    value = JSON.parse(text);
  } catch {
    // Something between here and the server may answer with other than JSON, or with nothing.
  }
  if (status >= 200 && status < 300) return value;
  throw new ApiError(status, value?.detail ?? `The server answered with status ${status}.`, after);
}
