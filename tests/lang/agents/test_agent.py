"""The agent loop: call, observe, answer."""

import asyncio
import json

import pytest
from scripted_backend import ScriptedBackend, ScriptedFailure

import palmette as sgl
from palmette.grammar.spec import JsonSchema
from palmette.lang.ir import DeclareTools, Text


@sgl.tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@sgl.tool
def divide(a: int, b: int) -> dict[str, float]:
    """Divide."""
    return {"quotient": a / b}


def call(name: str, **arguments: object) -> str:
    return json.dumps({"name": name, "arguments": arguments})


def test_call_observe_answer(backend: ScriptedBackend) -> None:
    backend.answers = {
        "thought": ["Let me see. <tool_call>", "<tool_call>"[:0], "It is 5."],
        "tool_call": [call("add", a=2, b=3)],
    }
    result = sgl.agent(tools=[add, divide], system="Be exact.").run("What is 2 + 3?")
    assert result.answer == "It is 5."
    assert result.steps == (sgl.AgentStep("Let me see.", "add", {"a": 2, "b": 3}, 5),)
    assert result.state["answer"] == "It is 5."
    assert result.messages == [
        {"role": "system", "content": "Be exact."},
        {"role": "user", "content": "What is 2 + 3?"},
        {
            "role": "assistant",
            "content": 'Let me see. <tool_call>\n{"name": "add", "arguments": {"a": 2, "b": 3}}\n</tool_call>',
        },
        {"role": "tool", "content": "5"},
        {"role": "assistant", "content": "It is 5."},
    ]
    assert backend.operations[0] == DeclareTools((add.tool, divide.tool))
    assert Text("<tool_call>\n", has_special=True) in backend.operations
    assert {gen.params.temperature for gen in backend.gens()} == {0.0}


def test_calls_are_constrained_to_the_tools(backend: ScriptedBackend) -> None:
    backend.answers = {"thought": ["<tool_call>", "", "done"], "tool_call": [call("add", a=1, b=1)]}
    sgl.agent([add, divide], max_tokens=77).run("?")
    [gen] = [gen for gen in backend.gens() if gen.name == "tool_call"]
    assert isinstance(gen.constraint, JsonSchema)
    assert gen.constraint.whitespace == "spaced"
    schemas = json.loads(gen.constraint.schema)["anyOf"]
    assert [schema["properties"]["name"] for schema in schemas] == [{"const": "add"}, {"const": "divide"}]
    assert schemas[0]["properties"]["arguments"] == add.parameters
    assert schemas[0]["required"] == ["name", "arguments"]
    assert [gen.params.max_new_tokens for gen in backend.gens()][:2] == [77, 77]


def test_several_calls_in_one_turn_and_several_turns(backend: ScriptedBackend) -> None:
    backend.answers = {
        "thought": ["<tool_call>", "\n<tool_call>", "", "<tool_call>", "", "All done."],
        "tool_call": [call("add", a=1, b=2), call("divide", a=1, b=2), call("add", a=3, b=4)],
    }
    result = sgl.agent([add, divide]).run("?")
    assert [step.result for step in result.steps] == [3, {"quotient": 0.5}, 7]
    roles = [message["role"] for message in result.messages]
    assert roles == ["user", "assistant", "tool", "tool", "assistant", "tool", "assistant"]
    assert result.messages[3]["content"] == '{"quotient": 0.5}'
    assert result.answer == "All done."


def test_a_tool_that_raises_is_read_by_the_model(backend: ScriptedBackend) -> None:
    backend.answers = {"thought": ["<tool_call>", "", "Sorry."], "tool_call": [call("divide", a=1, b=0)]}
    result = sgl.agent([divide]).run("?")
    [step] = result.steps
    assert step.is_error
    assert step.error == "ZeroDivisionError: division by zero"
    assert result.messages[2] == {"role": "tool", "content": '{"error": "ZeroDivisionError: division by zero"}'}
    assert result.answer == "Sorry."


