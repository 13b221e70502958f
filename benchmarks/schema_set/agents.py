"""What agents write: calls, plans, judgements, messages to each other."""

from .parts import (
    BOOLEAN,
    INTEGER,
    NUMBER,
    STRING,
    URI,
    UUID,
    Schema,
    array,
    described,
    either,
    matching,
    nullable,
    one_of_words,
    open_record,
    pair_of,
    real,
    record,
    ref,
    table_of,
    tagged,
    text,
    whole,
    with_definitions,
)


def call(**tools: Schema) -> Schema:
    """A tool call: the name decides what the arguments are."""
    return {"anyOf": [record({"name": {"const": name}, "arguments": arguments}) for name, arguments in tools.items()]}


SCHEMAS: dict[str, Schema] = {
    "call_weather": call(get_weather=record({"city": STRING, "unit?": one_of_words("celsius", "fahrenheit")})),
    "call_calculator": call(
        add=record({"a": NUMBER, "b": NUMBER}),
        subtract=record({"a": NUMBER, "b": NUMBER}),
        multiply=record({"a": NUMBER, "b": NUMBER}),
        divide=record({"a": NUMBER, "b": NUMBER}),
    ),
    "call_files": call(
        read_file=record({"path": text(1), "offset?": whole(0), "limit?": whole(1, 5000)}),
        write_file=record({"path": text(1), "content": STRING}),
        list_files=record({"path": text(1), "recursive?": BOOLEAN}),
        search_files=record({"pattern": STRING, "include?": array(STRING), "case_sensitive?": BOOLEAN}),
        edit_file=record({"path": text(1), "edits": array(record({"old": STRING, "new": STRING}), 1)}),
        run_command=record({"command": STRING, "timeout_s?": whole(1, 600)}),
    ),
    "call_browser": call(
        open_page=record({"url": URI}),
        click=record({"selector": STRING}),
        fill=record({"selector": STRING, "value": STRING}),
        scroll=record({"direction": one_of_words("up", "down"), "amount": whole(1, 10)}),
        screenshot=record({}),
    ),
    "call_calendar": call(
        create_event=record(
            {
                "title": STRING,
                "start": {"type": "string", "format": "date-time"},
                "end": {"type": "string", "format": "date-time"},
                "attendees?": array({"type": "string", "format": "email"}),
                "repeat?": one_of_words("daily", "weekly", "monthly"),
            }
        ),
        find_events=record({"from": {"type": "string", "format": "date"}, "to": {"type": "string", "format": "date"}}),
        delete_event=record({"id": UUID}),
    ),
    "call_sql": call(
        query=record({"table": STRING, "columns": array(STRING, 1), "limit?": whole(1, 1000)}),
        count=record({"table": STRING, "where?": table_of(either(STRING, NUMBER, BOOLEAN))}),
    ),
    "calls": array(call(search=record({"query": text(1, 200)}), fetch=record({"url": URI, "as_text": BOOLEAN})), 1, 5),
    "thought_and_action": record(
        {"thought": STRING, "action": one_of_words("search", "lookup", "finish"), "input": STRING}
    ),
    "chain_of_thought": record(
        {"steps": array(record({"explanation": STRING, "result": STRING}), 1), "final_answer": STRING}
    ),
    "plan": record(
        {
            "goal": STRING,
            "steps": array(record({"id": whole(1, 99), "task": STRING, "depends_on": array(whole(1, 99))}), 1, 20),
        }
    ),
    "task_tree": with_definitions(
        ref("task"), task=record({"title": STRING, "done": BOOLEAN, "subtasks?": array(ref("task"))})
    ),
    "verdict": record({"winner": one_of_words("A", "B", "tie"), "reason": text(10, 600)}),
    "rubric": record(
        {
            "scores": record({name: whole(1, 10) for name in ("accuracy", "depth", "clarity", "tone", "safety")}),
            "total": whole(5, 50),
            "is_acceptable": BOOLEAN,
        }
    ),
    "moderation": record(
        {
            "flagged": BOOLEAN,
            "categories": record(
                dict.fromkeys(("hate", "harassment", "self_harm", "sexual", "violence", "spam"), BOOLEAN)
            ),
            "scores": record(
                {name: real(0, 1) for name in ("hate", "harassment", "self_harm", "sexual", "violence", "spam")}
            ),
        }
    ),
    "route": record({"department": one_of_words("sales", "support", "billing", "legal"), "urgent": BOOLEAN}),
    "classify_many": record({"labels": array(one_of_words("a", "b", "c", "d", "e"), 1, 3, uniqueItems=True)}),
    "multiple_choice": record({"answer": one_of_words("A", "B", "C", "D"), "probability": real(0, 1)}),
    "quiz": record(
        {
            "questions": array(
                record(
                    {
                        "question": STRING,
                        "options": array(STRING, 4, 4),
                        "correct": whole(0, 3),
                        "explanation?": STRING,
                    }
                ),
                1,
                10,
            )
        }
    ),
    "flashcards": array(record({"front": text(1, 200), "back": text(1, 400), "tags?": array(STRING)}), 1),
    "summary": record({"title": text(1, 80), "bullets": array(text(1, 160), 3, 5), "tone": STRING}),
    "outline": with_definitions(
        record({"title": STRING, "sections": array(ref("section"), 1)}),
        section=record({"heading": STRING, "points": array(STRING), "sections?": array(ref("section"))}),
    ),
    "translation": record({"source": matching("^[a-z]{2}$"), "target": matching("^[a-z]{2}$"), "text": STRING}),
    "translations": table_of(STRING, propertyNames={"pattern": "^[a-z]{2}(-[A-Z]{2})?$"}),
    "search_queries": record({"queries": array(text(3, 100), 1, 5), "language?": matching("^[a-z]{2}$")}),
    "retrieval_answer": record(
        {
            "answer": STRING,
            "citations": array(record({"document": whole(1), "quote": text(high=300)})),
            "is_answerable": BOOLEAN,
        }
    ),
    "chat_message": record(
        {
            "role": one_of_words("system", "user", "assistant", "tool"),
            "content": either(
                STRING,
                array(
                    tagged(
                        "type",
                        text={"text": STRING},
                        image_url={"image_url": record({"url": URI, "detail?": one_of_words("auto", "low", "high")})},
                    )
                ),
            ),
            "name?": STRING,
        }
    ),
    "chat_history": with_definitions(
        array(ref("message"), 1),
        message=record({"role": one_of_words("user", "assistant"), "content": STRING, "at?": whole(0)}),
    ),
    "agent_to_agent": tagged(
        "kind",
        request={"id": UUID, "task": STRING, "payload?": table_of(STRING)},
        response={"id": UUID, "ok": BOOLEAN, "result?": STRING},
        error={"id": UUID, "code": whole(100, 599), "message": STRING},
        heartbeat={},
    ),
    "memory_update": record(
        {
            "add": array(record({"key": STRING, "fact": STRING, "importance": whole(1, 5)})),
            "forget": array(STRING),
        }
    ),
    "game_move": tagged(
        "move",
        walk={"to": pair_of(whole(0, 63), whole(0, 63))},
        attack={"target": STRING, "weapon": one_of_words("sword", "bow", "spell")},
        talk={"npc": STRING, "line": text(1, 140)},
        wait={},
    ),
    "code_review": record(
        {
            "comments": array(
                record(
                    {
                        "file": STRING,
                        "line": whole(1),
                        "severity": one_of_words("nit", "minor", "major", "blocker"),
                        "comment": STRING,
                        "suggestion?": STRING,
                    }
                )
            ),
            "approve": BOOLEAN,
        }
    ),
    "test_cases": array(
        record({"name": matching("^test_[a-z0-9_]+$"), "given": STRING, "expected": STRING, "is_edge_case": BOOLEAN}), 1
    ),
    "commit_message": record(
        {
            "type": one_of_words("feat", "fix", "docs", "refactor", "test", "chore"),
            "scope?": matching("^[a-z-]+$"),
            "subject": text(1, 72),
            "body?": STRING,
            "breaking": BOOLEAN,
        }
    ),
    "expression_tree": with_definitions(
        ref("expression"),
        expression=either(
            NUMBER,
            record({"op": one_of_words("+", "-", "*", "/"), "left": ref("expression"), "right": ref("expression")}),
        ),
    ),
    "logic_formula": with_definitions(
        ref("formula"),
        formula=either(
            record({"var": matching("^[a-z]$")}),
            record({"not": ref("formula")}),
            record({"and": array(ref("formula"), 2)}),
            record({"or": array(ref("formula"), 2)}),
        ),
    ),
    "decision_tree": with_definitions(
        ref("node"),
        node={
            "oneOf": [
                record({"leaf": STRING}),
                record({"question": STRING, "yes": ref("node"), "no": ref("node")}),
            ]
        },
    ),
    "confidence_interval": record(
        {"estimate": NUMBER, "low": NUMBER, "high": NUMBER, "level": one_of_words(0.9, 0.95)}
    ),
    "vote": open_record({"choice": whole(1, 5), "second?": nullable(INTEGER)}, description="A ranked vote."),
    "handoff": record(
        {"to": one_of_words("researcher", "writer", "critic"), "brief": described(STRING, "What to do.")}
    ),
}
