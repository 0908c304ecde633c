// What can be done with a job: stop it, try it again, delete it once that is confirmed.

import { request } from "./api.js";
import { at, make, say } from "./dom.js";
import { ended } from "./words.js";

/** Stops a job; returns what became of it. */
export const cancel = ({ id }) => request("POST", `/api/jobs/${id}/cancel`);

/** Tries a job again; returns the one that takes its place. */
export const retry = ({ id }) => request("POST", `/api/jobs/${id}/retry`);

/** Deletes a job if that is meant; returns whether it was. */
export async function remove(job, beforehand = () => {}) {
  const running = ended(job) ? "" : " It is stopped first.";
  if (!(await confirmed(`Delete ${job.name}, its original and its result?${running}`))) return false;
  beforehand();
  await request("DELETE", `/api/jobs/${job.id}`);
  return true;
}

/** Whether the reader means what cannot be undone. */
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

/** A text in which what stands between backticks is a command. */
export function withCommands(text) {
  return text.split("`").map((part, index) => (index % 2 ? make("code", {}, part) : part));
}
