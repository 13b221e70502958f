"""Other words for the same request, so that training does not hang on the exact wording of a phrasing."""

import random
import re

SYNONYMS: dict[str, list[str]] = {
    "Extract": ["Find", "Get", "Identify", "Take", "Pull"],
    "extract": ["find", "get", "identify", "take", "pull"],
    "Return": ["Give", "Output", "Send", "Produce"],
    "Give me": ["Show me", "Send me", "I need", "Let me have"],
    "Give": ["Provide", "Show", "State"],
    "text": ["passage", "message", "snippet", "note", "line"],
    "sentence": ["phrase", "line", "words"],
    "Classify": ["Label", "Categorise", "Judge", "Rate", "Tag"],
    "classify": ["label", "categorise", "judge", "tag"],
    "What is": ["What's", "Tell me", "Say"],
    "What are": ["Tell me", "Name"],
    "Which": ["What"],
    "Can you": ["Could you", "Would you", "Will you"],
    "Could you": ["Can you", "Would you"],
    "Answer": ["Reply", "Respond"],
    "answer": ["reply", "respond"],
    "Choose": ["Pick", "Select"],
    "choose": ["pick", "select"],
    "following": ["given", "next"],
    "Please": ["Kindly", "Now"],
    "Write": ["Print", "Put", "Type"],
    "Decide": ["Say", "Judge"],
    "Tell me": ["Say", "Let me know"],
    "I need": ["I want", "I would like"],
    "Calculate": ["Compute", "Work out", "Find"],
    "calculate": ["compute", "work out"],
    "How much is": ["What is", "Give the value of"],
    "Use": ["Take", "Employ"],
    "Find": ["Look for", "Get"],
    "List": ["Name", "Enumerate", "Write down"],
    "Convert": ["Turn", "Change"],
    "Send": ["Write", "Mail"],
    "Look up": ["Check", "Find"],
    "or": ["/", "or else"],
}
_KNOWN = re.compile(r"\b(" + "|".join(sorted(map(re.escape, SYNONYMS), key=len, reverse=True)) + r")\b")


def vary(rng: random.Random, phrasing: str) -> str:
    """The phrasing with one or two of its words replaced; one without known words stays as it is."""
    found = [match for match in _KNOWN.finditer(phrasing) if phrasing[max(0, match.start() - 1)] not in "{_"]
    for match in sorted(rng.sample(found, min(len(found), rng.choice([1, 1, 2]))), key=lambda m: -m.start()):
        phrasing = phrasing[: match.start()] + rng.choice(SYNONYMS[match[1]]) + phrasing[match.end() :]
    return phrasing
