/** Line charts as SVG: axes, smooth lines, and a cursor that mouse, finger and keyboard move. */

const NAMESPACE = "http://www.w3.org/2000/svg";

/** Make an element, of SVG if the parent is. */
export function make(tag, attributes = {}, parent = null, text = "") {
  const svg = tag === "svg" || (parent && parent.namespaceURI === NAMESPACE);
  const node = svg ? document.createElementNS(NAMESPACE, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text) node.textContent = text;
  if (parent) parent.append(node);
  return node;
}

// --- Scales: from values to [0, 1] and back, with ticks as [value, label] -------------------------

/** A number as text, with a minus sign. */
export const minus = (value) => String(value).replace("-", "−");

const SUPERSCRIPT = Object.fromEntries([..."0123456789-"].map((c, i) => [c, "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"[i]]));

/** A number for people: four digits, and powers of ten written as such. */
export function format(value, digits = 4) {
  if (Number.isNaN(value)) return "not found";
  if (value === 0 || (Math.abs(value) >= 1e-3 && Math.abs(value) < 1e5)) {
    return minus(Number(value.toPrecision(digits)));
  }
  const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
  const power = `10${[...String(Number(exponent))].map((c) => SUPERSCRIPT[c]).join("")}`;
  const factor = String(Number(mantissa));
  return minus(factor === "1" ? power : `${factor}·${power}`);
}

export function linearScale(low, high) {
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999);
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) {
    ticks.push([i * step, format(Number((i * step).toPrecision(12)))]);
  }
  return {
    low,
    high,
    ticks,
    at: (value) => (value - low) / (high - low),
    from: (place) => low + place * (high - low),
  };
}

export function logScale(low, high) {
  const [first, last] = [Math.log10(low), Math.log10(high)];
  const every = Math.max(1, Math.ceil((last - first) / 6));
  const ticks = [];
  for (let i = Math.ceil(first - 1e-9); i <= last + 1e-9; i += every) {
    ticks.push([10 ** i, format(Number(`1e${i}`))]);
  }
  return {
    low,
    high,
    ticks,
    at: (value) => (Math.log10(value) - first) / (last - first),
    from: (place) => 10 ** (first + place * (last - first)),
  };
}

/** A logarithmic scale of 1 + lambda, labelled with lambda itself. */
export function relativeScale() {
  const scale = logScale(1e-6, 2);
  const labels = { "1e-6": "−1+10⁻⁶", "1e-4": "−1+10⁻⁴", "1e-2": "−0.99", 1: "0", 2: "1" };
  return {
    ...scale,
    ticks: Object.entries(labels).map(([value, label]) => [Number(value) - 1, label]),
    at: (lambda) => scale.at(Math.max(1 + lambda, 1e-6)),
    from: (place) => scale.from(place) - 1,
  };
}

// --- Paths ----------------------------------------------------------------------------------------

const ROUND = (pixels) => Math.round(pixels * 10) / 10;

/** Slopes of a cubic that is monotone wherever the points are (Fritsch and Carlson 1980). */
function monotoneSlopes(x, y, slopes) {
  const last = x.length - 1;
  let before = (y[1] - y[0]) / (x[1] - x[0]);
  slopes[0] = before;
  for (let i = 1; i < last; i++) {
    const after = (y[i + 1] - y[i]) / (x[i + 1] - x[i]);
    // The harmonic mean is at most twice the smaller of both, which is enough
    slopes[i] = before * after > 0 ? (2 * before * after) / (before + after) : 0;
    before = after;
  }
  slopes[last] = before;
}

/** A smooth path through points in pixels; where a value is not finite the path has a gap. */
function smoothPath(x, y) {
  const slopes = new Float64Array(x.length);
  monotoneSlopes(x, y, slopes);
  let path = "";
  let drawing = false;
  for (let i = 0; i < x.length; i++) {
    if (!Number.isFinite(y[i])) {
      drawing = false;
      continue;
    }
    if (!drawing) path += `M${ROUND(x[i])},${ROUND(y[i])}`;
    else {
      const third = (x[i] - x[i - 1]) / 3;
      path +=
        `C${ROUND(x[i - 1] + third)},${ROUND(y[i - 1] + third * (slopes[i - 1] || 0))} ` +
        `${ROUND(x[i] - third)},${ROUND(y[i] - third * (slopes[i] || 0))} ` +
        `${ROUND(x[i])},${ROUND(y[i])}`;
    }
    drawing = true;
  }
  return path;
}

