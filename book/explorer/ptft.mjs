/**
 * The theory in the browser: what `ptft.model.penalty`, `ptft.model.regimes`, `ptft.model.tasks`,
 * `ptft.theory.channel` and `ptft.theory.replica` compute for Gaussian teachers, without ridge and
 * below alpha = 1. Names are those of `ptft`; tests compare the two.
 *
 * It differs where a picture needs speed more than the last digits: fewer nodes, each sample size
 * is started from the ones before it, and the last Newton step is taken without being looked at.
 */

// --- The penalty (Theorem 4.1) -------------------------------------------------------------------

/** sqrt(k) of a dimension, equation (14). `init` has c_pt, lambda_pt and gamma_ft. */
export function sqrtK(betaPt, init) {
  const hidden = init.c_pt + Math.hypot(init.c_pt, betaPt);
  return 2 * (1 + init.lambda_pt) * hidden + init.gamma_ft ** 2;
}

/** q_k(z), equation (13), in the dual coordinate u = asinh(2 z / sqrt(k)). */
export function penalty(z, root) {
  const u = Math.asinh((2 * z) / root);
  return (z / 2) * (u - Math.tanh(u / 2));
}

/**
 * Solve a sinh(u) + b u = z for u >= 0: Newton's method on a convex increasing function from a
 * point right of the root, so that the iterates fall to it.
 */
function dualDenoiser(z, a, b, tolerance) {
  let u = Math.min(Math.asinh(z / a), z / (a + b));
  for (let i = 0; i < 60; i++) {
    const step = (a * Math.sinh(u) + b * u - z) / (a * Math.cosh(u) + b);
    u = Math.max(u - step, 0);
    if (!(Math.abs(step) > tolerance * u)) break;
  }
  return u;
}

/** The denoiser x_hat(z; theta, k), equation (17). */
export function denoise(z, theta, root) {
  const a = root / 2;
  const b = theta / 2;
  const size = Math.abs(z);
  const u = dualDenoiser(size, a, b, 1e-15);
  // Two ways to the same number: each is used where it does not cancel.
  const x = 2 * b * u <= size ? size - b * u : a * Math.sinh(u);
  return z < 0 ? -x : x;
}

// --- l-order and pretraining dependence (Section 5.1) --------------------------------------------

/** kappa, equation (23): how far a pretrained coefficient carries over into k. */
function kappa(betaPt, init) {
  const share = Math.abs(betaPt) / Math.hypot(init.c_pt, betaPt);
  return Math.min(2 * (1 + init.lambda_pt) * (Math.abs(betaPt) / sqrtK(betaPt, init)) * share, 1);
}

/** [l-order, PD] of the penalty, equations (24) and (25). */
export function orders(betaFt, betaPt, init) {
  const u = Math.max(Math.asinh((2 * Math.abs(betaFt)) / sqrtK(betaPt, init)), 1e-150);
  const quotient = Math.tanh(u / 2) / u;
  const order = 1 / (1 - quotient);
  return [order, -kappa(betaPt, init) * quotient * order];
}

// --- Tasks (Section 3.3) -------------------------------------------------------------------------

/** The overlaps that two tasks can have: [smallest, largest]. */
export function overlaps(rhoPt, rhoFt) {
  return [Math.max(0, 1 - (1 - rhoPt) / rhoFt), Math.min(1, rhoPt / rhoFt)];
}

/** Four kinds of dimensions, {probability, root, variance}; `settings` hold tasks and network. */
export function groups(settings) {
  const { rho_pt, rho_ft, overlap } = settings;
  const shared = Math.min((overlap * rho_ft) / rho_pt, 1);
  const fresh = Math.min(((1 - overlap) * rho_ft) / (1 - rho_pt), 1);
  const active = sqrtK(1, settings);
  const inactive = sqrtK(0, settings);
  const all = [
    { probability: rho_pt * shared, root: active, variance: 1 / rho_ft },
    { probability: (1 - rho_pt) * fresh, root: inactive, variance: 1 / rho_ft },
    { probability: rho_pt * (1 - shared), root: active, variance: 0 },
    { probability: (1 - rho_pt) * (1 - fresh), root: inactive, variance: 0 },
  ];
  return all.filter((group) => group.probability > 0);
}

