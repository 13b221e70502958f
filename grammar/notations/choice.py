"""A choice among strings, checked before anything is made of it."""

from ..errors import ConstraintTooLarge, InvalidChoice, shorten

MAX_CHOICES = 1_000_000
MAX_CHOICES_LEN = 50_000_000


def check_choices(choices: tuple[str, ...]) -> tuple[str, ...]:
    """`choices`, if they are different strings of text; raises `InvalidChoice` or `ConstraintTooLarge`."""
    if not choices:
        raise InvalidChoice("choices: expected at least one string, got none; give the strings to choose from")
    if len(choices) > MAX_CHOICES:
        raise ConstraintTooLarge("choices", MAX_CHOICES, len(choices))
    seen: set[str] = set()
    num_chars = 0
    for index, choice in enumerate(choices):
        if not isinstance(choice, str):
            raise InvalidChoice(f"choices[{index}]: expected a string, got {shorten(choice)}; convert it with str()")
        if choice in seen:
            raise InvalidChoice(f"choices[{index}]: expected different strings, got {shorten(choice)} twice; drop one")
        seen.add(choice)
        num_chars += len(choice)
        if not choice.isascii() and any(0xD800 <= ord(character) <= 0xDFFF for character in choice):
            raise InvalidChoice(f"choices[{index}]: expected text, got {shorten(choice)}, which holds a lone surrogate")
    if num_chars > MAX_CHOICES_LEN:
        raise ConstraintTooLarge("characters of choices", MAX_CHOICES_LEN, num_chars)
    if choices == ("",):
        raise InvalidChoice("choices: expected something to generate, got only the empty string; give other choices")
    return choices
