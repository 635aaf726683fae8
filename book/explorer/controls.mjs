/** What can be set, and the inputs that set it: a slider for the hand, a number for precision. */

import { make } from "./chart.mjs";

const round = (value, digits) => Number(value.toPrecision(digits));

/** Ten values a decade, of two digits, both ends included. */
function decades(low, high) {
  const [first, last] = [low, high].map((value) => Math.round(10 * Math.log10(value)));
  return Array.from({ length: last - first + 1 }, (_, i) => round(10 ** ((first + i) / 10), 2));
}

function steps(low, high, step) {
  const size = Math.round((high - low) / step) + 1;
  return Array.from({ length: size }, (_, i) => round(low + i * step, 9));
}

const BELOW_ZERO = decades(1e-6, 0.8).map((relative) => round(relative - 1, 9));
const SHARES = [...decades(0.01, 0.1), ...steps(0.12, 0.9, 0.02)];

/** Words, symbol, values of the slider and range of the number; keys are the names in `ptft`. */
export const PARAMETERS = {
  c_pt: {
    words: "absolute scale",
    symbol: "<i>c</i>",
    values: decades(1e-6, 10),
    range: [1e-8, 1e4],
  },
  lambda_pt: {
    words: "relative scale",
    symbol: "<i>λ</i>",
    values: [-1, ...BELOW_ZERO, ...steps(-0.1, 0.9, 0.1), 0.99, 1],
    range: [-1, 1],
  },
  gamma_ft: {
    words: "readout scale",
    symbol: "<i>γ</i>",
    values: [0, 1e-6, 1e-5, 1e-4, ...decades(1e-3, 100)],
    range: [0, 1e3],
  },
  rho_pt: {
    words: "active in pretraining",
    symbol: "<i>ρ</i><sub>PT</sub>",
    values: SHARES,
    range: [1e-3, 0.95],
  },
  rho_ft: {
    words: "active in fine-tuning",
    symbol: "<i>ρ</i><sub>FT</sub>",
    values: SHARES,
    range: [1e-3, 0.95],
  },
  overlap: { words: "overlap", symbol: "<i>ω</i>", values: steps(0, 1, 0.02), range: [0, 1] },
  noise: {
    words: "label noise",
    symbol: "<i>σ</i><sub>0</sub><sup>2</sup>",
    values: [0, ...decades(1e-4, 1)],
    range: [0, 10],
  },
  alpha: {
    words: "mark at",
    symbol: "<i>α</i>",
    values: [0.2], // until a curve says where it has points
    range: [0, 1],
  },
  balance: {
    words: "balance",
    symbol: "|<i>λ</i>|",
    values: [0, ...decades(1e-3, 100)],
    range: [0, 1e3],
  },
  start: {
    words: "initial strength",
    symbol: "<i>a</i><sub>0</sub>",
    values: decades(1e-8, 1),
    range: [1e-12, 10],
  },
  ...Object.fromEntries(
    [1, 2, 3].map((i) => [
      `s${i}`,
      {
        words: "singular value",
        symbol: `<i>s</i><sub>${i}</sub>`,
        values: steps(0.1, 5, 0.05),
        range: [0.01, 100],
      },
    ]),
  ),
};

/** Whether a parameter can have this value. */
export function allowed(name, value) {
  const [low, high] = PARAMETERS[name].range;
  return value >= low && value <= high;
}

/** The slider and the number of one parameter; `change(name, value)` is told what they are set to. */
export class Control {
  constructor(name, host, change) {
    const { words, symbol, values, range } = PARAMETERS[name];
    const root = make("div", { class: "control" }, host);
    const label = make("label", { for: `${name}-slider` }, root);
    label.innerHTML = `${words} ${symbol}`;
    this.values = values;
    const number = { type: "number", step: "any", min: range[0], max: range[1] };
    this.number = make("input", { ...number, "aria-label": label.textContent }, root);
    const slider = { type: "range", id: `${name}-slider`, min: 0, max: values.length - 1 };
    this.slider = make("input", slider, root);
    this.slider.addEventListener("input", () => change(name, this.values[this.slider.value]));
    this.number.addEventListener("change", () => {
      const value = this.number.valueAsNumber;
      if (allowed(name, value)) change(name, value);
      else this.number.reportValidity();
    });
  }

  /** Offer other values. */
  setValues(values) {
    this.values = values;
    this.slider.max = values.length - 1;
  }

  /** Show a value, which need not be one of the slider's. */
  show(value) {
    const place = nearest(this.values, value);
    if (Number(this.slider.value) !== place) this.slider.value = place;
    this.slider.setAttribute("aria-valuetext", value);
    // Not while it is typed into: "0." is on its way to "0.5"
    if (this.number.valueAsNumber !== value) this.number.value = value;
  }
}

/** The place in an ascending list of the value that is nearest to one. */
export function nearest(values, value) {
  const above = values.findIndex((other) => other >= value);
  if (above < 0) return values.length - 1;
  if (above === 0 || values[above] - value < value - values[above - 1]) return above;
  return above - 1;
}