// --- Expectations over the scalar channel (equations (17), (18), (38)-(40)) ----------------------
//
// With a = sqrt(k) / 2 and b = theta / 2 the dual coordinate u of the denoiser makes both explicit,
//     x_hat = a sinh(u),    z = a sinh(u) + b u,    dz = (a cosh(u) + b) du,
// so an expectation over z needs no root finding. Teachers are centred, so u > 0 is half of it.

const N_NODES = 22;
const REACH = 8; // standard deviations of z that are integrated over
const KINK = 2; // half-width in u of the panel around the bend, where a sinh(u) = b
const FLAT = 12; // below the bend, from where on what it still bends is e^-FLAT, too small to see
const TAIL = 3; // width in u of the panel in which the Gaussian falls
const CUT = 26; // below the far end, beyond which the mass, e^-CUT, is too small to see

const [NODES, WEIGHTS] = gaussLegendre(N_NODES);

/** Nodes and weights of the Gauss-Legendre rule on [-1, 1]. */
function gaussLegendre(n) {
  const nodes = new Float64Array(n);
  const weights = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    let x = Math.cos((Math.PI * (i + 0.75)) / (n + 0.5));
    let slope = 1;
    for (let step = 0; step < 10; step++) {
      let [p, before] = [x, 1];
      for (let k = 2; k <= n; k++) {
        [p, before] = [((2 * k - 1) * x * p - (k - 1) * before) / k, p];
      }
      slope = (n * (x * p - before)) / (x * x - 1);
      x -= p / slope;
    }
    nodes[i] = x;
    weights[i] = 2 / ((1 - x * x) * slope * slope);
  }
  return [nodes, weights];
}

// Where the expectations are in the array that holds them; the last six are derivatives.
const ERROR = 0; // E[(x_hat - x)^2]
const SHRINKAGE = 1; // E[(x_hat - z)^2]
const SLOPE = 2; // E[d x_hat / d z] = chi / theta
const GAP = 3; // 1 - SLOPE, summed without the subtraction
const ERROR_S2 = 4;
const ERROR_THETA = 5;
const SHRINKAGE_S2 = 6;
const SHRINKAGE_THETA = 7;
const SLOPE_S2 = 8;
const SLOPE_THETA = 9;
const GAP_S2 = 10; // -SLOPE_S2, the other way round

const EDGES = new Float64Array(6);

/** Write the ends of the panels of a line up to `end`, but for the first, into `EDGES`. */
function setEdges(bend, end) {
  const after = bend + KINK;
  EDGES[0] = Math.max(bend - FLAT, 0);
  EDGES[1] = Math.max(bend - KINK, 0);
  EDGES[2] = after;
  EDGES[3] = Math.max(end - CUT, after);
  EDGES[4] = Math.max(end - TAIL, after);
  EDGES[5] = end;
}

/** Write the expectations of equations (19) and (20) at (s2, theta) into `m`. */
function moments(lines, s2, theta, m) {
  const b = theta / 2;
  m.fill(0);
  for (let line = 0; line < lines.length; line++) {
    const { probability, root, variance } = lines[line];
    const a = root / 2;
    const tau2 = variance + s2;
    const end = dualDenoiser(REACH * Math.sqrt(tau2), a, b, 1e-3);
    setEdges(Math.asinh(b / a), end);
    // What is left of a teacher's variance when z is known
    m[ERROR] += (probability * variance * s2) / tau2;
    let left = 0;
    for (let panel = 0; panel < EDGES.length; panel++) {
      const right = Math.min(EDGES[panel], end);
      if (right > left) integrate(a, b, s2, tau2, variance, probability, left, right, m);
      left = Math.max(left, right);
    }
  }
}

