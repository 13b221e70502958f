"""What bad input gets: a specific exception, at once where possible, that says what was expected and what came."""

import palmette as pm


@pm.function
def too_long(s):
    s += "word " * 10_000 + pm.gen("x")


@pm.function
def never_set(s):
    s += "Hello"
    return s["nothing"]


@pm.function
def bad_regex(s):
    s += "Hello " + pm.gen("x", regex="([a-z")


@pm.function
def two_constraints(s):
    s += "Hello " + pm.gen("x", regex="[a-z]+", choices=["a", "b"])


@pm.function
def negative_tokens(s):
    s += "Hello " + pm.gen("x", max_tokens=-1)


@pm.function
def no_fork(s):
    s += "Hello"
    s.fork(0)


def main() -> None:
    for program in (too_long, never_set, bad_regex, two_constraints, negative_tokens, no_fork):
        try:
            program.run()
        except (pm.PalmetteError, pm.GrammarError) as error:
            print(f"{program.name}: {type(error).__name__}: {error}\n")
        else:
            raise AssertionError(f"{program.name} should have failed")


if __name__ == "__main__":
    main()
