/** The custom element `<ptft-explorer view="...">`: inputs, pictures, and what holds them together. */

import { make, minus } from "./chart.mjs";
import { Control, PARAMETERS, nearest } from "./controls.mjs";
import { PANELS, select } from "./panels.mjs";
import { BASELINE, COLORS, FIGURE_3, REGIMES, TASK_DASHES } from "./paper.mjs";
import { LearningCurve } from "./ptft.mjs";
import { SPANS, canPin, impossibility, initialState, newPin, pinsOfFigure3 } from "./state.mjs";
import { read, write } from "./state.mjs";
import { STYLE } from "./style.mjs";
import VIEWS from "./views.json" with { type: "json" };

const N_ALPHA = 40; // sample sizes of a curve
const TASK = ["rho_pt", "rho_ft", "overlap", "noise"];
const TASKS = {
  "new dimensions": { rho_pt: 0.1, rho_ft: 0.1, overlap: 0 },
  "half of them": { rho_pt: 0.1, rho_ft: 0.1, overlap: 0.5 },
  "the same": { rho_pt: 0.1, rho_ft: 0.1, overlap: 1 },
  "a tenth of the same": { rho_pt: 0.1, rho_ft: 0.01, overlap: 1 },
};

const EARLY = [0.125, 0.25, 0.5]; // where curves rise before they fall: between 0 and the first

/** The sample sizes shown, below 1. */
function sampleSizes(span) {
  const steps = [...EARLY, ...Array.from({ length: N_ALPHA }, (_, i) => i + 1)];
  return steps.map((step) => (span * step) / N_ALPHA).filter((alpha) => alpha < 1);
}

/** Do something while nothing else is to be done, or a tenth of a second later. */
function whenIdle(action) {
  if (window.requestIdleCallback) requestIdleCallback(action, { timeout: 100 });
  else setTimeout(action); // Safari
}

const ink = (color) => (color === COLORS.k ? "var(--ink)" : color);

class Explorer extends HTMLElement {
  connectedCallback() {
    if (this.shadowRoot) return;
    const root = this.attachShadow({ mode: "open" });
    make("style", {}, root, STYLE);
    this.view = VIEWS[this.getAttribute("view")];
    this.curve = new LearningCurve(sampleSizes(initialState().span));
    this.regimes = Object.fromEntries(
      Object.keys(REGIMES).map((numeral) => [numeral, new LearningCurve(this.curve.alpha)]),
    );
    this.solved = new WeakMap(); // curves of pins
    this.state = this.firstState();
    this.build(root);
    this.changed();
  }

  // The state, and what follows from it

  /** A page of its own keeps the state in its address; elsewhere the view starts as it likes. */
  firstState() {
    const { state, ignored } = this.fromAddress() ?? read(this.view.state);
    this.ignored = ignored;
    if (this.view.share) {
      window.addEventListener("hashchange", () => {
        const found = this.fromAddress();
        if (!found || location.hash === this.written) return;
        [this.state, this.ignored] = [found.state, found.ignored];
        this.changed();
      });
    }
    return state;
  }

  fromAddress() {
    const fragment = location.hash.slice(1);
    return this.view.share && fragment.includes("=") ? read(fragment) : null;
  }

  set(name, value) {
    this.setAll({ [name]: value });
  }

  setAll(values) {
    Object.assign(this.state.settings, values);
    this.changed();
  }

  get alpha() {
    return this.curve.alpha;
  }

  /** The place of the sample size that is nearest to the mark. */
  markIndex() {
    return nearest(this.alpha, this.state.settings.alpha);
  }

  /** Theta of the curve that is being set, at the mark. */
  atMark() {
    return { theta: this.curve.theta[this.markIndex()] };
  }

  /** All curves that are shown, that which is being set first. */
  curves() {
    const { pins, settings } = this.state;
    const varying = Object.keys(BASELINE).filter((name) =>
      pins.some((pin) => pin.settings[name] !== settings[name]),
    );
    const own = { color: "var(--ink)", dash: "", width: 3.2, result: this.curve, settings };
    return [
      ...(this.problem ? [] : [{ ...own, label: "<b>as set</b>", text: "as set" }]),
      ...this.regimeCurves(),
      ...pins.map((pin) => this.pinnedCurve(pin, varying)),
    ];
  }