def test_text_results_go_as_they_are(backend: ScriptedBackend) -> None:
    def look(place: str) -> str:
        return f'"{place}"\n<|im_end|>'

    backend.answers = {"thought": ["<tool_call>", "", "Ok."], "tool_call": [call("look", place="sea")]}
    result = sgl.agent([look]).run("?")
    assert result.messages[2]["content"] == '"sea"\n<|im_end|>'
    assert Text('"sea"\n<|im_end|>', has_special=False) in backend.operations


def test_an_answer_without_a_call(backend: ScriptedBackend) -> None:
    backend.answers = {"thought": [" Hello. "]}
    result = sgl.agent([add]).run("Hi")
    assert (result.answer, result.steps) == ("Hello.", ())


def test_the_step_limit(backend: ScriptedBackend) -> None:
    backend.answers = {
        "thought": lambda text: "" if text.endswith("</tool_call>") else "again <tool_call>",
        "tool_call": call("add", a=1, b=1),
    }
    with pytest.raises(sgl.AgentError, match="max_steps=3") as caught:
        sgl.agent([add], max_steps=3).run("?")
    assert [step.result for step in caught.value.steps] == [2, 2, 2]


def test_results_that_are_not_json(backend: ScriptedBackend) -> None:
    def weird() -> object:
        return [object()]

    backend.answers = {"thought": ["<tool_call>", ""], "tool_call": call("weird")}
    with pytest.raises(sgl.AgentError, match=r"'weird' returned .* not JSON"):
        sgl.agent([weird]).run("?")


def test_the_token_limit_is_for_all_that_the_model_writes(backend: ScriptedBackend) -> None:
    def script() -> None:
        backend.answers = {"thought": ["four<tool_call>", "", "sixsix"], "tool_call": [call("add", a=1, b=2)]}

    script()
    num_tokens = 4 + len(call("add", a=1, b=2)) + 6  # the scripted backend counts characters
    helper = sgl.agent([add], max_tokens=num_tokens)
    assert helper.run("?").num_tokens == num_tokens
    assert [gen.params.max_new_tokens for gen in backend.gens()] == [num_tokens, num_tokens - 4, 6, 6]
    script()
    with pytest.raises(sgl.AgentError, match=r"a text of the model did not end.*'sixsi'") as caught:
        sgl.agent([add], max_tokens=num_tokens - 1).run("?")
    assert [step.result for step in caught.value.steps] == [3]
    script()
    with pytest.raises(sgl.AgentError, match="a call of a tool did not end"):
        sgl.agent([add], max_tokens=12).run("?")
    script()
    with pytest.raises(sgl.AgentError, match="no answer within max_tokens=4"):
        sgl.agent([add], max_tokens=4).run("?")
    script()
    with pytest.raises(sgl.AgentError, match="max_new_tokens"):
        sgl.agent([add]).run("?", max_new_tokens=12)


def test_solve_inside_a_program(backend: ScriptedBackend) -> None:
    helper = sgl.agent([add], system="Be kind.")

    @sgl.function
    def program(s):
        first = helper.solve(s, "one?")
        second = helper.solve(s, "two?")
        s += sgl.user("Compare.") + sgl.assistant(sgl.gen("final"))
        return first.answer, second.answer

    backend.answers = {"thought": ["<tool_call>", "", "A1", "A2"], "tool_call": [call("add", a=1, b=1)]}
    state = program.run(temperature=0.5)
    assert state.ret_value == ("A1", "A2")
    assert [m["role"] for m in state.messages()].count("system") == 1
    assert {gen.params.temperature for gen in backend.gens()} == {0.5}
    assert sum(isinstance(op, DeclareTools) for op in backend.operations) == 1


def test_asolve_inside_an_async_program(backend: ScriptedBackend) -> None:
    helper = sgl.agent([add])

    @sgl.function
    async def program(s):
        first = await helper.asolve(s, "one?")
        second = await helper.asolve(s, f"more than {first.answer}?")
        return second.answer

    backend.answers = {"thought": ["A1", "<tool_call>", "", "A2"], "tool_call": [call("add", a=1, b=1)]}
    assert asyncio.run(program.arun()).ret_value == "A2"


