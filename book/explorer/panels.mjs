/** The pictures. Each is built once, and drawn again whenever something is set. */

import { alignedMode, kernelMovement } from "./balanced.mjs";
import { Chart, format, linearScale, logScale, make, relativeScale, scaled } from "./chart.mjs";
import { REGIMES } from "./paper.mjs";
import { denoise, orders, penalty, sqrtK } from "./ptft.mjs";

const ACTIVE = "#0072B2";
const INACTIVE = "#D55E00";
const N_POINTS = 121; // of a line with a closed form

const NO_TASKS = "no such tasks: see the note above";

const small = (width) => Math.min(Math.max(0.72 * width, 210), 290);

function heading(host, text) {
  const root = make("figure", {}, host);
  make("figcaption", {}, root, text);
  return root;
}

/** A select element with its label; `options` are [value, text]. */
export function select(host, label, options, change) {
  const root = make("label", { class: "choice" }, host);
  make("span", {}, root, label);
  const input = make("select", {}, root);
  for (const [value, text] of options) make("option", { value }, input, text);
  input.addEventListener("change", () => change(input.value));
  return input;
}

/** A line of keys that say what colours mean. */
function keys(host, entries) {
  const root = make("p", { class: "keys" }, host);
  for (const [text, color, style = "solid"] of entries) {
    const key = make("span", {}, root, text);
    key.style.cssText = `--key: 3px ${style} ${color}`;
  }
}

const PRETRAINED = [
  ["active in pretraining", ACTIVE],
  ["inactive", INACTIVE, "dashed"],
];

// --- The learning curve ---------------------------------------------------------------------------

const CEILINGS = [1.2, 1.6, 2, 3, 5, 10, 20, 50, 100, 1e3, 1e4, 1e5, 1e6];
const FLOORS = [1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12];

class CurvePanel {
  constructor(host, explorer) {
    this.explorer = explorer;
    this.root = heading(host, "Generalization error against fine-tuning samples");
    this.chart = new Chart(this.root, {
      name: "Learning curve",
      xTitle: "samples per dimension α = N / D",
      yTitle: "generalization error",
      height: (width) => Math.min(Math.max(0.55 * width, 230), 400),
      home: () => explorer.markIndex() + 1,
      read: (i) => this.read(i),
      show: (i) => `error at α = ${format(this.data.at[i])}:`,
      pick: (i) => i > 0 && explorer.set("alpha", this.data.at[i]),
    });
    this.legend = make("ul", { class: "legend", "aria-label": "Curves" }, this.root);
  }

  draw() {
    const { explorer } = this;
    this.curves = explorer.curves();
    const at = [0, ...explorer.alpha];
    // The curve that is being set lies on top
    const lines = [...this.curves].reverse().map((curve) => ({
      ...curve,
      y: [1, ...curve.result.error], // without samples the estimate is 0
    }));
    const x = linearScale(0, explorer.state.span);
    const y = explorer.state.log ? this.logarithmic(lines) : this.linear(lines);
    const message = explorer.problem ? NO_TASKS : "";
    this.data = { x, y, at, lines, mark: at[explorer.markIndex() + 1], message };
    this.listCurves();
    this.chart.draw(this.data);
  }

  linear(lines) {
    const highest = Math.max(...lines.flatMap((line) => line.y.filter(Number.isFinite)), 0);
    return linearScale(0, CEILINGS.find((value) => value >= highest) ?? 1e6);
  }

  logarithmic(lines) {
    const values = lines.flatMap((line) => line.y.filter(Number.isFinite));
    const lowest = Math.min(...values, 1);
    const highest = Math.max(...values, 1);
    const floor = FLOORS.find((value) => value <= lowest) ?? FLOORS.at(-1);
    return logScale(floor, 10 ** Math.max(Math.ceil(Math.log10(highest)), 1));
  }

  /** Show the errors at a place in the legend, and return them as a sentence. */
  read(i) {
    const lines = [...this.data.lines].reverse();
    lines.forEach((line, row) => {
      const value = this.legend.children[row]?.querySelector(".value");
      if (value) value.textContent = format(line.y[i], 3);
    });
    const values = lines.map((line) => `${line.text} ${format(line.y[i], 3)}`);
    return `error at α = ${format(this.data.at[i])}${values.length ? `: ${values.join("; ")}` : ""}`;
  }

  listCurves() {
    const key = JSON.stringify(this.curves.map(({ label, color, dash }) => [label, color, dash]));
    if (key === this.listed) return;
    this.listed = key;
    this.legend.replaceChildren();
    for (const curve of this.curves) this.list(curve);
  }

