"""What ran, to look at: a page with a timeline, the same as data, and the run again from that."""

import tempfile
from pathlib import Path

import palmette as pm
from palmette.lang.traces.record import Record
from palmette.lang.traces.replay import differences, replay

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer"},
        "badge": {"pattern": "^[A-Z]{2}-[0-9]{2}$", "type": "string"},
    },
    "required": ["name", "age", "badge"],
    "additionalProperties": False,
}


@pm.function
def interview(s, text):
    s += pm.user(f"Extract name and age from this text: {text}")
    with s.assistant():
        s += pm.gen("person", json_schema=PERSON, max_tokens=60, temperature=0, return_logprob=True)
    with s.fork(3) as branches:
        for branch, wish in zip(branches, ("capital", "currency", "language"), strict=True):
            branch += pm.user(f"What is the {wish} of France?")
            branch += pm.assistant(pm.gen("fact", max_tokens=16, temperature=0.3, return_logprob=True))
    s += pm.user("Is the sentiment of this review positive or negative? The food was great.")
    with s.assistant():
        s += pm.select("sentiment", ["positive", "negative"])


def main() -> None:
    with pm.Engine() as engine, tempfile.TemporaryDirectory() as folder:
        record = interview.run("Ann is 30 years old.", backend=engine, seed=1).trace()
        page, lines = Path(folder, "interview.html"), Path(folder, "interview.jsonl")
        record.save(page)
        record.save(lines)
        print(f"page: {page.stat().st_size // 1000} kB, one file; lines: {len(lines.read_text().splitlines())}")
        for _, operation in record.operations():
            for sample in operation.samples:
                forced = f", {len(sample.forced)} of them forced" if sample.forced else ""
                cached = f", {sample.cached_tokens} of {sample.prompt_tokens} cached before"
                print(f"  {operation.variable}: {len(sample.token_ids)} tokens{forced}{cached}")
        engine.flush_cache()
        found = differences(record, replay(Record.load(lines), engine))
        print("run again from the lines:", "the same tokens" if not found else found[0])


if __name__ == "__main__":  # `palmette run examples/trace.py:interview` wants the program alone
    main()
