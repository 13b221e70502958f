"""Fields read out of a text: what people ask of a language model most."""

from .parts import (
    BOOLEAN,
    DATE,
    EMAIL,
    INTEGER,
    NUMBER,
    STRING,
    Schema,
    array,
    described,
    either,
    matching,
    nullable,
    one_of_words,
    open_record,
    real,
    record,
    ref,
    table_of,
    tagged,
    text,
    whole,
    with_definitions,
)

SENTIMENT = one_of_words("positive", "neutral", "negative")
MONEY = record({"amount": real(0), "currency": matching("^[A-Z]{3}$")})

SCHEMAS: dict[str, Schema] = {
    "name_only": open_record({"name": STRING}),
    "yes_or_no": open_record({"answer": BOOLEAN}),
    "sentiment": record({"sentiment": SENTIMENT}),
    "sentiment_with_score": record({"sentiment": SENTIMENT, "confidence": real(0, 1)}),
    "person": record({"name": STRING, "age": whole(0, 150), "email?": EMAIL}),
    "person_nullable": record({"name": STRING, "age": nullable(INTEGER), "phone": nullable(STRING)}),
    "people": record({"people": array(record({"name": STRING, "role": STRING}), 1, 20)}),
    "address": record(
        {"street": STRING, "house_number": matching("^[0-9]+[a-z]?$"), "zip": matching("^[0-9]{5}$"), "city": STRING}
    ),
    "address_international": open_record(
        {
            "lines": array(text(1, 80), 1, 4),
            "city": text(1),
            "region?": STRING,
            "postal_code?": matching("^[A-Za-z0-9 -]{3,10}$"),
            "country": matching("^[A-Z]{2}$"),
        },
        title="Address",
    ),
    "contact_card": record(
        {
            "full_name": text(1, 120),
            "emails": array(EMAIL, 0, 5),
            "phones": array(record({"kind": one_of_words("home", "work", "mobile"), "number": STRING})),
            "birthday?": DATE,
            "notes?": STRING,
        }
    ),
    "invoice": record(
        {
            "number": matching("^INV-[0-9]{4,8}$"),
            "date": DATE,
            "seller": STRING,
            "buyer": STRING,
            "lines": array(
                record({"item": STRING, "quantity": whole(1, 10000), "unit_price": real(0), "total": real(0)}), 1
            ),
            "tax_rate": real(0, 1),
            "total": real(0),
        }
    ),
    "receipt": open_record(
        {
            "shop": STRING,
            "date": matching("^[0-9]{4}-[0-9]{2}-[0-9]{2}$"),
            "items": array(open_record({"name": STRING, "price": NUMBER})),
            "paid_with": one_of_words("cash", "card", "voucher"),
        }
    ),
    "event": record(
        {"title": STRING, "day": DATE, "start": matching("^([01][0-9]|2[0-3]):[0-5][0-9]$"), "place": STRING}
    ),
    "events": record(
        {"events": array(record({"title": STRING, "when": STRING, "attendees": array(STRING, high=30)}), high=10)}
    ),
    "recipe": record(
        {
            "title": STRING,
            "servings": whole(1, 24),
            "minutes": whole(1, 1440),
            "ingredients": array(record({"name": STRING, "amount": STRING, "is_optional?": BOOLEAN}), 1),
            "steps": array(text(5), 1),
            "diet?": array(one_of_words("vegan", "vegetarian", "gluten-free", "halal", "kosher")),
        }
    ),
    "product": record(
        {
            "name": STRING,
            "brand?": STRING,
            "price": MONEY,
            "features": array(STRING, high=12),
            "dimensions?": record({"width_cm": real(0), "height_cm": real(0), "depth_cm": real(0)}),
        }
    ),
    "product_variants": with_definitions(
        record({"name": STRING, "variants": array(ref("variant"), 1)}),
        variant=record({"sku": matching("^[A-Z0-9]{6,12}$"), "colour": STRING, "size": ref("size"), "stock": whole(0)}),
        size=either(one_of_words("XS", "S", "M", "L", "XL"), whole(30, 60)),
    ),
    "resume": with_definitions(
        open_record(
            {
                "name": STRING,
                "summary?": STRING,
                "work": array(ref("job")),
                "education": array(ref("study")),
                "skills": array(STRING, 0, 40, uniqueItems=True),
                "languages?": table_of(one_of_words("basic", "good", "fluent", "native")),
            }
        ),
        job=open_record({"company": STRING, "title": STRING, "from": ref("month"), "to?": nullable(ref("month"))}),
        study=open_record({"school": STRING, "degree": STRING, "year?": whole(1900, 2100)}),
        month=matching("^[0-9]{4}-(0[1-9]|1[0-2])$"),
    ),
    "job_posting": open_record(
        {
            "title": text(3, 100),
            "company": STRING,
            "remote": one_of_words("no", "partly", "fully"),
            "salary?": open_record(
                {"low": whole(0), "high": whole(0), "currency": STRING, "per": one_of_words("hour", "year")}
            ),
            "requirements": array(STRING),
        }
    ),
    "flight": record(
        {
            "number": matching("^[A-Z]{2}[0-9]{1,4}$"),
            "from": matching("^[A-Z]{3}$"),
            "to": matching("^[A-Z]{3}$"),
            "departure": {"type": "string", "format": "date-time"},
            "class": one_of_words("economy", "business", "first"),
        }
    ),
    "itinerary": record(
        {
            "traveller": STRING,
            "legs": array(
                tagged(
                    "by",
                    train={"from": STRING, "to": STRING, "seat?": STRING},
                    plane={"from": STRING, "to": STRING, "flight": STRING},
                    car={"km": real(0), "is_rented": BOOLEAN},
                ),
                1,
            ),
        }
    ),
    "medication": record(
        {
            "drug": STRING,
            "dose": record({"value": real(0), "unit": one_of_words("mg", "g", "ml", "IU", "µg")}),
            "times_a_day": whole(1, 12),
            "route": one_of_words("oral", "intravenous", "topical", "inhaled"),
            "as_needed": BOOLEAN,
        }
    ),
    "symptoms": record(
        {"symptoms": array(record({"name": STRING, "severity": whole(1, 10), "since_days?": whole(0)}), 0, 15)}
    ),
    "entities": record(
        {
            "entities": array(
                record(
                    {
                        "text": text(1),
                        "kind": one_of_words("person", "organisation", "place", "date", "money", "other"),
                        "start": whole(0),
                        "end": whole(0),
                    }
                )
            )
        }
    ),
    "triples": {"type": "array", "items": record({"subject": STRING, "relation": STRING, "object": STRING})},
    "key_values": table_of(either(STRING, NUMBER, BOOLEAN)),
    "word_list": array(STRING, 1, 10),
    "number_list": array(NUMBER, 3, 3),
    "contract": record(
        {
            "parties": array(record({"name": STRING, "role": one_of_words("buyer", "seller", "guarantor")}), 2),
            "effective": DATE,
            "term_months": nullable(whole(1, 600)),
            "governing_law": STRING,
            "clauses": array(record({"heading": STRING, "summary": text(high=400)})),
        }
    ),
    "court_case": open_record(
        {
            "docket": matching("^[0-9]{2}-[A-Z]{2}-[0-9]{3,6}$"),
            "plaintiffs": array(STRING, 1),
            "defendants": array(STRING, 1),
            "outcome": one_of_words("granted", "denied", "settled", "dismissed", None),
            "damages?": nullable(real(0)),
        }
    ),
    "paper": open_record(
        {
            "title": STRING,
            "authors": array(open_record({"name": STRING, "orcid?": matching(r"^\d{4}-\d{4}-\d{4}-\d{3}[\dX]$")}), 1),
            "year": whole(1600, 2100),
            "doi?": matching(r"^10\.\d{4,9}/\S+$"),
            "keywords?": array(STRING, high=8),
        }
    ),
    "citation": tagged(
        "kind",
        book={"title": STRING, "publisher": STRING, "isbn?": matching("^[0-9]{13}$")},
        article={"title": STRING, "journal": STRING, "volume?": INTEGER, "pages?": matching("^[0-9]+-[0-9]+$")},
        web={"title": STRING, "url": {"type": "string", "format": "uri"}, "visited": DATE},
    ),
    "bank_statement": record(
        {
            "iban": matching("^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$"),
            "opening": NUMBER,
            "bookings": array(record({"date": DATE, "amount": NUMBER, "text": STRING, "category?": STRING})),
            "closing": NUMBER,
        }
    ),
    "weather_report": record(
        {
            "place": STRING,
            "temperature_c": real(-90, 60),
            "wind": record({"speed_kmh": real(0, 500), "from_degrees": whole(0, 359)}),
            "sky": one_of_words("clear", "cloudy", "overcast", "rain", "snow", "storm", "fog"),
        }
    ),
    "chess_game": record(
        {
            "white": STRING,
            "black": STRING,
            "result": one_of_words("1-0", "0-1", "1/2-1/2", "*"),
            "moves": array(matching("^([KQRBN]?[a-h]?[1-8]?x?[a-h][1-8](=[QRBN])?[+#]?|O-O(-O)?[+#]?)$"), 1),
        }
    ),
    "support_ticket": record(
        {
            "subject": text(1, 120),
            "product": one_of_words("app", "website", "billing", "other"),
            "priority": whole(1, 4),
            "steps_to_reproduce?": array(STRING),
            "expected?": STRING,
            "actual?": STRING,
        },
        title="Ticket",
    ),
    "survey_answers": record(
        {
            "age_group": one_of_words("<18", "18-29", "30-49", "50+"),
            "ratings": record({name: whole(1, 5) for name in ("price", "quality", "service", "delivery", "website")}),
            "comment": described(text(high=500), "What the customer said, shortened."),
        }
    ),
}
