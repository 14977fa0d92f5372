// The stages of a network: the input, and the output of every layer. A stage is channels x height x width values; a flat one
// has a channel for every unit, of one pixel.

import { largest } from "./scale.js";
import { floats } from "./server.js";

export function stagesOf(facts) {
  const stages = [stage(0, "input", { op: "input", options: {}, tensors: {}, shape: facts.shape })];
  for (const [index, layer] of facts.layers.entries()) {
    const tensors = Object.fromEntries(
      Object.entries(layer.tensors).map(([name, { shape, data }]) => [name, { shape, values: floats(data) }]),
    );
    stages.push({ ...stage(index + 1, layer.text, { ...layer, tensors }), before: stages[index] });
  }
  stages.at(-1).names = facts.classes;
  return stages;
}

function stage(index, text, { op, options, tensors, shape }) {
  const [channels, height = 1, width = 1] = shape;
  return { index, text, op, options, tensors, channels, height, width, isFlat: shape.length === 1, before: null, names: null };
}

export function sizeOf({ channels, height, width, isFlat }) {
  return isFlat ? `${channels} units` : `${channels} × ${height} × ${width}`;
}

export function indexOf(stage, { channel, row, column }) {
  return (channel * stage.height + row) * stage.width + column;
}

export function placeName(stage, { channel, row, column }) {
  if (stage.names) return `score of ${stage.names[channel]}`;
  if (stage.isFlat) return `unit ${channel}`;
  const where = `row ${row}, column ${column}`;
  return stage.channels === 1 ? where : `map ${channel}, ${where}`;
}

// Adds to a sight, for every stage, the scale of its values and the largest of them.
export function scaled(sight) {
  return { ...sight, most: sight.values.map(largest) };
}

export function scaleOf(stage) {
  return stage.index === 0 ? "pixel" : "signed";
}

// The place of the value in a map, or in a flat stage, that is farthest from 0.
export function strongest(stage, values, channel) {
  const size = stage.height * stage.width;
  let best = stage.isFlat ? 0 : channel * size;
  const [first, last] = stage.isFlat ? [0, values.length] : [channel * size, (channel + 1) * size];
  for (let index = first; index < last; index++) if (Math.abs(values[index]) > Math.abs(values[best])) best = index;
  return placeAt(stage, best);
}

export function placeAt(stage, index) {
  const size = stage.height * stage.width, inside = index % size;
  return { channel: Math.floor(index / size), row: Math.floor(inside / stage.width), column: inside % stage.width };
}