/** Add one panel of one group to the expectations. */
function integrate(a, b, s2, tau2, variance, probability, left, right, m) {
  const half = (right - left) / 2;
  const middle = (right + left) / 2;
  const noiseShare = s2 / tau2;
  const signalShare = variance / tau2;
  const scale = (2 * probability * half) / Math.sqrt(2 * Math.PI * tau2);
  for (let i = 0; i < N_NODES; i++) {
    const u = middle + half * NODES[i];
    const growth = Math.expm1(u);
    const factor = 1 + growth;
    const inverse = 1 / factor;
    const x = 0.5 * a * growth * (1 + inverse); // a sinh(u)
    const cosh = 0.5 * a * (factor + inverse); // a cosh(u)
    const shift = b * u; // z - x_hat
    const distance = ((x + shift) * (x + shift)) / tau2;
    const density = scale * WEIGHTS[i] * Math.exp(-0.5 * distance);
    const jacobian = cosh + b;
    const measure = density * jacobian;
    const slope = cosh / jacobian;
    const bend = (b * x) / (jacobian * jacobian); // times dz: the slope's derivative
    const miss = noiseShare * x - signalShare * shift; // x_hat - E[x | z]
    const hermite = (0.5 * (distance - 1)) / tau2; // d E[f] / d s^2 = E[f hermite]
    const shrinkage = measure * shift * shift;
    m[ERROR] += measure * miss * miss;
    m[SHRINKAGE] += shrinkage;
    m[SLOPE] += density * cosh;
    m[GAP] += density * b;
    m[ERROR_S2] += measure * slope * slope + density * miss * bend;
    m[ERROR_THETA] -= density * miss * u * cosh;
    m[SHRINKAGE_S2] += shrinkage * hermite;
    m[SHRINKAGE_THETA] += density * shift * u * cosh;
    m[SLOPE_S2] += density * cosh * hermite;
    m[GAP_S2] += density * b * hermite;
    m[SLOPE_THETA] -= 0.5 * density * (bend * u + slope);
  }
}

// --- The fixed point (equations (19) and (20)) ---------------------------------------------------

const STRIDE = 3; // longest first Newton step in log s^2; doubled while the direction stays
const LAST_STEP = 1e-5; // a Newton step as short as this leaves an error of its square

/** An interval that holds the root of a decreasing function. */
class Bracket {
  reset() {
    this.low = -1e3; // e^1000 is beyond floating point
    this.high = 1e3;
  }

  narrow(at, value) {
    if (value > 0) this.low = at;
    else this.high = at;
  }

  confine(at) {
    return this.low < at && at < this.high ? at : (this.low + this.high) / 2;
  }
}

/** A Newton step towards the root of a decreasing function, no longer than `longest`. */
function newtonStep(value, derivative, longest) {
  const step = derivative < 0 ? Math.min(Math.abs(value) / -derivative, longest) : longest;
  return value < 0 ? -step : step;
}

/**
 * Solver of the two equations in x = log s^2 and y = log theta; `solve` leaves the solution in
 * x, y and error. Problems that follow one another share it, and none of its steps allocates.
 *
 * While the second residual is larger than `inner`, only y moves: at fixed x that residual falls
 * with y. Else both take a Newton step along the curve on which it vanishes; there the first
 * residual has one root in x, and its sign says on which side.
 */
class Solver {
  constructor() {
    this.m = new Float64Array(11);
    this.xBracket = new Bracket();
    this.yBracket = new Bracket();
    this.x = this.y = this.error = this.steps = 0;
  }

  /** Start from the estimate 0 and a penalty of average curvature. */
  startAfresh(lines, noise, alpha) {
    let power = noise;
    let root = 0;
    for (const line of lines) {
      power += line.probability * line.variance;
      root += line.probability * line.root;
    }
    this.x = Math.log(power / alpha);
    this.y = Math.log((1 / alpha - 1) * Math.sqrt(root * root + power / alpha));
  }

  /** Search from (x, y); return whether the solution was found. */
  solve(lines, noise, alpha) {
    // The second, slower search solves (20) tightly at every s^2: its brackets cannot be wrong.
    return this.search(lines, noise, alpha, 0.1, 60) || this.search(lines, noise, alpha, 1e-9, 900);
  }

  search(lines, noise, alpha, inner, maxSteps) {
    this.xBracket.reset();
    this.yBracket.reset();
    this.side = 0;
    for (this.steps = 1; this.steps <= maxSteps; this.steps++) {
      this.linearise(lines, noise, alpha);
      if (this.finish()) return true;
      if (Math.abs(this.g) < inner) this.stepBoth();
      else this.stepY();
    }
    return false;
  }

