// The page: a drawing goes to the server, and what comes back is shown.

import { Answer } from "./answer.js";
import { sourcesOf } from "./explain.js";
import { Lens } from "./lens.js";
import { Links } from "./links.js";
import { Maps } from "./maps.js";
import { Pad } from "./pad.js";
import { number } from "./scale.js";
import { Newest, readNetwork } from "./server.js";
import { indexOf, placeName, scaled, stagesOf, strongest } from "./stages.js";
import { Stepper } from "./stepper.js";

const find = (id) => document.getElementById(id);

const facts = await readNetwork();
const stages = stagesOf(facts);
const answer = new Answer(facts.classes), lens = new Lens(), links = new Links(stages, find("connections"), () => redraw());
const maps = stages.map((stage) => new Maps(stage, find("stages"), choose, () => redraw()));

// what is shown: the values, the place that is kept, the place under the pointer, and the input map (null: the strongest)
const state = { sight: nothing(), kept: null, hovered: null, source: null, isStepped: false, isSeen: false, isChosen: false };
let isDrawn = true;

function nothing() {
  const values = stages.map(({ channels, height, width }) => new Float32Array(channels * height * width));
  return scaled({ values, connections: null });
}

function shown() {
  return state.hovered ?? state.kept;
}

// Draws everything in the next frame, once for all changes until then.
function redraw() {
  if (!isDrawn) return;
  isDrawn = false;
  requestAnimationFrame(() => {
    isDrawn = true;
    const { sight } = state, place = shown();
    for (const [index, map] of maps.entries()) {
      map.place = state.kept?.stage.index === index ? state.kept : null;
      map.draw(sight, place?.stage.index === index ? place : null);
    }
    if (state.isSeen) links.draw(sight, place);
    drawLens(place);
  });
}

function drawLens(place) {
  find("lens").classList.toggle("empty", !state.isSeen);
  if (!state.isSeen || !place) return;
  if (place.stage.index === 0) {
    find("readout").textContent = "";
    return;
  }
  const { stage } = place, { first, count } = sourcesOf(stage, place.channel);
  const made = lens.draw(stage, state.sight, place, state.source === null ? null : Math.min(state.source, count - 1), state.isStepped);
  setRange("layer", stage.index, stages.length - 1, `${stage.index} of ${stages.length - 1}`);
  find("channel-word").textContent = stage.isFlat ? "Unit" : "Map";
  setRange("channel", place.channel, stage.channels - 1, stage.names ? stage.names[place.channel] : `${place.channel}`);
  const hasSources = stage.op === "conv2d" && count > 1;
  for (const id of ["source", "source-label"]) find(id).hidden = !hasSources;
  if (hasSources) setRange("source", made.source, count - 1, `${first + made.source}${state.source === null ? ", the strongest" : ""}`);
  if (state.isChosen) find("readout").textContent = `${stage.text}, ${placeName(stage, place)}: ${number(valueAt(place))}. See how it is made`;
}

function setRange(id, value, most, told) {
  const range = find(id);
  range.max = most;
  range.value = value;
  range.disabled = most === Number(range.min);
  range.setAttribute("aria-valuetext", told);
  find(`${id}-name`).textContent = told;
}

function valueAt(place) {
  return state.sight.values[place.stage.index][indexOf(place.stage, place)];
}

function choose(stage, place, how) {
  if (!state.isSeen) return;
  if (how === "hover" && stepper.isPlaying) return;
  const chosen = place && { stage, ...place };
  state.isChosen = true;
  if (how === "hover" || how === "leave") state.hovered = chosen;
  else keep(chosen);
  if (how === "key") find("spoken").textContent = `${placeName(stage, place)}: ${number(valueAt(chosen))}`;
  redraw();
}

function keep(place, isStepped = false) {
  if (!isStepped) stepper.pause();
  Object.assign(state, { kept: place, hovered: null, source: null, isStepped });
}

function see(sight, milliseconds) {
  if (pad.isEmpty) return;
  state.sight = scaled(sight);
  if (!state.isSeen) {
    state.isSeen = true;
    const stage = stages[1];
    state.kept ??= { stage, ...strongest(stage, sight.values[1], 0) };
  }
  answer.show(sight);
  say("");
  find("speed").textContent = `${milliseconds.toFixed(0)} ms there and back, ${sight.milliseconds.toFixed(1)} ms in the network`;
  redraw();
}

function say(message) {
  find("message").textContent = message;
  find("message").classList.toggle("bad", message !== "");
}

function forget() {
  newest.nothing();
  stepper.pause();
  Object.assign(state, { sight: nothing(), isSeen: false, isChosen: false, hovered: null, isStepped: false });
  answer.clear();
  say("");
  find("speed").textContent = "";
  find("readout").textContent = "";
  redraw();
}

const newest = new Newest(see, say);
const pad = new Pad(find("pad"), {
  changed: () => {
    if (pad.isEmpty) forget();
    else {
      const { width, height, pixels } = pad.pixels();
      newest.drawing(width, height, pixels);
    }
  },
  picture: (file) => newest.picture(file),
  said: (text) => (find("spoken").textContent = text),
});
const stepper = new Stepper({ back: find("back"), play: find("play"), forward: find("forward") }, {
  place: () => (state.isSeen ? shown() : null),
  stepped: (place) => {
    keep(place, true);
    redraw();
  },
});

find("clear").addEventListener("click", () => {
  pad.clear();
  forget();
});
find("open").addEventListener("click", () => find("file").click());
find("file").addEventListener("change", ({ target }) => {
  if (target.files.length) pad.load(target.files[0]);
  target.value = "";
});
find("layer").addEventListener("input", ({ target }) => {
  const stage = stages[target.value];
  keep({ stage, ...strongest(stage, state.sight.values[stage.index], 0) });
  redraw();
});
find("channel").addEventListener("input", ({ target }) => {
  const { stage, row, column } = state.kept;
  keep({ stage, channel: Number(target.value), row, column });
  redraw();
});
find("source").addEventListener("input", ({ target }) => {
  state.source = Number(target.value);
  redraw();
});
find("readout").addEventListener("click", () => find("lens").scrollIntoView());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
new ResizeObserver(() => {
  for (const map of maps) map.resize();
  lens.resize();
  redraw();
}).observe(find("stages"));

const accuracy = facts.accuracy === null ? "" : `, ${(100 * facts.accuracy).toFixed(2)} % of the test images right`;
find("network").textContent = `${facts.name}: ${facts.layers.map(({ text }) => text).join(" | ")} (${facts.parameters.toLocaleString("en")} parameters${accuracy})`;
document.title = `What the network sees: ${facts.name}`;
document.documentElement.dataset.ready = "";
redraw();
