// The cards: how fast, how full, how much is shared; each over the last minutes.

const MAX_POINTS = 120;
const past = { tokens: [], computed: [], running: [], queued: [], hits: [] };

function remember(series, value) {
  series.push(value);
  if (series.length > MAX_POINTS) series.shift();
}

function spark(lines) {
  const top = Math.max(1e-9, ...lines.flatMap((line) => line.values)) * 1.12;
  const picture = svg("svg", { class: "spark", viewBox: `0 0 ${MAX_POINTS - 1} 36`, preserveAspectRatio: "none", "aria-hidden": "true" });
  for (const { values, color } of lines) {
    if (values.length < 2) continue;
    const first = MAX_POINTS - values.length;
    const points = values.map((value, index) => `${first + index},${(35 - (33 * value) / top).toFixed(2)}`);
    const area = svg("polygon", { class: "area", points: `${first},36 ${points.join(" ")} ${MAX_POINTS - 1},36` });
    const line = svg("polyline", { class: "line", points: points.join(" ") });
    area.style.fill = line.style.stroke = `var(${color})`;
    picture.append(area, line);
  }
  return picture;
}

const card = (title, big, unit, under, ...rest) =>
  h("div", { class: "card" }, h("h3", null, title), h("div", { class: "big" }, big, h("small", null, unit)), h("div", { class: "under" }, under), ...rest);

function kvCard(state) {
  const { num_pages: pages, num_free_pages: free, num_cached_tokens: cached } = state.stats;
  const used = pages - free;
  const pageSize = state.stats.page_size;
  const kept = Math.min(used, cached / pageSize);
  const meter = h("div", { class: "meter", role: "img", "aria-label": `${percent(used / pages)} of the KV memory in use` });
  const now = h("i", { class: "now" });
  const cachedPart = h("i", { class: "kept" });
  now.style.width = percent((used - kept) / pages, 2).replace(" ", "");
  cachedPart.style.width = percent(kept / pages, 2).replace(" ", "");
  meter.append(now, cachedPart);
  return card("KV memory", percent(used / pages, used / pages < 0.1 ? 1 : 0), "in use", `${count(cached)} tokens cached, room for ${count(pages * pageSize)}`, meter);
}

function engineCard(stats) {
  const perMask = stats.num_masks ? `${Math.round(stats.mask_fill_us / stats.num_masks)} µs` : "–";
  const perCheck = stats.num_verifications ? (stats.num_verified_tokens / stats.num_verifications).toFixed(1) : "–";
  const facts = [
    ["forward passes", count(stats.num_steps)],
    ["preempted", count(stats.num_preemptions)],
    ["evicted tokens", count(stats.num_evicted_tokens)],
    ["time per mask", perMask],
    ["tokens per check of guesses", perCheck],
    ["grammars compiled", count(stats.num_grammar_compiles)],
  ];
  return h("div", { class: "card" }, h("h3", null, "Since the start"), h("dl", { class: "facts-list" }, facts.map(([name, value]) => [h("dt", null, name), h("dd", null, value)])));
}

function drawCards(state, before) {
  const stats = state.stats;
  if (!stats) return;
  const time = before && before.stats ? state.time_s - before.time_s : 0;
  const rate = (now, then) => (time > 0 ? Math.max(0, (now - then) / time) : 0);
  const old = time > 0 ? before : state;
  remember(past.tokens, rate(state.num_generated, old.num_generated));
  remember(past.computed, rate(stats.num_computed_tokens, old.stats.num_computed_tokens));
  remember(past.running, stats.num_running_rows);
  remember(past.queued, stats.num_queued_requests);
  const share = state.num_prompt ? state.num_prefix_hits / state.num_prompt : 0;
  const recent = state.num_prompt - old.num_prompt;
  remember(past.hits, recent > 0 ? (state.num_prefix_hits - old.num_prefix_hits) / recent : (past.hits.at(-1) ?? 0));
  $("cards").replaceChildren(
    card("Generated", count(past.tokens.at(-1)), "tokens/s", `${count(past.computed.at(-1))} computed, prompts included`, spark([{ values: past.computed, color: "--blue" }, { values: past.tokens, color: "--leaf" }])),
    card("Running", count(stats.num_running_rows), stats.num_running_rows === 1 ? "row" : "rows", `${plural(stats.num_queued_requests, "request")} queued, ${plural(stats.num_branches, "branch").replace("branchs", "branches")} open`, spark([{ values: past.running, color: "--leaf" }, { values: past.queued, color: "--hot" }])),
    kvCard(state),
    card("Prefix hits", percent(share), "of all prompt tokens", `${count(state.num_prefix_hits)} of ${count(state.num_prompt)} were there already`, spark([{ values: past.hits, color: "--hot" }])),
    engineCard(stats),
  );
}
