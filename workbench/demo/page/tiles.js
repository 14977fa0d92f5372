// Maps as pictures on a canvas.

import { colour, isLight } from "./scale.js";

const scratch = document.createElement("canvas");

// Sizes a canvas in CSS pixels, with the resolution of the screen; returns its context.
export function sized(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

// Draws width x height values, from first on, as cells of the given size; what shows(index) refuses is left out.
export function drawTile(context, values, { first, width, height, x, y, cell, scale, most, shows }) {
  scratch.width = width;
  scratch.height = height;
  const plain = scratch.getContext("2d"), image = plain.createImageData(width, height);
  for (let index = 0; index < width * height; index++) {
    if (first + index >= values.length || (shows && !shows(index))) continue;
    image.data.set(colour(values[first + index], scale, most), 4 * index);
    image.data[4 * index + 3] = 255;
  }
  plain.putImageData(image, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(scratch, x, y, width * cell, height * cell);
}

// Writes the values of a tile of pixels into their cells, as 0 to 255.
export function drawNumbers(context, values, { first, width, height, x, y, cell }) {
  Object.assign(context, { font: `${Math.round(cell * 0.48)}px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace`, textAlign: "center", textBaseline: "middle" });
  for (let index = 0; index < width * height; index++) {
    const value = values[first + index], level = Math.round(255 * value);
    context.fillStyle = level === 0 ? "#8a8a8a" : isLight(colour(value, "pixel")) ? "#000" : "#fff";
    context.fillText(level, x + ((index % width) + 0.5) * cell, y + (Math.floor(index / width) + 0.5) * cell + 0.5);
  }
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

