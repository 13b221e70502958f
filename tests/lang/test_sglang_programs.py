"""Programs as SGLang's paper and documentation write them, after the import line is changed."""

import asyncio
import json

from scripted_backend import ScriptedBackend

import palmette as sgl
from palmette.grammar.spec import JsonSchema, Regex
from palmette.lang.ir import Gen, Join, Select


def test_multi_turn_question(backend: ScriptedBackend) -> None:
    @sgl.function
    def multi_turn_question(s, question_1, question_2):
        s += sgl.system("You are a helpful assistant.")
        s += sgl.user(question_1)
        s += sgl.assistant(sgl.gen("answer_1", max_tokens=256))
        s += sgl.user(question_2)
        s += sgl.assistant(sgl.gen("answer_2", max_tokens=256))

    backend.answers = {"answer_1": "Washington", "answer_2": "Two landmarks"}
    state = multi_turn_question.run(question_1="Capital?", question_2="List two landmarks.", temperature=0.1)
    assert [(m["role"], m["content"]) for m in state.messages()][1:] == [
        ("user", "Capital?"),
        ("assistant", "Washington"),
        ("user", "List two landmarks."),
        ("assistant", "Two landmarks"),
    ]
    assert state["answer_1"] == "Washington"


def test_tip_suggestion(backend: ScriptedBackend) -> None:
    @sgl.function
    def tip_suggestion(s):
        s += "Here are two tips for staying healthy: 1. Balanced Diet. 2. Regular Exercise.\n\n"
        forks = s.fork(2)
        for i, f in enumerate(forks):
            f += f"Now, expand tip {i + 1} into a paragraph:\n"
            f += sgl.gen("detailed_tip", max_tokens=256, stop="\n\n")
        s += "Tip 1:" + forks[0]["detailed_tip"] + "\n"
        s += "Tip 2:" + forks[1]["detailed_tip"] + "\n"
        s += "In summary" + sgl.gen("summary")

    backend.answers = {"detailed_tip": lambda text: f" about {text[-15:-13]}x\n\nmore"}
    state = tip_suggestion.run()
    assert state.text().endswith("In summary<summary>")
    assert backend.max_in_flight == 3, "both tips, and the text before them"
    assert "more" not in state.text()


def test_parallel_decoding_and_encoding(backend: ScriptedBackend) -> None:
    number = 3

    @sgl.function
    def parallel_decoding(s, topic):
        s += "USER: Give some tips for " + topic + ".\n"
        s += "ASSISTANT: Okay. Here are " + str(number) + " concise tips:\n"
        for i in range(1, 1 + number):
            s += f"{i}." + sgl.gen(max_tokens=16, stop=[".", "\n"]) + ".\n"
        forks = s.fork(number)
        for i in range(number):
            forks[i] += f"Tip {i + 1}:"
            forks[i] += sgl.gen("detailed_tip", 64, stop=["\n\n"])
        forks.join()
        for i in range(number):
            s += f"Tip {i + 1}:" + forks[i]["detailed_tip"] + "\n"
        s += "\nIn summary," + sgl.gen("summary", max_tokens=512)

    state = parallel_decoding.run(topic="staying healthy")
    assert state["detailed_tip"] == ["<detailed_tip>"] * 3
    assert state["summary"] == "<summary>"

    @sgl.function
    def parallel_encoding(s, question):
        s += "USER: I will ask a question based on some statements.\n"
        contexts = ["one", "two", "three"]
        forks = s.fork(len(contexts))
        forks += lambda i: f"Statement {i}: " + contexts[i] + "\n"
        forks.join(mode="concate_and_append")
        s += "Now, please answer: " + question + "\n" + sgl.gen("answer")

    state = parallel_encoding.run("why?")
    assert "Statement 0: one\nStatement 1: two\nStatement 2: three\nNow, please answer: why?" in state.text()
    assert any(isinstance(operation, Join) for operation in backend.operations)


def test_expert_answer(backend: ScriptedBackend) -> None:
    @sgl.function
    def expert_answer(s, question):
        s += "Question: " + question + "\n"
        s += "A good person to answer this question is" + sgl.gen("expert", stop=[".", "\n"]) + ".\n"
        s += "For example, " + s["expert"] + " would answer that " + sgl.gen("answer", stop=".") + "."

    backend.answers = {"expert": " a geographer.", "answer": "Paris is it. Really."}
    state = expert_answer.run(question="What is the capital of France?")
    assert state.text().endswith("For example,  a geographer would answer that Paris is it.")


def test_tool_use(backend: ScriptedBackend) -> None:
    def calculate(expression):
        left, right = expression.split("*")
        return str(int(left) * int(right))

    @sgl.function
    def tool_use(s, lhs, rhs):
        s += "Question: What is the product of " + lhs + " and " + rhs + "?\n"
        s += "Answer: it is calculate(" + sgl.gen("expression", stop=")") + ") = "
        with s.var_scope("answer"):
            s += calculate(s["expression"])

    backend.answers = {"expression": "6*7) = 41"}
    assert tool_use.run("6", "7")["answer"] == "42"


def test_tool_choice_by_select(backend: ScriptedBackend) -> None:
    @sgl.function
    def tool_use(s, question):
        s += "To answer this question: " + question + ". "
        s += "I need to use a " + sgl.gen("tool", choices=["calculator", "search engine"]) + ". "
        if s["tool"] == "calculator":
            s += "The math expression is" + sgl.gen("expression")
        elif s["tool"] == "search engine":
            s += "The key word to search is" + sgl.gen("word")

    backend.answers = {"tool": "search engine"}
    state = tool_use.run("Who?")
    assert "expression" not in state
    assert state["word"] == "<word>"


