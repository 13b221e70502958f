"""Choosing among given answers: all choices are scored in one pass, by one of three methods."""

import palmette as pm

METHODS = [
    pm.token_length_normalized,
    pm.greedy_token_selection,
    pm.unconditional_likelihood_normalized,
]


@pm.function
def classify(s, text, method):
    s += "Review: I loved every minute of it.\nSentiment: positive\n\n"
    s += "Review: A complete waste of money.\nSentiment: negative\n\n"
    s += f"Review: {text}\nSentiment: "
    s += pm.select("sentiment", ["positive", "negative", "neutral"], choices_method=method)


def main() -> None:
    for method in METHODS:
        state = classify.run("The staff was friendly and the food was great.", method)
        info = state.get_meta_info("sentiment")
        shares = ", ".join(
            f"{choice} {share:.2f}" for choice, share in zip(info["choices"], info["probabilities"], strict=True)
        )
        print(f"{method}: {state['sentiment']}  ({shares})")


if __name__ == "__main__":
    main()
