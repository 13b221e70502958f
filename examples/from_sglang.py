"""A program written for SGLang: only its import line was changed."""

import palmette as sgl


@sgl.function
def expand_tip(s, tip):
    s += "Please expand the following tip into a sentence:\n" + tip + "\n"
    s += "Sentence: " + sgl.gen("detailed_tip", max_tokens=32, stop="\n", temperature=0)


@sgl.function
def tip_suggestion(s):
    s += sgl.system("You are a helpful assistant.")
    s += sgl.user("Give me two tips to stay healthy.")
    s += sgl.assistant("1. Eat well. 2. Sleep enough.")
    forks = s.fork(2)
    for i, fork in enumerate(forks):
        fork += sgl.user(f"Say tip {i + 1} again, in one sentence.")
        with fork.assistant():
            fork += sgl.gen("detailed_tip", max_tokens=24, stop=["\n", "."], temperature=0)
    s += sgl.user("Thank you.")
    with s.assistant():
        s += "Tip 1: " + forks[0]["detailed_tip"] + ".\n" + "Tip 2: " + forks[1]["detailed_tip"] + ".\n"
        s += sgl.gen("summary", max_tokens=16, temperature=0)


@sgl.function
def with_scope(s, question):
    with s.var_scope("whole_answer"):
        s += "Q: " + question + "\nA: "
        s += sgl.gen("answer", max_tokens=8, stop="\n", temperature=0)
    expanded = expand_tip(tip="Drink water.")  # another program, as a value
    s += "\n" + expanded["detailed_tip"]


def main() -> None:
    state = tip_suggestion.run()
    print(state.text())
    state = with_scope.run("What is the capital of Spain?")
    print(state["whole_answer"])
    for state in with_scope.run_batch([{"question": "What is 2 + 3?"}, {"question": "What is 4 + 5?"}]):
        print(state["answer"])


if __name__ == "__main__":
    main()
