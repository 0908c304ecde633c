window.EventSource = class extends EventTarget { close() {} };
const wait = setTimeout;
window.setTimeout = (act, after, ...given) => wait(act, after === 6000 ? 10 : after, ...given);
