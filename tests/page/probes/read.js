window.read ??= (css) => {
  const { width, height } = document.querySelector(css);
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  if (width && height) context.drawImage(document.querySelector(css), 0, 0);
  return context;
};
