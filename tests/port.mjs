// Evaluates what `tests/port.py` asks for: JSON in, JSON out.

import { readFileSync } from "node:fs";

import { alignedMode, kernelMovement } from "../book/explorer/balanced.mjs";
import * as paper from "../book/explorer/paper.mjs";
import { LearningCurve, denoise, orders, overlaps, penalty, sqrtK } from "../book/explorer/ptft.mjs";

function curve({ alpha, ...settings }) {
  const { error, s2, theta } = new LearningCurve(alpha).solve(settings);
  return [[...error], [...s2], [...theta]];
}

const ways = {
  curve,
  penalty: ([z, root]) => penalty(z, root),
  denoise: ([z, theta, root]) => denoise(z, theta, root),
  sqrtK: ([betaPt, init]) => sqrtK(betaPt, init),
  orders: ([betaFt, betaPt, init]) => orders(betaFt, betaPt, init),
  overlaps: ([rhoPt, rhoFt]) => overlaps(rhoPt, rhoFt),
  alignedMode: (values) => alignedMode(...values),
  kernelMovement: (values) => kernelMovement(...values),
  paper: (name) => paper[name],
};

const { way, inputs } = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(inputs.map(ways[way])));