  list({ label, text, color, dash, width, pin }) {
    const row = make("li", {}, this.legend);
    const svg = make("svg", { width: 34, height: 10, "aria-hidden": "true" }, row);
    const dashes = scaled(dash, width);
    const stroke = { stroke: color, "stroke-width": width, "stroke-dasharray": dashes };
    make("path", { d: "M0,5H34", ...stroke }, svg);
    make("span", { class: "name" }, row).innerHTML = label;
    make("span", { class: "value" }, row);
    if (!pin) return;
    const remove = make("button", { type: "button", "aria-label": `Remove ${text}` }, row, "×");
    remove.addEventListener("click", () => this.explorer.unpin(pin));
  }
}

// --- The penalty and the denoiser -----------------------------------------------------------------

function grid(low, high) {
  return Array.from({ length: N_POINTS }, (_, i) => low + ((high - low) * i) / (N_POINTS - 1));
}

/** A chart of two lines, for dimensions that pretraining used and for those it did not. */
class PairPanel {
  constructor(host, explorer, caption, options) {
    this.explorer = explorer;
    this.root = heading(host, caption);
    this.symbol = options.xTitle[0];
    this.chart = new Chart(this.root, {
      height: small,
      home: () => (N_POINTS - 1) / 2 + 10,
      read: (i) => this.read(i),
      ...options,
    });
    keys(this.root, PRETRAINED);
  }

  read(i) {
    const { at, lines } = this.data;
    const values = lines.map((line) => `${line.name} ${format(line.y[i], 3)}`);
    return `${this.symbol} = ${format(at[i], 3)}: ${values.join(", ")}`;
  }

  /** `functions` of a place, for active and for inactive dimensions. */
  show(at, functions, y) {
    const [active, inactive] = functions.map((f) => at.map(f));
    const lines = [
      { name: "inactive", y: inactive, color: INACTIVE, dash: "4 2", width: 2.2 },
      { name: "active", y: active, color: ACTIVE, dash: "", width: 2.2 },
    ].reverse();
    this.data = { x: linearScale(at[0], at.at(-1)), y: y(lines), at, lines };
    this.chart.draw(this.data);
  }
}

const RANGE = grid(-2, 2);

class PenaltyPanel extends PairPanel {
  constructor(host, explorer) {
    super(host, explorer, "Penalty of a coefficient", {
      name: "Penalty of a coefficient",
      xTitle: "z, a coefficient",
      yTitle: "penalty q(z)",
    });
  }

  draw() {
    const { settings } = this.explorer.state;
    const roots = [sqrtK(1, settings), sqrtK(0, settings)];
    const functions = roots.map((root) => (z) => penalty(z, root));
    this.show(RANGE, functions, (lines) => {
      const highest = Math.max(...lines.map((line) => line.y[0]));
      return linearScale(0, 1.05 * highest);
    });
  }
}

class DenoiserPanel extends PairPanel {
  constructor(host, explorer) {
    super(host, explorer, "Denoiser at the mark", {
      name: "Estimate of a coefficient from a noisy observation, at the marked sample size",
      xTitle: "z, an observation",
      yTitle: "estimate",
    });
  }

  draw() {
    const { explorer } = this;
    const { settings } = explorer.state;
    const reach = 2 / Math.sqrt(settings.rho_ft);
    const scale = linearScale(-reach, reach);
    if (explorer.problem) {
      this.data = { x: scale, y: scale, at: [], lines: [], message: NO_TASKS };
      this.chart.draw(this.data);
      return;
    }
    const { theta } = explorer.atMark();
    const functions = [1, 0].map((betaPt) => {
      const root = sqrtK(betaPt, settings);
      return (z) => denoise(z, theta, root);
    });
    this.show(grid(-reach, reach), functions, () => scale);
  }
}

// --- The triangle and the portrait ----------------------------------------------------------------

class TrianglePanel {
  constructor(host, explorer) {
    this.explorer = explorer;
    this.root = heading(host, "Sparse, and dependent on pretraining?");
    this.chart = new Chart(this.root, {
      name: "Triangle of regimes",
      xTitle: "ℓ-order",
      yTitle: "pretraining dependence PD",
      height: small,
      square: true,
    });
    keys(this.root, PRETRAINED);
  }

  draw() {
    const { settings } = this.explorer.state;
    const [active, inactive] = [orders(1, 1, settings), orders(1, 0, settings)];
    const corners = Object.entries(REGIMES).filter(([, regime]) => regime.corner);
    const labels = corners.map(([numeral, { corner, color }]) => ({
      x: corner[0],
      y: corner[1],
      color,
      label: numeral,
      fill: "var(--paper)",
    }));
    this.chart.draw({
      x: linearScale(0.9, 2.1),
      y: linearScale(-1.1, 0.1),
      outline: corners.map(([, regime]) => regime.corner),
      points: [
        ...labels,
        { x: inactive[0], y: inactive[1], color: INACTIVE, fill: "var(--paper)" },
        { x: active[0], y: active[1], color: ACTIVE },
      ],
    });
    const text =
      `active: ℓ-order ${format(active[0], 3)}, PD ${format(active[1], 3)}; ` +
      `inactive: ${format(inactive[0], 3)}, ${format(inactive[1] + 0, 3)}`;
    this.chart.say(text);
  }
}

