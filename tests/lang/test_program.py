"""The basics: text, gen, select, variables, roles, run options."""

import pytest
from scripted_backend import ScriptedBackend

import palmette as sgl
from palmette.lang.ir import Gen, RoleBegin, RoleEnd, Select, Text


def test_text_and_gen_in_order(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s, question):
        s += "Q: " + question + "\n"
        s += "A:" + sgl.gen("answer", stop="\n") + "\n"

    backend.answers = {"answer": " Paris\nQ:"}
    state = program.run(question="Capital?")
    assert state["answer"] == " Paris"
    assert state.text() == "Q: Capital?\nA: Paris\n"
    assert "answer" in state
    assert "other" not in state


def test_nothing_is_sent_until_a_value_is_needed(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        s += "a"
        s += sgl.gen("x")
        s += "b"
        assert backend.submissions == []
        assert s["x"] == "<x>"
        assert [len(each.operations) for each in backend.submissions] == [3]
        s += "c"
        assert len(backend.submissions) == 1

    program.run()
    assert [len(each.operations) for each in backend.submissions] == [3, 1]


def test_a_program_without_operations_opens_no_branch(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        s["x"] = 5

    state = program.run()
    assert state["x"] == 5
    assert state.text() == ""
    assert backend.branches == {}


def test_the_state_may_have_any_name_and_the_program_is_a_function(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(conversation, /, topic, *, tone="kind"):
        """Says something."""
        conversation += f"{topic} {tone}"
        return len(topic)

    assert program.__doc__ == "Says something."
    assert program.name == "program"
    state = program("tea", tone="stern")
    assert state.text() == "tea stern"
    assert state.ret_value == 3


@pytest.mark.parametrize("name", ["n", "stop", "backend", "stream", "temperature", "seed"])
def test_arguments_named_like_options_do_not_vanish(backend: ScriptedBackend, name: str) -> None:
    namespace: dict[str, object] = {}
    exec(f"def program(s, {name}):\n    s += f'got {{{name}}}'", namespace)
    program = sgl.function(namespace["program"])
    assert program.run(**{name: "mine"}).text() == "got mine"
    assert program.run_batch([{name: "mine"}])[0].text() == "got mine"
    bound = program.bind(**{name: "bound"})
    assert bound.run(**({name: 7} if name == "seed" else {})).text() == "got bound"
    assert backend.opened[-1][0] == (7 if name == "seed" else None)


def test_run_options_reach_the_gens_that_do_not_say_otherwise(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        s += sgl.gen("x") + sgl.gen("y", temperature=0.5, max_tokens=3, stop=[])

    program.run(temperature=0, max_new_tokens=9, stop="!", top_k=-1, seed=3, cache_salt="me")
    x, y = backend.gens()
    assert (x.params.temperature, x.params.max_new_tokens, x.params.stop, x.params.top_k) == (0, 9, ("!",), None)
    assert (y.params.temperature, y.params.max_new_tokens, y.params.stop) == (0.5, 3, ())
    assert backend.opened == [(3, "me")]


def test_min_tokens_may_exceed_the_default_max_tokens_where_the_run_raises_it(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        s += sgl.gen("x", min_tokens=200)

    program.run(max_new_tokens=300)
    with pytest.raises(sgl.InvalidArgument, match="min_tokens"):
        program.run()


def test_an_unknown_argument_is_refused(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s, q):
        s += q

    with pytest.raises(TypeError, match=r"unexpected argument 'max_tokens'.*max_new_tokens"):
        program.run(q="a", max_tokens=3)
    with pytest.raises(TypeError, match="missing a required argument: 'q'"):
        program.run()
    with pytest.raises(sgl.InvalidArgument, match="bind"):
        program.bind(other=1)


def test_wrong_run_options_are_refused(backend: ScriptedBackend) -> None:
    program = sgl.function(lambda s: None)
    for options in ({"temperature": -1}, {"seed": -1}, {"cache_salt": 3}, {"stream": "yes"}, {"backend": 5}):
        with pytest.raises(sgl.InvalidArgument):
            program.run(**options)


def test_what_cannot_be_a_program_is_refused() -> None:
    async def streams(s):
        yield

    def yields(s):
        yield

    for func in (5, streams, yields, lambda: None, lambda *args: None, int):
        with pytest.raises(sgl.InvalidArgument, match="function"):
            sgl.function(func)
    with pytest.raises(sgl.InvalidArgument, match="num_api_spec_tokens"):
        sgl.function(num_api_spec_tokens=10)
    assert isinstance(sgl.function(num_api_spec_tokens=None)(lambda s: None), sgl.Function)


def test_a_method_can_be_a_program(backend: ScriptedBackend) -> None:
    class Greeter:
        def __init__(self, name):
            self.name = name

        @sgl.function
        def greet(self, s, word):
            s += f"{word} {self.name}"

    assert Greeter("Ada").greet.run(word="Hello").text() == "Hello Ada"
    assert Greeter("Bob").greet("Hi").text() == "Hi Bob"


def test_unnamed_gens_do_not_collide(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        s += sgl.gen() + sgl.gen() + sgl.select(choices=["a", "b"])
        forks = s.fork(2)
        forks += sgl.gen()
        forks.join()

    state = program.run()
    names = [op.name for op in backend.operations if isinstance(op, Gen | Select)]
    assert len(names) == 5
    assert len(set(names)) == 5
    with pytest.raises(sgl.VariableNotSet, match="set so far: none"):
        state[names[0]]


def test_a_variable_set_twice_has_the_latest_value(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        s += sgl.gen("x")
        assert s["x"] == "one"
        s += sgl.gen("x")
        assert s["x"] == "two"
        s["x"] = "three"

    backend.answers = {"x": ["one", "two"]}
    assert program.run()["x"] == "three"


def test_reading_what_was_never_set(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        s += sgl.gen("answer")

    state = program.run()
    with pytest.raises(sgl.VariableNotSet, match="no variable 'anwser' is set; set so far: 'answer'") as caught:
        state["anwser"]
    assert isinstance(caught.value, KeyError)
    with pytest.raises(sgl.VariableNotSet):
        state.get_meta_info("anwser")


def test_n_samples_are_a_list(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        s += sgl.gen("x", n=2) + "!"

    backend.answers = {"x": ["one", "two"]}
    state = program.run()
    assert state["x"] == ["one", "two"]
    assert state.text() == "one!"
    first, second = state.get_meta_info("x")
    assert first["id"] != second["id"]


def test_meta_info_of_a_gen(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        s += "ab" + sgl.gen("x", max_tokens=2, seed=5)
        s += sgl.gen("y", return_logprob=True, logprob_start_len=0, stop="d")

    backend.answers = {"x": "xyz", "y": "cd"}
    state = program.run()
    x, y = state.get_meta_info("x"), state.get_meta_info("y")
    assert x.pop("id") != y["id"]
    assert x == {
        "finish_reason": {"type": "length", "matched": None, "length": 2},
        "prompt_tokens": 2,
        "completion_tokens": 2,
        "cached_tokens": 0,
        "seed": 5,
    }
    assert y["finish_reason"] == {"type": "stop", "matched": "d"}
    assert y["output_token_logprobs"] == [(-1.0, ord("c"), "c")]
    assert y["output_top_logprobs"] == [[(-1.0, ord("c"), None), (-2.0, 0, None)]]
    assert len(y["input_token_logprobs"]) == 2


def test_meta_info_of_a_select(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        s += sgl.select("x", ["no", "yes"], choices_method=sgl.greedy_token_selection)

    backend.answers = {"x": "yes"}
    meta = program.run().get_meta_info("x")
    assert meta["choices"] == ["no", "yes"]
    assert meta["logprobs"] == [-4.0, 0.0]
    assert meta["normalized_prompt_logprobs"] == [-2.0, 0.0]
    assert sum(meta["probabilities"]) == pytest.approx(1)
    assert [len(tokens) for tokens in meta["input_token_logprobs"]] == [2, 3]


def test_only_values_of_the_model_have_meta_info(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        s["x"] = 1

    with pytest.raises(sgl.InvalidArgument, match="meta info"):
        program.run().get_meta_info("x")


def test_score(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        s += "The sky is" + sgl.score("p", " blue") + "."

    state = program.run()
    assert state["p"] == -5.0
    assert state.text() == "The sky is blue."
    assert len(state.get_meta_info("p")["token_logprobs"]) == 5


def test_roles_and_messages(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s, question):
        s += sgl.system("Be brief.")
        with s.user():
            s += "Q: "
            s += question
        s += sgl.assistant_begin() + "A: " + sgl.gen("a") + sgl.assistant_end()
        s.user("Sure?")
        s += sgl.assistant("It is " + sgl.select("b", ["sure", "not"]) + ".")
        s += sgl.user_begin()
        s += "open"

    state = program.run(question="Why?")
    assert state.messages() == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Q: Why?"},
        {"role": "assistant", "content": "A: <a>"},
        {"role": "user", "content": "Sure?"},
        {"role": "assistant", "content": "It is sure."},
    ]
    assert state.text().startswith("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nQ: Why?<|im_end|>\n")
    assert state.text().endswith("<|im_start|>user\nopen")


def test_user_text_cannot_inject_special_tokens(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        s += "outside"
        s += sgl.user("inside")
        s += "outside"

    program.run()
    assert [op for op in backend.operations if isinstance(op, Text)] == [
        Text("outside", has_special=True),
        Text("inside", has_special=False),
        Text("outside", has_special=True),
    ]
    assert RoleBegin("user") in backend.operations
    assert RoleEnd("user") in backend.operations


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: sgl.user_begin() + sgl.assistant_begin(), "'assistant' begins inside the turn of 'user'"),
        (lambda: sgl.user(sgl.system("x")), "'system' begins inside the turn of 'user'"),
        (lambda: sgl.user_begin() + sgl.assistant_end(), "'assistant' ends, but the open turn is of 'user'"),
        (lambda: "a" + sgl.user_end(), "'user' ends, but none is open"),
    ],
)
def test_unbalanced_roles_raise(backend: ScriptedBackend, wrong, message: str) -> None:
    @sgl.function
    def program(s):
        s += wrong()

    with pytest.raises(sgl.StateError, match=message):
        program.run()


def test_a_turn_is_either_given_or_entered(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        with s.user("text"):
            s += "more"

    with pytest.raises(sgl.StateError, match="written already"):
        program.run()


def test_var_scope(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        s += "before "
        with s.var_scope("all"):
            s += "a"
            with s.var_scope("inner"):
                s += sgl.gen("x")
            s += sgl.select("y", ["b"])
        s += " after"
        assert s["inner"] == "<x>"

    state = program.run()
    assert state["all"] == "a<x>b"
    with pytest.raises(sgl.InvalidArgument, match="meta info"):
        state.get_meta_info("all")


@pytest.mark.parametrize("wrong", [None, 5, b"x", ["a"]])
def test_only_text_and_expressions_can_be_appended(backend: ScriptedBackend, wrong) -> None:
    @sgl.function
    def program(s):
        s += wrong

    with pytest.raises(sgl.InvalidArgument, match="text, or an expression"):
        program.run()
    with pytest.raises(TypeError):
        wrong + sgl.gen("x")


def test_a_state_outlives_its_program_for_reading_only(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        s += "a" + sgl.gen("x")

    state = program.run()
    with pytest.raises(sgl.StateError, match="has ended"):
        state += "b"
    with pytest.raises(sgl.StateError, match="has ended"):
        state.fork(2)
    assert state.text() == "a<x>"
    assert state.error() is None
    state.sync()


def test_a_backend_can_be_given_per_run(backend: ScriptedBackend) -> None:
    program = sgl.function(lambda s: s.set_var("x", s.user("hi")))
    other = ScriptedBackend()
    program.run(backend=other)
    assert len(other.branches) == 1
    assert backend.branches == {}
    other.check_all_closed()
    sgl.flush_cache()
    sgl.flush_cache(other)
    assert (backend.num_flushes, other.num_flushes) == (1, 1)
