"""Records that trades and sciences keep."""

from .parts import (
    BOOLEAN,
    DATE,
    EMAIL,
    INTEGER,
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

CLOCK = matching("^([01][0-9]|2[0-3]):[0-5][0-9]$")
PLACE = record({"lat": real(-90, 90), "lon": real(-180, 180)})
CENTS = whole(0, 1_000_000_000)

SCHEMAS: dict[str, Schema] = {
    "patient": with_definitions(
        open_record(
            {
                "id": UUID,
                "name": ref("name"),
                "born": DATE,
                "sex": one_of_words("female", "male", "other", "unknown"),
                "contacts?": array(open_record({"name": ref("name"), "relation": STRING, "phone?": STRING})),
                "insurance?": open_record({"company": STRING, "number": matching("^[A-Z][0-9]{9}$")}),
            }
        ),
        name=open_record({"family": STRING, "given": array(STRING, 1), "prefix?": STRING}),
    ),
    "blood_test": record(
        {
            "taken": TIME,
            "values": array(
                record(
                    {"name": STRING, "value": NUMBER, "unit": STRING, "low?": NUMBER, "high?": NUMBER, "flag?": STRING}
                ),
                1,
            ),
        }
    ),
    "vital_signs": record(
        {
            "pulse": whole(20, 250),
            "systolic": whole(50, 260),
            "diastolic": whole(30, 160),
            "temperature_c": real(30, 44),
        }
    ),
    "prescription": record(
        {
            "patient": UUID,
            "items": array(record({"drug": STRING, "dose_mg": real(0, 5000), "days": whole(1, 365)}), 1, 10),
            "repeats": whole(0, 12),
        }
    ),
    "clinical_trial": open_record(
        {
            "id": matching("^NCT[0-9]{8}$"),
            "phase": one_of_words(1, 2, 3, 4),
            "arms": array(open_record({"name": STRING, "participants": whole(0), "drug?": STRING}), 1),
            "primary_outcome": STRING,
            "p_value?": real(0, 1),
        }
    ),
    "allergy": record(
        {"substance": STRING, "reaction": STRING, "severity": one_of_words("mild", "moderate", "severe")}
    ),
    "diet_log": array(
        record({"meal": one_of_words("breakfast", "lunch", "dinner", "snack"), "food": STRING, "kcal": whole(0, 5000)})
    ),
    "workout": record(
        {
            "day": DATE,
            "exercises": array(
                tagged(
                    "kind",
                    strength={"name": STRING, "sets": array(record({"reps": whole(1, 100), "kg": real(0, 500)}), 1)},
                    run={"km": real(0, 300), "minutes": real(0, 3000)},
                    rest={"minutes": whole(1, 240)},
                ),
                1,
            ),
        }
    ),
    "molecule": record(
        {
            "name": STRING,
            "formula": matching("^([A-Z][a-z]?[0-9]*)+$"),
            "mass": real(0),
            "atoms": array(record({"element": matching("^[A-Z][a-z]?$"), "at": pair_of(NUMBER, NUMBER, NUMBER)}), 1),
        }
    ),
    "reaction": record(
        {
            "reactants": array(record({"formula": STRING, "moles": real(0)}), 1),
            "products": array(record({"formula": STRING, "moles": real(0)}), 1),
            "conditions?": record({"temperature_k?": real(0), "pressure_bar?": real(0), "catalyst?": STRING}),
        }
    ),
    "gene": record(
        {
            "symbol": matching("^[A-Z][A-Z0-9-]*$"),
            "chromosome": matching("^([1-9]|1[0-9]|2[0-2]|X|Y|MT)$"),
            "start": whole(1),
            "end": whole(1),
            "strand": one_of_words("+", "-"),
        }
    ),
    "sequence": record({"id": STRING, "kind": one_of_words("dna", "rna"), "bases": matching("^[ACGTUN]{1,200}$")}),
    "experiment": record(
        {
            "hypothesis": STRING,
            "variables": record({"independent": STRING, "dependent": STRING, "controlled": array(STRING)}),
            "trials": array(record({"input": NUMBER, "output": NUMBER, "note?": STRING}), 3),
            "conclusion": one_of_words("supported", "rejected", "inconclusive"),
        }
    ),
    "star": record(
        {
            "name": STRING,
            "right_ascension_h": real(0, 24),
            "declination_deg": real(-90, 90),
            "magnitude": real(-27, 35),
            "spectral_class?": matching("^[OBAFGKM][0-9](I|II|III|IV|V)$"),
        }
    ),
    "earthquake": record(
        {"at": TIME, "place": PLACE, "depth_km": real(0, 800), "magnitude": real(-2, 10), "felt": BOOLEAN}
    ),
    "species_sighting": record(
        {"species": matching("^[A-Z][a-z]+ [a-z]+$"), "count": whole(1), "place": PLACE, "seen": TIME, "photo?": URI}
    ),
    "soil_sample": record(
        {"ph": real(0, 14), "clay": real(0, 100), "silt": real(0, 100), "sand": real(0, 100), "depth_cm": whole(0)}
    ),
    "harvest": record(
        {"crop": STRING, "hectares": real(0), "tonnes": real(0), "organic": BOOLEAN, "year": whole(1900, 2100)}
    ),
    "herd": array(
        record({"tag": matching("^[A-Z]{2}[0-9]{10}$"), "born": DATE, "mother?": STRING, "sex": one_of_words("f", "m")})
    ),
    "student": record(
        {
            "name": STRING,
            "year": whole(1, 13),
            "grades": table_of(either(whole(1, 6), one_of_words("pass", "fail", "absent"))),
            "guardians": array(record({"name": STRING, "email": EMAIL}), 1, 4),
        }
    ),
    "course": record(
        {
            "code": matching("^[A-Z]{2,4}-[0-9]{3}$"),
            "title": STRING,
            "credits": whole(1, 30),
            "weekly": array(record({"day": whole(1, 5), "from": CLOCK, "to": CLOCK, "room": STRING})),
            "requires": array(matching("^[A-Z]{2,4}-[0-9]{3}$"), uniqueItems=True),
        }
    ),
    "exam": record(
        {
            "tasks": array(record({"text": STRING, "points": whole(1, 100), "parts?": array(STRING)}), 1),
            "minutes": whole(10, 360),
            "aids": array(one_of_words("calculator", "formulary", "dictionary")),
        }
    ),
    "essay_grade": record(
        {
            "content": whole(0, 15),
            "structure": whole(0, 15),
            "language": whole(0, 15),
            "remarks": array(text(1, 200), 1, 5),
        }
    ),
    "lesson_plan": record(
        {
            "topic": STRING,
            "goals": array(STRING, 1),
            "phases": array(record({"minutes": whole(1, 90), "what": STRING}), 1),
        }
    ),
    "stock_quote": record(
        {"symbol": matching("^[A-Z]{1,5}$"), "price": real(0), "change": NUMBER, "at": TIME, "volume": whole(0)}
    ),
    "trade": record(
        {
            "side": one_of_words("buy", "sell"),
            "symbol": matching("^[A-Z]{1,5}$"),
            "order": tagged("type", market={}, limit={"price": real(0)}, stop={"trigger": real(0), "price?": real(0)}),
            "quantity": whole(1),
            "valid": one_of_words("day", "until_cancelled"),
        }
    ),
    "portfolio": record(
        {
            "holdings": array(
                record({"isin": matching("^[A-Z]{2}[A-Z0-9]{9}[0-9]$"), "units": real(0), "cost": CENTS})
            ),
            "cash": table_of(CENTS, propertyNames={"pattern": "^[A-Z]{3}$"}),
        }
    ),
    "loan": record(
        {
            "principal": CENTS,
            "rate": real(0, 1),
            "months": whole(1, 480),
            "collateral?": nullable(STRING),
            "is_fixed": BOOLEAN,
        }
    ),
    "budget": record(
        {"month": matching("^[0-9]{4}-[0-9]{2}$"), "income": CENTS, "spending": table_of(CENTS), "saved": INTEGER}
    ),
    "tax_form": record(
        {
            "year": whole(1990, 2100),
            "tax_id": matching("^[0-9]{11}$"),
            "wages": CENTS,
            "deductions": array(record({"kind": one_of_words("travel", "office", "gifts", "other"), "amount": CENTS})),
            "spouse?": record({"tax_id": matching("^[0-9]{11}$"), "wages": CENTS}),
        }
    ),
    "insurance_claim": record(
        {
            "policy": matching("^P-[0-9]{6}$"),
            "happened": DATE,
            "cause": one_of_words("fire", "water", "theft", "storm", "accident"),
            "damage": array(record({"item": STRING, "value": CENTS, "receipt?": URI}), 1),
            "police_report?": nullable(STRING),
        }
    ),
    "real_estate": record(
        {
            "kind": one_of_words("flat", "house", "office", "land"),
            "rooms?": real(1, 50, multipleOf=0.5),
            "square_metres": real(1, 100000),
            "price": CENTS,
            "energy_class?": one_of_words("A", "B", "C", "D", "E", "F", "G"),
            "features": array(one_of_words("balcony", "garden", "lift", "garage", "cellar"), uniqueItems=True),
        }
    ),
    "rent_contract": record(
        {
            "landlord": STRING,
            "tenants": array(STRING, 1, 6),
            "from": DATE,
            "until": nullable(DATE),
            "rent": CENTS,
            "deposit": CENTS,
        }
    ),
    "vehicle": record(
        {
            "vin": matching("^[A-HJ-NPR-Z0-9]{17}$"),
            "make": STRING,
            "year": whole(1886, 2100),
            "engine": tagged(
                "fuel",
                petrol={"litres": real(0, 20)},
                diesel={"litres": real(0, 20), "has_filter": BOOLEAN},
                electric={"kwh": real(0, 500)},
            ),
        }
    ),
    "timetable": table_of(array(record({"line": STRING, "to": STRING, "at": CLOCK, "platform?": STRING}))),
    "route_directions": record(
        {
            "steps": array(
                record({"turn": one_of_words("left", "right", "straight", "arrive"), "metres": whole(0)}), 1
            ),
            "km": real(0),
        }
    ),
    "parking": record(
        {"plate": matching("^[A-Z]{1,3}-[A-Z]{1,2} [0-9]{1,4}$"), "from": CLOCK, "until": CLOCK, "zone": whole(1, 9)}
    ),
    "flight_plan": record(
        {
            "callsign": matching("^[A-Z0-9]{3,7}$"),
            "level": whole(10, 600),
            "waypoints": array(matching("^[A-Z]{5}$"), 2, 40),
        }
    ),
    "football_match": record(
        {
            "home": STRING,
            "away": STRING,
            "score": pair_of(whole(0, 30), whole(0, 30)),
            "goals": array(record({"minute": whole(1, 120), "player": STRING, "own_goal?": BOOLEAN})),
            "cards": array(
                record({"minute": whole(1, 120), "player": STRING, "colour": one_of_words("yellow", "red")})
            ),
        }
    ),
    "league_table": array(
        record({"team": STRING, "points": whole(0, 200), "goals": pair_of(whole(0), whole(0))}), 2, 24
    ),
    "tennis_score": record({"sets": array(pair_of(whole(0, 7), whole(0, 7)), 1, 5), "retired?": BOOLEAN}),
    "song": record(
        {
            "title": STRING,
            "artist": STRING,
            "seconds": whole(1, 7200),
            "bpm?": whole(20, 400),
            "key?": matching("^[A-G][#b]?m?$"),
        }
    ),
    "playlist": record(
        {"name": text(1, 100), "tracks": array(record({"title": STRING, "artist": STRING}), 1, 50), "public": BOOLEAN}
    ),
    "sheet_music": record(
        {
            "time": matching("^[1-9][0-9]?/(2|4|8|16)$"),
            "bars": array(array(matching("^([A-G][#b]?[0-8]|R)(w|h|q|e|s)$"), 1, 16), 1),
        }
    ),
    "film": record(
        {
            "title": STRING,
            "year": whole(1888, 2100),
            "minutes": whole(1, 1000),
            "genres": array(one_of_words("drama", "comedy", "action", "horror", "documentary", "animation"), 1, 4),
            "cast": array(record({"actor": STRING, "role": STRING})),
            "rating?": real(0, 10, multipleOf=0.1),
        }
    ),
    "review": record({"stars": whole(1, 5), "title": text(1, 60), "text": text(10, 1000), "recommends": BOOLEAN}),
    "news_article": open_record(
        {
            "headline": text(1, 120),
            "byline": STRING,
            "published": TIME,
            "paragraphs": array(text(1), 1),
            "topics": array(STRING),
        }
    ),
    "podcast_episode": record(
        {"number": whole(1), "title": STRING, "chapters": array(record({"at": CLOCK, "title": STRING})), "audio": URI}
    ),
    "museum_object": record(
        {
            "title": STRING,
            "artist?": nullable(STRING),
            "from_year": whole(-10000, 2100),
            "materials": array(STRING),
            "on_view": BOOLEAN,
        }
    ),
    "power_plant": record(
        {
            "name": STRING,
            "source": one_of_words("solar", "wind", "hydro", "nuclear", "gas", "coal"),
            "megawatts": real(0, 30000),
            "place": PLACE,
            "since": whole(1880, 2100),
        }
    ),
    "meter_reading": record({"meter": matching("^[0-9]{8}$"), "kwh": real(0), "read": TIME, "estimated": BOOLEAN}),
    "building_permit": record(
        {
            "plot": matching("^[0-9]+/[0-9]+$"),
            "storeys": whole(1, 200),
            "use": one_of_words("living", "work", "mixed"),
            "conditions": array(record({"number": whole(1), "text": STRING})),
            "granted": nullable(DATE),
        }
    ),
    "election_result": record(
        {
            "district": STRING,
            "eligible": whole(0),
            "votes": table_of(whole(0)),
            "invalid": whole(0),
            "turnout": real(0, 1),
        }
    ),
    "census_household": record(
        {
            "persons": array(record({"age": whole(0, 130), "works": BOOLEAN, "relation": STRING}), 1, 20),
            "rooms": whole(1, 40),
        }
    ),
}
