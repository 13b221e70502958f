import json
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palmette.lang.ir import Tool
from palmette.runtime.errors import ChatTemplateError
from palmette.runtime.text.chat_template import ChatTemplate

CHATML = """\
{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"""

# A system prompt of its own, tools in the system turn, tool answers grouped in a user turn.
QWEN = """\
{%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- if messages[0]['role'] == 'system' %}
        {{- messages[0]['content'] }}
    {%- else %}
        {{- 'You are a helpful assistant.' }}
    {%- endif %}
    {{- "\n\n# Tools\n<tools>" }}
    {%- for tool in tools %}
        {{- "\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\n</tools><|im_end|>\n" }}
{%- elif messages[0]['role'] == 'system' %}
    {{- '<|im_start|>system\n' + messages[0]['content'] + '<|im_end|>\n' }}
{%- else %}
    {{- '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if message.role in ('user', 'assistant') or (message.role == 'system' and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
    {%- elif message.role == 'tool' %}
        {%- if loop.first or messages[loop.index0 - 1].role != 'tool' %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\n<tool_response>\n' + message.content + '\n</tool_response>' }}
        {%- if loop.last or messages[loop.index0 + 1].role != 'tool' %}
            {{- '<|im_end|>\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"""

# The last assistant turn is written unlike those before it.
THINKING = """\
{%- for message in messages %}
    {%- if message.role == 'assistant' and loop.last %}
        {{- '<|im_start|>assistant\n<think>\n\n</think>\n\n' + message.content + '<|im_end|>\n' }}
    {%- else %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
    {%- endif %}
{%- endfor %}"""

LLAMA3 = """\
{{- bos_token }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' }}
    {%- generation %}{{- message['content'] | trim + '<|eot_id|>' }}{%- endgeneration %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
{%- endif %}"""

# The system text goes into the first user turn, and roles must alternate.
MISTRAL = """\
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('roles must alternate user/assistant/user/assistant/...') }}
    {%- endif %}
    {%- if message['role'] == 'user' %}
        {%- if loop.first and system_message is defined %}
            {{- '[INST] <<SYS>>\n' + system_message + '\n<</SYS>>\n\n' + message['content'] + ' [/INST]' }}
        {%- else %}
            {{- '[INST] ' + message['content'] + ' [/INST]' }}
        {%- endif %}
    {%- elif message['role'] == 'assistant' %}
        {{- ' ' + message['content'] + eos_token }}
    {%- else %}
        {{- raise_exception('Only user and assistant roles are supported!') }}
    {%- endif %}
{%- endfor %}"""

SPECIAL = {"bos_token": "<s>", "eos_token": "</s>"}
TOOL = Tool(
    "weather", "Tells the weather <now> & then.", '{"type": "object", "properties": {"città": {"type": "string"}}}'
)
FUNCTION = {
    "type": "function",
    "function": {"name": TOOL.name, "description": TOOL.description, "parameters": json.loads(TOOL.parameters)},
}
CONTENT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Co", "Z")), min_size=1)
FREE_ROLES = st.lists(st.sampled_from(["user", "assistant", "tool"]), min_size=1, max_size=6)


def template(source: str) -> ChatTemplate:
    return ChatTemplate(source, SPECIAL)


def walked(chat: ChatTemplate, messages: list[dict[str, str]], tools: tuple[Tool, ...] = ()) -> str:
    walk = chat.walk()
    if tools:
        walk.declare_tools(tools)
    text = ""
    for message in messages:
        text += walk.begin(message["role"]) + message["content"]
        walk.end(message["role"])
    return text + walk.closing()


def conversation(roles: list[str], data: st.DataObject) -> list[dict[str, str]]:
    return [{"role": role, "content": data.draw(CONTENT)} for role in roles]


@given(FREE_ROLES, st.booleans(), st.sampled_from([CHATML, QWEN, LLAMA3]), st.data())
def test_a_walk_equals_a_whole_render(roles: list[str], has_system: bool, source: str, data: st.DataObject) -> None:
    chat = template(source)
    messages = conversation(["system"] * has_system + roles, data)
    assert walked(chat, messages) == chat.render(messages)


