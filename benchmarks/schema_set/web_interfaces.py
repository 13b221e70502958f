"""Bodies of requests and answers of web interfaces."""

from .parts import (
    BOOLEAN,
    EMAIL,
    INTEGER,
    NULL,
    NUMBER,
    STRING,
    TIME,
    URI,
    UUID,
    Schema,
    array,
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

POSITION = pair_of(real(-180, 180), real(-90, 90))

SCHEMAS: dict[str, Schema] = {
    "user": open_record({"id": INTEGER, "login": matching("^[a-z0-9-]{1,39}$"), "email?": nullable(EMAIL)}),
    "user_sign_up": record({"email": EMAIL, "password": text(8, 72), "accepts_terms": {"const": True}}),
    "user_page": record(
        {"items": array(open_record({"id": UUID, "name": STRING})), "next": nullable(STRING), "total": whole(0)}
    ),
    "log_in": {
        "oneOf": [
            record({"email": EMAIL, "password": STRING}),
            record({"token": matching("^[A-Za-z0-9_-]{20,64}$")}),
        ]
    },
    "error_answer": record({"error": record({"code": STRING, "message": STRING, "details?": array(table_of(STRING))})}),
    "problem_details": open_record(
        {"type": URI, "title": STRING, "status": whole(100, 599), "detail?": STRING, "instance?": URI}
    ),
    "validation_errors": record(
        {"errors": array(record({"loc": array(either(STRING, INTEGER)), "msg": STRING, "type": STRING}))}
    ),
    "json_rpc_request": record(
        {
            "jsonrpc": {"const": "2.0"},
            "method": STRING,
            "params?": either(array({}), table_of({})),
            "id?": either(STRING, INTEGER, NULL),
        }
    ),
    "json_rpc_answer": {
        "oneOf": [
            record({"jsonrpc": {"const": "2.0"}, "result": {}, "id": either(STRING, INTEGER)}),
            record(
                {
                    "jsonrpc": {"const": "2.0"},
                    "error": record({"code": INTEGER, "message": STRING}),
                    "id": either(STRING, INTEGER, NULL),
                }
            ),
        ]
    },
    "json_patch": array(
        tagged(
            "op",
            add={"path": matching("^(/.*)?$"), "value": {}},
            remove={"path": matching("^(/.*)?$")},
            replace={"path": matching("^(/.*)?$"), "value": {}},
            move={"from": matching("^(/.*)?$"), "path": matching("^(/.*)?$")},
            copy={"from": matching("^(/.*)?$"), "path": matching("^(/.*)?$")},
            test={"path": matching("^(/.*)?$"), "value": {}},
        )
    ),
    "graphql_request": open_record({"query": STRING, "variables?": table_of({}), "operationName?": nullable(STRING)}),
    "web_hook": tagged(
        "event",
        push={"branch": STRING, "commits": array(open_record({"id": matching("^[0-9a-f]{40}$"), "message": STRING}))},
        issue_opened={"number": whole(1), "title": STRING, "labels": array(STRING)},
        release={"tag": matching(r"^v[0-9]+\.[0-9]+\.[0-9]+$"), "notes?": STRING, "is_draft": BOOLEAN},
    ),
    "issue": open_record(
        {
            "number": whole(1),
            "title": text(1, 256),
            "state": one_of_words("open", "closed"),
            "labels": array(open_record({"name": STRING, "color": matching("^[0-9a-f]{6}$")})),
            "assignee": nullable(open_record({"login": STRING})),
            "comments": whole(0),
            "created_at": TIME,
            "closed_at": nullable(TIME),
            "body?": nullable(STRING),
        }
    ),
    "pull_request": open_record(
        {
            "title": STRING,
            "head": STRING,
            "base": STRING,
            "draft?": BOOLEAN,
            "reviewers?": array(STRING, high=15, uniqueItems=True),
            "merge": one_of_words("merge", "squash", "rebase"),
        }
    ),
    "order": record(
        {
            "id": UUID,
            "customer": record({"id": UUID, "email": EMAIL}),
            "lines": array(record({"sku": STRING, "quantity": whole(1, 99), "price_cents": whole(0)}), 1, 100),
            "coupon?": matching("^[A-Z0-9]{4,12}$"),
            "status": one_of_words("new", "paid", "shipped", "delivered", "cancelled"),
            "placed_at": TIME,
        }
    ),
    "cart": record(
        {"lines": array(record({"sku": STRING, "quantity": whole(1)})), "currency": one_of_words("EUR", "USD")}
    ),
    "payment": record(
        {
            "amount": whole(1, 99_999_999),
            "currency": matching("^[A-Z]{3}$"),
            "method": tagged(
                "type",
                card={"number": matching("^[0-9]{12,19}$"), "expiry": matching("^(0[1-9]|1[0-2])/[0-9]{2}$")},
                sepa={"iban": matching("^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$"), "name": STRING},
                wallet={"provider": one_of_words("apple", "google", "paypal"), "token": STRING},
            ),
            "metadata?": table_of(text(high=100)),
        }
    ),
    "refund": {
        "type": "object",
        "properties": {"payment": STRING, "amount": whole(1), "reason": STRING, "full": BOOLEAN},
        "required": ["payment"],
        "anyOf": [{"required": ["amount"]}, {"required": ["full"]}],
        "additionalProperties": False,
    },
    "shipment": record(
        {
            "carrier": STRING,
            "tracking": matching("^[A-Z0-9]{8,30}$"),
            "parcels": array(record({"weight_kg": real(0, 70), "size_cm": pair_of(real(0), real(0), real(0))}), 1),
            "insured": BOOLEAN,
        }
    ),
    "subscription": record(
        {
            "plan": one_of_words("free", "pro", "team"),
            "seats": whole(1, 500),
            "billing": one_of_words("monthly", "yearly"),
            "trial_ends?": TIME,
            "add_ons?": array(STRING, uniqueItems=True),
        }
    ),
    "point": record({"type": {"const": "Point"}, "coordinates": POSITION}),
    "geometry": {
        "oneOf": [
            record({"type": {"const": "Point"}, "coordinates": POSITION}),
            record({"type": {"const": "LineString"}, "coordinates": array(POSITION, 2)}),
            record({"type": {"const": "Polygon"}, "coordinates": array(array(POSITION, 4), 1)}),
        ]
    },
    "feature_collection": with_definitions(
        record({"type": {"const": "FeatureCollection"}, "features": array(ref("feature"))}),
        feature=record(
            {
                "type": {"const": "Feature"},
                "geometry": nullable(record({"type": {"const": "Point"}, "coordinates": POSITION})),
                "properties": nullable(table_of({})),
            }
        ),
    ),
    "bounding_box": pair_of(real(-180, 180), real(-90, 90), real(-180, 180), real(-90, 90)),
    "search_answer": open_record(
        {
            "took_ms": whole(0),
            "hits": array(open_record({"id": STRING, "score": NUMBER, "source": table_of({})}), high=50),
            "facets?": table_of(array(open_record({"value": STRING, "count": whole(0)}))),
        }
    ),
    "filter": with_definitions(
        ref("filter"),
        filter=either(
            record({"field": STRING, "op": one_of_words("eq", "ne", "lt", "gt"), "value": either(STRING, NUMBER)}),
            record({"all": array(ref("filter"), 1)}),
            record({"any": array(ref("filter"), 1)}),
        ),
    ),
    "cursor_page": {
        "type": "object",
        "properties": {"data": array({"type": "object"}), "before": nullable(STRING), "after": nullable(STRING)},
        "required": ["data"],
        "minProperties": 2,
    },
    "comment_thread": with_definitions(
        ref("comment"),
        comment=record({"author": STRING, "text": text(1, 2000), "likes": whole(0), "replies": array(ref("comment"))}),
    ),
    "social_post": record(
        {
            "text": text(1, 280),
            "media?": array(record({"url": URI, "alt?": text(high=420)}), high=4),
            "reply_to?": STRING,
            "language?": matching("^[a-z]{2}$"),
            "poll?": record({"options": array(text(1, 25), 2, 4, uniqueItems=True), "minutes": whole(5, 10080)}),
        }
    ),
    "profile_update": {
        "type": "object",
        "properties": {"name": text(1, 50), "bio": text(high=160), "website": URI, "avatar": URI},
        "minProperties": 1,
        "additionalProperties": False,
    },
    "notification_settings": record(
        {name: record({"email": BOOLEAN, "push": BOOLEAN}) for name in ("mentions", "replies", "follows", "digest")}
    ),
    "rate_limits": table_of(record({"limit": whole(0), "remaining": whole(0), "reset": whole(0)})),
    "health": record(
        {
            "status": one_of_words("ok", "degraded", "down"),
            "checks": table_of(one_of_words("ok", "down")),
            "uptime_s": whole(0),
        }
    ),
    "metrics": array(
        record(
            {
                "name": matching("^[a-z_:][a-z0-9_:]*$"),
                "labels?": table_of(STRING),
                "value": NUMBER,
                "at": whole(0),
            }
        )
    ),
    "log_line": open_record(
        {
            "time": TIME,
            "level": one_of_words("debug", "info", "warning", "error"),
            "message": STRING,
            "trace_id?": matching("^[0-9a-f]{32}$"),
        }
    ),
    "trace_span": record(
        {
            "trace_id": matching("^[0-9a-f]{32}$"),
            "span_id": matching("^[0-9a-f]{16}$"),
            "parent?": matching("^[0-9a-f]{16}$"),
            "name": STRING,
            "start_ns": whole(0),
            "end_ns": whole(0),
            "attributes?": table_of(either(STRING, NUMBER, BOOLEAN)),
        }
    ),
    "feature_flag": record(
        {
            "key": matching("^[a-z][a-z0-9-]*$"),
            "enabled": BOOLEAN,
            "rollout": whole(0, 100),
            "rules?": array(record({"attribute": STRING, "in": array(STRING, 1)})),
        }
    ),
    "calendar_rule": {
        "type": "object",
        "properties": {
            "freq": one_of_words("daily", "weekly", "monthly"),
            "count": whole(1, 999),
            "until": {"type": "string", "format": "date"},
            "by_day": array(one_of_words("MO", "TU", "WE", "TH", "FR", "SA", "SU"), 1, uniqueItems=True),
        },
        "required": ["freq"],
        "not": {"required": ["count", "until"]},
        "additionalProperties": False,
    },
    "credit_card_or_invoice": {
        "type": "object",
        "properties": {"name": STRING, "credit_card": matching("^[0-9]{16}$"), "billing_address": STRING},
        "required": ["name"],
        "dependentRequired": {"credit_card": ["billing_address"]},
        "additionalProperties": False,
    },
    "postal_code_by_country": {
        "type": "object",
        "properties": {"country": one_of_words("US", "DE"), "postal_code": STRING},
        "required": ["country", "postal_code"],
        "if": {"properties": {"country": {"const": "US"}}},
        "then": {"properties": {"postal_code": {"pattern": "^[0-9]{5}(-[0-9]{4})?$"}}},
        "else": {"properties": {"postal_code": {"pattern": "^[0-9]{5}$"}}},
        "additionalProperties": False,
    },
}