  regimeCurves() {
    if (!this.state.regimes || this.problem) return [];
    return Object.entries(REGIMES).map(([numeral, { color, init }]) => ({
      label: `regime ${numeral}`,
      text: `regime ${numeral}`,
      color,
      dash: "",
      width: 1.8,
      settings: { ...this.state.settings, ...init },
      result: this.regimes[numeral],
    }));
  }

  pinnedCurve(pin, varying) {
    const names = varying.length ? varying : ["c_pt", "lambda_pt"];
    const values = pin.settings;
    const label = names.map((n) => `${PARAMETERS[n].symbol}&nbsp;=&nbsp;${minus(values[n])}`);
    const text = names.map((name) => `${name} = ${values[name]}`);
    return {
      label: label.join(", "),
      text: text.join(", "),
      color: ink(COLORS[pin.color]),
      dash: TASK_DASHES[pin.dash][2],
      width: 1.8,
      settings: pin.settings,
      result: this.solved.get(pin),
      pin,
    };
  }

  /** Solve for what is shown. */
  solve() {
    const { settings, span, regimes, pins } = this.state;
    if (this.alpha.at(-1) !== sampleSizes(span).at(-1)) {
      this.curve = new LearningCurve(sampleSizes(span));
      for (const numeral in REGIMES) this.regimes[numeral] = new LearningCurve(this.alpha);
      this.solved = new WeakMap();
      this.solvedRegimes = undefined;
    }
    this.problem = impossibility(settings);
    for (const pin of pins) {
      if (this.solved.has(pin)) continue;
      this.solved.set(pin, new LearningCurve(this.alpha).solve(pin.settings));
    }
    if (this.problem) return;
    this.curve.solve(settings);
    if (regimes) this.solveRegimes();
    else this.solvedRegimes = undefined;
  }

  /**
   * The regimes' curves depend on the tasks alone. When these change they follow, one by one, while
   * the browser has nothing else to do: the reader's own curve does not wait for four others.
   */
  solveRegimes() {
    const key = this.regimesKey();
    if (key === this.solvedRegimes) return;
    if (this.solvedRegimes === undefined) {
      this.solvedRegimes = key;
      for (const numeral in REGIMES) this.solveRegime(numeral);
    } else if (this.following?.key !== key) {
      if (!this.following) whenIdle(() => this.followUp());
      this.following = { key, left: Object.keys(REGIMES) };
      this.solvedRegimes = "some";
    }
  }

  followUp() {
    const { key, left } = this.following;
    const wanted = !this.problem && key === this.regimesKey();
    if (wanted && left.length) {
      this.solveRegime(left.pop());
      whenIdle(() => this.followUp());
      return;
    }
    this.following = undefined;
    if (!wanted) return;
    this.solvedRegimes = key;
    for (const panel of this.seen) this.draw(panel);
  }

  solveRegime(numeral) {
    this.regimes[numeral].solve({ ...this.state.settings, ...REGIMES[numeral].init });
  }

  regimesKey() {
    const { settings, span } = this.state;
    return [...TASK.map((name) => settings[name]), span].join();
  }

  // Building

  build(root) {
    this.buildPresets(root);
    this.notice = make("div", { class: "notice", role: "alert" }, root);
    this.body = make("div", {}, root);
    const main = make("div", { class: "main" }, this.body);
    const { panels } = this.view;
    const curve = panels.includes("curve"); // which then comes first, and alone
    this.panels = this.buildPanels(main, curve ? panels.slice(0, 1) : panels);
    const controls = make("div", { class: "controls" }, main);
    const change = (name, value) => this.set(name, value);
    this.controls = Object.fromEntries(
      this.view.controls.map((name) => [name, new Control(name, controls, change)]),
    );
    if (curve) {
      this.buildTools(main);
      this.panels.push(...this.buildPanels(this.body, panels.slice(1)));
    }
    this.watch();
    if (!this.view.share && !this.view.controls.includes("balance")) {
      this.link = make("a", {}, make("p", { class: "tools" }, root), "Open in the explorer");
    }
  }