def test_few_shot_select(backend: ScriptedBackend) -> None:
    @sgl.function
    def few_shot_classification(s, examples, text):
        for example, label in examples:
            s += f"Review: {example}\nSentiment: {label}\n\n"
        s += f"Review: {text}\nSentiment: "
        s += sgl.select("label", choices=["positive", "negative"], choices_method=sgl.token_length_normalized)

    examples = [("Great.", "positive"), ("Awful.", "negative")]
    backend.answers = {"label": lambda text: "positive" if "love" in text else "negative"}
    states = few_shot_classification.run_batch(
        [{"examples": examples, "text": text} for text in ("I love it", "Meh", "love love")], progress_bar=False
    )
    assert [state["label"] for state in states] == ["positive", "negative", "positive"]
    assert {op.method for op in backend.operations if isinstance(op, Select)} == {"token_length_normalized"}


def test_character_regex_and_schema(backend: ScriptedBackend) -> None:
    character_regex = r'\{\n    "name": "[\w\d\s]{1,16}",\n    "house": "(Gryffindor|Slytherin)"\n\}'
    schema = {"type": "object", "properties": {"name": {"type": "string"}, "house": {"enum": ["A", "B"]}}}

    @sgl.function
    def character_gen(s, name):
        s += name + " is a character in Harry Potter. Please fill in the following information.\n"
        s += sgl.gen("json_output", max_tokens=256, regex=character_regex)
        s += sgl.gen("again", json_schema=json.dumps(schema))

    character_gen.run("Harry Potter")
    regex, again = [operation for operation in backend.operations if isinstance(operation, Gen)]
    assert regex.constraint == Regex(character_regex)
    assert again.constraint == JsonSchema(json.dumps(schema))


def test_tree_of_thought(backend: ScriptedBackend) -> None:
    def propose_plan(s, question, num_branches):
        s += sgl.user("Please generate a plan. Question: " + question)
        forks = s.fork(num_branches)
        forks += sgl.assistant(sgl.gen("plan", max_tokens=32, temperature=0.3))
        return forks

    def execute_plan(s, num_branches):
        s += sgl.user("Execute the plan.")
        forks = s.fork(num_branches)
        forks += sgl.assistant(sgl.gen("answer", max_tokens=32))
        return forks

    def reflect_solution(s, num_branches):
        s += sgl.user("Rate the solution.")
        forks = s.fork(num_branches)
        forks += sgl.assistant(sgl.gen("score", choices=["1", "2"]))
        return forks

    @sgl.function
    def tree_search(s, question, num_branches):
        forks_to_join = []
        for plan in propose_plan(s, question, num_branches):
            for answer in execute_plan(plan, num_branches):
                scored = reflect_solution(answer, num_branches)
                forks_to_join.append((answer, scored))
        for answer, scored in forks_to_join:
            scored.join()
            assert answer["score"] == ["1"] * num_branches
            assert answer["plan"] == "<plan>"

    tree_search.run("How?", 2)
    assert len(backend.branches) == 1 + 2 + 4 + 8
    assert backend.max_in_flight == 8, "all that can run at the same time does"


def test_react(backend: ScriptedBackend) -> None:
    @sgl.function
    def react(s, question):
        s += "Question: " + question + "\n"
        for i in range(1, 4):
            s += f"Thought {i}:" + sgl.gen(stop=["Action"])
            s += f"Action {i}:" + sgl.gen("action", stop=["\n"])
            if s["action"] == " Finish":
                break
            s += f"\nObservation {i}: seen\n"

    backend.answers = {"action": [" Search\n", " Finish\n", "never"]}
    assert react.run("?").text().count("Thought") == 2


def test_streaming(backend: ScriptedBackend) -> None:
    @sgl.function
    def text_qa(s, question):
        s += "Q: " + question + "\n"
        s += "A:" + sgl.gen("answer", stop="\n")

    state = text_qa.run(question="What is the capital of France?", temperature=0.1, stream=True)
    out = ""
    for chunk in state.text_iter():
        out += chunk
    assert out == state.text()

    async def main():
        state = text_qa.run(question="?", stream=True)
        return [out async for out in state.text_async_iter(var_name="answer")]

    assert "".join(asyncio.run(main())) == "<answer>"


def test_batching(backend: ScriptedBackend) -> None:
    @sgl.function
    def text_qa(s, question):
        s += "Q: " + question + "\n"
        s += "A:" + sgl.gen("answer", stop="\n")

    states = text_qa.run_batch(
        [{"question": "UK?"}, {"question": "France?"}, {"question": "Japan?"}], progress_bar=False, num_threads=2
    )
    assert [state["answer"] for state in states] == ["<answer>"] * 3
    for state in text_qa.run_batch([{"question": "x"}], generator_style=True):
        assert state["answer"] == "<answer>"


def test_llm_judge(backend: ScriptedBackend) -> None:
    dimensions = ["Clarity", "Originality", "Evidence"]

    @sgl.function
    def multi_dimensional_judge(s, article):
        s += sgl.system("You judge articles.")
        s += sgl.user(article)
        forks = s.fork(len(dimensions))
        for i in range(len(dimensions)):
            forks[i] += sgl.user("Judge by: " + dimensions[i])
            forks[i] += sgl.assistant("Judgement: " + sgl.gen("judgement", max_tokens=96, stop="END"))
        forks.join()
        s += sgl.user("Judgements:\n" + "\n".join(s["judgement"]))
        s += sgl.assistant(sgl.gen("summary"))
        s += sgl.user("Grade?") + sgl.assistant(sgl.select("grade", ["A", "B"]))

    state = multi_dimensional_judge.run("An article.")
    assert len(state["judgement"]) == 3
    assert state["grade"] == "A"
