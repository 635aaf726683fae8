/**
 * How the explorer looks: the theme's colours, light or dark, in whatever width there is. It is
 * painted apart from the page (`contain`, `will-change`), which takes a third off a frame on a long one.
 */
export const STYLE = `
:host {
  --ink: var(--pst-color-text-base, #222832);
  --muted: var(--pst-color-text-muted, #48566b);
  --paper: var(--pst-color-background, #fff);
  --raised: var(--pst-color-surface, #f3f4f5);
  --faint: var(--pst-color-border, #d1d5da);
  --accent: var(--pst-color-primary, #0a7d91);
  container-type: inline-size;
  contain: paint;
  display: block;
  margin: 1.5rem 0;
  padding: 0.8rem;
  border: 1px solid var(--faint);
  border-radius: 0.4rem;
  color: var(--ink);
  font-size: 0.9rem;
  line-height: 1.35;
}

* { box-sizing: border-box; }
p, ul, figure { margin: 0; padding: 0; }

button, select, input[type="number"] {
  min-height: 2rem;
  padding: 0.2rem 0.5rem;
  border: 1px solid var(--muted);
  border-radius: 0.3rem;
  background: var(--paper);
  color: inherit;
  font: inherit;
}
button { cursor: pointer; }
button:hover { background: var(--raised); }
button:disabled { opacity: 0.5; cursor: default; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 1px; }

.presets, .tools, .choices { display: flex; flex-wrap: wrap; gap: 0.4rem; align-items: center; }
.presets { margin-bottom: 0.8rem; column-gap: 1.2rem; }
.presets div { display: flex; flex-wrap: wrap; gap: 0.3rem; align-items: center; }
.presets span, .choice { color: var(--muted); }
.choice { display: inline-flex; gap: 0.3rem; align-items: center; }
.choice input { width: 1.1rem; height: 1.1rem; accent-color: var(--accent); }
.tools { margin-top: 0.8rem; }

.controls {
  display: grid;
  grid-template-columns: repeat(auto-fill, minmax(min(13.5rem, 100%), 1fr));
  gap: 0.5rem 1.4rem;
  align-items: end;
  margin-top: 0.8rem;
}
.control { display: grid; grid-template-columns: 1fr 6.2rem; align-items: center; column-gap: 0.5rem; }
.control input[type="number"] { width: 100%; min-height: 1.8rem; }
.control input[type="range"] { grid-column: 1 / -1; width: 100%; height: 1.6rem; margin: 0; accent-color: var(--accent); }
.control input:invalid { border-color: #d55e00; border-width: 2px; }
i { font-style: italic; }
sub, sup { font-size: 0.75em; line-height: 0; }

.notice { margin-bottom: 0.8rem; padding: 0.5rem 0.7rem; border-left: 4px solid #e69f00; background: var(--raised); }
.notice[hidden] { display: none; }
.notice button { margin: 0.3rem 0.3rem 0 0; }

.main { will-change: transform; }
.panels { display: grid; grid-template-columns: minmax(0, 1fr); gap: 1.2rem 1.4rem; }
@container (min-width: 34rem) { .panels { grid-template-columns: repeat(2, minmax(0, 1fr)); } }
.panels:empty { display: none; }
.main + .panels { margin-top: 1.2rem; }
.panels figure:first-child:nth-last-child(odd) { grid-column: 1 / -1; }
.nothing figure { visibility: hidden; }
/* On a phone the first picture stays in sight of the inputs, below the theme's bar. */
@container (max-width: 34rem) {
  .main .panels, .main figure { display: contents; }
  .main figcaption { margin-top: 0.8rem; }
  .main figure:first-child .chart { position: sticky; top: 3.4rem; z-index: 1; background: var(--paper); }
}
figcaption { margin-bottom: 0.2rem; font-weight: 600; }
.chart { position: relative; width: 100%; contain: layout style; }
.chart svg { position: relative; display: block; overflow: visible; touch-action: pan-y; }
.chart canvas { position: absolute; }
.chart .movable { touch-action: manipulation; cursor: crosshair; }
.axes path { stroke: var(--faint); stroke-opacity: 0.7; fill: none; }
text { fill: var(--ink); font-size: 12px; font-family: inherit; }
.axes text { fill: var(--muted); }
.title, .axes .title { fill: var(--ink); font-size: 13px; }
.outline { fill: var(--raised); stroke: var(--muted); }
.mark { stroke: var(--accent); stroke-dasharray: 2 3; stroke-width: 1.5; }
.cursor line { stroke: var(--ink); stroke-width: 1; }
circle { stroke-width: 2; }
.reading { min-height: 2.7em; color: var(--muted); font-variant-numeric: tabular-nums; }
.panels figure:only-child .reading { min-height: 1.4em; }

.legend { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(15.5rem, 100%), 1fr)); gap: 0 1.4rem; list-style: none; }
.legend li { display: flex; gap: 0.5rem; align-items: center; min-height: 1.6rem; }
.legend svg { flex: none; }
.legend .name { flex: 1; min-width: 0; overflow-wrap: anywhere; }
.legend .value { font-variant-numeric: tabular-nums; }
.legend button { min-width: 1.9rem; min-height: 1.9rem; padding: 0; line-height: 1; }
.keys { display: flex; flex-wrap: wrap; gap: 0 1rem; }
.keys span::before { content: ""; display: inline-block; width: 1.4em; height: 0; margin-right: 0.4em; vertical-align: 0.25em; border-top: var(--key); }
.ramp { display: flex; align-items: center; height: 1.4em; }
.ramp i { flex: 1; height: 0.7em; }
.ramp span { padding: 0 0.5em; }

details { width: 100%; }
pre { margin: 0.5rem 0; padding: 0.6rem; overflow-x: auto; background: var(--raised); font-size: 0.85rem; }
.status { color: var(--muted); }
a { color: var(--accent); }
`;