  /** Draw everything once, then what can be seen, and the rest when it comes into sight. */
  watch() {
    this.seen = new Set(this.panels);
    window.addEventListener("beforeprint", () => {
      for (const panel of this.panels) this.draw(panel);
    });
    const observer = new IntersectionObserver(
      (entries) => {
        for (const { target, isIntersecting } of entries) {
          const panel = this.panels.find(({ root }) => root.contains(target));
          if (!isIntersecting) this.seen.delete(panel);
          else if (!this.seen.has(panel)) {
            this.seen.add(panel);
            this.draw(panel);
          }
        }
      },
      { rootMargin: "100px" },
    );
    for (const panel of this.panels) observer.observe(panel.chart.frame);
  }

  draw(panel) {
    if (!this.problem?.everything) panel.draw();
  }

  buildPanels(root, names) {
    const host = make("div", { class: "panels" }, root);
    return names.map((name) => new PANELS[name](host, this));
  }

  buildPresets(root) {
    if (!this.view.presets.length) return;
    const host = make("div", { class: "presets" }, root);
    const group = (name) => {
      const box = make("div", { role: "group", "aria-label": name }, host);
      make("span", { "aria-hidden": "true" }, box, `${name}:`);
      return box;
    };
    const button = (box, text, title, act) => {
      const attributes = { type: "button", title, "aria-label": title };
      make("button", attributes, box, text).addEventListener("click", act);
    };
    const makers = {
      regimes: () => {
        const box = group("Regime");
        for (const [numeral, { name, init }] of Object.entries(REGIMES)) {
          button(box, numeral, `Regime ${numeral}: ${name}`, () => this.setAll(init));
        }
      },
      tasks: () => {
        const box = group("Task");
        for (const [name, task] of Object.entries(TASKS)) {
          button(box, name, `Task: ${name}`, () => this.setAll(task));
        }
      },
      figure3: () => {
        const box = group("Figure 3");
        for (const panel in FIGURE_3) {
          button(box, panel, `Curves of Figure 3, panel ${panel}`, () => this.showFigure3(panel));
        }
      },
    };
    for (const name of this.view.presets) makers[name]();
  }

  showFigure3(panel) {
    const [first] = (this.state.pins = pinsOfFigure3(panel));
    Object.assign(this.state, { regimes: false, span: 0.5 });
    this.setAll(first.settings);
  }

  buildTools(root) {
    const host = make("div", { class: "tools" }, root);
    const button = (text, act) => {
      const made = make("button", { type: "button" }, host, text);
      made.addEventListener("click", act);
      return made;
    };
    const set = (values) => {
      Object.assign(this.state, values);
      this.changed();
    };
    this.tools = {
      pin: button("Pin this curve", () => this.pin()),
      clear: button("Remove pinned", () => set({ pins: [] })),
    };
    const regimes = make("label", { class: "choice" }, host);
    this.tools.regimes = make("input", { type: "checkbox" }, regimes);
    make("span", {}, regimes, "the four regimes");
    this.tools.regimes.addEventListener("change", (event) =>
      set({ regimes: event.target.checked }),
    );
    const spans = SPANS.map((span) => [span, span]);
    const scales = [
      ["linear", "linear"],
      ["log", "logarithmic"],
    ];
    this.tools.span = select(host, "α up to", spans, (value) => set({ span: Number(value) }));
    this.tools.scale = select(host, "error:", scales, (value) => set({ log: value === "log" }));
    button("Download CSV", () => this.download());
    if (this.view.share) {
      button("Copy link", () => this.copy(this.address(), "Link copied"));
    }
    this.buildPython(host);
    this.status = make("p", { class: "status", role: "status" }, host);
  }

  buildPython(host) {
    const details = make("details", {}, host);
    make("summary", {}, details, "The same in Python");
    this.python = make("code", {}, make("pre", { tabindex: "0" }, details));
    const button = make("button", { type: "button" }, details, "Copy");
    button.addEventListener("click", () => this.copy(this.code(), "Code copied"));
  }

  // Drawing

