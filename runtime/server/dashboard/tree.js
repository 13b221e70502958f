// The radix tree, trained flat: a row for each leaf, a bar for each run of tokens, as wide as it has tokens.

const ROW = 25, BAR = 18, INSET = 6, LEFT = 2, AXIS = 20, MIN_WIDTH = 3;
let treeScale = "linear";
let treeShown = "";
let treeState = null;

function layOut(nodes) {
  const children = nodes.map(() => []);
  const roots = [];
  nodes.forEach((node, index) => (node.parent_id === null ? roots : children[node.parent_id]).push(index));
  const byText = (a, b) => (nodes[a].text ?? "").localeCompare(nodes[b].text ?? "") || a - b;
  let row = 0;
  const placed = [];
  const place = (index) => {
    const below = children[index].sort(byText);
    const spot = { index, row, children: below };
    placed.push(spot);
    if (!below.length) row += 1;
    for (const child of below) place(child);
  };
  for (const root of roots) {
    // A root has no tokens: its children stand at the left edge.
    if (nodes[root].num_tokens) place(root);
    else for (const child of children[root].sort(byText)) place(child);
    row += 0.4;
  }
  return { placed, numRows: row };
}

function scaleOf(nodes, width) {
  const end = Math.max(1, ...nodes.map((node) => node.start + node.num_tokens));
  const room = Math.max(120, width - 84);
  const part = treeScale === "root" ? (tokens) => Math.sqrt(tokens / end) : (tokens) => tokens / end;
  return { end, at: (tokens) => LEFT + room * part(tokens) };
}

function heatOf(nodes) {
  const last = Math.max(0, ...nodes.map((node) => node.last_use ?? 0));
  return (node) => {
    if (node.lock_count) return "var(--leaf)";
    const warmth = last ? Math.round((100 * (node.last_use ?? last)) / last) : 100;
    return `color-mix(in oklab, var(--hot) ${warmth}%, var(--cold))`;
  };
}

const visible = (text) => (text ?? "").replaceAll("\n", "↵").replaceAll("\t", "→");

function drawNode(node, spot, x, width, color) {
  const y = AXIS + spot.row * ROW;
  const bar = svg("rect", { x, y, width, height: BAR, rx: Math.min(5, width / 2) });
  bar.style.fill = color;
  bar.style.fillOpacity = node.lock_count ? 0.42 : 0.5;
  const letters = Math.floor((width - 10) / 6.65);
  const text = visible(node.text);
  const group = svg("g", { class: "node", "data-tokens": node.num_tokens, "data-locks": node.lock_count }, bar);
  if (letters >= 2) group.append(svg("text", { x: x + 5, y: y + 12.8 }, text.length > letters ? text.slice(0, letters - 1) + "…" : text));
  const notes = [];
  if (node.num_hidden_children) notes.push(`+${node.num_hidden_children}`);
  if (node.num_uses > 1 && !spot.children.length) notes.push(`×${node.num_uses}`);
  if (notes.length && !spot.children.length) group.append(svg("text", { class: "uses", x: x + width + 5, y: y + 12.6 }, notes.join(" ")));
  if (node.holder_ids.length) {
    const shown = node.holder_ids.slice(0, 3).map((id) => `#${id}`).join(" ") + (node.holder_ids.length > 3 ? ` +${node.holder_ids.length - 3}` : "");
    group.append(svg("text", { class: "holder", x: x + width + 5 + (notes.length && !spot.children.length ? 26 : 0), y: y + (spot.children.length ? -2 : 12.6) }, shown));
  }
  group.addEventListener("pointerenter", () => showTip(bar.getBoundingClientRect(), ...nodeTip(node)));
  group.addEventListener("pointerleave", hideTip);
  return group;
}

