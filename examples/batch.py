"""One program over many inputs: they run at the same time and share what they have in common."""

import palmette as pm

FEW_SHOT = """Review: I loved it, wonderful acting.
Sentiment: positive

Review: Boring from start to end.
Sentiment: negative

"""

REVIEWS = [
    "The room was clean and the staff was kind.",
    "It broke after two days.",
    "Great value, I would buy it again.",
    "The food was cold and tasteless.",
]


@pm.function
def classify(s, review):
    s += FEW_SHOT + f"Review: {review}\nSentiment: "
    s += pm.select("sentiment", ["positive", "negative"])


def main() -> None:
    states = classify.run_batch([{"review": review} for review in REVIEWS], progress_bar=True)
    for review, state in zip(REVIEWS, states, strict=True):
        info = state.get_meta_info("sentiment")
        print(f"{state['sentiment']:>8}  {review}  ({info['cached_tokens']} of {info['prompt_tokens']} tokens cached)")

    # In order, but each as soon as it is ready:
    for state in classify.run_batch([{"review": review} for review in REVIEWS], generator_style=True):
        print(state["sentiment"])


if __name__ == "__main__":
    main()