// --- The chart ------------------------------------------------------------------------------------

let count = 0; // charts so far, for names that are unique on a page

/**
 * A chart in `host`. `options`: `name` for screen readers, `xTitle` and `yTitle`, `height` as a
 * function of the width, `read(index)` for a sentence about the points at a place, `show(index)`
 * for a shorter one below the chart, `home()` for the place where the cursor starts, `pick(index)`
 * for a click there, `square` for charts without a cursor, whose `pick(x, y)` gets both values.
 */
export class Chart {
  constructor(host, options) {
    this.options = options;
    this.frame = make("div", { class: "chart" }, host);
    this.canvas = options.canvas ? make("canvas", { "aria-hidden": "true" }, this.frame) : null;
    this.svg = make("svg", { "aria-label": options.name }, this.frame);
    this.axes = make("g", { class: "axes" }, this.svg);
    const clip = `ptft-clip-${count++}`;
    this.clip = make("rect", {}, make("clipPath", { id: clip }, make("defs", {}, this.svg)));
    this.area = make("g", { "clip-path": `url(#${clip})` }, this.svg);
    this.outline = make("polygon", { class: "outline" }, this.area);
    this.mark = make("line", { class: "mark" }, this.area);
    this.lines = make("g", { fill: "none" }, this.area);
    this.cursor = make("g", { class: "cursor", visibility: "hidden" }, this.svg);
    this.rule = make("line", {}, this.cursor);
    this.points = make("g", {}, this.svg);
    this.message = make("text", { "text-anchor": "middle", class: "title" }, this.svg);
    this.reading = make("p", { class: "reading" }, host);
    this.index = -1;
    this.width = 0;
    this.data = null;
    if (options.square) this.listenForPoint();
    else this.listenForCursor();
    new ResizeObserver(([entry]) => this.resize(entry.contentRect.width)).observe(this.frame);
  }

  // Geometry

  resize(width) {
    if (Math.abs(width - this.width) < 1) return;
    this.width = width;
    this.height = this.options.height(width);
    this.left = 56;
    this.right = width - 12;
    this.top = 10;
    this.bottom = this.height - 44;
    const [w, h] = [Math.max(this.right - this.left, 1), this.bottom - this.top];
    const box = { x: this.left, y: this.top, width: w, height: h };
    for (const [name, value] of Object.entries(box)) this.clip.setAttribute(name, value);
    for (const [name, value] of Object.entries({ width, height: this.height })) {
      this.svg.setAttribute(name, value);
    }
    this.message.setAttribute("x", (this.left + this.right) / 2);
    this.message.setAttribute("y", (this.top + this.bottom) / 2);
    if (this.canvas) {
      this.canvas.style.cssText = `left:${this.left}px;top:${this.top}px;width:${w}px;height:${h}px`;
    }
    this.drawn = "";
    if (this.data) this.draw(this.data);
  }

  px(value) {
    return this.left + this.data.x.at(value) * (this.right - this.left);
  }

  py(value) {
    const place = this.data.y.at(value);
    // Far outside is outside; the path's numbers stay short
    return this.bottom - Math.max(-2, Math.min(place, 3)) * (this.bottom - this.top);
  }

  // Drawing

  /**
   * `data`: scales `x` and `y`; `at`, the places of all lines' points; `lines`, each with `y`,
   * `color`, `dash` and `width`; `mark`, a place to point out; `points`, each with `x`, `y`,
   * `color`, `fill` and `label`; `outline`, corners of a region to shade; `message`, words to
   * show instead of lines.
   */
  draw(data) {
    this.data = data;
    if (!this.width) return;
    this.drawAxes();
    this.drawLines();
    this.drawPoints();
    this.message.textContent = data.message ?? "";
    if (!this.options.square) this.moveCursor(Math.min(this.index, data.at.length - 1));
  }

