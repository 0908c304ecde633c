// A chain as text and as steps: `blur:2.5,invert` is two steps, each a filter with all its values.

/** A step of this filter with its default values. */
export const defaultStep = (filter) => ({
  filter,
  values: filter.params.map((param) => String(param.default)),
});

/** Parses a text into steps. Throws an Error that says what is wrong. */
export function parse(text, filters) {
  if (text.trim() === "") return [];
  // No name begins with a digit: such a part goes on with the list before it.
  return text.split(/,(?!\s*\d)/).map((part) => parseStep(part.trim(), filters));
}

function parseStep(text, filters) {
  const [name, ...given] = text.split(":");
  const filter = filters.find((filter) => filter.name === name);
  if (!filter) throw new Error(name ? `There is no filter “${name}”.` : "A filter is missing.");
  const step = defaultStep(filter);
  given.forEach((value, place) => setGiven(step, value, place));
  return step;
}

function setGiven({ filter, values }, given, place) {
  const [key, named] = given.split("=");
  const index = named === undefined ? place : filter.params.findIndex(({ name }) => name === key);
  const param = filter.params[index];
  if (!param) throw new Error(`${filter.name} takes no value “${given}”.`);
  values[index] = named ?? given;
  if (!fits(param, values[index])) throw new Error(`${param.name} must be ${allowed(param)}.`);
}

/** What is wrong with the order of the steps, in words; "" if it is right. */
export function misplaced(steps) {
  const late = steps.slice(1).find(({ filter }) => filter.first);
  return late ? `${late.filter.name} looks at the whole image, so it must be the first filter.` : "";
}

/** The shortest text of the steps: values behind the last non-default one are left out. */
export function format(steps) {
  return steps.map(formatStep).join(",");
}

function formatStep({ filter, values }) {
  const told = values.findLastIndex((value, index) => !isDefault(filter.params[index], value));
  return [filter.name, ...values.slice(0, told + 1)].join(":");
}

const isDefault = (param, value) =>
  isNumeric(param) ? Number(value) === param.default : value === String(param.default);

/** Whether a parameter is a number, of either kind. */
export const isNumeric = ({ type }) => type === "number" || type === "integer";

/** Whether a parameter takes this value. */
export function fits(param, value) {
  if (param.type === "choice") return param.choices.includes(value);
  if (param.type === "list") return areFit(param, value.split(","));
  if (!isNumeric(param)) return true;
  const number = Number(value);
  const whole = param.type === "number" || Number.isInteger(number);
  return value.trim() !== "" && number >= param.min && number <= param.max && whole;
}

const areFit = ({ min, max, most }, numbers) =>
  numbers.length <= most &&
  numbers.every((number) => /^\s*\d+\s*$/.test(number) && number >= min && number <= max);

/** "a number from 0.1 to 100 pixels" */
export function allowed(param) {
  if (param.type === "choice") return `one of ${param.choices.join(", ")}`;
  if (param.type === "list") return `whole numbers from ${param.min} to ${param.max}, separated by commas`;
  const kind = param.type === "integer" ? "a whole number" : "a number";
  return `${kind} from ${range(param)}`;
}

/** "0.1 to 100 pixels" */
export const range = ({ min, max, unit }) => `${min} to ${max}${unit ? ` ${unit}` : ""}`;
