// Goes through the values of a map one by one, in the order of rows; through the units of a flat layer.

const PER_SECOND = 15, PER_SECOND_REDUCED = 1;

export class Stepper {
  // place() is where it stands, null for nowhere; stepped(place) goes there.
  constructor(buttons, { place, stepped }) {
    Object.assign(this, { buttons, place, stepped, timer: null });
    buttons.back.addEventListener("click", () => this.#step(-1));
    buttons.forward.addEventListener("click", () => this.#step(1));
    buttons.play.addEventListener("click", () => (this.isPlaying ? this.pause() : this.#play()));
  }

  get isPlaying() {
    return this.timer !== null;
  }

  pause() {
    clearInterval(this.timer);
    this.timer = null;
    this.buttons.play.textContent = "▶ Play";
  }

  #play() {
    const at = this.place();
    if (!at || at.stage.index === 0) return;
    const { stage, channel, row, column } = at;
    const isAtEnd = stage.isFlat ? channel === stage.channels - 1 : row === stage.height - 1 && column === stage.width - 1;
    this.stepped(isAtEnd ? { stage, channel: stage.isFlat ? 0 : channel, row: 0, column: 0 } : at);
    const isReduced = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.timer = setInterval(() => this.#move(1) || this.pause(), 1000 / (isReduced ? PER_SECOND_REDUCED : PER_SECOND));
    this.buttons.play.textContent = "❚❚ Pause";
  }

  #step(by) {
    this.pause();
    this.#move(by);
  }

  #move(by) {
    const at = this.place();
    if (!at || at.stage.index === 0) return false;
    const { stage, channel, row, column } = at, size = stage.isFlat ? stage.channels : stage.height * stage.width;
    const next = (stage.isFlat ? channel : row * stage.width + column) + by;
    if (next < 0 || next >= size) return false;
    this.stepped(stage.isFlat ? { ...at, channel: next } : { ...at, row: Math.floor(next / stage.width), column: next % stage.width });
    return true;
  }
}
