"""Asking more than once: best of n, a vote, map and reduce, retry, a beam of thoughts, a router.

sprig is small, so each pattern gets a task where asking more than once helps.
"""

import palmette as pm
from palmette import patterns

EXAMPLES = """Review: I loved it, wonderful acting.
Sentiment: positive

Review: Boring from start to end.
Sentiment: negative

"""
REVIEWS = [
    "I loved the soup, really good!",
    "The room was dirty and the staff was rude.",
    "Great value, I recommend it.",
]


@pm.function
def kindest_review(s):
    """Best of n: the model writes, the model scores."""
    s += EXAMPLES + "Review:"

    def kindness(branch):
        branch += "\nSentiment:"
        return branch.score("kindness", " positive")  # a log-probability

    return patterns.best_of_n(s, lambda b: b.gen("review", max_tokens=24, stop="\n", temperature=0.9), 5, kindness)


@pm.function
def voted_sum(s, question):
    """A vote: at a temperature single answers go wrong, the most frequent one less so."""
    s += f"Q: {question}\nA: "
    return patterns.majority_vote(s, lambda b: b.gen("answer", type=int, temperature=1.0, max_tokens=8), 9)


@pm.function
def report(s, reviews):
    """Map and reduce: a branch for each review, and one text with all that came of them."""

    def label(branch, review):
        branch += pm.user(f"Classify the sentiment of this review as positive, negative: {review}")
        branch += pm.assistant_begin()
        return branch.select("label", ["positive", "negative"])

    def put_together(s, labels):
        for review, label in zip(reviews, labels, strict=True):
            s += f"{label}: {review}\n"

    patterns.map_reduce(s, reviews, label, put_together)


@pm.function
def checked_sum(s, a, b):
    """Retry: Python casts out nines, which finds most wrong sums, and tells the model."""

    def attempt(s, feedback):
        s += f"{feedback or ''}Q: What is {a} + {b}?\nA: "
        return s.gen("sum", type=int, temperature=1.0, max_tokens=8)

    def check(total):
        return None if (a % 9 + b % 9 - total) % 9 == 0 else "\nThat cannot be. Think again.\n"

    return patterns.retry(s, attempt, check, max_attempts=8)


@pm.function
def story(s, subject):
    """A beam: of all ways to go on after each sentence the two best are kept, here those with most different words."""
    s += pm.user(f"Write a short story about {subject}.") + pm.assistant_begin()

    def variety(branch):
        return len(set(branch.text().split()))

    def sentence(branch):
        return branch.gen(regex=r" ?[A-Z][A-Za-z ,]{15,80}\.", max_tokens=40, temperature=1.0)

    return patterns.beam_of_thoughts(s, sentence, variety, width=2, depth=2, breadth=4)


@pm.function
def answer(s, message):
    """A router: the model chooses which function goes on, Python or the model itself."""

    def choose(branch, names):
        branch += pm.user(f"Classify the intent of this message as {', '.join(names)}: {message}")
        branch += pm.assistant_begin()
        return branch.select("intent", names)

    def greet(s):
        s += pm.user(message)
        s.assistant(pm.gen("reply", max_tokens=24, temperature=0))
        return s["reply"]

    return patterns.route(
        s,
        choose,
        {
            "greeting": greet,
            "refund": lambda _: "Your money is on its way.",
            "opening_hours": lambda _: "We are open from 9 to 5.",
        },
    )


def main() -> None:
    state = kindest_review.run(seed=1)
    best = state.ret_value
    for review in state["review"]:
        print("best of 5:   " + ("* " if review == best.value else "  ") + review.strip())
    vote = voted_sum.run("What is 38 + 47?", seed=3).ret_value
    print(f"vote:        {vote.value} with {vote.num_votes} of {len(vote.values)}: {vote.values}")
    print("map-reduce:  " + report.run(REVIEWS).text().rstrip().replace("\n", "\n             "))
    state = checked_sum.run(38, 47, seed=1)
    print(f"retry:       {state.ret_value} after {state.text().count('Think again')} wrong ones")
    for beam in story.run("a fox", seed=1).ret_value:
        print(f"beam:        {beam.score:.0f} words: {''.join(beam.values)}")
    for message in ("Hello there!", "The lamp is broken, I want a refund.", "Are you open on Sunday?"):
        print(f"route:       {message} -> {answer.run(message).ret_value}")


if __name__ == "__main__":
    main()