function nodeTip(node) {
  const holders = node.holder_ids.length ? node.holder_ids.map((id) => `#${id}`).join(", ") : node.lock_count ? `${node.lock_count} below it` : "nobody";
  const facts = [
    ["tokens", `${count(node.num_tokens)}, after ${count(node.start)}`],
    ["held by", holders],
    ["used", node.num_uses === 1 ? "once" : `${count(node.num_uses)} times`],
    ["pages", count(node.num_pages)],
  ];
  if (node.last_use !== null) facts.push(["goes", node.last_use === 0 ? "first" : `after ${count(node.last_use)} others`]);
  if (node.num_hidden_children) facts.push(["not shown", plural(node.num_hidden_children, "child").replace("childs", "children")]);
  return [h("div", { class: "text" }, visible(node.text) + (node.num_tokens > 24 ? " …" : "")), factsOf(facts)];
}

function drawAxis(picture, scale, height) {
  const step = 10 ** Math.floor(Math.log10(Math.max(10, scale.end / 2)));
  const fine = scale.end / step < 3 ? step / 2 : step;
  for (let tokens = fine; tokens <= scale.end; tokens += fine) {
    const x = scale.at(tokens);
    picture.append(svg("line", { class: "tick", x1: x, x2: x, y1: 14, y2: height }), svg("text", { class: "axis", x: x + 3, y: 10 }, count(tokens)));
  }
}

function drawTree(tree) {
  treeState = tree;
  const box = $("tree");
  const shown = JSON.stringify([tree, treeScale, box.clientWidth]);
  if (shown === treeShown) return;
  treeShown = shown;
  const nodes = tree ? tree.nodes : [];
  const text = nodes.filter((node) => node.num_tokens);
  const held = text.filter((node) => node.lock_count).reduce((sum, node) => sum + node.num_tokens, 0);
  $("tree-sum").textContent = tree ? `${plural(tree.num_cached_tokens, "token")} in ${text.length} nodes shown, ${count(held)} held` : "";
  if (!text.length) {
    box.replaceChildren(h("p", { class: "empty" }, tree ? "Nothing is cached yet. Send a request, or use the playground below." : "This engine does not show its tree."));
    return;
  }
  const { placed, numRows } = layOut(nodes);
  const width = box.clientWidth - 32;
  const height = Math.max(AXIS + numRows * ROW + 6, box.clientHeight - 14);
  const scale = scaleOf(nodes, width);
  const picture = svg("svg", { width, height, role: "img", "aria-label": `${text.length} runs of cached text` });
  drawAxis(picture, scale, height);
  const color = heatOf(nodes);
  const ends = new Map();
  const wires = svg("g", {});
  const heldWires = svg("g", {});
  const bars = svg("g", {});
  for (const spot of placed) {
    const node = nodes[spot.index];
    const start = scale.at(node.start);
    const x = start + (node.start ? INSET : 0);
    const barWidth = Math.max(MIN_WIDTH, scale.at(node.start + node.num_tokens) - x - 1);
    const middle = AXIS + spot.row * ROW + BAR / 2;
    ends.set(spot.index, { x: x + barWidth, y: middle });
    const from = ends.get(node.parent_id);
    if (from) {
      const turn = Math.min(5, middle - from.y);
      const path = `M${from.x} ${from.y}H${start}V${middle - turn}Q${start} ${middle} ${start + turn} ${middle}H${x}`;
      (node.lock_count ? heldWires : wires).append(svg("path", { class: node.lock_count ? "wire held" : "wire", d: path }));
    }
    bars.append(drawNode(node, spot, x, barWidth, color(node)));
  }
  picture.append(wires, heldWires, bars);
  const { scrollTop, scrollLeft } = box;
  box.replaceChildren(picture);
  box.scrollTo(scrollLeft, scrollTop);
}

for (const button of $("tree-scale").children) {
  button.addEventListener("click", () => {
    treeScale = button.dataset.scale;
    for (const each of $("tree-scale").children) each.setAttribute("aria-pressed", each === button);
    drawTree(treeState);
  });
}
addEventListener("resize", () => drawTree(treeState));
