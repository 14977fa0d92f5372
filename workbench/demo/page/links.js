// The dense layers as rows of units, and the strongest products between them as lines.

import { colour, css, number } from "./scale.js";
import { placeAt, placeName } from "./stages.js";
import { outline, sized } from "./tiles.js";

const SHOWN = 36, DISTANCE = 88, UNIT_HEIGHT = 12, LABEL = 18, EDGE = 6, WIDEST = 5;

export class Links {
  // shown() is called when it comes into view.
  constructor(stages, element, shown) {
    this.dense = stages.filter(({ op }) => op === "dense");
    this.canvas = element.querySelector("canvas");
    this.text = element.querySelector("#links-text");
    this.element = element;
    element.hidden = !this.dense.length;
    this.isVisible = false;
    new IntersectionObserver(([{ isIntersecting }]) => {
      this.isVisible = isIntersecting;
      if (isIntersecting) shown();
    }, { rootMargin: "300px" }).observe(element);
    // a row is the input of a dense layer; the last row is what the last of them makes
    this.rows = [...this.dense.map(({ before }) => before), this.dense.at(-1)];
  }

  draw(sight, place) {
    if (!this.isVisible) return;
    const width = this.element.clientWidth;
    const context = sized(this.canvas, width, (this.rows.length - 1) * DISTANCE + UNIT_HEIGHT + LABEL + 2 * EDGE);
    const style = getComputedStyle(document.body), inks = { raises: style.getPropertyValue("--raises"), lowers: style.getPropertyValue("--lowers") };
    const x = (stage, unit) => EDGE + ((unit + 0.5) / stage.channels) * (width - 2 * EDGE), y = (row) => EDGE + row * DISTANCE;
    for (const [row, stage] of this.dense.entries()) {
      for (const { from, to, product, share } of strongest(stage, sight)) {
        Object.assign(context, { lineWidth: 0.75 + WIDEST * share, strokeStyle: product > 0 ? inks.raises : inks.lowers, globalAlpha: 0.25 + 0.65 * share });
        context.setLineDash(product > 0 ? [] : [5, 4]);
        context.beginPath();
        context.moveTo(x(this.rows[row], from), y(row) + UNIT_HEIGHT);
        context.lineTo(x(stage, to), y(row + 1));
        context.stroke();
      }
    }
    context.setLineDash([]);
    context.globalAlpha = 1;
    for (const [row, stage] of this.rows.entries()) this.#row(context, stage, sight, width, y(row), place);
    this.#names(context, style, x, y(this.rows.length - 1) + UNIT_HEIGHT + LABEL - 3, sight.best);
    this.text.textContent = this.#described(sight);
  }

  #row(context, stage, sight, width, top, place) {
    const wide = (width - 2 * EDGE) / stage.channels;
    for (let unit = 0; unit < stage.channels; unit++) {
      context.fillStyle = css(colour(sight.values[stage.index][unit], "signed", sight.most[stage.index]));
      context.fillRect(EDGE + unit * wide, top, Math.max(wide - (wide > 4 ? 1 : 0), 0.5), UNIT_HEIGHT);
    }
    if (place && place.stage === stage) outline(context, EDGE + place.channel * wide, top, wide, UNIT_HEIGHT);
  }

  #names(context, style, x, baseline, best) {
    const last = this.rows.at(-1);
    if (last.names === null || last.channels > 16) return;
    context.textAlign = "center";
    for (const [unit, name] of last.names.entries()) {
      context.font = `${unit === best ? "bold " : ""}13px system-ui, sans-serif`;
      context.fillStyle = style.getPropertyValue(unit === best ? "--ink" : "--muted");
      const room = (this.element.clientWidth - 2 * EDGE) / last.channels;
      context.fillText(name.slice(0, Math.max(Math.floor(room / 8), 1)), x(last, unit), baseline);
    }
  }

  #described(sight) {
    const stage = this.dense.at(-1), { count, inputs, products } = sight.connections.get(stage.index - 1);
    const unit = stage.names ? sight.best : 0, told = [];
    for (let index = unit * count; index < unit * count + Math.min(count, 3); index++) {
      told.push(`${placeName(stage.before, placeAt(stage.before, inputs[index]))} (${number(products[index], 2)})`);
    }
    return `Most for or against the ${placeName(stage, { channel: unit })}: ${told.join(", ")}.`;
  }
}

// The products of a dense layer that are largest in size, with their share of the largest.
function strongest(stage, sight) {
  const { count, inputs, products } = sight.connections.get(stage.index - 1);
  const order = Array.from(products.keys()).sort((one, other) => Math.abs(products[other]) - Math.abs(products[one]));
  const most = Math.abs(products[order[0]]) || 1;
  return order
    .slice(0, SHOWN)
    .filter((index) => products[index] !== 0)
    .map((index) => ({ from: inputs[index], to: Math.floor(index / count), product: products[index], share: Math.abs(products[index]) / most }));
}
