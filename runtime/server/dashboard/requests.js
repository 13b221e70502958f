// The requests at work, and the last that ended.

const OUTCOMES = { done: "done", client_gone: "client left", cancelled: "cancelled", deadline: "out of time", queue_full: "queue full" };

function drawRequest(request) {
  const isEnded = request.outcome !== null;
  const isFailed = isEnded && request.outcome !== "done" && request.outcome !== "client_gone";
  const cached = request.num_prompt_tokens ? `, ${percent(request.num_cached_tokens / request.num_prompt_tokens)} of its prompt cached` : "";
  const forced = request.num_forced ? `, ${request.num_forced} forced` : "";
  const branches = request.num_branches > 1 ? `, ${request.num_branches} branches` : "";
  const end = isEnded ? `${OUTCOMES[request.outcome] ?? request.outcome.replaceAll("_", " ")}, ${seconds(request.age_s)}` : seconds(request.age_s);
  return h(
    "div",
    { class: `request${isEnded ? " ended" : ""}${isFailed ? " failed" : ""}` },
    h("div", { class: "line" }, h("i", { class: "dot" }), h("b", null, request.title), request.constraint && h("span", { class: "tag" }, request.constraint), h("span", { class: "end" }, end)),
    h("div", { class: "tail" }, visible(request.tail).slice(-52) || "…"),
    h("div", { class: "soft" }, plural(request.num_tokens, "token") + forced + branches + cached),
  );
}

function drawRequests(state) {
  const running = state.requests.filter((request) => request.outcome === null);
  $("requests-sum").textContent = state.num_running ? `${state.num_running} at work` : "none at work";
  const shown = [...running, ...state.requests.filter((request) => request.outcome !== null)];
  if (!shown.length) $("requests").replaceChildren(h("p", { class: "empty" }, "Nothing has been asked yet."));
  else $("requests").replaceChildren(...shown.map(drawRequest));
}
