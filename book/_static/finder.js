// The search page: finds the sections in PAGES (sections.js) that have all words of the query.
const GREEK = {
  alpha: "α", beta: "β", gamma: "γ", delta: "δ", epsilon: "ε", zeta: "ζ", eta: "η", theta: "θ",
  kappa: "κ", lambda: "λ", mu: "μ", nu: "ν", xi: "ξ", pi: "π", rho: "ρ", sigma: "σ", tau: "τ",
  phi: "φ", chi: "χ", psi: "ψ", omega: "ω",
};
// What the book writes out.
const SHORT = {
  amp: "message passing", ntk: "kernel", pd: "pretraining dependence", pr: "participation ratio",
};
const LETTER = "[\\p{L}\\p{N}]";
const MOST = 60;

// One form for what looks alike: ϕ is φ, ε is ϵ, é is e; as long as the text, for quoting.
function plain(text) {
  return [...text]
    .map((letter) => {
      const simple = letter.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
      return simple.length === letter.length ? simple : letter;
    })
    .join("");
}

const escaped = (word) => word.replace(/[.*+?^${}()|[\]\\/-]/g, "\\$&");

// Patterns of a word, with what a match is worth: the word itself, its beginning, a part of one.
function patterns(word) {
  const name = Object.keys(GREEK).find((key) => GREEK[key] === word);
  if (name) return [[word, 6], [`(?<!${LETTER})${name}(?!${LETTER})`, 6]].map(compiled);
  const text = escaped(word);
  const found = [[`(?<!${LETTER})${text}(?!${LETTER})`, 8], [`(?<!${LETTER})${text}`, 3]];
  if (word.length > 3) found.push([text, 1]);
  if (GREEK[word]) found.push([GREEK[word], 5]);
  if (SHORT[word]) found.splice(1, 0, [SHORT[word], 7]);
  return found.map(compiled);
}

const compiled = ([source, worth]) => [new RegExp(source, "u"), worth];

// The best match of a word: where, how long, and its worth.
function match(text, word) {
  for (const [pattern, worth] of word) {
    const found = pattern.exec(text);
    if (found) return { at: found.index, length: found[0].length, worth };
  }
  return null;
}

function find(query) {
  const words = plain(query).split(/\s+/).filter(Boolean).map(patterns);
  const results = [];
  if (!words.length) return results;
  for (const [address, chapter, sections] of PAGES) {
    for (const [id, title, text] of sections) {
      const inTitle = words.map((word) => match(plain(title), word));
      const inText = words.map((word) => match(plain(text), word));
      if (!words.every((_, i) => inTitle[i] || inText[i])) continue;
      const worth = (matches) => matches.reduce((sum, m) => sum + (m ? m.worth : 0), 0);
      const score = 5 * worth(inTitle) + worth(inText);
      results.push({ address, id, chapter, title, text, score, marks: inText.filter(Boolean) });
    }
  }
  return results.sort((a, b) => b.score - a.score);
}

// The words around the first match, with the matches marked.
function quote({ text, marks }) {
  const line = document.createElement("p");
  const first = marks.length ? Math.min(...marks.map((mark) => mark.at)) : 0;
  const start = first < 80 ? 0 : text.indexOf(" ", first - 80) + 1;
  const end = start + 220 < text.length ? text.lastIndexOf(" ", start + 220) : text.length;
  let place = start;
  line.append(start ? "… " : "");
  for (const { at, length } of [...marks].sort((a, b) => a.at - b.at)) {
    if (at < place || at + length > end) continue;
    const word = document.createElement("mark");
    word.textContent = text.slice(at, at + length);
    line.append(text.slice(place, at), word);
    place = at + length;
  }
  line.append(text.slice(place, Math.max(end, place)), end < text.length ? " …" : "");
  return line;
}

function entry(result) {
  const item = document.createElement("li");
  const link = document.createElement("a");
  link.href = `${result.address}#${result.id}`;
  link.textContent = result.title;
  item.append(link);
  if (result.chapter !== result.title) {
    const where = document.createElement("span");
    where.className = "where";
    where.textContent = ` in ${result.chapter}`;
    item.append(where);
  }
  item.append(quote(result));
  return item;
}

function show(query) {
  const results = find(query);
  const count = document.createElement("p");
  count.setAttribute("role", "status");
  const sections = results.length === 1 ? "One section" : `${results.length} sections`;
  const most = results.length > MOST ? `; the ${MOST} that fit best:` : "";
  count.textContent = results.length
    ? `${sections} with “${query}”${most}`
    : `Nothing has “${query}”. Fewer words, or the beginning of one, may find more.`;
  const list = document.createElement("ol");
  list.className = "found";
  list.append(...results.slice(0, MOST).map(entry));
  document.querySelector("#search-results").replaceChildren(count, list);
}

const asked = new URLSearchParams(location.search).get("q")?.trim();
if (asked) {
  for (const field of document.querySelectorAll("form.bd-search input")) field.value = asked;
  show(asked);
}
