const parts = (colour) => colour.match(/[\d.]+/g).map(Number);
const ground = (element) => {
  const [r, g, b, alpha = 1] = parts(getComputedStyle(element).backgroundColor);
  return alpha === 0 ? ground(element.parentElement) : [r, g, b];
};
const linear = (part) => (part /= 255) <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
const contrast = (element) => {
  const both = [parts(getComputedStyle(element).color), ground(element)].map(luminance);
  return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
};
const hasText = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
return [...document.body.querySelectorAll('*')]
  .filter((element) => hasText(element) && element.checkVisibility() && !element.disabled && contrast(element) < 4.5)
  .map((element) => `${element.textContent.trim()}: ${contrast(element)}`);
