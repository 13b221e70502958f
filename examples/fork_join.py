"""Branches that share a prefix: it is computed once, the branches run at the same time, and are joined again."""

import palmette as pm

COUNTRIES = ["France", "Peru", "Kenya", "Japan"]


@pm.function
def atlas(s):
    s += "Capitals of the world.\n"
    forks = s.fork(len(COUNTRIES))
    for fork, country in zip(forks, COUNTRIES, strict=True):
        fork += f"The capital of {country} is" + pm.gen("capital", max_tokens=8, stop=[".", "\n"], temperature=0)
    forks.join()  # gathers the children's variables into lists
    s += "All of them: " + ", ".join(s["capital"]) + "\n"


@pm.function
def two_sentences(s):
    s += "A short text. "
    forks = s.fork(2)
    forks[0] += "The sky is" + pm.gen("sky", max_tokens=4, stop=".", temperature=0) + ". "
    forks[1] += "The grass is" + pm.gen("grass", max_tokens=4, stop=".", temperature=0) + "."
    forks.join("concate_and_append")  # appends what the children wrote, without computing it again as text


def main() -> None:
    state = atlas.run()
    for country, capital in zip(COUNTRIES, state["capital"], strict=True):
        print(f"{country}: {capital}")
    print(two_sentences.run().text())


if __name__ == "__main__":
    main()