@given(FREE_ROLES, st.booleans(), st.data())
def test_a_walk_with_tools_equals_a_whole_render(roles: list[str], has_system: bool, data: st.DataObject) -> None:
    chat = template(QWEN)
    messages = conversation(["system"] * has_system + roles, data)
    text = walked(chat, messages, (TOOL,))
    assert text == chat.render(messages, [FUNCTION])
    assert '"description": "Tells the weather <now> & then."' in text
    assert "città" in text


@given(st.integers(1, 5), st.booleans(), st.data())
def test_a_system_text_inside_the_user_turn(num_turns: int, has_system: bool, data: st.DataObject) -> None:
    chat = template(MISTRAL)
    messages = conversation(["system"] * has_system + ["user", "assistant"] * num_turns, data)
    assert walked(chat, messages) == chat.render(messages)
    assert walked(chat, messages[:-1]) == chat.render(messages[:-1])


def test_the_pieces_of_a_system_turn_that_cannot_stand_alone() -> None:
    walk = template(MISTRAL).walk()
    assert walk.begin("system") == "<s>[INST] <<SYS>>\n"
    walk.end("system")
    assert walk.closing() == ""
    assert walk.begin("user") == "\n<</SYS>>\n\n"
    walk.end("user")
    assert walk.closing() == " [/INST]"
    assert walk.begin("assistant") == " [/INST] "


def test_grouped_tool_answers() -> None:
    walk = template(QWEN).walk()
    for role in ("user", "assistant"):
        walk.begin(role)
        walk.end(role)
    assert walk.begin("tool") == "<|im_end|>\n<|im_start|>user\n<tool_response>\n"
    walk.end("tool")
    assert walk.closing() == "\n</tool_response><|im_end|>\n"
    assert walk.begin("tool") == "\n</tool_response>\n<tool_response>\n"


def test_an_assistant_turn_begins_as_it_will_stay() -> None:
    walk = template(THINKING).walk()
    walk.begin("user")
    walk.end("user")
    assert walk.begin("assistant") == "<|im_end|>\n<|im_start|>assistant\n"
    walk.end("assistant")
    assert walk.closing() == "<|im_end|>\n"
    assert walk.begin("user") == "<|im_end|>\n<|im_start|>user\n"


def test_a_refused_role_leaves_the_walk_as_it_was() -> None:
    walk = template(MISTRAL).walk()
    walk.begin("user")
    walk.end("user")
    with pytest.raises(ChatTemplateError, match=r"no user turn after user: .*roles must alternate.*as plain text"):
        walk.begin("user")
    assert not walk.is_open
    assert walk.begin("assistant") == " [/INST] "
    with pytest.raises(ChatTemplateError, match="no assistant turn first"):
        template(MISTRAL).walk().begin("assistant")


def test_a_template_that_rewrites_the_past_is_refused() -> None:
    # The number of turns stands at the top.
    counting = "{{ messages | length }}:{% for message in messages %}[{{ message.content }}]{% endfor %}"
    walk = template(counting).walk()
    walk.begin("user")
    walk.end("user")
    with pytest.raises(ChatTemplateError, match="the turns before in another way"):
        walk.begin("assistant")


@pytest.mark.parametrize(
    "source",
    [
        "{% for message in messages %}{{ message.role }}{% endfor %}",
        "{% for message in messages %}{{ message.content + message.content }}{% endfor %}",
        "{% for message in messages | reverse %}{{ message.content }}{% endfor %}",
    ],
    ids=["left out", "repeated", "reordered"],
)
def test_a_template_that_alters_contents_is_refused(source: str) -> None:
    messages = [{"role": role, "content": "x"} for role in ("user", "assistant", "user")]
    with pytest.raises(ChatTemplateError, match=r"leaves out, repeats or reorders|the turns before"):
        walked(template(source), messages)


