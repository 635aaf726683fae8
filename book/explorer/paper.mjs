/**
 * What the paper's figures show and how the book draws it: the same colour for the same network and
 * the same dashes for the same task, as in `ptft.companion.plotting`; the regimes of `ptft.REGIMES`.
 */

/** The network, tasks and noise that everything starts from. */
export const BASELINE = {
  c_pt: 1e-3,
  lambda_pt: 0,
  gamma_ft: 0,
  rho_pt: 0.1,
  rho_ft: 0.1,
  overlap: 1,
  noise: 0,
};

export const REGIMES = {
  I: { name: "rich, pretraining-independent", color: "#D55E00", corner: [1, 0] },
  II: { name: "lazy, pretraining-dependent", color: "#0072B2", corner: [2, -1] },
  III: { name: "lazy, pretraining-independent", color: "#CC79A7", corner: [2, 0] },
  IV: { name: "rich, pretraining-dependent", color: "#009E73", corner: null },
};
REGIMES.I.init = { c_pt: 1e-3, lambda_pt: -0.999999, gamma_ft: 1e-6 };
REGIMES.II.init = { c_pt: 1e-3, lambda_pt: 0, gamma_ft: 0 };
REGIMES.III.init = { c_pt: 1e-3, lambda_pt: 0, gamma_ft: 10 };
REGIMES.IV.init = { c_pt: 1e-3, lambda_pt: -0.99, gamma_ft: 0 };

/** Panels of Figure 3: the parameter, its values, and the tasks as [overlap, rho_ft]. */
export const FIGURE_3 = {
  a: ["c_pt", [1e-6, 1e-3, 1], [[0, 0.1], [1, 0.1]]],
  b: ["gamma_ft", [0, 1, 10], [[0, 0.1], [1, 0.1]]],
  c: ["lambda_pt", [-0.99, 0, 0.99], [[0, 0.1], [0.5, 0.1], [1, 0.1]]],
  d: ["c_pt", [1e-6, 1e-3, 1], [[0, 0.1], [0, 0.9]]],
  e: ["gamma_ft", [0, 1, 10], [[0, 0.1], [0, 0.9]]],
  f: ["lambda_pt", [-0.99, 0, 0.99], [[1, 0.1], [1, 0.04], [1, 0.01]]],
};

/** Okabe and Ito's colours by the letter that stands for them in an address. */
export const COLORS = {
  k: "#000000",
  b: "#0072B2",
  v: "#D55E00",
  g: "#009E73",
  p: "#CC79A7",
  o: "#E69F00",
  s: "#56B4E9",
};

export const NETWORK_COLORS = {
  c_pt: { 1e-6: "b", 1e-3: "k", 1: "v" },
  lambda_pt: { "-1": "s", "-0.99": "b", 0: "k", 0.99: "v" },
  gamma_ft: { 0: "k", 1: "o", 10: "v" },
};

/** Tasks [overlap, rho_ft] and their dashes, in multiples of the line's width. */
export const TASK_DASHES = [
  [1, 0.1, ""],
  [0.5, 0.1, "6.4 1.6 1 1.6"],
  [0, 0.1, "3.7 1.6"],
  [0, 0.9, "1 1.65"],
  [1, 0.04, "5 1 1 1 1 1"],
  [1, 0.01, "1 1"],
  [0, 0.04, "6 2 1 2 1 2"],
  [0, 0.01, "1 4"],
];

/** The colour's letter of a network that differs from the baseline in one of the paper's ways. */
function networkColor(settings) {
  const names = Object.keys(NETWORK_COLORS);
  const changed = names.filter((name) => settings[name] !== BASELINE[name]);
  if (changed.length === 0) return "k";
  return changed.length === 1 ? NETWORK_COLORS[changed[0]][settings[changed[0]]] : undefined;
}

/** The number of a task's dashes in `TASK_DASHES`; other tasks have a solid line. */
function taskDash({ overlap, rho_ft }) {
  const place = TASK_DASHES.findIndex(([o, rho]) => o === overlap && rho === rho_ft);
  return Math.max(place, 0);
}

/** Colour and dashes of a curve; networks that are not the paper's get a colour not in `used`. */
export function lookOf(settings, used) {
  const free = [..."bvgpos"].find((letter) => !used.includes(letter)) ?? "k";
  return { color: networkColor(settings) ?? free, dash: taskDash(settings) };
}

/** All curves of a panel of Figure 3, as settings. */
export function figure3(panel) {
  const [parameter, values, tasks] = FIGURE_3[panel];
  return values.flatMap((value) =>
    tasks.map(([overlap, rho_ft]) => ({ ...BASELINE, [parameter]: value, overlap, rho_ft })),
  );
}
