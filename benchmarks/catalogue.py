"""The catalogue: every workload of the benchmark, at one size."""

from programs.chain import make_chain
from programs.few_shot_classification import make_few_shot_classification
from programs.json_decoding import make_json_decoding
from programs.llm_judge import make_llm_judge
from programs.multi_chain_reasoning import make_multi_chain_reasoning
from programs.multi_turn_chat import make_multi_turn_chat
from programs.program_workload import ProgramWorkload
from programs.react_replay import make_react_replay
from programs.size import PROGRAM_SIZES
from programs.skeleton_of_thought import make_skeleton_of_thought
from programs.tree_of_thought import make_tree_of_thought
from workloads import SIZES, CountTokens, Workload, make_workloads

AnyWorkload = Workload | ProgramWorkload

_PROGRAMS = (
    make_chain,
    make_tree_of_thought,
    make_multi_chain_reasoning,
    make_llm_judge,
    make_few_shot_classification,
    make_react_replay,
    make_multi_turn_chat,
    make_skeleton_of_thought,
    make_json_decoding,
)


def make_catalogue(size: str, count_tokens: CountTokens) -> list[AnyWorkload]:
    """In the order in which they run; `size`: a key of `SIZES`; lengths refer to the tokens of `count_tokens`."""
    return [*make_workloads(SIZES[size], count_tokens), *(make(PROGRAM_SIZES[size]) for make in _PROGRAMS)]