  drawAxes() {
    const { x, y } = this.data;
    const key = [x, y].map((scale) => `${scale.low} ${scale.high}`).join() + this.options.yTitle;
    if (key === this.drawn) return;
    this.drawn = key;
    this.axes.replaceChildren();
    const middle = (this.left + this.right) / 2;
    for (const [value, label] of x.ticks) {
      const at = ROUND(this.px(value));
      make("path", { d: `M${at},${this.top}V${this.bottom}` }, this.axes);
      const anchor = at > this.right - 8 ? "end" : "middle";
      make("text", { x: at, y: this.bottom + 17, "text-anchor": anchor }, this.axes, label);
    }
    for (const [value, label] of y.ticks) {
      const at = ROUND(this.py(value));
      make("path", { d: `M${this.left},${at}H${this.right}` }, this.axes);
      make("text", { x: this.left - 6, y: at + 4, "text-anchor": "end" }, this.axes, label);
    }
    const titles = { "text-anchor": "middle", class: "title" };
    make("text", { x: middle, y: this.height - 6, ...titles }, this.axes, this.options.xTitle);
    const turn = `translate(13 ${(this.top + this.bottom) / 2}) rotate(-90)`;
    make("text", { transform: turn, ...titles }, this.axes, this.options.yTitle);
  }

  drawLines() {
    const { lines = [], at = [], mark, outline = [] } = this.data;
    fit(this.lines, lines.length, "path");
    const places = Float64Array.from(at, (value) => this.px(value));
    lines.forEach((line, i) => {
      const path = this.lines.children[i];
      const heights = Float64Array.from(line.y, (value) => this.py(value));
      path.setAttribute("d", smoothPath(places, heights));
      path.setAttribute("stroke", line.color);
      path.setAttribute("stroke-width", line.width);
      path.setAttribute("stroke-dasharray", scaled(line.dash, line.width));
    });
    const corners = outline.map(([x, y]) => `${this.px(x)},${this.py(y)}`);
    this.outline.setAttribute("points", corners.join(" "));
    this.mark.setAttribute("visibility", mark === undefined ? "hidden" : "visible");
    if (mark !== undefined) setLine(this.mark, this.px(mark), this.top, this.bottom);
  }

  drawPoints() {
    const { points = [] } = this.data;
    fit(this.points, points.length, "g", (group) => {
      make("circle", {}, group);
      make("text", { "text-anchor": "middle", "dominant-baseline": "central" }, group);
    });
    points.forEach((point, i) => {
      const [circle, text] = this.points.children[i].children;
      const [x, y] = [ROUND(this.px(point.x)), ROUND(this.py(point.y))];
      const { color, fill = color, label = "" } = point;
      const shape = { cx: x, cy: y, r: label ? 9 : 6, fill, stroke: color };
      for (const [name, value] of Object.entries(shape)) circle.setAttribute(name, value);
      text.setAttribute("x", x);
      text.setAttribute("y", y);
      text.textContent = label;
    });
  }

  /** Say in a sentence what a chart without a cursor shows. */
  say(reading) {
    if (this.reading.textContent === reading) return;
    this.reading.textContent = reading;
    this.svg.setAttribute("aria-label", `${this.options.name}: ${reading}`);
  }

  // The cursor

