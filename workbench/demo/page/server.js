// Requests to the server. Arrays come as base64 of their bytes.

export function floats(text) {
  return new Float32Array(bytes(text).buffer);
}

export function integers(text) {
  return new Int32Array(bytes(text).buffer);
}

function bytes(text) {
  const binary = atob(text), found = new Uint8Array(binary.length);
  for (let index = 0; index < found.length; index++) found[index] = binary.charCodeAt(index);
  return found;
}

function base64(pixels) {
  let text = "";
  for (let first = 0; first < pixels.length; first += 8192) text += String.fromCharCode(...pixels.subarray(first, first + 8192));
  return btoa(text);
}

export async function readNetwork() {
  return (await fetch("/network")).json();
}

// Sends the newest drawing or picture only: while one is under way, later ones replace each other.
export class Newest {
  constructor(onSight, onFault) {
    Object.assign(this, { onSight, onFault, waiting: null, busy: false });
  }

  drawing(width, height, pixels) {
    const body = () => JSON.stringify({ width, height, pixels: base64(pixels) });
    this.#send({ path: "/drawing", type: "application/json", body });
  }

  picture(file) {
    this.#send({ path: "/picture", type: "application/octet-stream", body: () => file });
  }

  nothing() {
    this.waiting = { cancelled: true };
  }

  async #send(request) {
    this.waiting = request;
    if (this.busy) return;
    this.busy = true;
    while (this.waiting) {
      const { path, type, body, cancelled } = this.waiting;
      this.waiting = null;
      if (cancelled) continue;
      const start = performance.now();
      try {
        const answer = await fetch(path, { method: "POST", headers: { "Content-Type": type }, body: body() });
        if (!answer.ok) throw new Error(await answer.text());
        const sight = decoded(await answer.json());
        if (!this.waiting?.cancelled) this.onSight(sight, performance.now() - start);
      } catch (error) {
        const message = error instanceof TypeError ? "the server does not answer; is workbench demo still running?" : error.message;
        if (!this.waiting) this.onFault(message);
      }
    }
    this.busy = false;
  }
}

function decoded(sight) {
  const connections = new Map();
  for (const [number, { count, inputs, weights, products, others }] of Object.entries(sight.connections)) {
    connections.set(Number(number), { count, inputs: integers(inputs), weights: floats(weights), products: floats(products), others: floats(others) });
  }
  return { ...sight, values: sight.values.map(floats), probabilities: floats(sight.probabilities), connections };
}