  /** Solve and draw, at once: an input is seen in the frame that it comes in. */
  changed() {
    this.solve();
    for (const [name, control] of Object.entries(this.controls)) {
      if (name === "alpha") control.setValues([...this.alpha]);
      control.show(this.state.settings[name]);
    }
    this.explain();
    this.body.classList.toggle("nothing", Boolean(this.problem?.everything));
    for (const panel of this.seen) this.draw(panel);
    if (this.tools) this.updateTools();
    if (this.link) this.link.href = `${this.getAttribute("page")}#${this.fragment()}`;
    if (this.view.share) this.rememberSoon();
  }

  /** Say what is impossible, and offer what would be possible instead. */
  explain() {
    const ignored = this.ignored.length
      ? `Not understood, and ignored: ${this.ignored.join(", ")}.`
      : "";
    const text = [this.problem?.text ?? "", ignored].join(" ").trim();
    this.notice.hidden = !text;
    if (text === this.explained) return;
    this.explained = text;
    this.notice.textContent = text;
    if (!this.problem) return;
    const fixes = make("div", {}, this.notice);
    for (const [words, values] of this.problem.fixes) {
      const button = make("button", { type: "button" }, fixes, `Take ${words}`);
      button.addEventListener("click", () => this.setAll(values));
    }
  }

  updateTools() {
    const { tools, state } = this;
    tools.pin.disabled = Boolean(this.problem) || !canPin(state);
    tools.clear.disabled = state.pins.length === 0;
    tools.regimes.checked = state.regimes;
    tools.span.value = state.span;
    tools.scale.value = state.log ? "log" : "linear";
    const code = this.code();
    if (this.python.textContent !== code) this.python.textContent = code;
  }

  // What leaves the page

  pin() {
    this.state.pins.push(newPin(this.state.settings, this.state.pins));
    this.changed();
  }

  unpin(pin) {
    this.state.pins = this.state.pins.filter((other) => other !== pin);
    this.changed();
  }

  fragment() {
    return write(this.state, [...Object.keys(BASELINE), "alpha"]);
  }

  address() {
    return `${location.href.split("#")[0]}#${this.fragment()}`;
  }

  /** Keep the state in the address: browsers refuse to do that for every move of a slider. */
  rememberSoon() {
    clearTimeout(this.remembering);
    if (!this.started) {
      this.started = true; // nobody has set anything yet
      return;
    }
    this.remembering = setTimeout(() => {
      this.written = `#${this.fragment()}`;
      history.replaceState(history.state, "", this.written);
    }, 300);
  }

  /** The lines that compute the curve with the package. */
  code() {
    const s = this.state.settings;
    const { span } = this.state;
    const last = this.alpha.length - EARLY.length + 1;
    return [
      "from ptft import Initialization, Task, learning_curve",
      "",
      `task = Task(rho_pt=${s.rho_pt}, rho_ft=${s.rho_ft}, overlap=${s.overlap})`,
      `init = Initialization(c_pt=${s.c_pt}, lambda_pt=${s.lambda_pt}, gamma_ft=${s.gamma_ft})`,
      `curve = learning_curve(task, init, ` +
        `alpha=[${span} * i / ${N_ALPHA} for i in (${EARLY.join(", ")}, *range(1, ${last}))], ` +
        `noise=${s.noise})`,
    ].join("\n");
  }

  /** A row for each point of each curve. */
  csv() {
    const names = Object.keys(BASELINE);
    const rows = this.curves().flatMap(({ text, settings, result }) =>
      [...result.alpha].map((alpha, i) => [
        `"${text}"`,
        ...names.map((name) => settings[name]),
        ...[alpha, result.error[i], result.s2[i], result.theta[i]],
      ]),
    );
    const header = ["curve", ...names, "alpha", "error", "s2", "theta"];
    return [header, ...rows].map((row) => `${row.join()}\n`).join("");
  }

  download() {
    const url = URL.createObjectURL(new Blob([this.csv()], { type: "text/csv" }));
    make("a", { href: url, download: "learning-curves.csv" }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  }

  async copy(text, done) {
    try {
      await navigator.clipboard.writeText(text);
      this.status.textContent = done;
    } catch {
      this.status.textContent = `Copying is not allowed here; select it by hand: ${text}`;
    }
  }
}

customElements.define("ptft-explorer", Explorer);
