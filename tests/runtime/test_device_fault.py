"""A device that fails for good ends the engine, and all its requests hear why; one that refuses a call does not."""

from collections.abc import Sequence

import pytest
import torch
from engine_harness import VOCAB_SIZE, Harness, gen, oracle, tokens

from palmette.runtime.device_fault import DeviceLost, check_device
from palmette.runtime.engine_thread import EngineThread
from palmette.runtime.errors import EngineClosed, StepFailed
from palmette.runtime.model_runner import ModelRunner
from palmette.runtime.sampler import SampledToken, Sampler, SampleRow, Sampling, SamplingError

LOST = "CUDA error: an illegal memory access was encountered"


class LateReport(Sampler):
    """Reads the second pass and is told that it went wrong, as a device tells whoever asks it next."""

    num_launched = 0

    def launch(self, logits: torch.Tensor, rows: Sequence[SampleRow]) -> Sampling:
        launched = super().launch(logits, rows)
        self.num_launched += 1
        if self.num_launched == 2:
            launched.read = refuse  # type: ignore[method-assign]  # what is read is told of there
        return launched


def refuse() -> list[SampledToken | SamplingError]:
    raise torch.AcceleratorError(LOST)


def lose_device(runner: ModelRunner, error: Exception) -> None:
    def synchronize(_device: torch.device) -> None:
        raise torch.AcceleratorError(LOST)

    check_device(error, torch.device("cuda"), synchronize)


def test_a_lost_device_ends_the_engine_and_everybody_hears_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ModelRunner, "check_device", lose_device)
    harness = Harness(sampler=LateReport(VOCAB_SIZE))
    listening = [harness.submit(harness.core.open_branch(7, ""), [tokens(1, 2, 3), gen(6)]) for _ in range(3)]
    with pytest.raises(DeviceLost, match="answers no more"):
        harness.run()
    thread_failure: BaseException = DeviceLost("the device cuda has failed")
    harness.core.shut_down(thread_failure)
    for each in listening:
        assert isinstance(each.error, EngineClosed)
        assert "the engine failed and was shut down: DeviceLost" in str(each.error)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_the_thread_of_a_lost_device_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ModelRunner, "check_device", lose_device)
    harness = Harness(sampler=LateReport(VOCAB_SIZE))
    thread = EngineThread(harness.core)
    ended = []
    thread.ask(lambda core: core.submit_alone((tokens(1, 2, 3), gen(6)), ended.append)).result()
    thread._thread.join(30)
    assert thread.is_closed
    assert isinstance(ended[-1].error, EngineClosed)
    assert isinstance(ended[-1].error.__cause__, DeviceLost)


def test_a_fault_that_the_device_survives_ends_only_whom_it_concerns() -> None:
    harness = Harness(sampler=LateReport(VOCAB_SIZE))
    listening = [harness.submit(harness.core.open_branch(7, ""), [tokens(1, 2, 3), gen(6)]) for _ in range(3)]
    harness.run()  # the three were sampled together, and then each alone
    for each in listening:
        assert each.token_ids() == oracle([1, 2, 3], gen(6).params)
    alone = Harness(sampler=LateReport(VOCAB_SIZE))
    only = alone.submit(alone.core.open_branch(7, ""), [tokens(1, 2, 3), gen(6)])
    alone.run()
    assert isinstance(only.error, StepFailed)
    harness.core.shut_down()
    alone.core.shut_down()


def test_the_device_is_asked_only_where_it_is_one() -> None:
    def never(_device: torch.device) -> None:
        raise AssertionError("asked")

    check_device(RuntimeError("x"), torch.device("cpu"), never)
    asked = []
    check_device(RuntimeError("x"), torch.device("cuda"), asked.append)
    assert asked == [torch.device("cuda")]