def test_solve_in_a_streaming_program(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        return sgl.agent([add]).solve(s, "one?").answer

    backend.answers = {"thought": ["<tool_call>", "", "A1"], "tool_call": [call("add", a=1, b=1)]}
    state = program.run(stream=True)
    assert "".join(state.text_iter()).endswith("A1<|im_end|>\n")
    assert state.ret_value == "A1"


def test_arun_on_the_callers_loop(backend: ScriptedBackend) -> None:
    loops = []

    async def look() -> str:
        loops.append(asyncio.get_running_loop())
        return "seen"

    async def main() -> None:
        result = await sgl.agent([look]).arun("?", seed=7)
        assert [step.result for step in result.steps] == ["seen"]
        assert loops == [asyncio.get_running_loop()]

    backend.answers = {"thought": ["<tool_call>", "", "Ok."], "tool_call": call("look")}
    asyncio.run(main())
    assert backend.opened == [(7, "")]


def test_tools_come_before_the_first_turn(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        s += sgl.user("hi")
        sgl.agent([add]).solve(s, "?")

    with pytest.raises(sgl.StateError, match="before the first turn"):
        program.run()


def test_a_failing_model_is_a_program_error(backend: ScriptedBackend) -> None:
    backend.failures = {"thought": ScriptedFailure("no")}
    with pytest.raises(sgl.ProgramError, match=r"program 'agent', operation 5 .gen 'thought'.*no"):
        sgl.agent([add]).run("?")


def test_wrong_agents() -> None:
    with pytest.raises(sgl.InvalidArgument, match="at least one tool"):
        sgl.agent([])
    with pytest.raises(sgl.InvalidArgument, match="tools: expected a list of functions"):
        sgl.agent(tools=None)
    with pytest.raises(sgl.InvalidArgument, match="names that differ"):
        sgl.agent([add, add])
    for wrong in ({"max_steps": 0}, {"max_steps": None}, {"max_tokens": 0}, {"tool_timeout": 0}, {"approve": 3}):
        with pytest.raises(sgl.InvalidArgument, match=next(iter(wrong))):
            sgl.agent([add], **wrong)
    with pytest.raises(sgl.InvalidArgument, match="history"):
        sgl.agent([add]).run("?", history="[]")
    with pytest.raises(sgl.UnsupportedTool):
        sgl.agent([lambda x: x])
    with pytest.raises(sgl.InvalidArgument, match="stream"):
        sgl.agent([add]).run("?", stream=True)


@pytest.mark.parametrize("question", [None, 5, "", "  "])
def test_a_question_is_text(backend: ScriptedBackend, question: object) -> None:
    with pytest.raises(sgl.InvalidArgument, match="question: expected a question as text"):
        sgl.agent(tools=[add]).run(question)  # type: ignore[arg-type]  # that is the point


def test_a_call_that_is_required_comes_first(backend: ScriptedBackend) -> None:
    backend.answers = {
        "thought": ["", "<tool_call>", "", "7"],
        "tool_call": [call("add", a=1, b=2), call("add", a=3, b=4)],
    }
    result = sgl.agent([add], tool_choice="required").run("?")
    assert [step.result for step in result.steps] == [3, 7]
    assert [gen.name for gen in backend.gens()] == [
        "tool_call",
        "thought",
        "thought",
        "tool_call",
        "thought",
        "thought",
    ]
    assert result.messages[1]["content"].startswith("<tool_call>")
    with pytest.raises(sgl.InvalidArgument, match="tool_choice: expected 'auto' or 'required'"):
        sgl.agent([add], tool_choice="none")  # type: ignore[call-overload]


def test_one_call_a_turn(backend: ScriptedBackend) -> None:
    backend.answers = {
        "thought": ["<tool_call>", "<tool_call>", "7"],
        "tool_call": [call("add", a=1, b=2), call("add", a=3, b=4)],
    }
    result = sgl.agent([add], parallel=False).run("?")
    assert [message["role"] for message in result.messages] == [
        "user",
        "assistant",
        "tool",
        "assistant",
        "tool",
        "assistant",
    ]
    assert result.answer == "7"
    with pytest.raises(sgl.InvalidArgument, match="parallel: expected True or False"):
        sgl.agent([add], parallel=1)  # type: ignore[call-overload]