  moveCursor(index) {
    this.index = index;
    this.cursor.setAttribute("visibility", index < 0 ? "hidden" : "visible");
    const { at, lines } = this.data;
    const place = index < 0 ? this.options.home() : index;
    const reading = at.length ? this.options.read(place) : "";
    const shown = at.length ? (this.options.show?.(place) ?? reading) : "";
    if (this.reading.textContent !== shown) this.reading.textContent = shown;
    this.svg.setAttribute("aria-valuenow", place);
    this.svg.setAttribute("aria-valuemin", 0);
    this.svg.setAttribute("aria-valuemax", Math.max(at.length - 1, 0));
    this.svg.setAttribute("aria-valuetext", reading);
    if (index < 0) return;
    const x = this.px(at[index]);
    setLine(this.rule, x, this.top, this.bottom);
    fit(this.cursor, lines.length + 1, "circle"); // the rule comes first
    lines.forEach((line, i) => {
      const y = this.py(line.y[index]);
      const seen = y >= this.top && y <= this.bottom;
      const shape = { cx: x, cy: seen ? y : 0, r: seen ? 3.5 : 0, fill: line.color };
      const circle = this.cursor.children[i + 1];
      for (const [name, value] of Object.entries(shape)) circle.setAttribute(name, value);
    });
  }

  /** Values at a pointer. */
  locate(event) {
    const box = this.svg.getBoundingClientRect();
    const x = (event.clientX - box.left - this.left) / (this.right - this.left);
    const y = (this.bottom - (event.clientY - box.top)) / (this.bottom - this.top);
    const inside = (place) => Math.max(0, Math.min(place, 1));
    return [this.data.x.from(inside(x)), this.data.y.from(inside(y))];
  }

  nearest(event) {
    const x = this.px(this.locate(event)[0]);
    let best = 0;
    this.data.at.forEach((value, i) => {
      if (Math.abs(this.px(value) - x) < Math.abs(this.px(this.data.at[best]) - x)) best = i;
    });
    return best;
  }

  listenForCursor() {
    const { svg } = this;
    svg.setAttribute("role", "slider");
    svg.setAttribute("tabindex", "0");
    svg.addEventListener("pointermove", (event) => this.moveCursor(this.nearest(event)));
    svg.addEventListener("pointerdown", (event) => this.moveCursor(this.nearest(event)));
    svg.addEventListener("click", (event) => this.options.pick?.(this.nearest(event)));
    svg.addEventListener("pointerleave", () => this.moveCursor(-1));
    svg.addEventListener("focus", () => this.index < 0 && this.moveCursor(this.options.home()));
    svg.addEventListener("blur", () => this.moveCursor(-1));
    svg.addEventListener("keydown", (event) => this.steer(event));
  }

  steer(event) {
    const last = this.data.at.length - 1;
    const here = this.index < 0 ? this.options.home() : this.index;
    const places = {
      ArrowLeft: here - 1,
      ArrowDown: here - 1,
      ArrowRight: here + 1,
      ArrowUp: here + 1,
      PageDown: here - 5,
      PageUp: here + 5,
      Home: 0,
      End: last,
      Enter: here,
    };
    if (event.key === "Escape") this.moveCursor(-1);
    if (!(event.key in places)) return;
    event.preventDefault();
    this.moveCursor(Math.max(0, Math.min(places[event.key], last)));
    if (event.key === "Enter") this.options.pick?.(this.index);
  }

  listenForPoint() {
    const { svg, options } = this;
    svg.setAttribute("role", "img");
    if (!options.pick) return;
    const move = (event) => options.pick(...this.locate(event));
    svg.classList.add("movable");
    svg.addEventListener("click", move);
    svg.addEventListener("pointerdown", (event) => {
      // A finger may be about to scroll
      if (event.pointerType !== "touch") svg.setPointerCapture(event.pointerId);
    });
    svg.addEventListener("pointermove", (event) => {
      if (event.buttons && svg.hasPointerCapture(event.pointerId)) move(event);
    });
  }
}

/** Give a group this many children. */
function fit(group, size, tag, fill = () => {}) {
  while (group.children.length < size) fill(make(tag, {}, group));
  while (group.children.length > size) group.lastChild.remove();
}

function setLine(line, x, top, bottom) {
  for (const [name, value] of Object.entries({ x1: x, x2: x, y1: top, y2: bottom })) {
    line.setAttribute(name, value);
  }
}

/** Dashes in pixels; `dash` is in multiples of the line's width. */
export function scaled(dash, width) {
  const lengths = dash.split(" ").map((length) => length * width);
  return dash ? lengths.join(" ") : "none";
}
