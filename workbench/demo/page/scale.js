// Colours and numbers. There are two scales: of pixels, black to white, and of signed values, whose lightness grows with the
// value, so that the order is seen without colour.

const SIGNED = [[11, 42, 91], [68, 96, 140], [136, 136, 136], [210, 169, 90], [255, 246, 216]];
const STEPS = 256;

function between(share) {
  const place = share * (SIGNED.length - 1), low = Math.min(Math.floor(place), SIGNED.length - 2);
  return SIGNED[low].map((from, index) => from + (SIGNED[low + 1][index] - from) * (place - low));
}

const TABLES = {
  signed: Array.from({ length: STEPS }, (_, index) => between(index / (STEPS - 1))),
  pixel: Array.from({ length: STEPS }, (_, index) => [index, index, index]),
};

// The colour (red, green, blue) of a value; a signed scale goes from -most to most, that of pixels from 0 to 1.
export function colour(value, scale, most) {
  const share = scale === "pixel" ? value : most > 0 ? (value / most + 1) / 2 : 0.5;
  return TABLES[scale][Math.min(Math.max(Math.round(share * (STEPS - 1)), 0), STEPS - 1)] ?? TABLES.signed[128];
}

export function isLight([red, green, blue]) {
  return 0.299 * red + 0.587 * green + 0.114 * blue > 125;
}

export function css(channels) {
  return `rgb(${channels.map(Math.round).join(" ")})`;
}

export function largest(values) {
  let most = 0;
  for (const value of values) most = Math.max(most, Math.abs(value));
  return most;
}

// A number with a true minus sign, as many digits as are needed to tell its size.
export function number(value, digits = 4) {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  const text = size !== 0 && (size >= 1e6 || size < 10 ** -digits) ? value.toExponential(2) : value.toFixed(digits);
  return text.replace("-", "−");
}

// A number in few characters, for the cells of a matrix.
export function short(value) {
  const size = Math.abs(value);
  const text = size >= 1000 ? value.toExponential(0) : size >= 100 ? value.toFixed(0) : size >= 10 ? value.toFixed(1) : value.toFixed(2);
  return (/^-0\.?0*$/.test(text) ? text.slice(1) : text).replace("-", "−");
}
