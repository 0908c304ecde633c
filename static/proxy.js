// Explains responses of a proxy in front of the server.

/** The directive that limits uploads in each proxy, by the start of its `Server` header. */
const SIZE_LIMITS = [
  ["nginx", "client_max_body_size there, which is 1 MB unless it is set"],
  ["Apache", "SecRequestBodyLimit of mod_security there, or LimitRequestBody"],
  ["Caddy", "max_size of request_body there"],
];

const MEANINGS = {
  401: "wants a name and a password: reload the page to enter them.",
  403: "does not allow this.",
  407: "wants a name and a password: reload the page to enter them.",
  502: "cannot reach it: is tilemill running?",
  503: "cannot reach it for now: is tilemill running?",
  504: "got no answer from it in time.",
};

/** A sentence about a response with this status; `server` is its `Server` header, or null. */
export function explained(status, server, isUpload) {
  const name = /^[\w.-]+/.exec(server ?? "")?.[0];
  const proxy = `The proxy in front of the server${name ? ` (${name})` : ""}`;
  if (status < 300) return `${proxy} answered with a page of its own, such as a login: reload this page.`;
  if (status === 413) return `${proxy} refuses an upload of this size: raise ${sizeLimit(name)}.`;
  // Caddy 2.6 answers 502 to an upload that it has cut off itself.
  const may = isUpload && status === 502 && name === "Caddy" ? ` Or raise ${sizeLimit(name)}.` : "";
  return `${proxy} ${MEANINGS[status] ?? `answered with status ${status}.`}${may}`;
}

function sizeLimit(name = "") {
  return SIZE_LIMITS.find(([proxy]) => name.startsWith(proxy))?.[1] ?? "its limit for the size of requests";
}
