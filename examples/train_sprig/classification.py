"""Choosing among labels: sentiment, topic, intent, category; as chat and as raw text."""

from collections.abc import Callable
from dataclasses import replace

import names
from draw import Draw
from reviews import review, sentiment_of
from sample import Message, Sample, chat, raw, turn
from topics import CATEGORIES, INTENTS, TOPICS, intent_text, topic_text

Case = tuple[str, str]  # text, label


def _cased(draw: Draw, labels: list[str]) -> dict[str, str]:
    """The labels in one letter case, chosen for the whole prompt."""
    form = draw.pick(["as is", "as is", "as is", "capital", "upper"])
    return {
        label: label.capitalize() if form == "capital" else label.upper() if form == "upper" else label
        for label in labels
    }


def sentiment_task(draw: Draw) -> tuple[str, dict[str, str], Callable[[], Case], tuple[str, str]]:
    labels = ["positive", "negative", "neutral"] if draw.chance(0.45) else ["positive", "negative"]
    shown = _cased(draw, labels)
    if len(labels) == 2 and draw.chance(0.2):
        shown = draw.pick(
            [
                {"positive": "good", "negative": "bad"},
                {"positive": "happy", "negative": "unhappy"},
                {"positive": "pos", "negative": "neg"},
                {"positive": "like", "negative": "dislike"},
            ]
        )

    def case() -> Case:
        score = draw.pick([1, 2, 3, 4, 5] if len(labels) == 3 else [1, 2, 4, 5])
        return review(draw, score), sentiment_of(score)

    return (
        "sentiment",
        shown,
        case,
        draw.pick(
            [
                ("Review", "Sentiment"),
                ("Text", "Sentiment"),
                ("Review", "Label"),
                ("Input", "Sentiment"),
                ("Sentence", "Sentiment"),
            ]
        ),
    )


def topic_task(draw: Draw) -> tuple[str, dict[str, str], Callable[[], Case], tuple[str, str]]:
    labels = draw.some(list(TOPICS), draw.number(2, 6))
    shown = _cased(draw, labels)

    def case() -> Case:
        label = draw.pick(labels)
        return topic_text(draw, label), label

    return (
        "topic",
        shown,
        case,
        draw.pick(
            [("Text", "Topic"), ("Article", "Topic"), ("News", "Category"), ("Text", "Label"), ("Headline", "Topic")]
        ),
    )


def intent_task(draw: Draw) -> tuple[str, dict[str, str], Callable[[], Case], tuple[str, str]]:
    labels = draw.some(list(INTENTS), draw.number(2, 6))
    shown = _cased(draw, labels)

    def case() -> Case:
        label = draw.pick(labels)
        return intent_text(draw, label), label

    return (
        "intent",
        shown,
        case,
        draw.pick([("Message", "Intent"), ("User", "Intent"), ("Text", "Intent"), ("Customer", "Intent")]),
    )


def category_task(draw: Draw) -> tuple[str, dict[str, str], Callable[[], Case], tuple[str, str]]:
    labels = draw.some(list(CATEGORIES), draw.number(2, 5))
    shown = _cased(draw, labels)

    def case() -> Case:
        label = draw.pick(labels)
        return draw.pick(
            [item for item in CATEGORIES[label] if sum(item in CATEGORIES[other] for other in labels) == 1]
        ), label

    return (
        "category",
        shown,
        case,
        draw.pick([("Word", "Category"), ("Item", "Category"), ("Word", "Kind"), ("Thing", "Type")]),
    )


TASKS = (sentiment_task, topic_task, intent_task, category_task)

