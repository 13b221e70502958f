"""The same seed gives the same tokens: alone, in a crowd, on a warm cache; other branches draw other noise."""

import palmette as pm


@pm.function
def name_a_fruit(s):
    s += "Fruit: " + pm.gen("fruit", max_tokens=6, stop="\n", temperature=1.0)


@pm.function
def three_samples(s):
    s += "Fruit: " + pm.gen("fruits", max_tokens=6, stop="\n", temperature=1.0, n=3)


def main() -> None:
    alone = name_a_fruit.run(seed=7)["fruit"]
    crowd = [name_a_fruit.run_batch([{}] * 8, seed=7)[0]["fruit"], name_a_fruit.run(seed=7)["fruit"]]
    print("seed 7, alone, in a crowd, again:", alone, crowd)
    assert crowd == [alone, alone]

    state = name_a_fruit.run()
    seed = state.get_meta_info("fruit")["seed"]
    print(f"no seed: drew {seed}:", state["fruit"])
    assert name_a_fruit.run(seed=seed)["fruit"] == state["fruit"]

    print("three samples of one prompt:", three_samples.run(seed=7)["fruits"])


if __name__ == "__main__":
    main()
