// The legend of a mosaic: the number of tiles of each worker. Pointing at a worker shows only its tiles.

import { keep, make, say } from "../dom.js";
import { plural } from "../words.js";
import { colourOf } from "./colours.js";

/** Shows the legend in `list`; calls `onWanted(number)` with the worker under the pointer, or 0. */
export function createLegend(list, onWanted) {
  let held = 0;

  function create([number]) {
    const swatch = make("span", { className: "swatch" });
    swatch.style.background = colourOf(number);
    const button = make("button", { type: "button", className: "small" }, swatch, make("span"));
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("pointerenter", () => onWanted(number));
    button.addEventListener("pointerleave", () => onWanted(held));
    button.addEventListener("click", () => hold(held === number ? 0 : number));
    return make("li", {}, button);
  }

  function hold(number) {
    held = number;
    for (const { dataset, firstElementChild } of list.children) {
      firstElementChild.setAttribute("aria-pressed", dataset.key === String(held));
    }
    onWanted(held);
  }

  return {
    show(mosaic, states) {
      const update = (item, [number, count]) => {
        const name = mosaic.workers[number];
        const state = states.get(name);
        const lost = state === "dead" || state === "late" ? `, ${state}` : "";
        say(item.firstElementChild.lastElementChild, `${name}: ${plural(count, "tile")}${lost}`);
      };
      keep(list, mosaic.shares(), ([number]) => String(number), create, update);
    },
    reset: () => hold(0),
  };
}
