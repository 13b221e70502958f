"""The whole engine under a rule-based state machine: Hypothesis looks for the moves, and shrinks what fails."""

from chooser import DrawnChooser
from event_source import EventSource
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from knobs import draw_knobs
from world import World


class EngineMachine(RuleBasedStateMachine):
    """The moves of `EventSource`, in any order; the world checks itself after each."""

    world: World | None = None

    @initialize(data=st.data())
    def start(self, data: st.DataObject) -> None:
        chooser = DrawnChooser(data.draw)
        self.world = World(draw_knobs(chooser))
        self.source = EventSource(self.world, chooser)

    def _source(self, data: st.DataObject) -> EventSource:
        self.source.chooser = DrawnChooser(data.draw)
        return self.source

    @rule(data=st.data())
    def arrive(self, data: st.DataObject) -> None:
        self._source(data).arrive()

    @rule(data=st.data())
    def arrive_together(self, data: st.DataObject) -> None:
        self._source(data).arrive_together()

    @rule(data=st.data())
    def start_plan(self, data: st.DataObject) -> None:
        self._source(data).start_plan()

    @precondition(lambda self: self.world.core.has_work)
    @rule(data=st.data())
    def step(self, data: st.DataObject) -> None:
        self._source(data).step()

    @precondition(lambda self: self.world.limbs)
    @rule(data=st.data())
    def go_on(self, data: st.DataObject) -> None:
        self._source(data).go_on()

    @precondition(lambda self: any(limb.parent for limb in self.world.limbs))
    @rule(data=st.data())
    def join(self, data: st.DataObject) -> None:
        self._source(data).join()

    @precondition(lambda self: self.world.core.has_work)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        self._source(data).cancel()

    @precondition(lambda self: self.world.plans)
    @rule(data=st.data())
    def cancel_plan(self, data: st.DataObject) -> None:
        self._source(data).cancel_plan()

    @precondition(lambda self: self.world.limbs)
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        self._source(data).close()

    @precondition(lambda self: self.world.limbs)
    @rule(data=st.data())
    def hold(self, data: st.DataObject) -> None:
        self._source(data).hold()

    @rule(data=st.data())
    def wait(self, data: st.DataObject) -> None:
        self._source(data).wait()

    @rule(data=st.data())
    def flush(self, data: st.DataObject) -> None:
        self._source(data).flush()

    @precondition(lambda self: self.world.knobs.has_faults)
    @rule(data=st.data())
    def fail_pass(self, data: st.DataObject) -> None:
        self._source(data).fail_pass()

    @precondition(lambda self: self.world.knobs.has_faults and self.world.limbs)
    @rule(data=st.data())
    def fail_sampling(self, data: st.DataObject) -> None:
        self._source(data).fail_sampling()

    @precondition(lambda self: self.world.knobs.has_faults)
    @rule(data=st.data())
    def fail_detokenizer(self, data: st.DataObject) -> None:
        self._source(data).fail_detokenizer()

    @precondition(lambda self: self.world.knobs.has_faults)
    @rule(data=st.data())
    def fail_matcher(self, data: st.DataObject) -> None:
        self._source(data).fail_matcher()

    def teardown(self) -> None:
        if self.world is not None:
            self.world.finish()


EngineMachine.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestEngineMachine = EngineMachine.TestCase
