"""What the simulation has found once, as the shortest case of each."""

from engine_harness import Harness, gen, tokens

from palmette.lang.plan import Branching, Joining, Plan, PlanBranch
from palmette.runtime.errors import EngineClosed
from palmette.runtime.request import Ended


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
