// The playground: what is sent, and the tokens as they arrive.

const EXAMPLES = {
  json_schema: JSON.stringify({ type: "object", properties: { name: { type: "string" }, age: { type: "integer", minimum: 0, maximum: 120 }, city: { type: "string" }, status: { enum: ["member", "guest"] } }, required: ["name", "age", "city", "status"] }, null, 2),
  regex: "(Yes|No), because [a-z ]{10,60}\\.",
  choices: "positive\nneutral\nnegative",
  ebnf: 'root ::= "The answer is " number "."\nnumber ::= [1-9] [0-9]{0,3}',
  lark: 'start: "The " noun " is " adjective "."\nnoun: "sea" | "sky" | "tree"\nadjective: /[a-z]{3,9}/',
  tools: JSON.stringify([{ name: "get_weather", description: "The weather of a city, now.", parameters: { type: "object", properties: { city: { type: "string" }, unit: { enum: ["celsius", "fahrenheit"] } }, required: ["city", "unit"] } }], null, 2),
};
const PROMPTS = {
  none: "What is a radix tree good for?",
  json_schema: "Extract the person: Maria Lopez, 34, from Lisbon, a member of the club.",
  regex: "Is the sea salty?",
  choices: "How does this review sound? The room was clean and the staff were lovely.",
  ebnf: "How many days does a year have?",
  lark: "Say something about nature.",
  tools: "What is the weather in Oslo, in celsius?",
};

const drafts = {};
let playMode = "chat";
let turns = [];
let playing = null;

function setMode(mode) {
  playMode = mode;
  for (const button of $("play-mode").children) button.setAttribute("aria-pressed", button.dataset.mode === mode);
  for (const element of document.querySelectorAll(".chat-only")) element.hidden = mode !== "chat";
  for (const element of document.querySelectorAll(".text-only")) element.hidden = mode === "program";
  for (const element of document.querySelectorAll(".program-only")) element.hidden = mode !== "program";
  $("constraint-box").hidden = mode === "program" || $("constraint").value === "none";
  $("input-label").textContent = mode === "chat" ? "You say" : "The text to go on from";
  if (mode !== "chat" && $("constraint").value === "tools") setConstraint("none");
  $("fresh").hidden = mode !== "chat" || !turns.length;
  $("run").firstChild.textContent = mode === "program" ? "Run " : "Generate ";
  if (mode === "program") offerPrograms();
  drawTurns();
}

function setConstraint(kind) {
  const input = $("input");
  if (!input.value || Object.values(PROMPTS).includes(input.value)) input.value = PROMPTS[kind];
  $("constraint").value = kind;
  $("constraint-box").hidden = kind === "none";
  $("constraint-text").value = drafts[kind] ?? EXAMPLES[kind] ?? "";
  $("constraint-text").rows = Math.min(14, $("constraint-text").value.split("\n").length + 1);
}

function drawTurns() {
  $("turns").replaceChildren(...(playMode === "chat" ? turns : []).map((turn) => h("div", { class: `turn ${turn.role}` }, turn.content)));
}

// --- tokens

const chance = (logprob) => (logprob === null ? null : Math.exp(logprob));

function tokenColor(probability) {
  if (probability === null) return "transparent";
  if (probability > 0.5) return `color-mix(in srgb, var(--leaf-wash) ${Math.round(30 + 70 * probability)}%, transparent)`;
  if (probability > 0.1) return `color-mix(in srgb, var(--hot) ${Math.round(18 + 60 * (0.5 - probability))}%, transparent)`;
  return `color-mix(in srgb, var(--rare) ${Math.round(34 + 300 * (0.1 - probability))}%, transparent)`;
}

function tokenText(text) {
  const pieces = text.split("\n");
  return pieces.flatMap((piece, index) => (index ? [h("span", { class: "glyph" }, "↵"), "\n", piece] : [piece]));
}

function drawToken(token) {
  const probability = chance(token.logprob);
  const isSpecial = /^<\|.*\|>$|^<[^<>\s]+>$/.test(token.text);
  const element = h("span", { class: `tok${token.forced ? " forced" : ""}${isSpecial ? " special" : ""}`, tabindex: 0 }, tokenText(token.text));
  element.style.background = tokenColor(probability);
  const show = () => showTip(element.getBoundingClientRect(), ...tokenTip(token, probability));
  element.addEventListener("pointerenter", show);
  element.addEventListener("focus", show);
  element.addEventListener("pointerleave", hideTip);
  element.addEventListener("blur", hideTip);
  return element;
}

function share(probability) {
  if (probability === null) return "–";
  return probability < 0.0001 ? "< 0.01 %" : percent(probability, probability < 0.1 ? 2 : 1);
}

