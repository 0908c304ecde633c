// The actions on a job: cancel it, retry it, delete it after confirmation.

import { request } from "./api.js";
import { at, make, say } from "./dom.js";
import { ended } from "./words.js";

/** Cancels a job; returns the job as it is then. */
export const cancel = ({ id }) => request("POST", `/api/jobs/${id}/cancel`);

/** Retries a job; returns the new job that replaces it. */
export const retry = ({ id }) => request("POST", `/api/jobs/${id}/retry`);

/** Deletes a job if the reader confirms; returns whether it was deleted. */
export async function remove(job, beforehand = () => {}) {
  const running = ended(job) ? "" : " It is stopped first.";
  if (!(await confirmed(`Delete ${job.name}, its original and its result?${running}`))) return false;
  beforehand();
  await request("DELETE", `/api/jobs/${job.id}`);
  return true;
}

/** Asks the reader to confirm what cannot be undone; returns whether they did. */
export function confirmed(question) {
  const dialog = at("confirm");
  say(at("confirm-text"), question);
  dialog.returnValue = "keep";
  dialog.showModal();
  return new Promise((resolve) => {
    const answer = () => resolve(dialog.returnValue === "delete");
    dialog.addEventListener("close", answer, { once: true });
  });
}

/** The parts of a text, with `code` elements for what stands between backticks. */
export function withCommands(text) {
  return text.split("`").map((part, index) => (index % 2 ? make("code", {}, part) : part));
}
