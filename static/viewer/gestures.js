// Fingers, mouse, wheel and keys on a canvas, as pan and zoom of a camera.

/** The factor of one zoom step, and the pixels of one pan step. */
export const ZOOM = 1.5;
const PAN = 60;
const PANS = { ArrowLeft: [PAN, 0], ArrowRight: [-PAN, 0], ArrowUp: [0, PAN], ArrowDown: [0, -PAN] };

/** Moves the camera that `camera()` returns and calls `onMove()`; `grab(event)` may take a pointer for itself. */
export function listen(canvas, { camera, onMove, grab }) {
  const pointers = new Map();

  canvas.addEventListener("pointerdown", (event) => {
    // Other buttons open menus, and their `pointerup` may never arrive.
    if (event.button !== 0 || !camera() || grab(event)) return;
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, [event.offsetX, event.offsetY]);
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const others = [...pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
    const now = [event.offsetX, event.offsetY];
    pointers.set(event.pointerId, now);
    if (others.length) pinch(others[0], before, now);
    else camera().pan(now[0] - before[0], now[1] - before[1]);
    onMove();
  });
  for (const type of ["pointerup", "pointercancel", "lostpointercapture"]) {
    canvas.addEventListener(type, ({ pointerId }) => pointers.delete(pointerId));
  }
  canvas.addEventListener("wheel", (event) => {
    // Without Ctrl or the focus, the wheel scrolls the page, which is what most readers want at first.
    if (!camera() || (!event.ctrlKey && document.activeElement !== canvas)) return;
    event.preventDefault();
    camera().zoomTo(camera().scale * 2 ** (-event.deltaY / 200), [event.offsetX, event.offsetY]);
    onMove();
  }, { passive: false });
  canvas.addEventListener("dblclick", ({ offsetX, offsetY }) => {
    camera()?.zoomTo(camera().scale * ZOOM ** 2, [offsetX, offsetY]);
    onMove();
  });
  canvas.addEventListener("keydown", (event) => {
    if (!camera() || event.altKey || event.ctrlKey || event.metaKey || !act(event.key)) return;
    event.preventDefault();
    onMove();
  });

  function pinch(fixed, before, now) {
    const distance = (point) => Math.hypot(point[0] - fixed[0], point[1] - fixed[1]);
    const middle = [(fixed[0] + now[0]) / 2, (fixed[1] + now[1]) / 2];
    camera().pan((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
    camera().zoomTo((camera().scale * distance(now)) / Math.max(1, distance(before)), middle);
  }

  function act(key) {
    if (PANS[key]) camera().pan(...PANS[key]);
    else if (key === "+" || key === "=") camera().zoomTo(camera().scale * ZOOM);
    else if (key === "-") camera().zoomTo(camera().scale / ZOOM);
    else if (key === "0") camera().fit();
    else if (key === "1") camera().zoomTo(1);
    else return false;
    return true;
  }
}
