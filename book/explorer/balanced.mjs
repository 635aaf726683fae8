/**
 * The second paper in the browser: modes of an aligned lambda-balanced network in closed form, as
 * in `ptft.balanced`, and how far its tangent kernel turns. Tests compare the two.
 */

/** Strength of a mode at time t from the start a0 > 0; s is the target's. */
export function alignedMode(t, s, a0, balance) {
  const half = Math.abs(balance) / 2;
  const kappa = Math.hypot(s, half);
  // w = a + sqrt(a^2 + half^2) - half obeys a Riccati equation; its fixed points:
  const minus = -half - half ** 2 / (kappa + s);
  const plus = s + s ** 2 / (kappa + half);
  const first = a0 + a0 ** 2 / (Math.hypot(a0, half) + half);
  const decay = Math.exp(-2 * kappa * t);
  const grown = -Math.expm1(-2 * kappa * t);
  const w =
    (first * (plus - decay * minus) - plus * minus * grown) /
    (first * grown - minus + plus * decay);
  return (w * (w + 2 * half)) / (2 * (w + half));
}

/** Squared singular values of both layers of a square aligned network, [first, second]. */
function layers(strengths, balance) {
  const half = Math.abs(balance) / 2;
  const larger = strengths.map((a) => Math.hypot(a, half) + half);
  const smaller = strengths.map((a, i) => a ** 2 / larger[i]);
  return balance >= 0 ? [smaller, larger] : [larger, smaller];
}

const sum = (values) => values.reduce((total, value) => total + value, 0);

/** Squared norm of the kernel whose layers have these (signed) squared singular values. */
function squaredNorm([first, second]) {
  const squares = sum(first.map((x) => x * x)) + sum(second.map((x) => x * x));
  return first.length * squares + 2 * sum(first) * sum(second);
}

/** 1 - cos of the angle between the tangent kernels of two square aligned networks. */
export function kernelMovement(before, after, balance) {
  const [old, now] = [before, after].map((strengths) => {
    const kernel = layers(strengths, balance);
    const size = Math.sqrt(squaredNorm(kernel));
    return kernel.map((layer) => layer.map((x) => x / size));
  });
  const gap = now.map((layer, l) => layer.map((x, i) => x - old[l][i]));
  return Math.min(squaredNorm(gap) / 2, 1);
}