const VERTICAL = {
  c_pt: { title: "absolute scale c", low: 1e-6, high: 10 },
  gamma_ft: { title: "readout scale γ", low: 1e-3, high: 100 },
};
// Ten steps of matplotlib's cividis, as in the book's portraits
const CIVIDIS = [
  [0, 43, 98],
  [36, 60, 110],
  [67, 78, 108],
  [91, 96, 110],
  [114, 114, 116],
  [136, 133, 120],
  [161, 153, 117],
  [188, 174, 108],
  [214, 195, 93],
  [243, 219, 66],
];

class PortraitPanel {
  constructor(host, explorer) {
    this.explorer = explorer;
    this.root = heading(host, "Phase portrait of an active dimension");
    const choices = make("div", { class: "choices" }, this.root);
    const change = (name) => (value) => {
      explorer.state.portrait[name] = value;
      explorer.changed();
    };
    const quantities = [
      ["order", "ℓ-order"],
      ["dependence", "PD"],
    ];
    const verticals = [
      ["c_pt", "λ and c"],
      ["gamma_ft", "λ and γ"],
    ];
    this.quantity = select(choices, "colour:", quantities, change("quantity"));
    this.vertical = select(choices, "over", verticals, change("vertical"));
    this.chart = new Chart(this.root, {
      name: "Phase portrait",
      xTitle: "relative scale λ",
      yTitle: "",
      height: small,
      square: true,
      canvas: true,
      pick: (lambda, y) => this.pick(lambda, y),
    });
    this.key = make("p", { class: "ramp", "aria-hidden": "true" }, this.root);
  }

  pick(lambda, y) {
    const { vertical } = this.explorer.state.portrait;
    const relative = Number((1 + lambda).toPrecision(2));
    const values = { lambda_pt: Math.min(Number((relative - 1).toPrecision(9)), 1) };
    this.explorer.setAll({ ...values, [vertical]: Number(y.toPrecision(2)) });
  }

  draw() {
    const { settings, portrait } = this.explorer.state;
    const { title, low, high } = VERTICAL[portrait.vertical];
    this.quantity.value = portrait.quantity;
    this.vertical.value = portrait.vertical;
    this.chart.options.yTitle = title;
    const [x, y] = [relativeScale(), logScale(low, high)];
    this.paint(x, y);
    const height = Math.min(Math.max(settings[portrait.vertical], low), high);
    const point = { x: settings.lambda_pt, y: height, color: "#000", fill: "#fff" };
    this.chart.draw({ x, y, points: [point] });
    const [order, dependence] = orders(1, 1, settings);
    const value = portrait.quantity === "order" ? order : dependence;
    const name = portrait.quantity === "order" ? "ℓ-order" : "PD";
    this.chart.say(`here the ${name} is ${format(value, 3)}`);
  }

  /** Colour the plane in bands of a tenth, if what it shows has changed. */
  paint(x, y) {
    const { settings, portrait } = this.explorer.state;
    const other = portrait.vertical === "c_pt" ? "gamma_ft" : "c_pt";
    const key = `${JSON.stringify(portrait)} ${settings[other]}`;
    if (key === this.painted) return;
    this.painted = key;
    const { canvas } = this.chart;
    const [width, height] = [(canvas.width = 160), (canvas.height = 110)];
    const image = new ImageData(width, height);
    const init = { ...settings };
    const lambdas = Array.from({ length: width }, (_, i) => x.from((i + 0.5) / width));
    let place = 0;
    for (let row = 0; row < height; row++) {
      init[portrait.vertical] = y.from(1 - (row + 0.5) / height);
      for (const lambda of lambdas) {
        init.lambda_pt = lambda;
        const [order, dependence] = orders(1, 1, init);
        const level = portrait.quantity === "order" ? order - 1 : 1 + dependence;
        const [red, green, blue] = CIVIDIS[Math.max(0, Math.min(Math.floor(10 * level), 9))];
        image.data[place++] = red;
        image.data[place++] = green;
        image.data[place++] = blue;
        image.data[place++] = 255;
      }
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
    this.listColors(portrait.quantity === "order" ? 1 : -1);
  }

  listColors(lowest) {
    this.key.replaceChildren();
    make("span", {}, this.key, format(lowest));
    for (const color of CIVIDIS) make("i", { style: `background:rgb(${color})` }, this.key);
    make("span", {}, this.key, format(lowest + 1));
  }
}

// --- The second paper: modes and the kernel of an aligned network ---------------------------------

const MODE_COLORS = ["#0072B2", "#D55E00", "#009E73"];
const TIMES = Array.from({ length: N_POINTS }, (_, i) => 10 ** (-2.5 + (4 * i) / (N_POINTS - 1)));
const BALANCES = Array.from({ length: 61 }, (_, i) => 10 ** (-3 + (5 * i) / 60));

const strengths = (settings) => [settings.s1, settings.s2, settings.s3];

/** Strengths of the three modes at a time. */
function modesAt(t, settings) {
  return strengths(settings).map((s) => alignedMode(t, s, settings.start, settings.balance));
}

class LinesPanel {
  constructor(host, explorer, caption, options) {
    this.explorer = explorer;
    this.root = heading(host, caption);
    this.chart = new Chart(this.root, {
      height: small,
      home: () => this.home(),
      read: (i) => this.read(i),
      ...options,
    });
  }

