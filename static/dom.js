// Elements: found, made, and changed only where they differ. Text is always set as text.

/** The element with this id. */
export const at = (id) => document.getElementById(id);

/** A new element with properties and children. */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** Sets a text if it differs: live regions speak once, and a selection stays. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Shows or hides an element; if it has the focus when it is hidden, the focus moves to `heir`. */
export function show(element, visible, heir) {
  const focused = !visible && element.contains(document.activeElement);
  if (element.hidden === visible) element.hidden = !visible;
  if (focused && heir) heir.focus();
}

/**
 * Keeps one child of `parent` for each item, in their order; a child stays as long as its item. The focus of a child
 * that is removed moves to its neighbour, or to `heir`.
 */
export function keep(parent, items, key, create, update, heir) {
  const focused = parent.contains(document.activeElement) ? document.activeElement : null;
  removeOthers(parent, new Set(items.map(key)), heir);
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  items.forEach((item, index) => {
    const child = old.get(key(item)) ?? create(item);
    child.dataset.key = key(item);
    update(child, item);
    const there = parent.children[index];
    if (there !== child) parent.insertBefore(child, there ?? null);
  });
  // A child that is moved loses the focus, too.
  if (focused?.isConnected && document.activeElement === document.body) focused.focus({ preventScroll: true });
}

/** Called first, so that the children behind the removed ones need not be moved. */
function removeOthers(parent, keys, heir) {
  const stays = (child) => keys.has(child.dataset.key);
  const leaving = [...parent.children].filter((child) => !stays(child));
  const focused = leaving.find((child) => child.contains(document.activeElement));
  if (focused) {
    const all = [...parent.children];
    const place = all.indexOf(focused);
    const next = all.slice(place).find(stays) ?? all.slice(0, place).findLast(stays);
    (next?.querySelector("a, button") ?? heir)?.focus();
  }
  for (const child of leaving) child.remove();
}
