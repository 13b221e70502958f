"""ResponseStore: responses that can be asked for again, bounded in number, bytes and time."""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...settings import StoreLimits
from .conversation import Conversation, Item
from .response_run import ResponseRun


@dataclass
class StoredResponse:
    """A response with all that is kept for it."""

    owner: str
    """Who made it; nobody else can see it."""
    run: ResponseRun
    conversation: Conversation
    """What the model has seen and, once it has ended, what it said."""
    cache_salt: str
    num_bytes: int = 0
    """Counted for it, its conversation apart."""
    used_at: float = 0.0


class ResponseStore:
    """By id, in order of use.

    Conversations share what they have in common: its bytes count once, and are given back with the last response
    that goes on from it. So to forget a response never cuts the conversation of a later one.
    """

    def __init__(self, limits: StoreLimits | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits or StoreLimits()
        self._clock = clock
        self._stored: OrderedDict[str, StoredResponse] = OrderedDict()
        self._holders: dict[tuple[str, str], str] = {}
        """By owner and the id of an item: the first of the responses it belongs to."""
        self.num_bytes = 0

    def __len__(self) -> int:
        return len(self._stored)

    def num_in_background(self, owner: str | None = None) -> int:
        """Background responses that have not ended, all or those of `owner`. O(stored responses)."""
        running = [each for each in self._stored.values() if each.run.is_background and not each.run.is_ended]
        return len(running) if owner is None else sum(each.owner == owner for each in running)

    def add(self, stored: StoredResponse) -> None:
        """Keep it, at the cost of others; O(1) amortised."""
        self._keep(stored.conversation)
        self._stored[stored.run.response.id] = stored
        self._index(stored.conversation.own_items, stored)
        self.refresh(stored)

    def get(self, owner: str, response_id: str) -> StoredResponse | None:
        """What `owner` has stored under that id; counts as a use."""
        self._forget_old()
        stored = self._stored.get(response_id)
        if stored is None or stored.owner != owner:
            return None
        self._touch(stored)
        return stored

    def item(self, owner: str, item_id: str) -> Item | None:
        """An item of what `owner` has stored."""
        stored = self.get(owner, self._holders.get((owner, item_id), ""))
        items = [] if stored is None else stored.conversation.own_items
        return next((each for each in items if each["id"] == item_id), None)

    def ended(self, stored: StoredResponse) -> None:
        """The run has ended: what the model said is now part of the conversation."""
        if self._stored.get(stored.run.response.id) is not stored:
            return
        said = stored.run.output_items()
        self.num_bytes += stored.conversation.append(said)
        self._index(said, stored)
        self.refresh(stored)

    def refresh(self, stored: StoredResponse) -> None:
        """Count anew what a run takes, and forget others where that is too much."""
        if self._stored.get(stored.run.response.id) is not stored:
            return
        self.num_bytes += stored.run.num_bytes - stored.num_bytes
        stored.num_bytes = stored.run.num_bytes
        self._touch(stored)
        self._forget_excess()

    def remove(self, stored: StoredResponse) -> None:
        """Forget it."""
        response_id = stored.run.response.id
        if self._stored.pop(response_id, None) is None:
            return
        self.num_bytes -= stored.num_bytes
        for item in stored.conversation.own_items:
            key = stored.owner, item["id"]
            if self._holders.get(key) == response_id:
                del self._holders[key]
        self._release(stored.conversation)

    def _index(self, items: Sequence[Item], stored: StoredResponse) -> None:
        for item in items:
            self._holders.setdefault((stored.owner, item["id"]), stored.run.response.id)

    def _touch(self, stored: StoredResponse) -> None:
        stored.used_at = self._clock()
        self._stored.move_to_end(stored.run.response.id)

    def _keep(self, conversation: Conversation) -> None:
        """Count one more user of it; its bytes count from the first on."""
        if conversation.num_users == 0:
            self.num_bytes += conversation.num_bytes
            if conversation.earlier is not None:
                self._keep_again(conversation.earlier)
        conversation.num_users += 1

    def _keep_again(self, earlier: Conversation) -> None:
        """One more goes on from it; where it was forgotten meanwhile, it and its beginning count again."""
        part: Conversation | None = earlier
        while part is not None:
            part.num_users += 1
            if part.num_users > 1:
                return
            self.num_bytes += part.num_bytes
            part = part.earlier

    def _release(self, conversation: Conversation) -> None:
        part: Conversation | None = conversation
        while part is not None:
            part.num_users -= 1
            if part.num_users:
                return
            self.num_bytes -= part.num_bytes
            part = part.earlier

    def _forget_old(self) -> None:
        oldest = self._clock() - self.limits.ttl_s
        while (stored := self._least_recent()) is not None and stored.used_at <= oldest:
            self.remove(stored)

    def _forget_excess(self) -> None:
        self._forget_old()
        while not self._has_room() and (stored := self._least_recent()) is not None:
            self.remove(stored)

    def _has_room(self) -> bool:
        return len(self._stored) <= self.limits.max_responses and self.num_bytes <= self.limits.max_bytes

    def _least_recent(self) -> StoredResponse | None:
        """Of those that have ended."""
        return next((each for each in self._stored.values() if each.run.is_ended), None)
