"""The mix: which skill is drawn how often. Run it to read some samples: `python generate.py [count] [skill]`."""

import sys
from collections.abc import Callable, Iterator

import arithmetic
import classification
import extraction
import facts
import judging
import lists
import long_context
import memory
import small_talk
import stories
import tips
import tool_calls
from draw import Draw
from sample import Sample

Maker = Callable[[Draw], Sample]

# maker -> weight (in samples, not in tokens)
MIX: dict[Maker, float] = {
    extraction.extraction_chat: 30,
    extraction.extraction_many: 1.2,
    extraction.extraction_value: 5,
    extraction.extraction_raw: 3.5,
    extraction.profile_raw: 2,
    tool_calls.single_call: 16,
    tool_calls.two_calls: 2,
    tool_calls.loop: 4,
    tool_calls.no_tool: 2.5,
    classification.classify_chat: 18,
    classification.classify_raw: 6,
    judging.yes_no: 7,
    judging.odd_choice: 6,
    judging.judge: 5,
    facts.fact_chat: 22,
    facts.fact_raw: 7,
    facts.facts_text: 8,
    arithmetic.arithmetic_chat: 14,
    arithmetic.arithmetic_raw: 10,
    arithmetic.compare: 4,
    stories.story_chat: 1.5,
    stories.story_raw: 0.8,
    stories.describe: 0.8,
    stories.paragraph_raw: 0.5,
    lists.list_items: 8,
    tips.tips: 1.5,
    lists.rewrite: 5,
    small_talk.small_talk: 2.5,
    small_talk.unknown: 1.2,
    memory.memory: 4,
    memory.mixed_turns: 1,
    lambda draw: long_context.needle(draw, draw.number(1, 2)): 1,
    lambda draw: long_context.directory(draw, draw.number(2, 5)): 2,
}
LONG_MIX: dict[Maker, float] = {
    long_context.needle: 5,
    long_context.directory: 5,
    long_context.many_shot: 4,
    long_context.long_chat: 4,
    long_context.long_extraction: 5,
    long_context.long_drill: 0.7,
}


def samples(draw: Draw, long_share: float = 0.0) -> Iterator[Sample]:
    """Endless samples of the mix; `long_share` of them come from the long one."""
    makers, weights = list(MIX), list(MIX.values())
    long_makers, long_weights = list(LONG_MIX), list(LONG_MIX.values())
    while True:
        if draw.chance(long_share):
            yield draw.rng.choices(long_makers, long_weights)[0](draw)
        else:
            yield draw.rng.choices(makers, weights)[0](draw)


def main() -> None:
    from template import render

    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    wanted = sys.argv[2] if len(sys.argv) > 2 else ""
    stream = (sample for sample in samples(Draw("preview"), long_share=0.05) if sample.skill.startswith(wanted))
    for _, sample in zip(range(count), stream, strict=False):
        print(f"--- {sample.skill}\n{render(sample)}")


if __name__ == "__main__":
    main()
