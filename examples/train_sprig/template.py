"""Renders samples with sprig's own chat template, in the sandbox and with the `tojson` that transformers uses."""

import functools
import json
from pathlib import Path

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment
from sample import Message, Sample, Tool

MODELS = Path(__file__).resolve().parents[2] / "runtime" / "models"
TEMPLATE = MODELS / "sprig" / "chat_template.jinja"


@functools.cache
def _compiled() -> jinja2.Template:
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8"))


def render_chat(
    messages: tuple[Message, ...], tools: tuple[Tool, ...] = (), add_generation_prompt: bool = False
) -> str:
    return _compiled().render(messages=messages, tools=list(tools) or None, add_generation_prompt=add_generation_prompt)


def render(sample: Sample) -> str:
    """The text the model is trained on."""
    if sample.messages:
        return render_chat(sample.messages, sample.tools)
    return sample.prompt + sample.answer + "\n"


def prompt_and_answer(sample: Sample) -> tuple[str, str]:
    """What a test gives the model, and what it should write before it stops."""
    if not sample.messages:
        return sample.prompt, sample.answer
    turn = len(sample.messages) - 1 if sample.judged_turn is None else sample.judged_turn
    prompt = render_chat(sample.messages[:turn], sample.tools, add_generation_prompt=True)
    whole = render_chat(sample.messages[: turn + 1], sample.tools)
    assert whole.startswith(prompt), (prompt, whole)
    return prompt, whole[len(prompt) :].removesuffix("<|im_end|>\n")
