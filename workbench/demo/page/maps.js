// The card of a stage: its maps side by side, or its units in rows; a pixel of them is chosen by pointer or by keys.

import { number } from "./scale.js";
import { indexOf, placeName, scaleOf, sizeOf } from "./stages.js";
import { drawNumbers, drawTile, sized } from "./tiles.js";

const GAP = 6, TILE = 84, OF_PIXELS = 28, UNIT = 13, FEW = 16, NUMBERED = 40, NUMBER_CELL = 19, EDGE = 3;

const AHEAD = { rootMargin: "300px" }; // drawn before it comes into view

export class Maps {
  // chosen(stage, place, how): how is "hover", "leave", "pin" or "key". shown() when it comes into view: what is
  // out of view is not drawn.
  constructor(stage, container, chosen, shown) {
    this.stage = stage;
    this.element = Object.assign(document.createElement("section"), { className: "stage" });
    const title = stage.index === 0 ? "input" : `${stage.index} · ${stage.text}`;
    this.element.innerHTML = "<h3><span></span><small></small><output></output></h3><div class='box'><div class='drawn'><canvas tabindex='0' role='application'></canvas><i class='mark' hidden></i></div></div>";
    this.element.querySelector("span").textContent = title;
    this.element.querySelector("small").textContent = sizeOf(stage) + (stage.index === 0 && stage.width <= NUMBERED ? ", as numbers from 0 to 255" : "");
    this.canvas = this.element.querySelector("canvas");
    this.canvas.id = `stage-${stage.index}`;
    this.canvas.setAttribute("aria-label", `${title}: ${sizeOf(stage)}; arrow keys move from value to value`);
    this.mark = this.element.querySelector(".mark");
    this.isVisible = false;
    new IntersectionObserver(([{ isIntersecting }]) => {
      this.isVisible = isIntersecting;
      if (isIntersecting) shown();
    }, AHEAD).observe(this.element);
    this.reading = this.element.querySelector("output");
    this.container = container;
    container.append(this.element);
    this.isNumbered = stage.index === 0 && stage.width <= NUMBERED && stage.height <= NUMBERED;
    this.#layOut();
    this.#listen(chosen);
    const box = this.element.querySelector(".box");
    requestAnimationFrame(() => (box.scrollLeft = (box.scrollWidth - box.clientWidth) / 2));
  }

  #layOut() {
    const { channels, width, height, isFlat } = this.stage, space = this.container.clientWidth - 2 * EDGE;
    this.cell = isFlat ? (channels <= FEW ? 2 * UNIT : UNIT) : this.isNumbered ? NUMBER_CELL : this.#mapCell();
    this.gap = isFlat ? 0 : GAP;
    this.tile = [width * this.cell, height * this.cell];
    this.columns = Math.max(Math.min(channels, Math.floor((space + this.gap) / (this.tile[0] + this.gap))), 1);
    this.rows = Math.ceil(channels / this.columns);
    this.size = [this.columns * (this.tile[0] + this.gap) - this.gap + 2 * EDGE, this.rows * (this.tile[1] + this.gap) - this.gap + 2 * EDGE];
    sized(this.canvas, ...this.size); // the page keeps its length when the picture is drawn, in view
  }

  // Smaller maps are drawn smaller, but not as much as they are: after pooling their pixels are larger.
  #mapCell() {
    const side = Math.max(this.stage.width, this.stage.height);
    return Math.min(Math.max(Math.round((TILE * Math.sqrt(side / OF_PIXELS)) / side), 1), 16);
  }

  resize() {
    this.#layOut();
    this.sight = null;
  }

  draw(sight, place) {
    const { stage, cell } = this, values = sight.values[stage.index];
    if (this.sight !== sight && this.isVisible) {
      this.sight = sight;
      this.#drawAll(values, sight.most[stage.index]);
    }
    this.mark.hidden = !place;
    this.reading.textContent = place ? `${placeName(stage, place)}: ${number(values[indexOf(stage, place)])}` : "";
    if (!place) return;
    const [x, y] = this.#corner(place.channel);
    const box = { left: x + place.column * cell, top: y + place.row * cell, width: cell, height: cell };
    for (const [name, size] of Object.entries(box)) this.mark.style[name] = `${size}px`;
  }

  #drawAll(values, most) {
    const { stage, cell } = this, looks = { cell, scale: scaleOf(stage), most }, context = sized(this.canvas, ...this.size);
    if (stage.isFlat) {
      drawTile(context, values, { ...looks, first: 0, width: this.columns, height: this.rows, x: EDGE, y: EDGE });
      return;
    }
    for (let channel = 0; channel < stage.channels; channel++) {
      const [x, y] = this.#corner(channel);
      const tile = { ...looks, first: channel * stage.height * stage.width, width: stage.width, height: stage.height, x, y };
      drawTile(context, values, tile);
      if (this.isNumbered) drawNumbers(context, values, tile);
    }
  }

  #corner(channel) {
    return [
      EDGE + (channel % this.columns) * (this.tile[0] + this.gap),
      EDGE + Math.floor(channel / this.columns) * (this.tile[1] + this.gap),
    ];
  }

  // The place under the pointer; null between maps.
  #at(event) {
    const box = this.canvas.getBoundingClientRect(), { stage } = this;
    const x = event.clientX - box.left - EDGE, y = event.clientY - box.top - EDGE;
    const [across, down] = [Math.floor(x / (this.tile[0] + this.gap)), Math.floor(y / (this.tile[1] + this.gap))];
    const place = {
      channel: down * this.columns + across,
      row: Math.floor((y - down * (this.tile[1] + this.gap)) / this.cell),
      column: Math.floor((x - across * (this.tile[0] + this.gap)) / this.cell),
    };
    const isInside = across >= 0 && down >= 0 && across < this.columns && place.channel < stage.channels && place.row < stage.height && place.column < stage.width;
    return isInside ? place : null;
  }

  #listen(chosen) {
    const { stage, canvas } = this;
    canvas.addEventListener("pointermove", (event) => {
      const place = this.#at(event);
      if (place) chosen(stage, place, "hover");
    });
    canvas.addEventListener("pointerleave", (event) => {
      if (event.pointerType === "mouse") chosen(stage, null, "leave");
    });
    canvas.addEventListener("click", (event) => {
      const place = this.#at(event);
      if (place) chosen(stage, place, "pin");
    });
    canvas.addEventListener("focus", () => {
      if (canvas.matches(":focus-visible")) chosen(stage, this.place ?? { channel: 0, row: 0, column: 0 }, "key");
    });
    canvas.addEventListener("keydown", (event) => {
      const moved = this.#moved(event);
      if (!moved) return;
      event.preventDefault();
      chosen(stage, moved, "key");
    });
  }

  #moved({ key }) {
    const { stage } = this, limit = (value, size) => Math.min(Math.max(value, 0), size - 1);
    let { channel, row, column } = this.place ?? { channel: 0, row: 0, column: 0 };
    const across = { ArrowLeft: -1, ArrowRight: 1 }[key] ?? 0, down = { ArrowUp: -1, ArrowDown: 1 }[key] ?? 0;
    const turned = { PageUp: -1, PageDown: 1 }[key] ?? 0;
    if (!across && !down && !turned) return null;
    if (stage.isFlat) return { channel: limit(channel + across + (down + turned) * this.columns, stage.channels), row, column };
    return { channel: limit(channel + turned, stage.channels), row: limit(row + down, stage.height), column: limit(column + across, stage.width) };
  }
}
