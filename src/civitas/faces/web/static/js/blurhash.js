// Decodes a BlurHash (the format of woltapp/blurhash, Algorithm.md) into a small canvas that CSS then stretches.
const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~";

const decode83 = (text) => [...text].reduce((sum, ch) => sum * 83 + DIGITS.indexOf(ch), 0);
const toLinear = (value) => (value <= 10.31475 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4);
const STEPS = 1024;
const BYTES = Uint8ClampedArray.from({ length: STEPS + 1 }, (_, at) => {
  const value = at / STEPS;
  return 255 * (value <= 0.0031308 ? value * 12.92 : 1.055 * value ** (1 / 2.4) - 0.055);
});
const toByte = (value) => BYTES[value <= 0 ? 0 : value >= 1 ? STEPS : Math.round(value * STEPS)];
const signedSquare = (value) => Math.sign(value) * value * value;

function components(hash) {
  const flag = decode83(hash[0]);
  const across = (flag % 9) + 1;
  const down = Math.floor(flag / 9) + 1;
  if (hash.length !== 4 + 2 * across * down) return null;
  const most = (decode83(hash[1]) + 1) / 166;
  const average = decode83(hash.slice(2, 6));
  const colours = [[average >> 16, (average >> 8) & 255, average & 255].map(toLinear)];
  for (let i = 1; i < across * down; i += 1) {
    const value = decode83(hash.slice(4 + i * 2, 6 + i * 2));
    const parts = [Math.floor(value / 361), Math.floor(value / 19) % 19, value % 19];
    colours.push(parts.map((part) => signedSquare((part - 9) / 9) * most));
  }
  return { across, down, colours };
}

/** Paint `hash` over the whole of `canvas`; a hash that is not one leaves it empty. */
export function paint(canvas, hash) {
  if (!hash || hash.length < 6 || [...hash].some((ch) => !DIGITS.includes(ch))) return;
  const found = components(hash);
  if (!found) return;
  const { width, height } = canvas;
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(width, height);
  const waves = (size, count) =>
    Array.from({ length: size }, (_, at) =>
      Array.from({ length: count }, (_, i) => Math.cos((Math.PI * at * i) / size)),
    );
  const [across, down] = [waves(width, found.across), waves(height, found.down)];
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      let [red, green, blue] = [0, 0, 0];
      for (let j = 0; j < found.down; j += 1) {
        for (let i = 0; i < found.across; i += 1) {
          const basis = across[x][i] * down[y][j];
          const colour = found.colours[i + j * found.across];
          red += colour[0] * basis;
          green += colour[1] * basis;
          blue += colour[2] * basis;
        }
      }
      const at = 4 * (x + y * width);
      pixels.data[at] = toByte(red);
      pixels.data[at + 1] = toByte(green);
      pixels.data[at + 2] = toByte(blue);
      pixels.data[at + 3] = 255;
    }
  }
  context.putImageData(pixels, 0, 0);
}
