"""parts_of: the parts of a server whose engine runs in its own process."""

import asyncio
import time
from collections.abc import Mapping

from ..assembly import SPRIG
from ..cache.tree_snapshot import TreeSnapshot
from ..local.embedded import Engine
from ..models.model_config import ModelConfig
from .parts import Health, ServerParts
from .settings import ServerSettings


def parts_of(engine: Engine, settings: ServerSettings | None = None) -> ServerParts:
    """What `create_app` needs, over an engine of this process; whoever made the engine shuts it down."""

    async def stats() -> Mapping[str, float]:
        return await asyncio.to_thread(engine.stats)

    async def tree(max_nodes: int, num_preview_tokens: int) -> TreeSnapshot:
        return await asyncio.to_thread(engine.tree, max_nodes, num_preview_tokens)

    return ServerParts(
        backend=engine,
        tokenizer=engine.tokenizer,
        chat_template=engine.chat_template,
        model_name=engine.model_name,
        context_len=_context_len(engine),
        stats=stats,
        health=lambda: Health(is_alive=True),
        settings=settings or ServerSettings(),
        created=int(time.time()),
        tree=tree,
    )


def _context_len(engine: Engine) -> int:
    """Tokens of the longest text: what the model was made for, or the pool where that holds less."""
    model, cache = engine.config.model, engine.config.cache
    model_len = model.context_len or ModelConfig.read(model.path or SPRIG).max_position_embeddings
    return min(model_len, engine.stats()["num_pages"] * cache.page_size)
