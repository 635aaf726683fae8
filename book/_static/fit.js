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

function fit(box) {
  const formula = box.querySelector(".katex");
  if (!formula) return;
  formula.style.fontSize = "";
  const share = box.clientWidth / box.scrollWidth;
  if (share < 1) {
    const size = parseFloat(getComputedStyle(formula).fontSize);
    formula.style.fontSize = `${Math.max(share * 0.98, SMALLEST) * size}px`;
  }
}

function mark(box) {
  const room = /auto|scroll/.test(getComputedStyle(box).overflowX);
  const scrolls = room && box.scrollWidth > box.clientWidth + 1;
  box.classList.toggle("scrolls", scrolls);
  if (scrolls) box.tabIndex = 0;
  else box.removeAttribute("tabindex");
}

function fitAll() {
  document.querySelectorAll("div.formula").forEach(fit);
  document.querySelectorAll(SCROLLERS).forEach(mark);
}

document.fonts.ready.then(fitAll);
window.addEventListener("load", fitAll);
window.addEventListener("resize", fitAll);
// A folded solution has no size before it is unfolded.
document.addEventListener("click", () => requestAnimationFrame(fitAll));
