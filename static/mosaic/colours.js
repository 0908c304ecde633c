// A colour for each worker, as different as their number allows.

/** The golden angle: consecutive numbers are far apart in hue. */
const TURN = 137.508;
const FIRST = 212;

/** The colour of a worker by its number, from 1; grey for 0, an unknown worker. */
export function colourOf(number, alpha = 1) {
  if (number === 0) return `hsl(0 0% 55% / ${alpha})`;
  const hue = (FIRST + TURN * (number - 1)) % 360;
  return `hsl(${hue.toFixed(1)} 85% ${number % 2 ? 55 : 45}% / ${alpha})`;
}

/** Over tiles of other workers while one is selected in the legend. */
export const DIM = "rgb(128 128 128 / 0.8)";
