/** What a reader has set, as it stands in an address: `c_pt=0.001&lambda_pt=-0.99&pin=...`. */

import { PARAMETERS, allowed } from "./controls.mjs";
import { BASELINE, COLORS, FIGURE_3, TASK_DASHES, figure3, lookOf } from "./paper.mjs";
import { overlaps } from "./ptft.mjs";

const PINNED = Object.keys(BASELINE); // what a pinned curve depends on, in this order
export const SPANS = [0.1, 0.2, 0.5, 1]; // largest alpha shown
const MOST_PINS = 12;

/** Why no tasks or network are like these settings, as {text, fixes: [[words, values], ...]}. */
export function impossibility(settings) {
  const { lambda_pt, gamma_ft, rho_pt, rho_ft, overlap } = settings;
  if (lambda_pt === -1 && gamma_ft === 0) {
    return {
      everything: true,
      text:
        "With λ = −1 and γ = 0 both layers would be zero before fine-tuning, and training never " +
        "leaves the origin.",
      fixes: [
        ["λ = −0.999999", { lambda_pt: -0.999999 }],
        ["γ = 10⁻⁶", { gamma_ft: 1e-6 }],
      ],
    };
  }
  const [low, high] = overlaps(rho_pt, rho_ft);
  if (overlap >= low - 1e-12 && overlap <= high + 1e-12) return null;
  const few = overlap > high ? "pretraining uses too few dimensions" : "too few are left";
  const nearest = overlap > high ? high : low;
  const short = (value) => Number(value.toPrecision(6));
  return {
    text:
      `No two tasks have the overlap ω = ${overlap} with ρ_PT = ${rho_pt} and ρ_FT = ${rho_ft}: ` +
      `${few} for that. It can be anything from ${short(low)} to ${short(high)}.`,
    fixes: [[`ω = ${short(nearest)}`, { overlap: nearest }]],
  };
}

/** What holds unless something else is asked for. */
export function initialState() {
  return {
    settings: {
      ...BASELINE,
      alpha: 0.2,
      balance: 0,
      start: 1e-4,
      s1: 2.83, // of the chapter's hierarchy of items
      s2: 2,
      s3: 1.41,
    },
    span: 0.5,
    log: false,
    regimes: false,
    portrait: { quantity: "order", vertical: "c_pt" },
    pins: [],
  };
}

/** A pinned curve of these settings, in a colour of its own. */
export function newPin(settings, pins) {
  const own = Object.fromEntries(PINNED.map((name) => [name, settings[name]]));
  return {
    settings: own,
    ...lookOf(
      own,
      pins.map((pin) => pin.color),
    ),
  };
}

/** Whether there is room for another pinned curve. */
export function canPin(state) {
  return state.pins.length < MOST_PINS;
}

/** All curves of a panel of Figure 3, pinned. */
export function pinsOfFigure3(panel) {
  return figure3(panel).map((settings) => newPin(settings, []));
}

function writePin({ settings, color, dash }) {
  return [...PINNED.map((name) => settings[name]), color + dash].join();
}

function readPin(text) {
  const parts = text.split(",");
  const look = /^([a-z])(\d)$/.exec(parts[PINNED.length] ?? "");
  const settings = Object.fromEntries(PINNED.map((name, i) => [name, number(parts[i])]));
  const sound = PINNED.every((name) => allowed(name, settings[name])) && !impossibility(settings);
  const seen = look && look[1] in COLORS && look[2] in TASK_DASHES;
  return sound && seen ? { settings, color: look[1], dash: Number(look[2]) } : null;
}

const number = (text) => (text === undefined || text.trim() === "" ? NaN : Number(text));

/** Return the address of a state; `names` are the parameters that belong into it. */
export function write(state, names) {
  const initial = initialState();
  const parts = names.map((name) => `${name}=${state.settings[name]}`);
  if (state.span !== initial.span) parts.push(`span=${state.span}`);
  if (state.log) parts.push("scale=log");
  if (state.regimes) parts.push("regimes=1");
  if (state.portrait.quantity !== "order") parts.push("portrait=dependence");
  if (state.portrait.vertical !== "c_pt") parts.push("vertical=gamma_ft");
  parts.push(...state.pins.map((pin) => `pin=${writePin(pin)}`));
  return parts.join("&");
}

/** Return the state of an address, and those of its parts that make no sense. */
export function read(address) {
  const state = initialState();
  const ignored = [];
  for (const [name, text] of new URLSearchParams(address)) {
    if (!set(state, name, text)) ignored.push(`${name}=${text}`);
  }
  return { state, ignored };
}

/** Set one part of a state; return whether it made sense. */
function set(state, name, text) {
  if (Object.hasOwn(PARAMETERS, name)) {
    if (!allowed(name, number(text))) return false;
    state.settings[name] = number(text);
  } else if (name === "span") {
    if (!SPANS.includes(number(text))) return false;
    state.span = number(text);
  } else if (name === "scale") state.log = text === "log";
  else if (name === "regimes") state.regimes = text === "1";
  else if (name === "portrait") state.portrait.quantity = text === "dependence" ? text : "order";
  else if (name === "vertical") state.portrait.vertical = text === "gamma_ft" ? text : "c_pt";
  else if (name === "figure3" && Object.hasOwn(FIGURE_3, text)) state.pins = pinsOfFigure3(text);
  else if (name === "pin" && readPin(text) && canPin(state)) state.pins.push(readPin(text));
  else return false;
  return true;
}