ASK = [
    "Classify the {w} of this {s} as {l}: {t}",
    "What is the {w} of this {s}? Choose from {l}.\n\n{t}",
    "{t}\n\n{W}? ({l})",
    "Is the {w} of the following {s} {lor}?\n{t}",
    "Label this {s} with one of {l}.\n{t}",
    "{S}: {t}\nChoose the {w}: {l}",
    "Pick the {w} ({l}) for: {t}",
    "Classify: {t}\nLabels: {l}",
    "Decide if the {w} is {lor}: {t}",
    "{t}\nWhich {w} fits best: {lor}?",
    "Options: {l}\n{S}: {t}\nAnswer with one option.",
    "Read the {s} and answer with the {w}, one of {l}.\n\n{t}",
    'Which of these fits: {l}?\n\n"{t}"',
    "{t}\n\nAnswer with one of: {l}.",
    "Choose one: {l}.\n{t}",
    "Give the {w} ({l}): {t}",
    "Sort this {s} into one of {l}: {t}",
    "Here is a {s}: {t}\nWhat is its {w}: {lor}?",
]


def classify_chat(draw: Draw) -> Sample:
    what, shown, case, (source, _) = draw.rng.choices(TASKS, (38, 28, 20, 14))[0](draw)
    text, label = case()
    labels = draw.shuffled(list(shown.values()))
    listed = draw.pick([", ".join(labels), " / ".join(labels), names.join_and(labels), ", ".join(labels), str(labels)])
    lor = labels[0] if len(labels) == 1 else ", ".join(labels[:-1]) + " or " + labels[-1]
    fields = {"w": what, "W": what.capitalize(), "s": source.lower(), "S": source, "l": listed, "lor": lor, "t": text}
    messages: list[Message] = []
    if draw.chance(0.25):  # the labels in the system turn, the bare text from the user
        messages.append(
            turn(
                "system",
                draw.phrase(
                    [
                        "Classify the {w} of the user's text: {l}.",
                        "You classify the {w} of a text as {l}. Answer with the label only.",
                        "Answer with one of: {l}.",
                        "You are a classifier. Labels: {l}.",
                        "Decide the {w} ({l}). One word.",
                        "For each text give the {w}: {l}.",
                    ]
                ).format(**fields),
            )
        )
        user = text
    else:
        if draw.chance(0.2):
            messages.append(
                turn(
                    "system",
                    draw.pick(["You are a helpful assistant.", "You are a text classifier.", "Answer with one label."]),
                )
            )
        user = draw.phrase(ASK).format(**fields)
        if draw.chance(0.25):
            user += draw.pick([" Answer with one word.", "\nAnswer with the label only.", " Only the label."])
    messages += [turn("user", user), turn("assistant", shown[label])]
    first = len(messages) - 1
    alone = user == text  # the labels stand in the system turn
    for _ in range(draw.pick((0, 0, 1, 2, 3))):
        again, label = case()
        said = (
            again
            if alone
            else draw.phrase(
                ["And this? {}", "Next: {}", "And: {}", "Now this one: {}", "{}", "What about: {}"]
            ).format(again)
        )
        messages += [turn("user", said), turn("assistant", shown[label])]
    return replace(chat(f"classify_{what}", messages), judged_turn=first)


def classify_raw(draw: Draw, shots: int | None = None) -> Sample:
    """Examples as plain text, then one to label; without examples the labels are named."""
    what, shown, case, (head, tail) = draw.rng.choices(TASKS, (45, 25, 18, 12))[0](draw)
    shots = draw.pick([0, 1, 2, 3, 4, 5]) if shots is None else shots
    gap = draw.pick(["\n\n", "\n\n", "\n"])
    cases = [case() for _ in range(shots + 1)]
    blocks = [f"{head}: {text}\n{tail}: {shown[label]}" for text, label in cases]
    if shots < 3 or draw.chance(0.3):
        blocks.insert(
            0,
            draw.pick(
                [
                    f"Classify the {what} as {', '.join(shown.values())}.",
                    f"{what.capitalize()} is one of: {', '.join(shown.values())}.",
                    f"Label each {head.lower()} with one of {', '.join(shown.values())}.",
                ]
            ),
        )
    answer = " " + shown[cases[-1][1]]
    return raw("classify_raw", gap.join(blocks)[: -len(answer)], answer)
