// The chain of filters: a text, which is authoritative, and a list of steps to edit it by.

import { request } from "../api.js";
import { at, make, say } from "../dom.js";
import { parameterField } from "./field.js";
import { defaultStep, format, misplaced, parse } from "./text.js";

/** Milliseconds before the first retry of the request for the filters, and at most between two. */
const [FIRST, MOST] = [1000, 15_000];

const text = at("filters");
const list = at("steps");
let filters = [];
let steps = [];
let onChange = () => {};

/** The chain as it is sent to the server. */
export const chain = () => text.value.trim();

/** Whether the chain moves pixels, so that its result may have another size than the image. */
export const moves = () => steps.some(({ filter }) => filter.moves);

/** Puts a chain into the text, and into the list. */
export function setChain(value) {
  text.value = value;
  read();
}

/**
 * Requests the server's filters and enables the list; the text works without it. Calls `changed()` after each change of
 * the chain.
 */
export async function startBuilder(changed) {
  onChange = changed;
  text.addEventListener("input", read);
  at("add").addEventListener("click", add);
  at("filter").addEventListener("change", () => say(at("filter-about"), chosen().summary));
  setReady(false);
  filters = await filtersAtLast();
  if (!filters.length) return;
  at("filter").append(...filters.map(({ name }) => make("option", { value: name }, name)));
  say(at("filter-about"), chosen().summary);
  setReady(true);
  read();
}

function setReady(ready) {
  for (const id of ["filter", "add"]) at(id).disabled = !ready;
}

async function filtersAtLast() {
  for (let pause = FIRST; ; pause = Math.min(2 * pause, MOST)) {
    try {
      return await request("GET", "/api/filters");
    } catch (error) {
      say(at("chain-said"), `The list of filters is missing, trying again. ${error.message}`);
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

const chosen = () => filters.find(({ name }) => name === at("filter").value);

/** Takes the steps from the text; if it cannot be parsed, says why and leaves the list as it was. */
function read() {
  onChange();
  if (!filters.length) return;
  try {
    steps = parse(text.value, filters);
  } catch (error) {
    list.classList.add("stale");
    return say(at("chain-said"), error.message);
  }
  showSteps();
  list.classList.remove("stale");
  say(at("chain-said"), misplaced(steps));
}

function write() {
  text.value = format(steps);
  onChange();
  list.classList.remove("stale");
  say(at("chain-said"), misplaced(steps));
}

function showSteps() {
  list.replaceChildren(...steps.map(stepItem));
}

function stepItem(step, index) {
  const { filter, values } = step;
  const fields = filter.params.map((param, place) =>
    parameterField(param, values[place], (value) => {
      values[place] = value;
      write();
    }),
  );
  const head = make(
    "div",
    { className: "step-head" },
    make("strong", { title: filter.summary }, filter.name),
    button("↑", `Move ${filter.name} up`, index === 0, () => move(index, index - 1, "↑")),
    button("↓", `Move ${filter.name} down`, index === steps.length - 1, () => move(index, index + 1, "↓")),
    button("✕", `Remove ${filter.name}`, false, () => remove(index)),
  );
  return make("li", {}, head, ...fields);
}

function button(sign, label, disabled, onClick) {
  const button = make("button", { type: "button", className: "small", disabled, title: label }, sign);
  button.setAttribute("aria-label", label);
  button.addEventListener("click", onClick);
  return button;
}

function add() {
  const place = chosen().first ? 0 : steps.length;
  steps.splice(place, 0, defaultStep(chosen()));
  changed(`${chosen().name} is added as step ${place + 1}.`);
}

function remove(index) {
  const [gone] = steps.splice(index, 1);
  changed(`${gone.filter.name} is removed.`);
  const next = list.children[Math.min(index, steps.length - 1)];
  (next?.querySelector("button:last-of-type") ?? at("filter")).focus();
}

/** The pressed button keeps the focus; at an end of the list, the other one gets it. */
function move(from, to, sign) {
  steps.splice(to, 0, ...steps.splice(from, 1));
  changed(`${steps[to].filter.name} is step ${to + 1} now.`);
  const buttons = [...list.children[to].querySelectorAll("button:enabled")];
  (buttons.find((button) => button.textContent === sign) ?? buttons[0]).focus();
}

function changed(said) {
  write();
  showSteps();
  say(at("builder-said"), said);
}
