"""What the dashboard's page asks for each second, as JSON."""

import time
from collections.abc import Mapping

import msgspec

from ...cache.tree_snapshot import NodeSnapshot, TreeSnapshot
from ...text.tokenizer import Tokenizer
from ..metrics.metric_table import PREFIX_HIT_TOKENS, PROMPT_TOKENS
from ..parts import ServerParts
from .live_requests import RequestView

MAX_NODES = 300
NUM_PREVIEW_TOKENS = 24


class DashboardState(msgspec.Struct):
    """One moment."""

    time_s: float
    """Monotonic; differences are seconds."""
    model: str
    context_len: int
    is_alive: bool
    reason: str
    stats: Mapping[str, float] | None
    num_generated: int
    num_prompt: int
    num_prefix_hits: int
    num_running: int
    requests: list[RequestView]
    tree: TreeSnapshot | None


async def dashboard_state(parts: ServerParts, stats: Mapping[str, float] | None) -> bytes:
    """A `DashboardState` as JSON. `stats` None: the engine does not answer, and is not asked for its tree."""
    health, metrics, live = parts.health(), parts.observation.metrics, parts.observation.live
    tree = None
    if stats is not None and parts.tree is not None:
        tree = _spelt(await parts.tree(MAX_NODES, NUM_PREVIEW_TOKENS), parts.tokenizer)
    state = DashboardState(
        time_s=time.monotonic(),
        model=parts.model_name,
        context_len=parts.context_len,
        is_alive=health.is_alive and stats is not None,
        reason=health.reason,
        stats=stats,
        num_generated=live.num_tokens,
        num_prompt=int(metrics.value(PROMPT_TOKENS)),
        num_prefix_hits=int(metrics.value(PREFIX_HIT_TOKENS)),
        num_running=live.num_running,
        requests=live.views(),
        tree=tree,
    )
    return msgspec.json.encode(state)


def _spelt(tree: TreeSnapshot, tokenizer: Tokenizer) -> TreeSnapshot:
    def spelt(node: NodeSnapshot) -> NodeSnapshot:
        if node.text is not None or not node.first_token_ids:
            return node
        text = tokenizer.decode(list(node.first_token_ids), skip_special_tokens=False)
        return msgspec.structs.replace(node, text=text, first_token_ids=())

    return msgspec.structs.replace(tree, nodes=tuple(map(spelt, tree.nodes)))
