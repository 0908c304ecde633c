// The controls of one parameter: a slider and a number, a choice, or a text.

import { make } from "../dom.js";
import { allowed, fits, isNumeric, range } from "./text.js";

/** Positions of a slider. */
const POSITIONS = 1000;
/** A range of more steps than these is non-linear, so that its small values can be chosen, too. */
const FINE = 200;
/** Among more steps than these, no slider finds a value. */
const SLIDABLE = 1e5;

let made = 0;

/** A field that shows `value` and calls `onChange(value)` with each new value that is allowed. */
export function parameterField(param, value, onChange) {
  made += 1;
  const id = `parameter-${made}`;
  const label = make("label", { htmlFor: id }, param.name);
  const summary = make("small", { id: `${id}-about` }, about(param));
  const controls = isNumeric(param)
    ? numberControls(param, id, value, onChange)
    : [otherControl(param, id, value, onChange)];
  controls.at(-1).setAttribute("aria-describedby", summary.id);
  return make("div", { className: "parameter" }, label, ...controls, summary);
}

const about = (param) =>
  isNumeric(param) ? `${param.summary}, ${range(param)}` : param.summary;

function otherControl(param, id, value, onChange) {
  const control =
    param.type === "choice"
      ? make("select", { id }, ...param.choices.map((word) => make("option", {}, word)))
      : make("input", { id, type: "text" });
  control.value = value;
  control.dataset.allowed = allowed(param);
  control.addEventListener("input", () => {
    const good = fits(param, control.value);
    control.setAttribute("aria-invalid", !good);
    if (good) onChange(control.value);
  });
  return control;
}

function numberControls(param, id, value, onChange) {
  const { min, max, step, name } = param;
  if ((max - min) / step > SLIDABLE) return [plainNumber(param, id, value, onChange)];
  const slider = make("input", { type: "range", min: 0, max: POSITIONS, className: "slider" });
  slider.setAttribute("aria-label", `${name}, slider`);
  const number = make("input", { id, type: "number", min, max, step, value });
  const showSlider = () => {
    slider.value = toPosition(param, Number(number.value));
    slider.setAttribute("aria-valuetext", `${number.value} ${param.unit}`.trim());
  };
  showSlider();
  slider.addEventListener("input", () => {
    number.value = fromPosition(param, Number(slider.value));
    number.setAttribute("aria-invalid", false);
    slider.setAttribute("aria-valuetext", `${number.value} ${param.unit}`.trim());
    onChange(number.value);
  });
  number.addEventListener("input", () => {
    const good = fits(param, number.value);
    number.setAttribute("aria-invalid", !good);
    if (!good) return;
    showSlider();
    onChange(number.value);
  });
  return [slider, number];
}

function plainNumber(param, id, value, onChange) {
  const number = make("input", { id, type: "number", min: param.min, max: param.max, step: "any", value });
  number.addEventListener("input", () => {
    const good = fits(param, number.value);
    number.setAttribute("aria-invalid", !good);
    if (good) onChange(number.value);
  });
  return number;
}

const power = ({ min, max, step }) => (min >= 0 && (max - min) / step > FINE ? 2 : 1);

function toPosition(param, value) {
  const part = (value - param.min) / (param.max - param.min);
  return Math.round(POSITIONS * part ** (1 / power(param)));
}

/** The value at a position, rounded to a step. */
function fromPosition(param, position) {
  const { min, max, step } = param;
  const value = min + (max - min) * (position / POSITIONS) ** power(param);
  const digits = (String(step).split(".")[1] ?? "").length;
  const stepped = min + Math.round((value - min) / step) * step;
  return Number(Math.min(max, stepped).toFixed(digits));
}
