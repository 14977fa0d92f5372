// Maps as pictures on a canvas.

import { colour, isLight } from "./scale.js";

const scratch = document.createElement("canvas"), plain = scratch.getContext("2d", { willReadFrequently: true });
const zero = document.createElement("canvas");

// Sizes a canvas in CSS pixels, with the resolution of the screen, and clears it; returns its context.
export function sized(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1, context = canvas.getContext("2d");
  const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== wide || canvas.height !== high) {
    Object.assign(canvas, { width: wide, height: high });
    Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
  }
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

// Draws width x height values, from first on, as cells of the given size; what shows(index) refuses is left out.
export function drawTile(context, values, { first, width, height, x, y, cell, scale, most, shows }) {
  if (scratch.width < width) scratch.width = width;
  if (scratch.height < height) scratch.height = height;
  const image = plain.createImageData(width, height);
  for (let index = 0; index < width * height; index++) {
    if (first + index >= values.length || (shows && !shows(index))) continue;
    const [red, green, blue] = colour(values[first + index], scale, most), at = 4 * index;
    image.data[at] = red;
    image.data[at + 1] = green;
    image.data[at + 2] = blue;
    image.data[at + 3] = 255;
  }
  plain.putImageData(image, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(scratch, 0, 0, width, height, x, y, width * cell, height * cell);
}

// Writes the values of a tile of pixels into their cells, as 0 to 255.
export function drawNumbers(context, values, { first, width, height, x, y, cell }) {
  const nothing = pictureOfZero(cell);
  for (let index = 0; index < width * height; index++) {
    const value = values[first + index], level = Math.round(255 * value), left = x + (index % width) * cell, top = y + Math.floor(index / width) * cell;
    if (level === 0) context.drawImage(nothing, left, top, cell, cell);
    else writeNumber(context, level, isLight(colour(value, "pixel")) ? "#000" : "#fff", left, top, cell);
  }
}

function writeNumber(context, level, style, x, y, cell) {
  const font = `${Math.round(cell * 0.48)}px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace`;
  Object.assign(context, { font, fillStyle: style, textAlign: "center", textBaseline: "middle" });
  context.fillText(level, x + cell / 2, y + cell / 2 + 0.5);
}

// A picture of the number 0, which most cells have: pictures are drawn faster than text.
function pictureOfZero(cell) {
  const ratio = window.devicePixelRatio || 1;
  if (zero.width !== Math.round(cell * ratio)) {
    Object.assign(zero, { width: Math.round(cell * ratio), height: Math.round(cell * ratio) });
    const context = zero.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    writeNumber(context, 0, "#8a8a8a", 0, 0, cell);
  }
  return zero;
}

// Outlines a rectangle so that it is seen on any ground.
export function outline(context, x, y, width, height) {
  for (const [line, style] of [[4, "#000"], [2, "#ffd75e"]]) {
    Object.assign(context, { lineWidth: line, strokeStyle: style });
    context.strokeRect(x - 1, y - 1, width + 2, height + 2);
  }
}

// Hatches a rectangle, for what lies outside of a map.
export function hatch(context, x, y, width, height) {
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  Object.assign(context, { lineWidth: 1, strokeStyle: getComputedStyle(document.body).getPropertyValue("--edge") });
  context.beginPath();
  for (let start = -height; start < width; start += 5) {
    context.moveTo(x + start, y + height);
    context.lineTo(x + start + height, y);
  }
  context.stroke();
  context.restore();
}

