"""The twenty extractions of the speculation benchmark: schemas as one meets them, with two texts for each."""

from dataclasses import dataclass
from typing import Any

_Field = dict[str, Any]

_TEXT: _Field = {"type": "string", "maxLength": 32}
_COUNT: _Field = {"type": "integer", "minimum": 0, "maximum": 99999}
_AMOUNT: _Field = {"type": "number", "minimum": 0, "maximum": 99999}
_YES_OR_NO: _Field = {"type": "boolean"}
_DATE: _Field = {"type": "string", "pattern": "^20[0-9]{2}-[01][0-9]-[0-3][0-9]$"}


@dataclass(frozen=True)
class Extraction:
    """What is to be found in texts of one kind."""

    kind: str
    schema: dict[str, Any]
    texts: tuple[str, str]


def _one_of(*values: str) -> _Field:
    return {"enum": list(values)}


def _list(item: _Field, num_items: int) -> _Field:
    return {"type": "array", "items": item, "minItems": 1, "maxItems": num_items}


def _record(**fields: _Field) -> _Field:
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


EXTRACTIONS: tuple[Extraction, ...] = (
    Extraction(
        "person",
        _record(name=_TEXT, age=_COUNT, city=_TEXT),
        ("Mira Tolven is 34 years old and lives in Oslo.", "In Lisbon we met Daro Kesting, who is 61."),
    ),
    Extraction(
        "town",
        _record(name=_TEXT, country=_TEXT, num_inhabitants=_COUNT, is_port=_YES_OR_NO),
        (
            "Velmar in Norway has 41000 inhabitants and a port.",
            "Tessin, in Austria, far from the sea, has 3200 people.",
        ),
    ),
    Extraction(
        "order",
        _record(order_number=_COUNT, customer=_TEXT, item=_TEXT, quantity=_COUNT, is_paid=_YES_OR_NO),
        ("Order 4711: Elin Varga, 3 lamps, paid.", "Order 815 of Tobin Marsh is for 12 chairs; he has not paid yet."),
    ),
    Extraction(
        "invoice",
        _record(number=_COUNT, issuer=_TEXT, amount=_AMOUNT, currency=_one_of("EUR", "USD", "GBP"), due_date=_DATE),
        ("Invoice 203 of Marosa Ltd., 120 EUR, due 2025-03-01.", "Kelburn sends invoice 88: 45 USD by 2024-12-24."),
    ),
    Extraction(
        "meeting",
        _record(title=_TEXT, date=_DATE, room=_TEXT, num_people=_COUNT),
        ("The budget review is on 2025-05-02 in room Blue, for 8 people.", "Kick-off 2025-01-15, room Elm, 20 guests."),
    ),
    Extraction(
        "product",
        _record(product_name=_TEXT, colour=_TEXT, price=_AMOUNT, is_in_stock=_YES_OR_NO),
        ("The red kettle costs 31 dollars and is in stock.", "A brown carpet for 240 dollars, sold out at present."),
    ),
    Extraction(
        "review",
        _record(sentiment=_one_of("positive", "negative", "neutral"), stars=_COUNT, topic=_TEXT),
        ("The soup was the best in years, five stars!", "Two stars: the room was cold and nobody was sorry."),
    ),
    Extraction(
        "flight",
        _record(flight_number=_TEXT, departure_city=_TEXT, arrival_city=_TEXT, departure_date=_DATE, seat=_TEXT),
        ("LX 318 from Zurich to London on 2025-06-11, seat 12A.", "On 2025-02-03 SK 90 flies from Oslo to Prague, 7C."),
    ),
    Extraction(
        "recipe",
        _record(dish=_TEXT, num_servings=_COUNT, minutes=_COUNT, ingredients=_list(_TEXT, 3)),
        ("Onion soup for 4 in 40 minutes: onions, broth, bread.", "Pancakes serve 2, 15 minutes: flour, eggs, milk."),
    ),
    Extraction(
        "book",
        _record(title=_TEXT, author=_TEXT, year=_COUNT, num_pages=_COUNT, language=_TEXT),
        ("'The Glass Hill' by Ilka Romero, 1998, 320 pages, in Spanish.", "Pavo Lind wrote 'Salt' in 2011: 180 pages."),
    ),
    Extraction(
        "weather",
        _record(place=_TEXT, temperature_celsius=_COUNT, condition=_one_of("sun", "rain", "snow", "fog")),
        ("It is raining in Bergen at 9 degrees.", "Fog over Vienna this morning, 3 degrees."),
    ),
    Extraction(
        "job",
        _record(position=_TEXT, company=_TEXT, salary=_COUNT, is_remote=_YES_OR_NO),
        ("Harvik Wool looks for a baker, 3200 a month, on site.", "Remote: a translator at Olmby Press for 4100."),
    ),
    Extraction(
        "patient",
        _record(patient_name=_TEXT, age=_COUNT, symptoms=_list(_TEXT, 3), is_urgent=_YES_OR_NO),
        ("Jorun Peltz, 38, has a cough and fever; not urgent.", "Urgent: Sanna Orlik, 52, with chest pain."),
    ),
    Extraction(
        "address",
        _record(street=_TEXT, house_number=_COUNT, postal_code=_COUNT, city=_TEXT, country=_TEXT),
        ("Elm Street 12, 10243 Berlin, Germany.", "They live at Rue Verte 7, 69002 Lyon in France."),
    ),
    Extraction(
        "match",
        _record(home_team=_TEXT, away_team=_TEXT, home_goals=_COUNT, away_goals=_COUNT),
        ("Velmar beat Tessin at home by 3 to 1.", "Marosa against Kelburn ended 0 to 2."),
    ),
    Extraction(
        "ticket",
        _record(priority=_one_of("low", "normal", "high"), component=_TEXT, summary=_TEXT, is_reproducible=_YES_OR_NO),
        ("High: the login page is blank each time.", "Sometimes the search is slow; low priority."),
    ),
    Extraction(
        "car",
        _record(brand=_TEXT, model=_TEXT, year=_COUNT, mileage=_COUNT, fuel=_one_of("petrol", "diesel", "electric")),
        ("A Brody Swift of 2016, diesel, 88000 km.", "Electric Olmby One, built in 2022, 15000 km."),
    ),
    Extraction(
        "course",
        _record(subject=_TEXT, teacher=_TEXT, num_students=_COUNT, weekday=_one_of("Monday", "Tuesday", "Friday")),
        ("Elin Varga teaches Physics to 24 students on Monday.", "History with Tobin Marsh, Friday, 18 students."),
    ),
    Extraction(
        "company",
        _record(company_name=_TEXT, founder=_record(name=_TEXT, nationality=_TEXT), founded=_COUNT, staff=_COUNT),
        (
            "Pavo Lind, a Finn, founded Sant Oro Silk in 1987; 72 work there.",
            "Kelburn Glass, 1920, by Ann Ross, 15 staff.",
        ),
    ),
    Extraction(
        "animal",
        _record(species=_TEXT, weight_kilograms=_COUNT, habitat=_TEXT, is_endangered=_YES_OR_NO),
        ("The lynx weighs 24 kilograms, lives in forests and is endangered.", "A sparrow of the gardens is not rare."),
    ),
)
