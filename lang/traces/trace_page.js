"use strict";
// Shows the record of a run. Whatever comes from the record becomes text nodes and numbers, never markup.
(() => {
  const { record, defaults } = JSON.parse(document.getElementById("record").textContent);
  const LANE = 34, BAR = 22, ELBOW = 12, TICK = 7, MIN_BAR = 5;

  // Elements

  function el(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "class") node.className = value;
      else if (name === "style") for (const [key, each] of Object.entries(value)) node.style.setProperty(key, each);
      else if (value !== undefined && value !== null) node.setAttribute(name, value);
    }
    node.append(...children.flat().filter(child => child !== null && child !== undefined && child !== ""));
    return node;
  }

  function svg(tag, attributes = {}) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    return node;
  }

  // Numbers

  const grouped = value => Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, " ");
  const count = (value, noun, plural = noun + "s") => `${grouped(value)} ${value === 1 ? noun : plural}`;
  const percent = share => share >= .995 && share < 1 ? ">99 %" : share > 0 && share < .005 ? "<1 %" : `${Math.round(100 * share)} %`;

  function seconds(value, step = value) {
    const size = Math.abs(value), unit = Math.abs(step);
    if (size >= 60) return `${Math.floor(value / 60)} min ${(value % 60).toFixed(unit < 1 ? 1 : 0)} s`;
    if (size >= 1) return `${value.toFixed(unit < .01 ? 3 : unit < .1 ? 2 : unit < 1 ? 1 : size < 10 && unit === size ? 2 : 0)} s`;
    if (size === 0) return "0";
    const ms = value * 1000;
    return `${ms.toFixed(unit * 1000 >= 1 && Math.abs(ms) >= 10 || Number.isInteger(unit * 1000) ? 0 : unit * 1000 >= .1 ? 1 : 2)} ms`;
  }

  // What ran, with a place in time for everything

  const branches = record.branches.map((branch, index) => ({ ...branch, index, depth: 0, children: [] }));
  for (const branch of branches) {
    if (branch.parent !== null) {
      branch.depth = branches[branch.parent].depth + 1;
      branches[branch.parent].children.push(branch);
    }
  }
  const lanes = [];
  (function visit(branch) {
    branch.lane = lanes.length;
    lanes.push(branch);
    branch.children.forEach(visit);
  })(branches[0] ?? { children: [] });
  if (!branches.length) lanes.length = 0;

  const operations = [];
  for (const branch of branches) {
    branch.operations = branch.operations.map((operation, number) => {
      const kind = operation.step.type, samples = operation.samples ?? [];
      const op = { ...operation, kind, samples, branch, number, id: operations.length, text: operation.text ?? "" };
      operations.push(op);
      return op;
    });
  }

  const isTimed = operations.some(op => op.timing);
  const numTokens = op => op.samples.length ? Math.max(...op.samples.map(sample => sample.token_ids.length)) : op.selection || op.scored ? 1 : 0;

  function placeInTime() {
    const zero = isTimed ? Math.min(...operations.filter(op => op.timing).map(op => op.timing.queued)) : 0;
    (function walk(branch, start, run) {  // run: the marks that stand at that moment already; they lie side by side
      if (!branch) return;
      branch.start = branch.end = start;
      branch.run = run;
      for (const op of branch.operations) {
        const { children } = op.step;
        if (op.kind === "branching") {
          op.at = branch.end;
          op.run = run;
          for (const child of children) walk(branches[child], branch.end, run + 2);
        } else if (op.kind === "joining") {
          op.at = Math.max(branch.end, ...children.map(child => branches[child].end ?? 0));
          branch.end = op.at;
          run = 0;
        } else if (op.timing) {
          const { queued, started, first_token, ended } = op.timing;
          op.times = [queued - zero, started - zero, first_token - zero, ended - zero];
          branch.end = Math.max(branch.end, op.times[3]);
          run = 0;
        } else if (!isTimed && numTokens(op)) {  // no clock was read: a token is the unit
          op.times = [branch.end, branch.end, branch.end, branch.end + numTokens(op)];
          branch.end = op.times[3];
          run = 0;
        } else {
          op.at = branch.end;
          op.run = run++;
        }
      }
    })(branches[0], 0, 0);
  }
  placeInTime();
  const total = Math.max(...branches.map(branch => branch.end ?? 0), 0) || 1;
  const moment = (value, step) => isTimed ? seconds(value, step) : `${grouped(value)}`;

  // Tokens

  const spelt = (id, text) => text ?? record.vocabulary?.[id] ?? `#${id}`;
  const shown = text => text === "" ? "∅" : text.replace(/\n/g, "⏎").replace(/\t/g, "⇥").replace(/ /g, "·");

  function colourOf(logprob) {
    if (logprob === null || logprob === undefined) return "var(--p-none)";
    const probability = Math.exp(logprob);
    const steps = [[.9, "high"], [.6, "good"], [.3, "fair"], [.1, "low"]];
    return `var(--p-${(steps.find(([least]) => probability >= least) ?? [0, "rare"])[1]})`;
  }

  function tokensOf(sample) {
    const forced = new Set(sample.forced ?? []);
    return sample.token_ids.map((id, index) => {
      const known = sample.output_logprobs?.[index] ?? {};
      return { id, text: spelt(id, known.text), logprob: known.logprob, top: known.top ?? [], isForced: forced.has(index) };
    });
  }

  const colourOfToken = token => token.isForced ? "var(--forced)" : colourOf(token.logprob);

  // Head

  const nameOf = op => {
    const name = op.variable ?? op.step.name ?? "";
    return name.startsWith("#") ? "" : name;
  };
  const kindOf = op => ({ role_begin: "turn begins", role_end: "turn ends", declare_tools: "tools", branching: "fork", joining: "join" })[op.kind] ?? op.kind;

  function drawHead() {
    const generations = operations.flatMap(op => op.samples);
    const sum = of => generations.reduce((all, sample) => all + of(sample), 0);
    const asked = [...operations.flatMap(op => op.samples.slice(0, 1)), ...operations.flatMap(op => op.selection ?? [])];
    const prompt = asked.reduce((all, each) => all + each.prompt_tokens, 0);
    const cached = asked.reduce((all, each) => all + each.cached_tokens, 0);
    const made = sum(sample => sample.token_ids.length), forced = sum(sample => (sample.forced ?? []).length);
    const failed = operations.filter(op => op.error).length;
    const facts = [
      isTimed ? ["time", seconds(total)] : null,
      ["branches", grouped(branches.length)],
      ["operations", grouped(operations.length)],
      ["prompt tokens", grouped(prompt), prompt ? `${percent(cached / prompt)} cached` : ""],
      ["new tokens", grouped(made), isTimed && made ? `${grouped(made / total)} a second` : ""],
      forced ? ["forced", grouped(forced), percent(forced / made)] : null,
      failed ? ["failed", grouped(failed)] : null,
      record.model ? ["model", record.model] : record.backend ? ["backend", record.backend] : null,
      record.seed !== null ? ["seed", String(record.seed)] : null,
    ].filter(Boolean);
    const call = el("p", { class: "call" });
    Object.entries(record.arguments).forEach(([name, value], index) => {
      const text = JSON.stringify(value);
      call.append(index ? ", " : "", `${name} = `, el("b", {}, text.length > 120 ? text.slice(0, 119) + "…" : text));
    });
    if (record.started_at) {
      const date = new Date(record.started_at * 1000);
      call.append(call.childNodes.length ? "  ·  " : "", date.toISOString().slice(0, 19).replace("T", " ") + " UTC");
    }
    document.getElementById("head").append(
      el("h1", {}, record.program), call,
      el("dl", { class: "facts" }, facts.map(([name, value, more]) =>
        el("div", { class: "fact" }, el("dt", {}, name), el("dd", {}, value, more ? el("small", {}, ` ${more}`) : "")))));
  }

  // Timeline

  const view = { from: 0, to: 1 };
  const home = () => { view.from = -total * .02; view.to = total * 1.05; };
  home();

  function labelOf(branch) {
    const label = branch.label, above = branch.parent === null ? "" : branches[branch.parent].label;
    const cut = above && label.startsWith(above) ? above.length : 0;
    return [cut ? el("em", {}, label.slice(0, cut)) : "", label.slice(cut)];
  }

  function shapeOf(op) {
    const parts = [];
    if (!op.times) return parts;
    const [queued, started, first, ended] = op.times;
    if (started > queued) parts.push(["wait", queued, started]);
    if (op.error) parts.push(["fail", started, ended]);
    else if (op.kind === "gen") {
      const sample = op.samples[0], share = sample?.prompt_tokens ? sample.cached_tokens / sample.prompt_tokens : 0;
      const middle = started + (first - started) * share;
      if (middle > started) parts.push(["cached", started, middle]);
      if (first > middle) parts.push(["prefill", middle, first]);
      parts.push(["decode", first, ended]);
    } else parts.push(["choose", started, ended]);
    return parts;
  }

  function stripOf(op) {
    if (op.kind !== "gen" || !op.samples.length) return null;
    const tokens = tokensOf(op.samples[0]);
    if (!tokens.length || tokens.every(token => !token.isForced && token.logprob === undefined)) return null;
    const stops = [];
    tokens.forEach((token, index) => {
      const colour = colourOfToken(token), end = `${(100 * (index + 1) / tokens.length).toFixed(3)}%`;
      const last = stops[stops.length - 1];
      if (last && last.colour === colour) last.end = end;
      else stops.push({ colour, begin: last ? last.end : "0%", end });
    });
    const gradient = stops.map(stop => `${stop.colour} ${stop.begin} ${stop.end}`).join(",");
    return el("i", { class: "strip", style: { background: `linear-gradient(to right,${gradient})` } });
  }

  function barOf(op) {
    const name = nameOf(op), label = [kindOf(op), name, `branch ${op.branch.label}`];
    if (op.times) label.push(isTimed ? seconds(op.times[3] - op.times[0]) : count(numTokens(op), "token"));
    if (op.error) label.push("failed");
    const bar = el("button", { class: "op", type: "button", tabindex: "-1", "aria-label": label.filter(Boolean).join(", ") });
    if (op.times) {
      op.parts = shapeOf(op).map(([kind, from, to]) => ({ kind, from, to, node: el("i", { class: `part ${kind}` }) }));
      bar.append(...op.parts.map(part => part.node));
      const body = op.parts.find(part => part.kind === "decode") ?? op.parts[op.parts.length - 1];
      const strip = stripOf(op);
      if (strip) body.node.append(strip);
      op.name = el("span", { class: "op-name" }, name || kindOf(op));
      body.node.append(op.name);
    } else {
      const style = op.error ? " failed" : op.kind.startsWith("role") ? " role" : "";
      bar.className += ` tick${style}`;
    }
    op.bar = bar;
    return bar;
  }

  let plot, drawing, axis, rows;

  function drawTimeline() {
    const panel = document.getElementById("timeline");
    if (!operations.length) {
      panel.append(el("p", { class: "nothing" }, "Nothing ran."));
      return;
    }
    const swatch = (name, background) => el("span", {}, el("i", { style: { background } }), name);
    const hatch = "repeating-linear-gradient(135deg,var(--prefill) 0 2px,transparent 2px 5px)";
    const has = test => operations.some(test);
    panel.append(el("div", { class: "bar-head" },
      el("div", { class: "legend" },
        isTimed && has(op => op.kind === "gen") ? [swatch("waiting", "linear-gradient(var(--wait),var(--wait)) 0 50%/100% 3px no-repeat"),
          swatch("prefill", "var(--prefill)"), swatch("cached", hatch)] : [],
        has(op => op.kind === "gen") ? swatch("decode", "var(--decode)") : "",
        has(op => op.selection || op.scored) ? swatch("select, score", "var(--choose)") : "",
        has(op => op.samples.some(sample => (sample.forced ?? []).length)) ? swatch("forced tokens", "var(--forced)") : "",
        has(op => op.error) ? swatch("failed", "var(--fail)") : ""),
      el("span", { class: "hint" }, "drag to pan, wheel to zoom, double-click to see all, click to pin")));
    axis = el("div", { class: "axis" });
    plot = el("div", { class: "plot" });
    drawing = svg("svg", { "aria-hidden": "true" });
    plot.append(drawing);
    const field = el("div", { class: "field", style: { height: `${lanes.length * LANE + 8}px` } }, plot);
    for (const branch of lanes) {
      field.append(el("div", {
        class: "lane-name", title: branch.label,
        style: { top: `${branch.lane * LANE + 4}px`, "padding-left": `${14 + 12 * Math.min(branch.depth, 4)}px` },
      }, el("span", {}, labelOf(branch))));
      for (const op of branch.operations) if (op.kind !== "branching" && op.kind !== "joining") plot.append(barOf(op));
    }
    rows = el("div", { class: "rows" }, axis, field);
    panel.append(rows);
    place();
    listen();
  }

  const middleOf = branch => branch.lane * LANE + 4 + LANE / 2;

  // A fork or join is one trunk and a bend for each child, so that no line is drawn over another.
  function limbs(x) {
    const paths = [];
    for (const op of operations) {
      const parent = middleOf(op.branch), children = (op.step.children ?? []).map(child => branches[child]);
      if (!children.length) continue;
      const bottom = Math.max(...children.map(middleOf)) - ELBOW;
      if (op.kind === "branching") {
        const at = x(op.at) + TICK * op.run;
        paths.push(`M${at} ${parent}V${bottom}`);
        for (const y of children.map(middleOf)) paths.push(`M${at} ${y - ELBOW}Q${at} ${y} ${at + ELBOW} ${y}`);
      } else if (op.kind === "joining") {
        const at = Math.max(x(op.at), ...children.map(child => x(child.end) + 1)) + ELBOW;
        paths.push(`M${at} ${parent}V${bottom}`);
        for (const child of children) {
          const y = middleOf(child);
          paths.push(`M${x(child.end)} ${y}H${at - ELBOW}Q${at} ${y} ${at} ${y - ELBOW}`);
        }
      }
    }
    return paths;
  }

  function lifeOf(branch, x) {
    const begin = x(branch.start) + TICK * Math.max(branch.run - 1, 0);
    return `M${begin} ${middleOf(branch)}H${Math.max(x(branch.end), begin + 2)}`;
  }

  function place() {
    const width = plot.clientWidth, scale = width / (view.to - view.from);
    const x = time => Math.round((time - view.from) * scale * 10) / 10;
    const nodes = [];
    const step = ticks(scale, nodes, x, width);
    for (const branch of lanes) {
      nodes.push(svg("path", { class: "life", d: lifeOf(branch, x) }));
    }
    for (const d of limbs(x)) nodes.push(svg("path", { class: "limb", d }));
    drawing.replaceChildren(...nodes);
    for (const op of operations) if (op.bar) placeBar(op, x, width);
    return step;
  }

  function placeBar(op, x, width) {
    const { bar } = op, top = op.branch.lane * LANE + 4 + (LANE - BAR) / 2;
    const begin = op.times ? op.times[0] : op.at, left = x(begin) + (op.times ? 0 : 2 + TICK * op.run);
    const end = op.times ? x(op.times[3]) : left + TICK;
    bar.style.display = end < -20 || left > width + 20 ? "none" : "";
    bar.style.transform = `translate(${left}px,${top}px)`;
    if (!op.times) return;
    for (const part of op.parts) {
      const least = part === op.parts[op.parts.length - 1] ? MIN_BAR : 0;
      part.width = Math.max(x(part.to) - x(part.from), least);
      part.node.style.width = `${part.width}px`;
    }
    const body = op.name.parentNode, inner = op.parts.find(part => part.node === body);
    const seen = Math.min(x(inner.from) + inner.width, width) - Math.max(x(inner.from), 0);
    op.name.style.display = seen > op.name.textContent.length * 6.4 + 12 ? "" : "none";
    op.name.style.left = `${Math.max(7, 7 - x(inner.from))}px`;
  }

  function ticks(scale, nodes, x, width) {
    const rough = 110 / scale, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map(each => each * power).find(each => each >= rough);
    const labels = [];
    for (let index = Math.max(0, Math.ceil(view.from / step)); index * step <= view.to; index++) {
      const at = x(index * step);
      nodes.push(svg("line", { class: "grid", x1: at, x2: at, y1: 0, y2: lanes.length * LANE + 8 }));
      if (at < width - 56) {
        const text = moment(index * step, step) + (index === 0 && !isTimed ? " tokens" : "");
        labels.push(el("span", { style: { transform: `translateX(${at}px)` } }, text));
      }
    }
    axis.replaceChildren(...labels);
    return step;
  }

  // Zoom and pan

  let isPlanned = false;
  function replace() {
    if (isPlanned) return;
    isPlanned = true;
    requestAnimationFrame(() => { isPlanned = false; place(); });
  }

  function look(from, to) {
    const least = total * 1e-5, most = total * 3;
    const span = Math.min(Math.max(to - from, least), most);
    const centre = Math.min(Math.max((from + to) / 2, 0), total);
    view.from = centre - span / 2;
    view.to = centre + span / 2;
    replace();
  }

  function zoom(factor, share = .5) {
    const at = view.from + (view.to - view.from) * share;
    look(at - (at - view.from) * factor, at + (view.to - at) * factor);
  }

  const pan = share => look(view.from + share * (view.to - view.from), view.to + share * (view.to - view.from));

  function onWheel(event) {
    const isScrollable = rows.scrollHeight > rows.clientHeight + 1;
    const isOverAxis = axis.contains(event.target);
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      event.preventDefault();
      pan(event.deltaX / plot.clientWidth);
    } else if (event.ctrlKey || event.metaKey || isOverAxis || !isScrollable) {
      event.preventDefault();
      zoom(Math.exp(event.deltaY * .0016), (event.clientX - plot.getBoundingClientRect().left) / plot.clientWidth);
    }
  }

  function onDrag(down) {
    if (down.button !== 0) return;
    const { from, to } = view, scale = (to - from) / plot.clientWidth;
    let hasMoved = false;
    const move = event => {
      const shift = event.clientX - down.clientX;
      if (Math.abs(shift) < 4 && !hasMoved) return;
      hasMoved = true;
      plot.classList.add("is-dragged");
      look(from - shift * scale, to - shift * scale);
    };
    const up = () => {
      plot.classList.remove("is-dragged");
      removeEventListener("pointermove", move);
      removeEventListener("pointerup", up);
      if (hasMoved) addEventListener("click", event => event.stopPropagation(), { capture: true, once: true });
      setTimeout(() => { hasMoved = false; });
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", up);
  }

  function listen() {
    rows.addEventListener("wheel", onWheel, { passive: false });
    for (const part of [plot, axis]) {
      part.addEventListener("pointerdown", onDrag);
      part.addEventListener("dblclick", () => { home(); replace(); });
    }
    plot.addEventListener("keydown", onKey);
    new ResizeObserver(replace).observe(plot);
    const first = operations.find(op => op.bar);
    if (first) first.bar.tabIndex = 0;
  }

  function onKey(event) {
    const op = operations.find(each => each.bar === document.activeElement);
    const neighbours = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
    const zooms = { "+": .7, "=": .7, "-": 1.4 }[event.key];
    if (neighbours && op) focusNeighbour(op, ...neighbours);
    else if (zooms) zoom(zooms);
    else if (event.key === "0") { home(); replace(); }
    else return;
    event.preventDefault();
  }

  function focusNeighbour(op, along, across) {
    let next;
    if (along) {
      const row = op.branch.operations.filter(each => each.bar);
      next = row[row.indexOf(op) + along];
    } else {
      const when = each => each.times ? each.times[0] : each.at;
      for (let lane = op.branch.lane + across; lanes[lane] && !next; lane += across) {
        const row = lanes[lane].operations.filter(each => each.bar);
        next = row.sort((a, b) => Math.abs(when(a) - when(op)) - Math.abs(when(b) - when(op)))[0];
      }
    }
    if (!next) return;
    op.bar.tabIndex = -1;
    next.bar.tabIndex = 0;
    next.bar.style.display = "";
    next.bar.focus({ preventScroll: true });
    next.bar.scrollIntoView({ block: "nearest" });
  }

  // Texts

  function drawTexts() {
    const section = document.getElementById("texts");
    for (const branch of lanes) {
      const words = el("div", { class: "words" });
      for (const op of branch.operations) {
        if (op.text || op.error) words.append(saidBy(op));
        if (op.kind === "branching") words.append(el("span", { class: "mark" }, `fork into ${op.step.children.length}`));
      }
      if (!words.childNodes.length) continue;
      const made = branch.operations.flatMap(op => op.samples.slice(0, 1)).reduce((all, sample) => all + sample.token_ids.length, 0);
      section.append(el("article", { class: "branch-text" },
        el("h3", { title: branch.label }, labelOf(branch), made ? el("small", {}, count(made, "new token")) : ""), words));
    }
  }

  function saidBy(op) {
    const classes = ["said", op.kind, op.error ? "failed" : ""].filter(Boolean).join(" ");
    const span = el("span", { class: classes });
    const tokens = op.kind === "gen" && op.samples.length ? tokensOf(op.samples[0]) : [];
    // Tokens are shown one by one where they add up to the text; a trimmed stop or half a character may be in the way.
    let rest = op.text;
    const pieces = [];
    for (const token of tokens) {
      if (!rest.startsWith(token.text) || token.text === "") break;
      pieces.push(token);
      rest = rest.slice(token.text.length);
    }
    if (pieces.some(token => token.isForced)) {
      span.append(...pieces.map(token => token.isForced ? el("span", { class: "forced" }, token.text) : token.text), rest);
    } else span.append(op.text || `✕ ${kindOf(op)} ${nameOf(op)}`);
    op.span = span;
    return span;
  }

  // The card

  const card = document.getElementById("card");
  let lit = null, pinned = null;

  function light(op) {
    for (const node of [lit?.bar, lit?.span]) node?.classList.remove("is-lit");
    lit = op;
    for (const node of [lit?.bar, lit?.span]) node?.classList.add("is-lit");
  }

  function pin(op, near) {
    for (const node of [pinned?.bar, pinned?.span]) node?.classList.remove("is-pinned");
    pinned = op;
    for (const node of [pinned?.bar, pinned?.span]) node?.classList.add("is-pinned");
    card.classList.toggle("is-pinned", pinned !== null);
    if (pinned) showCard(pinned, near);
    else card.hidden = true;
  }

  function showCard(op, near) {
    card.replaceChildren(...cardOf(op));
    card.hidden = false;
    const box = near.getBoundingClientRect(), { offsetWidth: width, offsetHeight: height } = card;
    const left = Math.min(Math.max(box.left, 12), innerWidth - width - 12);
    const below = box.bottom + 10, above = box.top - height - 10;
    const top = below + height < innerHeight - 8 ? below : above > 8 ? above : Math.max(8, innerHeight - height - 8);
    card.style.left = `${left}px`;
    card.style.top = `${top}px`;
    card.scrollTop = 0;
  }

  function cardOf(op) {
    const name = nameOf(op), took = op.times && isTimed ? seconds(op.times[3] - op.times[0]) : "";
    const close = pinned === op ? el("button", { class: "close", type: "button", "aria-label": "close" }, "×") : "";
    if (close) close.addEventListener("click", () => pin(null));
    return [
      el("div", { class: "card-head" }, el("b", {}, name || kindOf(op)),
        el("span", { class: "kind" }, `${name ? kindOf(op) : ""} ${op.branch.label}`.trim()), el("span", { class: "took" }, took), close),
      splitOf(op), el("dl", {}, rowsOf(op).flatMap(([term, value, style]) =>
        [el("dt", {}, term), el("dd", { class: style ?? "" }, value)])),
      op.selection ? choicesOf(op.selection) : "",
      ...op.samples.map((sample, index) => tokenChips(op, sample, index)),
      op.scored ? tokenChips(op, { token_ids: op.scored.token_logprobs.map(token => token.token_id), output_logprobs: op.scored.token_logprobs }, 0) : "",
      op.error ? el("p", { class: "failure" }, op.error) : "",
    ].flat().filter(Boolean);
  }

  function splitOf(op) {
    if (!op.parts || !isTimed) return "";
    const span = op.times[3] - op.times[0] || 1;
    const colours = { wait: "var(--wait)", cached: "repeating-linear-gradient(135deg,var(--prefill) 0 2px,transparent 2px 4px)",
      prefill: "var(--prefill)", decode: "var(--decode)", choose: "var(--choose)", fail: "var(--fail)" };
    return el("div", { class: "split" }, op.parts.map(part =>
      el("i", { style: { width: `${100 * (part.to - part.from) / span}%`, background: colours[part.kind] } })));
  }

  function rowsOf(op) {
    const rows = [], { step } = op, sample = op.samples[0];
    const cost = sample ?? op.selection;
    if (op.times && isTimed) {
      const [queued, started, first, ended] = op.times;
      const [before, after] = op.kind === "gen" ? ["prefill", "decode"] : ["forward", ""];
      const parts = [`waiting ${seconds(started - queued)}`, `${before} ${seconds((after ? first : ended) - started)}`];
      if (after) parts.push(`${after} ${seconds(ended - first)}`);
      rows.push(["time", `${parts.join(", ")}; from ${seconds(queued)} on`]);
      if (op.timing.num_preemptions) rows.push(["preempted", count(op.timing.num_preemptions, "time")]);
    }
    if (cost) {
      const share = cost.prompt_tokens ? cost.cached_tokens / cost.prompt_tokens : 0;
      rows.push(["prompt", `${count(cost.prompt_tokens, "token")}, ${grouped(cost.cached_tokens)} cached (${percent(share)})`]);
    }
    if (sample) {
      const span = op.times && isTimed ? op.times[3] - op.times[2] : 0, num = sample.token_ids.length;
      const pace = span > 0 && num > 1 ? `, ${grouped((num - 1) / span)} a second` : "";
      const forced = (sample.forced ?? []).length;
      rows.push(["new", `${count(num, "token")}${pace}${forced ? `, ${grouped(forced)} forced` : ""}`]);
      const { type, matched } = sample.finish_reason;
      const why = typeof matched === "string" ? ` ${JSON.stringify(matched)}` : typeof matched === "number" ? ` ${spelt(matched)}` : "";
      rows.push(["ended by", type === "length" ? "its length" : why ? `stop${why}` : "its constraint, which is complete"]);
    }
    if (op.scored) rows.push(["log-prob.", op.scored.logprob.toFixed(3)]);
    if (step.constraint) rows.push(["constraint", constraintOf(step.constraint)]);
    if (step.params) rows.push(["sampling", paramsOf(step.params)]);
    if (op.kind === "select") rows.push(["method", step.method.replace(/_/g, " ") + (step.temperature ? `, temperature ${step.temperature}` : "")]);
    if (sample) rows.push(["seed", String(sample.seed)]);
    if (op.source) rows.push(["source", op.source, "mono"]);
    if (op.text && !op.samples.length && !op.selection && !op.scored) {
      rows.push(["text", el("pre", {}, op.text.length > 1200 ? op.text.slice(0, 1200) + "…" : op.text)]);
    }
    return rows;
  }

  function constraintOf(constraint) {
    const kind = { regex: "regex", json_schema: "JSON schema", choice: "choice", ebnf: "grammar", lark: "grammar", structural_tag: "tags", tool_calls: "tool calls" }[constraint.type] ?? constraint.type;
    let body = constraint.pattern ?? constraint.schema ?? constraint.grammar ?? (constraint.choices ?? constraint.tools ?? constraint.tags ?? []).map(each => JSON.stringify(each)).join("  ");
    if (constraint.type === "json_schema") {
      try { body = JSON.stringify(JSON.parse(body), null, 1).replace(/\n\s*/g, " "); } catch { /* shown as it is */ }
    }
    return [kind, el("pre", {}, body)];
  }

  function paramsOf(params) {
    const words = [`at most ${count(params.max_new_tokens, "token")}`];
    for (const [name, value] of Object.entries(params)) {
      if (name === "max_new_tokens" || name === "seed" || JSON.stringify(value) === JSON.stringify(defaults[name])) continue;
      if (/logprob/.test(name)) continue;
      words.push(`${name.replace(/_/g, " ")} ${Array.isArray(value) ? value.map(each => JSON.stringify(each)).join(" ") : JSON.stringify(value)}`);
    }
    return words.join(", ");
  }

  function choicesOf(selection) {
    const order = selection.choices.map((_, index) => index).sort((a, b) => selection.probabilities[b] - selection.probabilities[a]);
    return [el("h4", {}, "Choices", el("span", {}, "log-prob.")), el("div", { class: "choices" }, order.slice(0, 40).flatMap(index => {
      const chosen = selection.choices[index] === selection.choice ? " is-chosen" : "";
      return [
        el("span", { class: "text-of" + chosen }, shown(selection.choices[index])),
        el("span", { class: "meter" }, el("i", { style: { width: `${100 * selection.probabilities[index]}%` } })),
        el("span", { class: "num" }, percent(selection.probabilities[index])),
        el("span", { class: "num dim" }, selection.logprobs[index].toFixed(2)),
      ];
    }))];
  }

  function tokenChips(op, sample, index) {
    const tokens = tokensOf(sample);
    if (!tokens.length) return [];
    const known = tokens.filter(token => typeof token.logprob === "number");
    const sum = known.reduce((all, token) => all + token.logprob, 0);
    const title = op.samples.length > 1 ? `Sample ${index + 1}` : "Tokens";
    const others = el("div", { class: "others" });
    const most = pinned === op ? 2000 : 160;
    const chips = el("div", { class: "chips" }, tokens.slice(0, most).map(token => {
      const probability = typeof token.logprob === "number" ? percent(Math.exp(token.logprob)) : "";
      const chip = el("span", { class: token.isForced ? "chip forced" : "chip", style: { "--p": colourOf(token.logprob) } },
        shown(token.text), el("small", {}, token.isForced ? "forced" : probability || " "));
      chip.addEventListener("pointerenter", () => others.replaceChildren(...aboutToken(token)));
      return chip;
    }), tokens.length > most ? el("span", { class: "chip" }, `and ${count(tokens.length - most, "more", "more")}`) : "");
    const hasMore = pinned === op && tokens.some(token => token.top.length || token.logprob !== undefined);
    if (hasMore) others.append("point at a token to see its alternatives");
    return [el("h4", {}, title, el("span", {}, known.length ? `log-prob. ${sum.toFixed(2)}, perplexity ${Math.exp(-sum / known.length).toFixed(2)}` : "")),
      chips, hasMore ? others : ""];
  }

  function aboutToken(token) {
    const logprob = typeof token.logprob === "number" ? ` ${token.logprob.toFixed(3)}` : "";
    const top = token.top.map(([id, each]) => `   ${shown(spelt(id))} ${percent(Math.exp(each))}`).join("");
    return [el("b", {}, `${shown(token.text)}`), ` id ${token.id}${logprob}${top ? `\n${top.trim()}` : ""}`];
  }

  function operationAt(target) {
    const node = target instanceof Element ? target.closest(".op,.said") : null;
    return node ? operations.find(op => op.bar === node || op.span === node) : undefined;
  }

  function listenForCards() {
    document.addEventListener("pointerover", event => {
      if (card.contains(event.target)) return;
      const op = operationAt(event.target) ?? null;
      if (op === lit) return;
      light(op);
      if (pinned) return;
      if (op) showCard(op, event.target.closest(".op,.said"));
      else card.hidden = true;
    });
    document.addEventListener("click", event => {
      if (card.contains(event.target)) return;
      const op = operationAt(event.target) ?? null;
      pin(op === pinned ? null : op, op ? event.target.closest(".op,.said") : undefined);
      if (op?.span && event.target.closest(".op")) {
        const box = op.span.parentNode;
        box.scrollTop += op.span.getBoundingClientRect().top - box.getBoundingClientRect().top - box.clientHeight / 2;
      }
    });
    document.addEventListener("focusin", event => {
      const op = operationAt(event.target);
      if (!op || !event.target.matches(":focus-visible")) return;
      light(op);
      if (!pinned) showCard(op, op.bar);
    });
    document.addEventListener("keydown", event => {
      if (event.key === "Escape") { pin(null); light(null); }
    });
    addEventListener("scroll", () => { if (!pinned) card.hidden = true; }, { passive: true });
  }

  drawHead();
  drawTimeline();
  drawTexts();
  listenForCards();
})();
