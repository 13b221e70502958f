// Programs in the playground: a plan is written or taken from those that are registered, and its branches are drawn.

const EXAMPLE_PLAN = {
  name: "animal",
  parameters: ["place"],
  branches: [
    {
      label: "main", parent: null, steps: [
        { type: "role_begin", role: "user" },
        { type: "template", parts: ["Name an animal of the ", { type: "arg", name: "place" }, "."] },
        { type: "role_end", role: "user" },
        { type: "role_begin", role: "assistant" },
        { type: "gen", name: "animal", params: { max_new_tokens: 16 } },
        { type: "branching", children: [1, 2] },
        { type: "text", text: " Its size: " },
        { type: "select", name: "size", choices: ["small", "big"] },
      ],
    },
    { label: "food", parent: 0, steps: [{ type: "text", text: " It eats" }, { type: "gen", name: "food", params: { max_new_tokens: 12 } }] },
    { label: "age", parent: 0, steps: [{ type: "text", text: " It lives for " }, { type: "gen", name: "age", params: { max_new_tokens: 8 }, constraint: { type: "regex", pattern: "[1-9][0-9]? years" } }] },
  ],
};
const registered = new Map();

// Short arrays and objects stay on one line, so that a plan of a few steps fits the screen.
function writePlan(value, indent = "") {
  const short = JSON.stringify(value);
  if (short.length + indent.length < 66 || value === null || typeof value !== "object") return short;
  const deeper = `${indent}  `;
  const isList = Array.isArray(value);
  const parts = isList ? value.map((each) => writePlan(each, deeper)) : Object.entries(value).map(([name, each]) => `${JSON.stringify(name)}: ${writePlan(each, deeper)}`);
  return `${isList ? "[" : "{"}\n${deeper}${parts.join(`,\n${deeper}`)}\n${indent}${isList ? "]" : "}"}`;
}

async function offerPrograms() {
  const select = $("program");
  const chosen = select.value;
  if (!select.options.length) setPlan(EXAMPLE_PLAN);
  registered.clear();
  try {
    const { data } = await (await askServer("v1/programs")).json();
    for (const each of data) registered.set(each.id, each);
  } catch (error) {
    $("facts").replaceChildren(h("span", { class: "error" }, error.message));
  }
  select.replaceChildren(h("option", { value: "" }, "an example"), ...[...registered.values()].map((each) => h("option", { value: each.id }, `${each.name} · ${each.id}`)));
  if (registered.has(chosen)) select.value = chosen;
}

function setPlan(plan) {
  $("plan").value = writePlan(plan);
  offerArguments();
}

function readPlan() {
  try {
    return JSON.parse($("plan").value);
  } catch (error) {
    throw new Error(`the plan is not JSON: ${error.message}`);
  }
}

function offerArguments() {
  const given = new Map([...$("arguments").querySelectorAll("input")].map((input) => [input.name, input.value]));
  let names = [];
  try {
    names = readPlan().parameters ?? [];
  } catch {
    return; // half written: what was asked for stays
  }
  if (!Array.isArray(names)) return;
  $("arguments").replaceChildren(...names.map((name) => h("label", { class: "grow" }, String(name), h("input", { name: String(name), value: given.get(String(name)) ?? (name === "place" ? "sea" : "") }))));
}

function valueTip(frame) {
  return frame.choices.map(([text, probability]) => rival(text, probability, text === frame.choice));
}

function drawChoice(frame) {
  const element = h("span", { class: "chosen", tabindex: 0 }, frame.choice);
  const show = () => showTip(element.getBoundingClientRect(), ...valueTip(frame));
  for (const name of ["pointerenter", "focus"]) element.addEventListener(name, show);
  for (const name of ["pointerleave", "blur"]) element.addEventListener(name, hideTip);
  return element;
}

// One branch: its name, and below it what it gains; what forks from it stands where it forked.
function drawBranch(label) {
  const body = h("div", { class: "branch-text" });
  const element = h("div", { class: "branch" }, h("div", { class: "branch-name" }, label), body);
  return { element, body };
}

async function playProgram(output, start) {
  const plan = readPlan();
  const given = Object.fromEntries([...$("arguments").querySelectorAll("input")].map((input) => [input.name, input.value]));
  const body = { plan, arguments: given };
  if ($("seed").value !== "") body.seed = Number($("seed").value);
  let branches = [];
  let numTokens = 0;
  for await (const frame of framesOfPlay("play/program", body)) {
    const branch = branches[frame.branch];
    if (frame.type === "branches") {
      branches = frame.labels.map(drawBranch);
      output.append(...branches.filter((_, index) => plan.branches[index].parent === null).map((each) => each.element));
    }
    if (frame.type === "text") branch.body.append(h("span", { class: "given" }, tokenText(frame.text)));
    if (frame.type === "tokens") {
      numTokens += frame.tokens.length;
      branch.body.append(...frame.tokens.map(drawToken));
    }
    if (frame.type === "forked") branch.body.append(...plan.branches[frame.branch].steps[frame.step].children.map((child) => branches[child].element));
    if (frame.choices) branch.body.append(drawChoice(frame));
    if (frame.samples) branch.body.append(...frame.samples.map((text) => h("div", { class: "given" }, tokenText(text))));
    if (frame.type === "end") {
      const facts = [[count(branches.length), branches.length === 1 ? "branch" : "branches"], [count(numTokens), `tokens in ${((performance.now() - start) / 1000).toFixed(2)} s`]];
      $("facts").replaceChildren(...facts.map(([number, words]) => h("span", null, h("b", null, number), ` ${words}`)));
    }
  }
}

$("plan").addEventListener("input", offerArguments);
$("program").addEventListener("change", async () => {
  const id = $("program").value;
  if (!id) return setPlan(EXAMPLE_PLAN);
  try {
    setPlan((await (await askServer(`v1/programs/${encodeURIComponent(id)}`)).json()).plan);
  } catch (error) {
    $("facts").replaceChildren(h("span", { class: "error" }, error.message));
  }
});