  /**
   * Compute both residuals, f and g, and their derivatives at (x, y): logarithms of quotients that
   * should be 1, chosen so that nothing cancels near alpha = 1. The second is (20), slope = alpha
   * or gap = 1 - alpha, as a difference of log odds. The first adds (19) to what (20) and Stein's
   * identity make of it, gap s^2 = sigma_0^2 + E[(x_hat - z)^2].
   */
  linearise(lines, noise, alpha) {
    const { m } = this;
    const s2 = Math.exp(this.x);
    const theta = Math.exp(this.y);
    moments(lines, s2, theta, m);
    const total = noise + m[ERROR];
    const left = noise + m[SHRINKAGE];
    const slopeX = s2 * (m[SLOPE] < m[GAP] ? m[SLOPE_S2] : -m[GAP_S2]);
    const slopeY = theta * m[SLOPE_THETA];
    const odds = 1 / m[SLOPE] + 1 / m[GAP];
    this.f = Math.log(total / (alpha * s2)) + Math.log(left / (m[GAP] * s2));
    this.g = Math.log(m[SLOPE] / alpha) - Math.log(m[GAP] / (1 - alpha));
    this.fX = s2 * (m[ERROR_S2] / total + m[SHRINKAGE_S2] / left) - 2 + slopeX / m[GAP];
    this.fY = theta * (m[ERROR_THETA] / total + m[SHRINKAGE_THETA] / left) + slopeY / m[GAP];
    this.gX = slopeX * odds;
    this.gY = slopeY * odds;
    this.errorX = s2 * m[ERROR_S2];
    this.errorY = theta * m[ERROR_THETA];
  }

  /** Take the Newton step and be done if it is a last one. */
  finish() {
    const determinant = this.fX * this.gY - this.fY * this.gX;
    const stepX = (this.fY * this.g - this.f * this.gY) / determinant;
    const stepY = (this.f * this.gX - this.fX * this.g) / determinant;
    if (!(Math.abs(stepX) < LAST_STEP && Math.abs(stepY) < LAST_STEP)) return false;
    this.x += stepX;
    this.y += stepY;
    this.error = this.m[ERROR] + this.errorX * stepX + this.errorY * stepY;
    return true;
  }

  stepY() {
    this.yBracket.narrow(this.y, this.g);
    this.y = this.yBracket.confine(this.y + newtonStep(this.g, this.gY, 2 * STRIDE));
  }

  stepBoth() {
    // The first residual on the curve, to first order, and its derivative along the curve.
    const value = this.f - (this.fY / this.gY) * this.g;
    const derivative = this.fX - (this.fY * this.gX) / this.gY;
    // Off the curve the sign is sure only where second-order terms cannot change it.
    if (Math.abs(value) > 4 * this.g * this.g) this.xBracket.narrow(this.x, value);
    const side = Math.sign(value);
    this.stride = side === this.side ? 2 * this.stride : STRIDE;
    this.side = side;
    const x = this.xBracket.confine(this.x + newtonStep(value, derivative, this.stride));
    const step = -(this.g + this.gX * (x - this.x)) / this.gY;
    this.y += Math.max(-4 * STRIDE, Math.min(step, 4 * STRIDE));
    this.x = x;
    this.yBracket.reset();
  }
}

const SOLVER = new Solver();

/** Generalization error against sample size; arrays of the length of `alpha`. */
export class LearningCurve {
  /** `alpha` ascends, in (0, 1). */
  constructor(alpha) {
    this.alpha = Float64Array.from(alpha);
    this.error = new Float64Array(this.alpha.length);
    this.s2 = new Float64Array(this.alpha.length);
    this.theta = new Float64Array(this.alpha.length);
    this.steps = 0; // evaluations of the expectations
  }

  /** Solve for the tasks and the network in `settings`; what is not found is NaN. */
  solve(settings) {
    const lines = groups(settings);
    const noise = settings.noise;
    let [x1, y1, x2, y2, known] = [0, 0, 0, 0, 0]; // the solutions before, the last one first
    this.steps = 0;
    for (let i = 0; i < this.alpha.length; i++) {
      const alpha = this.alpha[i];
      if (known === 0) SOLVER.startAfresh(lines, noise, alpha);
      else {
        // On along the line through the last two
        const ratio =
          known > 1 ? (alpha - this.alpha[i - 1]) / (this.alpha[i - 1] - this.alpha[i - 2]) : 0;
        SOLVER.x = x1 + ratio * (x1 - x2);
        SOLVER.y = y1 + ratio * (y1 - y2);
      }
      const found = SOLVER.solve(lines, noise, alpha);
      this.steps += SOLVER.steps;
      this.error[i] = found ? SOLVER.error : NaN;
      this.s2[i] = found ? Math.exp(SOLVER.x) : NaN;
      this.theta[i] = found ? Math.exp(SOLVER.y) : NaN;
      [x2, y2] = [x1, y1];
      [x1, y1] = [SOLVER.x, SOLVER.y];
      known = found ? known + 1 : 0;
    }
    return this;
  }
}
