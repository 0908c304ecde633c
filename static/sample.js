// A sample picture: hills before an evening sky, painted here, so that nothing has to be fetched.

const [WIDTH, HEIGHT] = [3600, 2400];
const SKY = ["#16213e", "#3b3a6d", "#a5547a", "#f08a5d", "#f9d56e"];
const HILLS = ["#5b4a78", "#44406a", "#31365a", "#222c48", "#141f33"];

/** The sample as a file. */
export async function paintSample() {
  const canvas = Object.assign(document.createElement("canvas"), { width: WIDTH, height: HEIGHT });
  const context = canvas.getContext("2d");
  const random = createRandom(7);
  paintSky(context);
  paintStars(context, random);
  paintSun(context);
  HILLS.forEach((colour, index) => paintHill(context, colour, index, random));
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
  return new File([blob], "sample.jpg", { type: "image/jpeg" });
}

/** Pseudo-random numbers, equal each time (a linear congruential generator, Numerical Recipes). */
function createRandom(seed) {
  return () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
}

function paintSky(context) {
  const sky = context.createLinearGradient(0, 0, 0, 0.75 * HEIGHT);
  SKY.forEach((colour, index) => sky.addColorStop(index / (SKY.length - 1), colour));
  context.fillStyle = sky;
  context.fillRect(0, 0, WIDTH, HEIGHT);
}

function paintStars(context, random) {
  for (let star = 0; star < 900; star += 1) {
    const [x, y] = [random() * WIDTH, random() ** 2 * 0.5 * HEIGHT];
    context.fillStyle = `rgb(255 255 255 / ${0.8 * random() * (1 - (2 * y) / HEIGHT)})`;
    context.beginPath();
    context.arc(x, y, 1 + 3 * random(), 0, 2 * Math.PI);
    context.fill();
  }
}

function paintSun(context) {
  const [x, y] = [0.66 * WIDTH, 0.56 * HEIGHT];
  const glow = context.createRadialGradient(x, y, 0, x, y, 900);
  glow.addColorStop(0, "#fffbe0");
  glow.addColorStop(0.16, "#fff1b8");
  glow.addColorStop(0.18, "#ffdf8a88");
  glow.addColorStop(1, "#ffdf8a00");
  context.fillStyle = glow;
  context.fillRect(0, 0, WIDTH, HEIGHT);
}

/** A ridge of waves, and firs on the nearer ones. */
function paintHill(context, colour, index, random) {
  const top = (0.58 + 0.085 * index) * HEIGHT;
  const waves = [1, 2, 4, 9, 23].map((times) => ({ times, phase: random() * 7, high: 150 / times }));
  const ridge = (x) =>
    waves.reduce((y, { times, phase, high }) => y + high * Math.sin((x / WIDTH) * 7 * times + phase), top);
  context.fillStyle = colour;
  context.beginPath();
  context.moveTo(0, HEIGHT);
  for (let x = 0; x <= WIDTH; x += 6) context.lineTo(x, ridge(x));
  context.lineTo(WIDTH, HEIGHT);
  context.fill();
  for (let fir = 0; fir < 130 * index; fir += 1) {
    const x = random() * WIDTH;
    paintFir(context, x, ridge(x) + 12, (14 + 22 * random()) * index * 0.7);
  }
}

function paintFir(context, x, y, height) {
  for (const part of [0, 0.28, 0.52]) {
    const [base, wide] = [y - part * height, height * (0.34 - 0.36 * part)];
    context.beginPath();
    context.moveTo(x - wide, base);
    context.lineTo(x, base - 0.52 * height);
    context.lineTo(x + wide, base);
    context.fill();
  }
}
