"""parts_of_process: the parts of a server whose engine runs in a process of its own."""

import asyncio
import time
from pathlib import Path

from ...text.chat_template import ChatTemplate
from ...text.tokenizer import Tokenizer
from ..parts import Health, ServerParts
from ..settings import ServerSettings
from .engine_client import EngineClient


async def parts_of_process(client: EngineClient, settings: ServerSettings | None = None) -> ServerParts:
    """What `create_app` needs, over a client that has been started; whoever made the client closes it.

    The model's text side is loaded in this process, without its weights.
    """
    facts = client.facts
    folder = Path(facts.model_folder)

    def health() -> Health:
        known = client.health()
        return Health(known.is_alive, known.reason)

    return ServerParts(
        backend=client,
        tokenizer=await asyncio.to_thread(Tokenizer.from_folder, folder, facts.vocab_size),
        chat_template=await asyncio.to_thread(ChatTemplate.from_folder, folder),
        model_name=facts.model_name,
        context_len=facts.context_len,
        stats=client.stats,
        health=health,
        settings=settings or ServerSettings(),
        created=int(time.time()),
        tree=client.tree,
        num_restarts=lambda: client.num_restarts,
    )