function rival(text, probability, isChosen) {
  const bar = h("i");
  bar.style.width = `${Math.max(1, 100 * (probability ?? 0))}%`;
  const written = visible(text).replaceAll(" ", "␣");
  return h("div", { class: `rival${isChosen ? " chosen" : ""}` }, h("code", null, written), h("div", { class: "bar" }, bar), h("span", null, share(probability)));
}

function tokenTip(token, probability) {
  const others = token.top.filter(([text]) => text !== token.text).map(([text, logprob]) => [text, chance(logprob)]);
  const all = [[token.text, probability, true], ...others].sort((a, b) => (b[1] ?? 0) - (a[1] ?? 0));
  const why = token.forced ? [h("p", { class: "why" }, "The constraint allowed nothing else here. What the model itself would have liked:")] : [];
  return [...why, ...all.map(([text, likely, isChosen]) => rival(text, likely, isChosen === true))];
}

// --- the stream

function playBody() {
  const kind = $("constraint").value;
  if (kind !== "none") drafts[kind] = $("constraint-text").value;
  const body = { constraint: kind, constraint_text: kind === "none" ? "" : $("constraint-text").value, max_tokens: Number($("max-tokens").value), temperature: Number($("temperature").value) };
  if ($("seed").value !== "") body.seed = Number($("seed").value);
  if (playMode === "prompt") return { ...body, prompt: $("input").value };
  const system = $("system").value.trim();
  return { ...body, messages: [...(system ? [{ role: "system", content: system }] : []), ...turns, { role: "user", content: $("input").value }] };
}

async function* framesOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    held += value;
    const frames = held.split("\n\n");
    held = frames.pop();
    for (const frame of frames) if (frame.startsWith("data: ")) yield JSON.parse(frame.slice(6));
  }
}

const rare = (mass) => (mass < 0.001 ? "< 0.1 %" : percent(mass, 1));

function drawEnd(end, time) {
  const facts = [
    [end.finish_reason === "length" ? "cut by the token limit" : "complete", ""],
    [count(end.completion_tokens), `tokens in ${time.toFixed(2)} s`],
    [count(end.cached_tokens), `of ${count(end.prompt_tokens)} prompt tokens were cached`],
  ];
  if (end.num_forced) facts.push([count(end.num_forced), "forced"]);
  if (end.masked_log_mass !== null) facts.push([rare(Math.exp(end.masked_log_mass)), "of the model's own mass was allowed"]);
  if (end.num_rollbacks) facts.push([count(end.num_rollbacks), "times taken back"]);
  $("facts").replaceChildren(...facts.map(([number, words]) => h("span", null, h("b", null, number), words ? ` ${words}` : "")), h("span", null, "seed ", h("b", null, end.seed)));
}

async function* framesOfPlay(path, body) {
  const response = await ask(path, { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" }, signal: playing.signal });
  for await (const frame of framesOf(response)) {
    if (frame.error) throw new Error(frame.error.message);
    yield frame;
  }
}

async function playText(output, start) {
  const body = playBody();
  if (playMode === "chat") $("turns").append(h("div", { class: "turn user" }, body.messages.at(-1).content));
  for await (const frame of framesOfPlay("play", body)) {
    if (frame.type === "tokens") output.append(...frame.tokens.map(drawToken));
    if (frame.type === "end") {
      drawEnd(frame, (performance.now() - start) / 1000);
      if (playMode === "chat") turns = [...turns, body.messages.at(-1), { role: "assistant", content: frame.text }];
    }
  }
}

async function runPlay() {
  const output = $("tokens");
  const start = performance.now();
  playing = new AbortController();
  output.replaceChildren();
  output.classList.add("busy");
  $("facts").replaceChildren();
  $("run").disabled = true;
  $("stop").hidden = false;
  hideTip();
  try {
    await (playMode === "program" ? playProgram(output, start) : playText(output, start));
  } catch (error) {
    if (error.name === "AbortError") $("facts").replaceChildren(h("span", null, "stopped"));
    else $("facts").replaceChildren(h("span", { class: "error" }, error.message));
  } finally {
    output.classList.remove("busy");
    $("run").disabled = false;
    $("stop").hidden = true;
    $("fresh").hidden = playMode !== "chat" || !turns.length;
    playing = null;
    document.body.dataset.played = String(1 + Number(document.body.dataset.played ?? 0));
  }
}

$("play-form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (playing) return;
  drawTurns();
  runPlay();
});
$("play-form").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("play-form").requestSubmit();
});
$("stop").addEventListener("click", () => playing && playing.abort());
$("fresh").addEventListener("click", () => {
  turns = [];
  $("fresh").hidden = true;
  drawTurns();
  $("tokens").replaceChildren();
  $("facts").replaceChildren();
});
$("constraint").addEventListener("change", () => setConstraint($("constraint").value));
$("constraint-text").addEventListener("input", () => (drafts[$("constraint").value] = $("constraint-text").value));
for (const button of $("play-mode").children) button.addEventListener("click", () => setMode(button.dataset.mode));
