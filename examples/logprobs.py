"""How sure the model was: log-probabilities of what it wrote, of alternatives, and of a given text."""

import math

import palmette as pm


@pm.function
def answer(s, country):
    s += f"The capital of {country} is"
    s += pm.gen(
        "city",
        max_tokens=4,
        stop=".",
        temperature=0,
        return_logprob=True,
        top_logprobs_num=3,
        return_text_in_logprobs=True,
    )


@pm.function
def compare(s, first, second):
    forks = s.fork(2)
    for fork, text in zip(forks, (first, second), strict=True):
        fork += "The weather report. " + pm.score("likelihood", text)
    forks.join()


def main() -> None:
    info = answer.run("France").get_meta_info("city")
    for logprob, token_id, text in info["output_token_logprobs"]:
        print(f"{text!r:>10} (token {token_id}) with probability {math.exp(logprob):.3f}")

    texts = ("Today the sun is shining.", "Shining sun the is today.")
    state = compare.run(*texts)
    for text, info in zip(texts, state.get_meta_info("likelihood"), strict=True):
        print(f"log-probability {info['logprob']:8.2f}: {text}")


if __name__ == "__main__":
    main()
