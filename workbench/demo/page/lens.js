// The panel that shows how one value is made.

import { explain } from "./explain.js";
import { colour, css, isLight, number, short } from "./scale.js";
import { placeName, scaleOf } from "./stages.js";
import { drawTile, hatch, outline, sized } from "./tiles.js";

const find = (id) => document.getElementById(id);

export class Lens {
  // Shows how the value at a place came about; when stepped, the output up to there.
  draw(stage, sight, place, source, isStepped) {
    const made = explain(stage, sight, place, source);
    find("place").textContent = `${stage.index} · ${stage.text}: ${placeName(stage, place)}`;
    this.#drawInput(stage, sight, made);
    this.#drawOutput(stage, sight, place, isStepped);
    find("working").replaceChildren(...this.#working(made));
    return made;
  }

  // To be called when the page has another width, which is not asked for in every frame: that would cost a layout.
  resize() {
    this.space = null;
  }

  #drawInput(stage, sight, { window, units }) {
    const before = stage.before, channel = window?.channel ?? 0;
    const [[top, bottom], [left, right]] = before.isFlat ? [[0, 0], [0, 0]] : (stage.options.padding ?? [[0, 0], [0, 0]]);
    const grid = before.isFlat ? gridOf(before.channels) : before;
    const width = grid.width + left + right, height = grid.height + top + bottom;
    const { context, cell } = this.#fitted("lens-input", width, height);
    if (top || bottom || left || right) hatch(context, 0, 0, width * cell, height * cell);
    const looks = { cell, scale: scaleOf(before), most: sight.most[before.index], x: left * cell, y: top * cell };
    const first = before.isFlat ? 0 : channel * before.height * before.width;
    drawTile(context, sight.values[before.index], { ...looks, first, width: grid.width, height: grid.height });
    const mark = (row, column, tall = 1, wide = 1) => outline(context, (left + column) * cell, (top + row) * cell, wide * cell, tall * cell);
    if (before.isFlat) {
      const chosen = window ? [window.channel] : units.map(({ unit }) => unit);
      for (const unit of chosen) mark(Math.floor(unit / grid.width), unit % grid.width);
    } else if (window) {
      const [row, column] = [window.rows[0], window.columns[0]];
      mark(row, column, window.rows.at(-1) - row + 1, window.columns.at(-1) - column + 1);
    }
    find("lens-input-name").textContent = before.isFlat ? `input: ${before.channels} units` : `input: map ${channel}, ${before.height} × ${before.width}${top || left ? ", padded" : ""}`;
  }

  #drawOutput(stage, sight, place, isStepped) {
    const grid = stage.isFlat ? gridOf(stage.channels) : stage;
    const { context, cell } = this.#fitted("lens-output", grid.width, grid.height);
    const at = stage.isFlat ? place.channel : place.row * stage.width + place.column;
    const first = stage.isFlat ? 0 : place.channel * stage.height * stage.width;
    if (isStepped) hatch(context, 0, 0, grid.width * cell, grid.height * cell);
    drawTile(context, sight.values[stage.index], {
      first, width: grid.width, height: grid.height, x: 0, y: 0, cell,
      scale: scaleOf(stage), most: sight.most[stage.index], shows: isStepped ? (index) => index <= at : null,
    });
    outline(context, (at % grid.width) * cell, Math.floor(at / grid.width) * cell, cell, cell);
    find("lens-output-name").textContent = stage.isFlat ? `output: ${stage.channels} units` : `output: map ${place.channel}, ${stage.height} × ${stage.width}`;
  }

  #fitted(id, width, height) {
    this.space ??= find(id).parentElement.clientWidth;
    const cell = this.space / Math.max(width, height);
    return { context: sized(find(id), width * cell, height * cell), cell };
  }

  #working({ matrices, sum, units }) {
    const box = Object.assign(document.createElement("div"), { className: "matrices" });
    box.append(...matrices.map(matrixElement));
    const table = Object.assign(document.createElement("table"), { className: "sum" });
    for (const { label, value, total, kernel } of sum) {
      const line = table.insertRow();
      line.className = total ? "total" : kernel ? "kernel" : "";
      line.append(Object.assign(document.createElement("th"), { scope: "row", textContent: label }));
      const cell = line.insertCell();
      Object.assign(cell, { textContent: number(value), title: String(value) });
    }
    box.append(table);
    return units.length ? [unitsElement(units), box] : [box];
  }
}

// The grid in which the units of a flat stage are drawn, nearly square.
function gridOf(units) {
  const width = Math.ceil(Math.sqrt(units));
  return { width, height: Math.ceil(units / width) };
}

function matrixElement({ title, rows, scale, most, chosen, name }) {
  const box = Object.assign(document.createElement("div"), { className: "matrix" });
  const table = document.createElement("table");
  table.dataset.name = name ?? title;
  table.createCaption().textContent = title;
  for (const row of rows) {
    const line = table.insertRow();
    for (const value of row) {
      const cell = line.insertCell();
      if (value === null) {
        Object.assign(cell, { className: "outside", title: "outside: not multiplied", textContent: "·" });
        continue;
      }
      const ground = colour(value, scale, most);
      Object.assign(cell, { textContent: short(value), title: String(value), className: isLight(ground) ? "light" : "dark" });
      cell.style.background = css(ground);
      if (value === chosen) cell.classList.add("chosen");
    }
  }
  box.append(table);
  return box;
}

function unitsElement(units) {
  const table = Object.assign(document.createElement("table"), { className: "sum units" });
  table.createCaption().textContent = "the strongest inputs: value × weight = product";
  for (const { name, value, weight, product } of units) {
    const line = table.insertRow();
    line.append(Object.assign(document.createElement("th"), { scope: "row", textContent: name }));
    for (const [each, sign] of [[value, ""], [weight, "× "], [product, "= "]]) {
      Object.assign(line.insertCell(), { textContent: sign + number(each, 3), title: String(each) });
    }
  }
  return table;
}
