"""What a record is: a kind, a text, the values that the text tells; and the fields of each known kind."""

from dataclasses import dataclass, field

from draw import Draw

Value = object


@dataclass
class Record:
    """What a text says. `values` by canonical field; a field asked for but absent here is null."""

    kind: str
    text: str = ""
    values: dict[str, Value] = field(default_factory=dict)
    iso: dict[str, str] = field(default_factory=dict)  # dates in ISO form


# canonical field -> (other keys for it, JSON type, words that name it in a question)
FIELDS: dict[str, dict[str, tuple[list[str], str, str]]] = {
    "person": {
        "name": (["full_name", "person", "person_name", "Name"], "string", "name"),
        "age": (["years", "age_years", "Age"], "integer", "age"),
        "city": (["town", "location", "residence", "home_city", "lives_in", "City"], "string", "city"),
        "job": (["occupation", "profession", "role", "work", "job_title", "Job"], "string", "job"),
        "hobbies": (["interests", "likes"], "array", "hobbies"),
        "email": (["email_address", "mail", "contact"], "string", "email"),
        "phone": (["phone_number", "telephone"], "string", "phone number"),
        "married": (["is_married"], "boolean", "marital status"),
        "employer": (["company", "works_at"], "string", "employer"),
    },
    "invoice": {
        "number": (["invoice_number", "id", "invoice_id", "invoice", "no"], "string", "invoice number"),
        "customer": (["client", "customer_name", "billed_to", "buyer"], "string", "customer"),
        "total": (["amount", "sum", "total_amount", "price"], "number", "total"),
        "currency": (["currency_code"], "string", "currency"),
        "date": (["invoice_date", "issued", "day"], "string", "date"),
        "due": (["due_date", "payable_by"], "string", "due date"),
        "paid": (["is_paid"], "boolean", "payment status"),
    },
    "event": {
        "title": (["name", "event", "event_name", "what"], "string", "title"),
        "date": (["day", "when", "event_date"], "string", "date"),
        "time": (["start", "start_time", "starts_at"], "string", "time"),
        "place": (["location", "venue", "where"], "string", "place"),
        "host": (["organizer", "organiser", "speaker"], "string", "host"),
        "guests": (["attendees", "num_guests", "seats"], "integer", "number of guests"),
    },
    "address": {
        "street": (["street_name", "road"], "string", "street"),
        "number": (["house_number", "no", "house"], "integer", "house number"),
        "zip": (["zip_code", "postal_code", "postcode"], "string", "zip code"),
        "city": (["town", "place"], "string", "city"),
        "country": (["nation", "land"], "string", "country"),
    },
    "product": {
        "name": (["product", "item", "product_name", "title"], "string", "name"),
        "price": (["cost", "amount", "unit_price"], "number", "price"),
        "color": (["colour"], "string", "color"),
        "in_stock": (["available", "stock"], "boolean", "availability"),
        "quantity": (["count", "qty", "num_items"], "integer", "quantity"),
        "brand": (["maker", "manufacturer"], "string", "brand"),
    },
}


def assemble(draw: Draw, record: Record, clauses: dict[str, str], lead: str, keep: int) -> None:
    """The lead sentence, then sentences for some further fields in random order."""
    extra = draw.some(list(clauses), min(keep, len(clauses)))
    record.text = " ".join([lead, *(clauses[name] for name in extra)])
    for name in set(record.values) & set(clauses) - set(extra):
        del record.values[name]
