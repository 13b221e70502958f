"""What the simulation has found once, as the shortest case of each: faults of the engine, and false alarms."""

from dataclasses import replace

from chooser import SeededChooser
from engine_harness import Harness, gen, tokens
from knobs import draw_knobs
from world import World

from palmette.lang.events import Event, ValueReady
from palmette.lang.plan import Branching, Joining, Plan, PlanBranch
from palmette.runtime.errors import EngineClosed
from palmette.runtime.request import Ended, Request


def test_a_branch_that_is_closed_when_the_engine_shuts_down_gives_its_memory_back() -> None:
    harness = Harness()
    heard: list[object] = []
    harness.core.submit_alone((tokens(1, 2, 3), gen(9)), heard.append)
    harness.core.step()
    harness.core.shut_down()
    assert isinstance(heard[-1], Ended)
    assert isinstance(heard[-1].error, EngineClosed)
    harness.check_all_returned()


def test_children_that_a_plan_gathers_as_the_engine_shuts_down_give_their_memory_back() -> None:
    harness = Harness()
    steps = (tokens(1, 2, 3), Branching((1,)), Joining((1,), "gather_variable"), gen(9))
    plan = Plan("test", (), (PlanBranch("root", None, steps), PlanBranch("child", 0, (gen(9),))))
    listening = harness.start_plan(plan)
    for _ in range(3):
        harness.core.step()
    harness.core.shut_down()
    assert {type(error) for error in listening.errors.values()} == {EngineClosed}
    harness.check_all_returned()


def test_a_listener_that_fails_when_its_request_has_ended_leaves_the_next_request_of_the_branch_alone() -> None:
    harness = Harness()
    branch_id = harness.core.open_branch(7, "")

    def fail_on_value(item: Event | Ended) -> None:
        heard.append(item)
        if isinstance(item, ValueReady):
            raise RuntimeError("the listener is broken")

    heard: list[Event | Ended] = []
    harness.core.submit(Request(branch_id, (tokens(1, 2, 3), gen(4)), fail_on_value))
    later = harness.submit(branch_id, (gen(5),))
    harness.run()
    assert heard[-1] == Ended()
    assert later.error is None
    assert len(later.token_ids()) == 5
    harness.core.close_branch(branch_id)
    harness.check_all_returned()


def test_a_branch_that_is_held_as_the_engine_shuts_down_may_lose_its_pages() -> None:
    knobs = replace(draw_knobs(SeededChooser(0)), pool_len=640, policy="fcfs", token_budget=64, max_running_rows=16)
    world = World(replace(knobs, max_queued_requests=None, max_queued_tokens=None, context_len=1024))
    held, *others = [world.open("") for _ in range(3)]
    world.submit(held, [tokens(1, 2, 0), gen(1, ignore_eos=True)])
    world.step()
    for limb in others:
        world.submit(limb, [tokens(0, 2, 1), gen(6, ignore_eos=True)])
    world.step()
    world.hold(held, 5.0)
    assert len(world.core.scheduler.running) == 2
    assert not held.is_busy
    world.finish(is_shut_down=True)
