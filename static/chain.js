// The filters: a text that is the truth, and a builder that adds to it.

import { request } from "./api.js";
import { at, make, say } from "./dom.js";

const text = at("filters");
let filters = [];

/** The chain as the server reads it. */
export const chain = () => text.value.trim();

/** Puts a chain into the text. */
export function setChain(value) {
  text.value = value;
}

/** Asks the server for its filters and makes the builder work. */
export async function startBuilder() {
  at("filter").addEventListener("change", showParameters);
  at("add").addEventListener("click", add);
  at("remove-last").addEventListener("click", removeLast);
  at("clear").addEventListener("click", () => change("", "There are no filters now."));
  at("builder").addEventListener("keydown", addOnEnter);
  try {
    filters = await request("GET", "/api/filters");
  } catch (error) {
    at("builder").disabled = true;
    say(at("builder-said"), `The list of filters is missing. ${error.message}`);
    return;
  }
  at("filter").append(...filters.map(({ name }) => make("option", { value: name }, name)));
  showParameters();
}

const chosen = () => filters.find(({ name }) => name === at("filter").value);

function showParameters() {
  const { summary, params } = chosen();
  say(at("filter-summary"), summary);
  at("parameters").replaceChildren(...params.map(field));
}

function field(param) {
  const id = `parameter-${param.name}`;
  const label = make("label", { htmlFor: id }, `${param.name}: ${param.summary}`);
  if (param.type === "choice") {
    const input = make("select", { id }, ...param.choices.map((word) => make("option", {}, word)));
    input.value = param.default;
    return make("div", { className: "field" }, label, input);
  }
  const { min, max, step } = param;
  const input = make("input", { id, type: "number", min, max, step, value: param.default });
  const range = make("small", { id: `${id}-range` }, allowed(param));
  input.setAttribute("aria-describedby", range.id);
  return make("div", { className: "field" }, label, input, range);
}

const allowed = ({ min, max, unit }) => `${min} to ${max}${unit ? ` ${unit}` : ""}`;

function add() {
  const { name, params } = chosen();
  const values = params.map((param) => at(`parameter-${param.name}`).value);
  const wrong = params.find((param, index) => !fits(param, values[index]));
  if (wrong) {
    at(`parameter-${wrong.name}`).focus();
    const kind = wrong.type === "integer" ? "a whole number" : "a number";
    say(at("builder-said"), `${wrong.name} must be ${kind} from ${allowed(wrong)}.`);
    return;
  }
  const told = params.findLastIndex((param, index) => values[index] !== String(param.default));
  const step = [name, ...values.slice(0, told + 1)].join(":");
  change(chain() ? `${chain()},${step}` : step, `Added ${step}.`);
}

function fits({ type, min, max }, value) {
  if (type === "choice") return true;
  const number = Number(value);
  return value !== "" && number >= min && number <= max &&
    (type !== "integer" || Number.isInteger(number));
}

function removeLast() {
  const steps = chain().split(",");
  const last = steps.pop();
  change(steps.join(","), last ? `Removed ${last}.` : "There are no filters.");
}

function change(value, said) {
  setChain(value);
  say(at("builder-said"), said);
}

/** Elsewhere in the form Enter starts the job; here it adds the filter. */
function addOnEnter(event) {
  if (event.key !== "Enter" || event.target.localName === "button") return;
  event.preventDefault();
  if (event.target.localName === "input") add();
}
