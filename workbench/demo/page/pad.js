// The drawing pad: white strokes on black by pointer or by keys, or a picture.

const SIDE = 280, SENT = 140, PEN = 20, STEP = 7, FAR = 35;

export class Pad {
  // changed() is called after every stroke; picture(file) for a picture; said(text) with what a key did.
  constructor(canvas, { changed, picture, said }) {
    this.canvas = canvas;
    this.changed = changed;
    this.said = said;
    this.shown = canvas.getContext("2d");
    this.ink = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
    this.context = this.ink.getContext("2d", { willReadFrequently: true });
    this.small = Object.assign(document.createElement("canvas"), { width: SENT, height: SENT }).getContext("2d", { willReadFrequently: true });
    this.pen = { x: SIDE / 2, y: SIDE / 2, down: false };
    this.picture = picture;
    this.holdsPicture = false;
    this.#listen();
    this.clear();
  }

  clear() {
    this.holdsPicture = false;
    this.context.fillStyle = "#000";
    this.context.fillRect(0, 0, SIDE, SIDE);
    Object.assign(this.context, { strokeStyle: "#fff", fillStyle: "#fff", lineWidth: PEN, lineCap: "round", lineJoin: "round" });
    this.isEmpty = true;
    this.#show();
  }

  // The drawing as grey pixels.
  pixels() {
    this.small.drawImage(this.ink, 0, 0, SENT, SENT);
    const colours = this.small.getImageData(0, 0, SENT, SENT).data, pixels = new Uint8Array(SENT * SENT);
    for (let index = 0; index < pixels.length; index++) pixels[index] = colours[4 * index];
    return { width: SENT, height: SENT, pixels };
  }

  async load(file) {
    let bitmap;
    try {
      bitmap = await createImageBitmap(file);
    } catch {
      bitmap = null; // the server may read what the browser cannot show
    }
    this.clear();
    this.holdsPicture = true;
    this.isEmpty = false;
    if (bitmap) {
      const scale = SIDE / Math.max(bitmap.width, bitmap.height);
      const width = bitmap.width * scale, height = bitmap.height * scale;
      this.context.drawImage(bitmap, (SIDE - width) / 2, (SIDE - height) / 2, width, height);
    }
    this.#show();
    this.picture(file);
  }

  #listen() {
    const at = (event) => {
      const box = this.canvas.getBoundingClientRect();
      return [((event.clientX - box.left) / box.width) * SIDE, ((event.clientY - box.top) / box.height) * SIDE];
    };
    this.canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.preventDefault();
      this.canvas.focus({ focusVisible: false });
      this.canvas.setPointerCapture(event.pointerId);
      this.drawing = event.pointerId;
      this.last = at(event);
      this.#line(this.last, this.last);
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (event.pointerId !== this.drawing) return;
      const passed = event.getCoalescedEvents?.() ?? [];
      for (const each of passed.length ? passed : [event]) {
        const next = at(each);
        this.#line(this.last, next);
        this.last = next;
      }
    });
    for (const name of ["pointerup", "pointercancel"]) {
      this.canvas.addEventListener(name, (event) => {
        if (event.pointerId === this.drawing) this.drawing = undefined;
      });
    }
    this.canvas.addEventListener("keydown", (event) => this.#key(event));
    this.canvas.addEventListener("focus", () => this.#show());
    this.canvas.addEventListener("blur", () => {
      this.pen.down = false;
      this.#show();
    });
    const whole = document.documentElement;
    whole.addEventListener("dragover", (event) => {
      event.preventDefault();
      this.canvas.classList.add("over");
    });
    whole.addEventListener("dragleave", () => this.canvas.classList.remove("over"));
    whole.addEventListener("drop", (event) => {
      event.preventDefault();
      this.canvas.classList.remove("over");
      if (event.dataTransfer.files.length) this.load(event.dataTransfer.files[0]);
    });
  }

  #key(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key in moves) {
      const far = event.shiftKey ? FAR : STEP, from = [this.pen.x, this.pen.y];
      this.pen.x = Math.min(Math.max(this.pen.x + far * moves[event.key][0], 0), SIDE);
      this.pen.y = Math.min(Math.max(this.pen.y + far * moves[event.key][1], 0), SIDE);
      if (this.pen.down) this.#line(from, [this.pen.x, this.pen.y]);
    } else if (event.key === " ") {
      if (!event.repeat) this.pen.down = !this.pen.down;
      if (this.pen.down) this.#line([this.pen.x, this.pen.y], [this.pen.x, this.pen.y]);
      if (!event.repeat) this.said(this.pen.down ? "Pen down" : "Pen up");
    } else if (event.key === "Delete" || event.key === "Backspace") {
      this.pen.down = false;
      this.clear();
      this.changed();
      this.said("Cleared");
    } else return;
    event.preventDefault();
    this.#show();
  }

  #line([x, y], [toX, toY]) {
    if (this.holdsPicture) this.clear();
    this.context.beginPath();
    this.context.moveTo(x, y);
    this.context.lineTo(toX + 0.01, toY); // a line of no length would draw nothing, not even a dot
    this.context.stroke();
    this.isEmpty = false;
    this.#show();
    this.changed();
  }

  #show() {
    this.shown.drawImage(this.ink, 0, 0);
    if (!this.canvas.matches(":focus-visible")) return;
    const { x, y, down } = this.pen;
    for (const [width, style] of [[4, "#000"], [2, "#ffd75e"]]) {
      Object.assign(this.shown, { lineWidth: width, strokeStyle: style });
      this.shown.beginPath();
      this.shown.arc(x, y, PEN / 2, 0, 2 * Math.PI);
      if (!down) {
        this.shown.moveTo(x - PEN, y);
        this.shown.lineTo(x + PEN, y);
        this.shown.moveTo(x, y - PEN);
        this.shown.lineTo(x, y + PEN);
      }
      this.shown.stroke();
    }
  }
}
