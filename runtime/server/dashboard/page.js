// What all parts of the page use: elements, the server, the key, the theme, the tip. Text of others is only ever text.

const $ = (id) => document.getElementById(id);

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((each) => each !== null && each !== undefined));
  return element;
}
const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) => fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

const count = (number) => {
  if (number >= 1e6) return (number / 1e6).toFixed(number >= 1e7 ? 0 : 1) + "M";
  if (number >= 1e4) return (number / 1e3).toFixed(number >= 1e5 ? 0 : 1) + "k";
  return Math.round(number).toLocaleString("en");
};
const percent = (share, digits = 0) => (100 * share).toFixed(digits) + " %";
const seconds = (time) => (time < 10 ? time.toFixed(1) : Math.round(time)) + " s";
const plural = (number, word) => `${count(number)} ${word}${number === 1 ? "" : "s"}`;

// --- the server

const KEY = "palmette-key";

const ask = (path, options) => askServer(`dashboard/${path}`, options);

async function askServer(path, options = {}) {
  const key = sessionStorage.getItem(KEY);
  const headers = { ...(options.headers || {}), ...(key ? { Authorization: `Bearer ${key}` } : {}) };
  const response = await fetch(path, { ...options, headers });
  if (response.status === 401 || response.status === 403) $("key-form").hidden = false;
  else $("key-form").hidden = true;
  if (!response.ok) {
    const body = await response.json().catch(() => null);
    throw new Error((body && body.error && body.error.message) || `the server answered ${response.status}`);
  }
  return response;
}

$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY, $("key").value.trim());
  $("key").value = "";
});

// --- the theme

const THEMES = ["auto", "light", "dark"];

function setTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  $("theme").textContent = theme;
  localStorage.setItem("palmette-theme", theme);
}
setTheme(THEMES.includes(localStorage.getItem("palmette-theme")) ? localStorage.getItem("palmette-theme") : "auto");
$("theme").addEventListener("click", () => setTheme(THEMES[(THEMES.indexOf($("theme").textContent) + 1) % THEMES.length]));

// --- the tip

function showTip(place, ...children) {
  const tip = $("tip");
  tip.replaceChildren(...children);
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const left = Math.min(Math.max(8, place.left), innerWidth - box.width - 8);
  const below = place.bottom + 8;
  tip.style.left = `${left}px`;
  tip.style.top = `${below + box.height > innerHeight - 8 ? Math.max(8, place.top - box.height - 8) : below}px`;
}
function hideTip() {
  $("tip").hidden = true;
}
const factsOf = (pairs) => h("dl", null, pairs.map(([name, value]) => [h("dt", null, name), h("dd", null, String(value))]));
addEventListener("keydown", (event) => event.key === "Escape" && hideTip());
addEventListener("scroll", hideTip, { passive: true });
