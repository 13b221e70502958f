"""chat_messages: the items of a conversation as the messages of a chat, which the model's template writes."""

from collections.abc import Sequence

from ..chat_types import (
    AssistantMessage,
    CalledCustom,
    CalledFunction,
    CustomCall,
    DeveloperMessage,
    FunctionCall,
    Message,
    SystemMessage,
    ToolMessage,
    UserMessage,
)
from .conversation import Item
from .input_items import (
    CallOutputInput,
    CustomCallInput,
    FunctionCallInput,
    InputText,
    MessageInput,
    ReasoningInput,
    RefusalInput,
    TextPart,
)
from .item_reader import typed_item


def chat_messages(instructions: str | None, items: Sequence[Item]) -> list[Message]:
    """One message for each turn: thoughts, text and calls that follow each other are one turn of the assistant.

    reasoning, message, function_call, function_call, function_call_output, message
    `------------ assistant ------------------------'  `------ tool -----'  `assistant
    """
    messages: list[Message] = [] if not instructions else [SystemMessage(content=instructions)]
    turn: AssistantMessage | None = None
    for item in items:
        match typed_item(item):
            case ReasoningInput() as thoughts:
                turn = _new_turn(messages)
                text = "".join(part.text for part in thoughts.content or ())
                turn.reasoning_content = text or None
            case MessageInput(role="assistant") as said:
                if turn is None or turn.content is not None or turn.tool_calls is not None:
                    turn = _new_turn(messages)
                turn.content = _text(said.content)
            case FunctionCallInput() | CustomCallInput() as call:
                turn = turn or _new_turn(messages)
                turn.tool_calls = [*(turn.tool_calls or ()), _call(call)]
            case CallOutputInput() as output:
                turn = None
                messages.append(ToolMessage(content=_text(output.output), tool_call_id=output.call_id))
            case MessageInput(role=role, content=content):
                turn = None
                messages.append(_MESSAGES[role](content=_text(content)))
    return [message for message in messages if not _is_empty(message)]


_MESSAGES: dict[str, type[UserMessage] | type[SystemMessage] | type[DeveloperMessage]] = {
    "user": UserMessage,
    "system": SystemMessage,
    "developer": DeveloperMessage,
}


def _new_turn(messages: list[Message]) -> AssistantMessage:
    turn = AssistantMessage()
    messages.append(turn)
    return turn


def _is_empty(message: Message) -> bool:
    """Of an assistant's turn: thoughts alone are none."""
    return isinstance(message, AssistantMessage) and message.content is None and message.tool_calls is None


def _call(call: FunctionCallInput | CustomCallInput) -> FunctionCall | CustomCall:
    if isinstance(call, FunctionCallInput):
        return FunctionCall(id=call.call_id, function=CalledFunction(name=call.name, arguments=call.arguments))
    return CustomCall(id=call.call_id, custom=CalledCustom(name=call.name, input=call.input))


def _text(content: str | Sequence[TextPart] | Sequence[InputText]) -> str:
    """Parts one after the other, as if they were one."""
    if isinstance(content, str):
        return content
    return "".join(part.refusal if isinstance(part, RefusalInput) else part.text for part in content)
