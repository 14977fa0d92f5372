// The answer: the most probable class, and the probabilities as bars.

const ALL = 12, FIRST = 10;

const find = (id) => document.getElementById(id);

export class Answer {
  constructor(classes) {
    this.classes = classes;
    this.rows = Array.from({ length: classes.length > ALL ? FIRST : classes.length }, () => {
      const row = document.createElement("li");
      row.innerHTML = "<span class='name'></span><span class='bar'><i></i></span><span class='number'></span>";
      find("bars").append(row);
      return row;
    });
    find("bars").classList.toggle("named", classes.some((name) => name.length > 3));
    this.clear();
  }

  clear() {
    this.#say("–", "");
    this.#bars(this.rows.map((_, index) => index), null, -1);
  }

  show({ probabilities, best, unsure }) {
    this.#say(this.classes[best], `${percent(probabilities[best])}${unsure ? ", unsure" : ""}`);
    let order = Array.from(this.classes.keys());
    if (order.length > this.rows.length) order.sort((one, other) => probabilities[other] - probabilities[one]);
    this.#bars(order.slice(0, this.rows.length), probabilities, best);
  }

  #say(name, share) {
    if (find("class").textContent !== name) find("class").textContent = name; // a change is read aloud
    find("share").textContent = share;
  }

  #bars(shown, probabilities, best) {
    for (const [index, row] of this.rows.entries()) {
      const [name, bar, value] = row.children, share = probabilities ? probabilities[shown[index]] : 0;
      Object.assign(name, { textContent: this.classes[shown[index]], title: this.classes[shown[index]] });
      bar.firstChild.style.transform = `scaleX(${Number.isFinite(share) ? share : 0})`;
      value.textContent = probabilities ? percent(share) : "";
      row.classList.toggle("best", shown[index] === best);
    }
  }
}

function percent(share) {
  return Number.isFinite(share) ? `${(100 * share).toFixed(1)} %` : "no number";
}
