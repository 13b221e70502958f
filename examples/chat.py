"""A conversation in turns, its answers streamed as they are written."""

import palmette as pm


@pm.function
def conversation(s, questions):
    s += pm.system("You are a helpful assistant.")
    for index, question in enumerate(questions):
        s += pm.user(question)
        s += pm.assistant(pm.gen(f"answer_{index}", max_tokens=48, temperature=0))


def main() -> None:
    questions = ["Hi, my name is Mira.", "What is the capital of Japan?", "What is my name?"]
    state = conversation.run(questions, stream=True)
    for index, question in enumerate(questions):
        print("you:   ", question)
        print("sprig: ", end="")
        for piece in state.text_iter(f"answer_{index}"):
            print(piece, end="", flush=True)
        print()
    for message in state.messages():
        assert set(message) == {"role", "content"}


if __name__ == "__main__":
    main()
