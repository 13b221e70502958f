"""EngineService: an engine in this process, its port, and what else a server asks of it."""

import asyncio
import os
from collections.abc import Iterable

from ....grammar.errors import GrammarError
from ....grammar.spec import Constraint
from ...assembly import SPRIG, assemble
from ...cache.tree_snapshot import TreeSnapshot
from ...config import EngineConfig
from ...engine import EngineCore
from ...engine_thread import EngineThread
from ...local.local_backend import LocalBackend
from ...models.model_config import ModelConfig
from .messages import EngineFacts

_TEXT_PAUSE_S = 0.02
"""Each piece of text costs a message, and the server a write to a client: streams get fifty a second."""


class EngineService:
    """Made from plain options; its methods are for an event loop."""

    def __init__(self, config: EngineConfig) -> None:
        """Load the model and start the engine's thread.

        Raises: InvalidOption, ModelLoadError.
        """
        parts = assemble(config)
        self._compiler = parts.compiler
        self.thread = EngineThread(parts.core)
        self.backend = LocalBackend(self.thread, parts.compiler, _TEXT_PAUSE_S)
        folder = config.model.path or SPRIG
        model_len = config.model.context_len or ModelConfig.read(folder).max_position_embeddings
        pool = parts.core.memory.pool
        self.facts = EngineFacts(
            process_id=os.getpid(),
            model_name="sprig" if config.model.path is None else str(config.model.path),
            model_folder=str(folder),
            context_len=min(model_len, pool.num_pages * pool.page_size),
            vocab_size=parts.compiler.vocabulary.vocab_size,
            page_size=pool.page_size,
            num_pages=pool.num_pages,
            device=str(pool.device),
            dtype=str(pool.cells.dtype).removeprefix("torch."),
        )

    def warm_up(self) -> None:
        """Make ready what the first constraint would wait for; for a thread that has nothing else to do."""
        self._compiler.warm_up()

    async def stats(self) -> dict[str, int | float]:
        """`EngineCore.stats`."""
        return dict(await asyncio.wrap_future(self.thread.ask(lambda core: core.stats())))

    async def compile(self, constraints: Iterable[Constraint]) -> dict[int, GrammarError]:
        """Compile on other threads, all at once; returns what does not compile and why, by the index."""
        results = await asyncio.gather(
            *(asyncio.to_thread(self._compiler.compile, each) for each in constraints), return_exceptions=True
        )
        refused: dict[int, GrammarError] = {}
        for index, result in enumerate(results):
            if isinstance(result, GrammarError):
                refused[index] = result
            elif isinstance(result, BaseException):
                raise result
        return refused

    async def enforcement(self, constraint: Constraint) -> tuple[str, str]:
        """Which engine enforces a constraint, and why. Raises: GrammarError."""
        compiled = await asyncio.to_thread(self._compiler.compile, constraint)
        return compiled.engine, compiled.reason

    async def tree(self, max_nodes: int, num_preview_tokens: int) -> TreeSnapshot:
        """The radix tree as it is now."""

        def look(core: EngineCore) -> TreeSnapshot:
            holders = [(each.branch_id, each.node) for each in core.memory.holders if each.node is not None]
            return core.memory.cache.snapshot(holders, max_nodes=max_nodes, num_preview_tokens=num_preview_tokens)

        return await asyncio.wrap_future(self.thread.ask(look))

    async def aclose(self) -> None:
        """End the engine's thread, which waits for the step that runs, and the compiler's processes."""
        await asyncio.to_thread(self._compiler.close)
        await asyncio.to_thread(self.thread.close)
