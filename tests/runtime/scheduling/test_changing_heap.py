"""The heap against a dictionary that is searched."""

from hypothesis import given
from hypothesis import strategies as st

from palmette.runtime.scheduling.changing_heap import ChangingHeap

items = st.integers(0, 5)


@given(steps=st.lists(st.tuples(items, st.none() | st.integers(0, 4)), max_size=200))
def test_the_first_is_the_smallest_that_is_in(steps: list[tuple[int, int | None]]) -> None:
    heap: ChangingHeap[int] = ChangingHeap()
    model: dict[int, tuple[int, int]] = {}
    for number, (item, key) in enumerate(steps):
        if key is None:
            assert heap.discard(item) == (item in model)
            model.pop(item, None)
        else:
            heap.set(item, (key,))
            if item not in model or model[item][0] != key:
                model[item] = (key, number)
        assert heap.first() == min(model, key=lambda each: model[each], default=None)
        assert set(heap) == set(model)
        assert len(heap) == len(model)


def test_keys_that_change_often_do_not_pile_up() -> None:
    heap: ChangingHeap[str] = ChangingHeap()
    heap.set("first", (-1,))  # so that nothing surfaces
    for key in range(1000):
        heap.set("second", (key,))
    assert len(heap._heap) < 100