  home() {
    return Math.floor(this.data.at.length / 2);
  }

  read(i) {
    const values = this.data.lines.map((line) => `${line.name} ${format(line.y[i], 3)}`);
    return `${this.symbol} = ${format(this.data.at[i], 3)}: ${values.join(", ")}`;
  }
}

class ModesPanel extends LinesPanel {
  constructor(host, explorer) {
    super(host, explorer, "Strength of three modes", {
      name: "Strength of three modes during learning",
      xTitle: "time t",
      yTitle: "strength a / s",
      height: (width) => Math.min(Math.max(0.5 * width, 230), 340),
    });
    this.symbol = "t";
    keys(
      this.root,
      MODE_COLORS.map((color, i) => [`mode ${i + 1}`, color]),
    );
  }

  draw() {
    const { settings } = this.explorer.state;
    const all = TIMES.map((t) => modesAt(t, settings));
    const lines = strengths(settings).map((s, i) => ({
      name: `mode ${i + 1}`,
      y: all.map((modes) => modes[i] / s),
      color: MODE_COLORS[i],
      dash: "",
      width: 2.5,
    }));
    const highest = Math.max(1, ...lines.map((line) => line.y[0]));
    const y = linearScale(0, 1.05 * highest);
    this.data = { x: logScale(TIMES[0], TIMES.at(-1)), y, at: TIMES, lines };
    this.chart.draw(this.data);
  }
}

class MovementPanel extends LinesPanel {
  constructor(host, explorer) {
    super(host, explorer, "How far the kernel has turned", {
      name: "Movement of the tangent kernel during learning",
      xTitle: "time t",
      yTitle: "1 − cos",
    });
    this.symbol = "t";
  }

  draw() {
    const { settings } = this.explorer.state;
    const before = strengths(settings).map(() => settings.start);
    const turned = TIMES.map((t) => kernelMovement(before, modesAt(t, settings), settings.balance));
    const lines = [{ name: "movement", y: turned, color: "var(--ink)", dash: "", width: 2.2 }];
    const highest = Math.max(...turned);
    const y = linearScale(0, highest > 0.1 ? 0.6 : Math.max(1.1 * highest, 1e-12));
    this.data = { x: logScale(TIMES[0], TIMES.at(-1)), y, at: TIMES, lines };
    this.chart.draw(this.data);
  }
}

class TurnPanel extends LinesPanel {
  constructor(host, explorer) {
    super(host, explorer, "How far it turns in the end", {
      name: "Final movement of the tangent kernel against the balance",
      xTitle: "|λ|",
      yTitle: "final 1 − cos",
      pick: (i) => explorer.set("balance", Number(BALANCES[i].toPrecision(2))),
    });
    this.symbol = "|λ|";
  }

  home() {
    const { balance } = this.explorer.state.settings;
    const place = BALANCES.findIndex((value) => value >= balance * 0.999);
    return place < 0 ? BALANCES.length - 1 : place;
  }

  draw() {
    const { settings } = this.explorer.state;
    const before = strengths(settings).map(() => settings.start);
    const turned = BALANCES.map((balance) => kernelMovement(before, strengths(settings), balance));
    const lines = [{ name: "movement", y: turned, color: "var(--ink)", dash: "", width: 2.2 }];
    const x = logScale(1e-3, 100);
    const mark = Math.min(Math.max(settings.balance, 1e-3), 100);
    this.data = { x, y: logScale(1e-10, 1), at: BALANCES, lines, mark };
    this.chart.draw(this.data);
  }
}

export const PANELS = {
  curve: CurvePanel,
  penalty: PenaltyPanel,
  denoiser: DenoiserPanel,
  triangle: TrianglePanel,
  portrait: PortraitPanel,
  modes: ModesPanel,
  movement: MovementPanel,
  turn: TurnPanel,
};
