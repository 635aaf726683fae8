// On narrow screens formulas that cannot be broken are made smaller, down to six tenths.
const SMALLEST = 0.6;
// What may be wider than its box, and then scrolls: a shadow says so, and the keyboard reaches it.
const SCROLLERS = [
  "div.formula",
  "article figure",
  "article pre",
  "article .output",
  "article .text_html",
  "article .pst-scrollable-table-container",
  "article table",
].join();
// The first screen of a long page does not wait for the last: a section is laid out when it comes on
// the screen (see book.css), or when the browser has nothing else to do. Before, nothing in it is
// measured.
const WAITING = "article > section > section:not(.laid-out)";

function ready(root, selector) {
  return [...root.querySelectorAll(selector)].filter((element) => !element.closest(WAITING));
}

// All is measured before anything is changed: a page is laid out once, not once a formula.
function fit(root) {
  const formulas = ready(root, "div.formula > .katex-display > .katex");
  for (const formula of formulas) formula.style.fontSize = "";
  const measured = formulas.map((formula) => {
    const box = formula.closest("div.formula");
    return [formula, box.clientWidth, box.scrollWidth];
  });
  const wide = measured.filter(([, room, width]) => room < width);
  const sizes = wide.map(([formula]) => parseFloat(getComputedStyle(formula).fontSize));
  wide.forEach(([formula, room, width], i) => {
    formula.style.fontSize = `${Math.max((room / width) * 0.98, SMALLEST) * sizes[i]}px`;
  });
}

function scrolls(box) {
  const room = box.scrollWidth > box.clientWidth + 1;
  return room && /auto|scroll/.test(getComputedStyle(box).overflowX);
}

function mark(root) {
  const boxes = ready(root, SCROLLERS);
  const found = boxes.map(scrolls);
  boxes.forEach((box, i) => {
    box.classList.toggle("scrolls", found[i]);
    if (found[i]) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  });
}

function fitIn(root) {
  fit(root);
  mark(root);
}

function fitAll() {
  fitIn(document);
}

// Safari does not say when it is idle.
const whenIdle = window.requestIdleCallback ?? ((action) => setTimeout(action, 20));

function onScreen(section) {
  const box = section.getBoundingClientRect();
  return box.top < window.innerHeight && box.bottom > 0;
}

// Sections on the screen come first.
function layOut() {
  const waiting = [...document.querySelectorAll(WAITING)];
  if (!waiting.length) return;
  const next = waiting.find(onScreen) ?? waiting[0];
  next.classList.add("laid-out");
  fitIn(next);
  whenIdle(layOut);
}

// Where a link, or the way back, leads into the page, what is above must have its height.
function layOutNow() {
  for (const section of document.querySelectorAll(WAITING)) section.classList.add("laid-out");
}

const anew = performance.getEntriesByType("navigation")[0]?.type === "navigate";
if (location.hash || !anew) layOutNow();
if (location.hash && anew) {
  document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
}
document.addEventListener(
  "click",
  (event) => {
    if (event.target.closest("a[href*='#']")) layOutNow();
  },
  { capture: true },
);
document.fonts.ready.then(() => {
  fitAll();
  layOut();
});
window.addEventListener("load", fitAll);
window.addEventListener("resize", fitAll);
// A folded solution has no size before it is unfolded.
document.addEventListener("click", () => requestAnimationFrame(fitAll));