def test_turns_come_in_pairs() -> None:
    walk = template(CHATML).walk()
    with pytest.raises(ChatTemplateError, match="no turn is open"):
        walk.end("user")
    walk.begin("user")
    assert walk.is_open
    with pytest.raises(ChatTemplateError, match="expected the user turn to end before a tool turn begins"):
        walk.begin("tool")
    with pytest.raises(ChatTemplateError, match="the open turn is user"):
        walk.end("assistant")


def test_tools_need_a_place_and_come_first() -> None:
    with pytest.raises(ChatTemplateError, match="no place for tools"):
        template(CHATML).walk().declare_tools((TOOL,))
    walk = template(QWEN).walk()
    walk.begin("user")
    with pytest.raises(ChatTemplateError, match="before the first role, got them after user"):
        walk.declare_tools((TOOL,))


def test_a_copy_goes_its_own_way() -> None:
    walk = template(CHATML).walk()
    walk.begin("user")
    other = walk.copy()
    walk.end("user")
    assert other.is_open
    other.end("user")
    assert other.begin("tool") == "<|im_end|>\n<|im_start|>tool\n"
    assert walk.begin("assistant") == "<|im_end|>\n<|im_start|>assistant\n"


def test_each_list_of_roles_is_rendered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    chat = template(CHATML)
    messages = [{"role": role, "content": role} for role in ("user", "assistant", "user")]
    expected = walked(chat, messages)
    monkeypatch.setattr(chat, "render", None)
    assert walked(chat, messages) == expected


def test_the_date_is_that_of_the_beginning() -> None:
    days = iter([datetime(2024, 7, 26), datetime(2024, 7, 27), datetime(2024, 7, 28)])
    source = "Today: {{ strftime_now('%d %b %Y') }}. " + CHATML
    chat = ChatTemplate(source, clock=lambda: next(days))
    walk, later = chat.walk(), chat.walk()
    assert walk.begin("user") == "Today: 26 Jul 2024.<|im_start|>user\n"
    assert later.begin("user") == "Today: 27 Jul 2024.<|im_start|>user\n"
    walk.end("user")
    assert walk.begin("assistant") == "<|im_end|>\n<|im_start|>assistant\n"


def test_render_with_a_generation_prompt() -> None:
    text = template(LLAMA3).render([{"role": "user", "content": " hi "}], add_generation_prompt=True)
    assert text == (
        "<s><|start_header_id|>user<|end_header_id|>\n\nhi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
    )


def test_wrong_templates_are_refused() -> None:
    with pytest.raises(ChatTemplateError, match="wrong in line 2: "):
        template("a\n{% if %}")
    with pytest.raises(ChatTemplateError, match=r"cannot write the roles user: .*nowhere"):
        template("{{ nowhere.at_all }}").render([{"role": "user", "content": ""}])
    with pytest.raises(ChatTemplateError, match="cannot write"):
        template("{{ messages.__class__.__mro__[1].__subclasses__() }}").render([])
    with pytest.raises(ChatTemplateError, match="cannot write"):
        template("{{ messages.append(1) }}").render([])


def test_folders(tmp_path: Path) -> None:
    assert ChatTemplate.from_folder(tmp_path) is None
    config = {"eos_token": "</s>", "chat_template": [{"name": "default", "template": "{{ eos_token }}"}]}
    config["chat_template"] += [{"name": "tool_use", "template": "{{ tools | length }}"}]  # type: ignore[operator]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    chat = ChatTemplate.from_folder(tmp_path)
    assert chat is not None
    assert chat.render([]) == "</s>"
    assert chat.render([], [FUNCTION]) == "1"
    (tmp_path / "chat_template.jinja").write_text("a file of its own")
    chat = ChatTemplate.from_folder(tmp_path)
    assert chat is not None
    assert chat.render([]) == "a file of its own"


def test_a_template_that_is_no_jinja_is_refused_when_it_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "chat_template.jinja").write_text("a\n{% for message in messages %}\n{{ message.role }")
    with pytest.raises(ChatTemplateError, match="wrong in line 3: "):
        ChatTemplate.from_folder(tmp_path)
    with pytest.raises(ChatTemplateError, match="wrong in line 1: "):
        ChatTemplate("", tool_source="{% if %}")
