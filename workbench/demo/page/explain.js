// What made a value: the window, the filter, the products and the sum. The values and the weights are those of the kernels;
// only the sum is made again here, in double precision.

import { largest } from "./scale.js";
import { indexOf, placeAt, placeName, scaleOf } from "./stages.js";

// Returns { matrices, sum, window, units }: matrices of cells to show; lines of the sum, the last the kernel's value; the window
// in the input; and the inputs of a dense unit.
export function explain(stage, sight, place, source) {
  const input = sight.values[stage.before.index], value = sight.values[stage.index][indexOf(stage, place)];
  const made = (EXPLAINED[stage.op] ?? copied)({ stage, before: stage.before, input, sight, place, source });
  const result = made.sum.at(-1);
  result.total = true;
  return { matrices: [], window: null, units: [], ...made, sum: [...made.sum, { label: "the kernel’s value", value, kernel: true }] };
}

// The input maps that a value of a convolution is made of: the first, and their number.
export function sourcesOf(stage, channel) {
  if (stage.op !== "conv2d") return { first: channel, count: 1 };
  const [outputs, count] = stage.tensors.weight.shape;
  return { first: Math.floor(channel / (outputs / stage.options.groups)) * count, count };
}

const EXPLAINED = {
  conv2d: convolution,
  max_pool2d: pooling,
  avg_pool2d: pooling,
  sum_pool2d: pooling,
  relu: rectified,
  batch_norm: normalized,
  dense: weighed,
};

function windowOf({ stage, before, place }, [height, width]) {
  const { stride, padding, dilation } = stage.options;
  const rows = Array.from({ length: height }, (_, index) => place.row * stride[0] - padding[0][0] + index * dilation[0]);
  const columns = Array.from({ length: width }, (_, index) => place.column * stride[1] - padding[1][0] + index * dilation[1]);
  const isInside = (row, column) => row >= 0 && row < before.height && column >= 0 && column < before.width;
  return { rows, columns, isInside };
}

function cells({ rows, columns, isInside }, at) {
  return rows.map((row, i) => columns.map((column, j) => (isInside(row, column) ? at(row, column, i, j) : null)));
}

function flat(rows) {
  return rows.flat().filter((value) => value !== null);
}

function total(values) {
  return values.reduce((sum, value) => sum + value, 0);
}

function convolution(call) {
  const { stage, before, input, sight, place } = call;
  const { weight, bias } = stage.tensors, [, count, height, width] = weight.shape;
  const { first } = sourcesOf(stage, place.channel), window = windowOf(call, [height, width]);
  const pixel = (channel) => (row, column) => input[indexOf(before, { channel: first + channel, row, column })];
  const factor = (channel) => (_row, _column, i, j) => weight.values[((place.channel * count + channel) * height + i) * width + j];
  const product = (channel) => (...at) => pixel(channel)(...at) * factor(channel)(...at);
  const sums = Array.from({ length: count }, (_, channel) => total(flat(cells(window, product(channel)))));
  const strongest = sums.reduce((best, value, channel) => (Math.abs(value) > Math.abs(sums[best]) ? channel : best), 0);
  const shown = call.source ?? strongest;
  const whole = { ...window, isInside: () => true };
  const products = cells(window, product(shown));
  return {
    source: shown,
    window: { ...window, channel: first + shown },
    matrices: [
      { title: count > 1 ? `window of map ${first + shown}` : "window", rows: cells(window, pixel(shown)), scale: scaleOf(before), most: sight.most[before.index] },
      { title: "× filter", rows: cells(whole, factor(shown)), scale: "signed", most: largest(weight.values) },
      { title: "= products", rows: products, scale: "signed", most: largest(flat(products)), name: "products" },
    ],
    sum: [
      { label: `sum of the products${count > 1 ? ` of map ${first + shown}` : ""}`, value: sums[shown] },
      ...(count > 1 ? [{ label: `sums of the other ${count - 1} maps`, value: total(sums) - sums[shown] }] : []),
      { label: "bias", value: bias.values[place.channel] },
      { label: "sum", value: total(sums) + bias.values[place.channel] },
    ],
  };
}

function pooling(call) {
  const { stage, before, input, sight, place } = call, [height, width] = stage.options.kernel_size;
  const window = windowOf(call, [height, width]);
  const rows = cells(window, (row, column) => input[indexOf(before, { channel: place.channel, row, column })]), values = flat(rows);
  const matrix = { title: "window", rows, scale: scaleOf(before), most: sight.most[before.index] };
  const found = { window: { ...window, channel: place.channel }, matrices: [matrix] };
  if (stage.op === "max_pool2d") {
    matrix.chosen = Math.max(...values);
    return { ...found, sum: [{ label: "the largest of the window", value: matrix.chosen }] };
  }
  const sum = { label: "sum of the window", value: total(values) };
  if (stage.op === "sum_pool2d") return { ...found, sum: [sum] };
  const mean = { label: `divided by ${height * width}`, value: sum.value / (height * width) };
  return { ...found, sum: [sum, mean] };
}

function pixelOf({ place }) {
  return { rows: [place.row], columns: [place.column], isInside: () => true, channel: place.channel };
}

function rectified(call) {
  const x = call.input[indexOf(call.before, call.place)];
  const label = x > 0 ? "above 0: kept" : "not above 0: 0";
  return { window: pixelOf(call), sum: [{ label: "input", value: x }, { label, value: Math.max(x, 0) }] };
}

function normalized(call) {
  const { stage, before, input, place } = call, at = (name) => stage.tensors[name].values[place.channel];
  const x = input[indexOf(before, place)], deviation = Math.sqrt(at("running_var") + stage.options.epsilon);
  const standard = (x - at("running_mean")) / deviation;
  return {
    window: pixelOf(call),
    sum: [
      { label: "input", value: x },
      { label: "− running mean", value: at("running_mean") },
      { label: "÷ √(running variance + ε)", value: deviation },
      { label: "× weight", value: at("weight") },
      { label: "+ bias", value: at("bias") },
      { label: "together", value: standard * at("weight") + at("bias") },
    ],
  };
}

function copied({ stage, before, input, place }) {
  const index = indexOf(stage, place), from = placeAt(before, index);
  const label = stage.op === "dropout" ? "unchanged: dropout acts in training only" : `the same value: ${placeName(before, from)}`;
  return { window: { rows: [from.row], columns: [from.column], isInside: () => true, channel: from.channel }, sum: [{ label, value: input[index] }] };
}

function weighed({ stage, before, input, sight, place }) {
  const { count, inputs, weights, products, others } = sight.connections.get(stage.index - 1), first = place.channel * count;
  const units = Array.from({ length: count }, (_, index) => ({
    name: placeName(before, placeAt(before, inputs[first + index])),
    unit: inputs[first + index],
    value: input[inputs[first + index]],
    weight: weights[first + index],
    product: products[first + index],
  }));
  const strongest = total(units.map(({ product }) => product)), bias = stage.tensors.bias.values[place.channel];
  const rest = before.channels - count;
  return {
    units,
    sum: [
      { label: `sum of the ${count} strongest products`, value: strongest },
      ...(rest > 0 ? [{ label: `sum of the other ${rest}`, value: others[place.channel] }] : []),
      { label: "bias", value: bias },
      { label: "sum", value: strongest + (rest > 0 ? others[place.channel] : 0) + bias },
    ],
  };
}
