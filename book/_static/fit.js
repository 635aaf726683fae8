// On narrow screens formulas that cannot be broken are made smaller, down to six tenths.
const SMALLEST = 0.6;

function fit(box) {
  const formula = box.querySelector(".katex");
  if (!formula) return;
  formula.style.fontSize = "";
  const share = box.clientWidth / box.scrollWidth;
  if (share < 1) {
    const size = parseFloat(getComputedStyle(formula).fontSize);
    formula.style.fontSize = `${Math.max(share * 0.98, SMALLEST) * size}px`;
  }
  // What is still too wide scrolls, also from the keyboard.
  if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
  else box.removeAttribute("tabindex");
}

const fitAll = () => document.querySelectorAll("div.formula").forEach(fit);
document.fonts.ready.then(fitAll);
window.addEventListener("resize", fitAll);
// A folded solution has no size before it is unfolded.
document.addEventListener("click", () => requestAnimationFrame(fitAll));
