// Ask each second, draw what came.

let before = null;

function drawHealth(isGood, text) {
  $("health").className = `health ${isGood ? "good" : "bad"}`;
  $("health").textContent = text;
}

async function tick() {
  try {
    const state = await (await ask("state")).json();
    $("model").textContent = `${state.model.split("/").pop()} · context ${count(state.context_len)}`;
    drawHealth(state.is_alive, state.is_alive ? "running" : state.reason || "the engine does not answer");
    drawCards(state, before);
    if (state.is_alive) drawTree(state.tree);
    drawRequests(state);
    before = state;
  } catch (error) {
    drawHealth(false, error.message);
  }
}

async function keepAsking() {
  for (;;) {
    if (!document.hidden) await tick();
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}
setConstraint("none");
setMode("chat");
keepAsking();
