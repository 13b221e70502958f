"""ResponseStore: bounded in number, bytes and time; conversations share what they have in common."""

from hypothesis import given
from hypothesis import strategies as st

from palmette.runtime.server.openai.responses.conversation import Conversation
from palmette.runtime.server.openai.responses.output_types import Response
from palmette.runtime.server.openai.responses.response_ids import new_id
from palmette.runtime.server.openai.responses.response_run import ResponseRun
from palmette.runtime.server.openai.responses.response_store import ResponseStore, StoredResponse
from palmette.runtime.server.openai.responses.response_writer import ResponseWriter
from palmette.runtime.server.settings import StoreLimits


class Clock:
    """Time that passes when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def stored(owner: str = "", earlier: Conversation | None = None, text: str = "hello", is_ended: bool = True):
    response = Response(id=new_id("resp"), created_at=0, status="in_progress", background=False, model="m")
    writer = ResponseWriter(response)
    writer.created()
    writer.started()
    item = {"id": new_id("msg"), "type": "message", "role": "user", "content": text}
    run = ResponseRun(writer, is_background=False)
    if is_ended:
        end(run)
    return StoredResponse(owner, run, Conversation(earlier, [item]), "")


def end(run: ResponseRun) -> None:
    run.writer.text("world")
    run.put(run.writer.ended(None, is_cut=False, completed_at=1) if run.is_background else [])
    if not run.writer.is_ended:
        run.writer.ended(None, is_cut=False, completed_at=1)
    run.measure()


def counted(store: ResponseStore) -> int:
    """The bytes, counted from scratch."""
    kept = list(store._stored.values())
    parts: dict[int, Conversation] = {}
    for each in kept:
        part: Conversation | None = each.conversation
        while part is not None:
            parts[id(part)] = part
            part = part.earlier
    return sum(each.run.num_bytes for each in kept) + sum(part.num_bytes for part in parts.values())


def test_others_see_nothing() -> None:
    store = ResponseStore()
    mine = stored("me")
    store.add(mine)
    assert store.get("me", mine.run.response.id) is mine
    assert store.get("you", mine.run.response.id) is None
    item_id = mine.conversation.own_items[0]["id"]
    assert store.item("me", item_id) is not None
    assert store.item("you", item_id) is None


def test_the_least_recently_used_is_forgotten() -> None:
    store = ResponseStore(StoreLimits(max_responses=2))
    first, second, third = (stored() for _ in range(3))
    store.add(first)
    store.add(second)
    assert store.get("", first.run.response.id) is first
    store.add(third)
    assert store.get("", second.run.response.id) is None
    assert store.get("", first.run.response.id) is first


def test_time_to_live_counts_from_the_last_use() -> None:
    clock = Clock()
    store = ResponseStore(StoreLimits(ttl_s=10), clock)
    used, unused = stored(), stored()
    store.add(used)
    store.add(unused)
    clock.now = 8
    assert store.get("", used.run.response.id) is used
    clock.now = 12
    assert store.get("", unused.run.response.id) is None
    assert store.get("", used.run.response.id) is used
    clock.now = 30
    assert store.get("", used.run.response.id) is None
    assert store.num_bytes == 0
    assert len(store) == 0


def test_what_runs_is_not_forgotten() -> None:
    store = ResponseStore(StoreLimits(max_responses=1))
    running = stored(is_ended=False)
    store.add(running)
    store.add(stored())
    assert store.get("", running.run.response.id) is running
    end(running.run)
    store.ended(running)
    assert len(store) == 1


def test_a_forgotten_beginning_stays_with_what_goes_on_from_it() -> None:
    store = ResponseStore()
    first = stored(text="a")
    store.add(first)
    second = stored(earlier=first.conversation, text="b")
    store.add(second)
    store.remove(first)
    assert [item["content"] for item in second.conversation.items()] == ["a", "b"]
    assert store.num_bytes == counted(store)
    store.remove(second)
    assert store.num_bytes == 0


def test_a_long_chain_is_forgotten_without_recursion() -> None:
    store = ResponseStore(StoreLimits(max_responses=10_000))
    earlier = None
    for _ in range(1_500):
        each = stored(earlier=earlier)
        store.add(each)
        earlier = each.conversation
    assert earlier is not None
    assert len(earlier.items()) == 1_500
    for each in list(store._stored.values()):
        store.remove(each)
    assert store.num_bytes == 0


@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("add"), st.none() | st.integers(0, 9)),
            st.tuples(st.just("remove"), st.integers(0, 9)),
            st.tuples(st.just("end"), st.integers(0, 9)),
            st.tuples(st.just("wait"), st.integers(1, 20)),
        ),
        max_size=30,
    ),
    max_bytes=st.integers(0, 8_000),
    max_responses=st.integers(1, 6),
)
def test_bounds_hold_and_every_byte_is_counted_once(steps: list, max_bytes: int, max_responses: int) -> None:
    clock = Clock()
    store = ResponseStore(StoreLimits(max_responses=max_responses, max_bytes=max_bytes, ttl_s=40), clock)
    made: list[StoredResponse] = []
    for what, number in steps:
        if what == "add":
            earlier = None if number is None or number >= len(made) else made[number]
            is_running = earlier is not None and not earlier.run.is_ended
            new = stored(
                earlier=None if earlier is None or is_running else earlier.conversation, is_ended=len(made) % 3 > 0
            )
            made.append(new)
            store.add(new)
        elif what == "wait":
            clock.now += number
        elif number < len(made):
            if what == "remove":
                store.remove(made[number])
            elif not made[number].run.is_ended:
                end(made[number].run)
                store.ended(made[number])
        assert store.num_bytes == counted(store)
        kept = list(store._stored.values())
        if store.num_bytes > max_bytes or len(kept) > max_responses:
            assert not any(each.run.is_ended for each in kept)
    for each in made:
        store.remove(each)
    assert store.num_bytes == 0
    assert not store._holders
