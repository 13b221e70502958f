"""A byte-level tokenizer of 47 tokens, made for trouble: characters in pieces, blanks that merge, words that nest."""

from dataclasses import replace

from random_operations import Wording

from palmette.grammar.compiler import GrammarCompiler
from palmette.grammar.spec import Choice, Regex
from palmette.grammar.vocabulary import Vocabulary
from palmette.runtime.text.tokenizer import Tokenizer, byte_alphabet

CHARACTERS = "abcdefgh .,!()\n012"
OTHERS = "é日🙂\u0301"
"""A letter of two bytes, one of three, an emoji of four, and an accent that joins the letter before it."""
MERGES = ("a b", "ab c", "Ġ a", "Ġa b", "Ġ b", "c a", "d e", "de f", ". Ċ", "Ã ©", "æ Ĺ", "ð Ł", "e Ì")
SPECIAL = ("<|end|>", "<|turn|>")


def _tiny_tokenizer() -> Tokenizer:
    letters = {byte: letter for letter, byte in byte_alphabet().items()}
    singles = dict.fromkeys(letters[byte] for byte in (CHARACTERS + OTHERS).encode())
    vocab = {token: token_id for token_id, token in enumerate([*singles, *(each.replace(" ", "") for each in MERGES)])}
    added = [
        {"id": len(vocab) + index, "content": content, "special": True, "single_word": False}
        | {"lstrip": False, "rstrip": False, "normalized": False}
        for index, content in enumerate(SPECIAL)
    ]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    source = {
        "version": "1.0",
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": byte_level,
        "model": {"type": "BPE", "vocab": vocab, "merges": list(MERGES)},
    }
    # Padding rows make the last word of the bitmask a partial one.
    return Tokenizer(source, eos_token_ids=(len(vocab),), vocab_size=47)


TOKENIZER = _tiny_tokenizer()
VOCAB_SIZE = TOKENIZER.vocab_size
COMPILER = GrammarCompiler(Vocabulary(TOKENIZER.token_bytes, frozenset(TOKENIZER.eos_token_ids)))

FAULTY_CONSTRAINTS = (Regex("[c-h]{2,6}"), Regex("(ab|cd){1,3}!"))
"""Matchers of these fail on their way, where a run has matchers fail."""

WORDING = Wording(
    token_ids=(0, 1, 2),
    texts=("ab", " a", "b", "abc.\n", "é", " 日", "🙂", "e\u0301", "", "def (", "<|end|>"),
    choices=((" a", " ab", " b"), ("abc", "b"), ("d", "de", "def", "déf"), ("日", "🙂")),
    scored=("abc", " a b", "é"),
    constraints=(Regex("[a-d]{1,4}"), Regex("(ab|é|日){1,3}"), Choice(("abc", "abd", "🙂")), Regex("a*\\.")),
    stops=("a", "b", "é", ". ", "c\n", "ab", "!"),
    stop_regexes=("[ab]c", "\\([a-c ]", "(de|日)+"),
    stop_token_ids=(3, 9, 20),
    max_new_tokens=10,
    long_new_tokens=40,
)

HEALING_WORDING = replace(
    WORDING,
    texts=(*WORDING.texts, "a", " ", ".", "d", "ca b "),
    constraints=(
        *WORDING.constraints,
        Regex("bc?[ae \n]{0,6}"),
        Regex("[abce \n]{0,6}"),
        Choice(("b", "bc", "ef", "\n")),
    ),
    prompt_percent=70,
    prompt_end="a",
    healing_percent=80,
)
"""Texts that end where a token could go on."""
