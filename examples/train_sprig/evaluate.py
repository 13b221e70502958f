"""Greedy accuracy per skill on held-out cases: other phrasings, other made-up words, other pairs of numbers.

A second, smaller table judges fresh samples in the phrasings of the training.

python examples/train_sprig/evaluate.py --out build/sprig/evaluation.json
"""

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from draw import Draw
from generate import samples
from rich.console import Console
from rich.table import Table
from sample import Sample
from template import MODELS, prompt_and_answer
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

MAX_PROMPT = 2000  # tokens
RAW_END = "\n"  # raw text answers end with their line, unless the answer has several


@dataclass
class Outcome:
    skill: str
    prompt: str
    expected: str
    answer: str
    is_right: bool


def judged_cases(per_skill: int, per_long_skill: int, heldout: bool = True) -> list[Sample]:
    """`per_skill` judged cases of each skill; the long ones are counted apart under `long/`."""
    cases: dict[str, list[Sample]] = {}
    for long_share, wanted, prefix in ((0.0, per_skill, ""), (1.0, per_long_skill, "long/")):
        stream = samples(Draw(f"test/{prefix}", heldout), long_share)
        for sample, _ in zip(stream, range(60_000 if long_share == 0.0 else 100 * wanted), strict=False):
            kept = cases.setdefault(prefix + sample.skill, [])
            if sample.match != "open" and len(kept) < wanted:
                kept.append(Sample(**{**sample.__dict__, "skill": prefix + sample.skill}))
    return [sample for kept in cases.values() for sample in kept]


def parse_calls(text: str) -> list[object]:
    blocks = [block.split("</tool_call>")[0] for block in text.split("<tool_call>")[1:]]
    return [json.loads(block) for block in blocks]


def list_entries(text: str) -> set[str]:
    separator = "\n" if "\n" in text.strip() else ", "
    return {line.lstrip("-0123456789. ").strip() for line in text.strip().split(separator)}


def is_right(sample: Sample, answer: str, expected: str) -> bool:
    try:
        if sample.match == "json":
            return bool(json.loads(answer) == json.loads(expected))
        if sample.match == "calls":
            calls = parse_calls(answer)
            return bool(calls) and calls == parse_calls(expected)
    except ValueError:
        return False
    if sample.match == "count":
        return len(list_entries(answer)) == len(list_entries(expected))
    return answer.strip() == expected.strip()


def cut_raw(sample: Sample, text: str, expected: str) -> str:
    """Raw text has no end token: judge as many lines as the answer has, a JSON value to its end."""
    if sample.messages:
        return text
    return RAW_END.join(text.split(RAW_END)[: expected.count(RAW_END) + 1])


def answer_all(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, cases: list[Sample], batch_tokens: int
) -> list[Outcome]:
    """Greedy answers in batches of like length."""
    tokenizer.padding_side = "left"
    pairs = [(sample, *prompt_and_answer(sample)) for sample in cases]
    sized = [(len(tokenizer(p)["input_ids"]), len(tokenizer(a)["input_ids"]), s, p, a) for s, p, a in pairs]
    sized = [one for one in sized if one[0] <= MAX_PROMPT]
    sized.sort(key=lambda one: (one[1] // 24, one[0]))
    outcomes, position = [], 0
    while position < len(sized):
        count = 1
        while (
            position + count < len(sized)
            and count < 96
            and (count + 1) * (max(one[0] for one in sized[position : position + count + 1]) + 40) < batch_tokens
        ):
            count += 1
        batch = sized[position : position + count]
        position += count
        inputs = tokenizer([prompt for _, _, _, prompt, _ in batch], return_tensors="pt", padding=True)
        with torch.inference_mode():
            out = model.generate(**inputs, max_new_tokens=max(one[1] for one in batch) + 8, do_sample=False)
        for ids, (_, _, sample, prompt, expected) in zip(out[:, inputs["input_ids"].shape[1] :], batch, strict=True):
            text = tokenizer.decode(ids, skip_special_tokens=True)
            text = cut_raw(sample, text, expected)
            outcomes.append(Outcome(sample.skill, prompt, expected, text, is_right(sample, text, expected)))
    return outcomes


def agreement(
    draft: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, outcomes: list[Outcome], limit: int = 600
) -> float:
    """Share of sprig's own greedy tokens that the draft model would have guessed, each after sprig's true prefix."""
    hits = total = 0
    for outcome in outcomes[:: max(1, len(outcomes) // limit)]:
        start = len(tokenizer(outcome.prompt)["input_ids"])
        ids = tokenizer(outcome.prompt + outcome.answer, return_tensors="pt")["input_ids"]
        with torch.inference_mode():
            guessed = draft(ids).logits[0, start - 1 : -1].argmax(-1)
        hits += int((guessed == ids[0, start:]).sum())
        total += ids.shape[1] - start
    return hits / max(total, 1)


def show(title: str, accuracy: dict[str, dict[str, float]], seconds: float) -> None:
    table = Table(title=f"{title}, greedy ({seconds:.0f} s)")
    table.add_column("skill")
    table.add_column("cases", justify="right")
    table.add_column("right", justify="right")
    for skill, row in sorted(accuracy.items()):
        table.add_row(skill, str(row["cases"]), f"{row['right']:.1%}")
    Console(width=80).print(table)


def evaluate(folder: Path, cases: list[Sample]) -> tuple[dict[str, dict[str, float]], list[Outcome]]:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    outcomes = answer_all(model, tokenizer, cases, batch_tokens=24_000)
    accuracy: dict[str, dict[str, float]] = {}
    for skill in {outcome.skill for outcome in outcomes}:
        rights = [outcome.is_right for outcome in outcomes if outcome.skill == skill]
        accuracy[skill] = {"cases": len(rights), "right": sum(rights) / len(rights)}
    return dict(sorted(accuracy.items())), outcomes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=MODELS / "sprig", help="model folder")
    parser.add_argument(
        "--draft", type=Path, default=MODELS / "bud", help="draft model folder, compared with the model"
    )
    parser.add_argument("--per-skill", type=int, default=100, help="cases per skill")
    parser.add_argument("--per-long-skill", type=int, default=30, help="cases per long skill")
    parser.add_argument("--out", type=Path, default=Path("build/sprig/evaluation.json"), help="JSON file to write")
    arguments = parser.parse_args()
    started = time.monotonic()
    accuracy, outcomes = evaluate(arguments.model, judged_cases(arguments.per_skill, arguments.per_long_skill))
    show("held-out", accuracy, time.monotonic() - started)
    usual_cases = judged_cases(arguments.per_skill // 3, arguments.per_long_skill // 3, heldout=False)
    usual, _ = evaluate(arguments.model, usual_cases)
    show("training phrasings, fresh samples", usual, time.monotonic() - started)
    report: dict[str, object] = {
        "accuracy": accuracy,
        "usual": usual,
        "wrong": [asdict(o) for o in outcomes if not o.is_right],
    }
    if (arguments.draft / "model.safetensors").exists() and arguments.draft.resolve() != arguments.model.resolve():
        draft = AutoModelForCausalLM.from_pretrained(arguments.draft, dtype=torch.float32).eval()
        tokenizer = AutoTokenizer.from_pretrained(arguments.model)
        report["draft_agreement"] = agreement(draft, tokenizer, outcomes)
        print(f"draft agreement: {report['draft_agreement']:.1%}")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
