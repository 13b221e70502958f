"""Further records to be extracted (invoice, event, address, product, made-up things) and the text that tells them."""
# ruff: noqa: SIM905 - a list of words reads best as words
# ruff: noqa: SIM905 - a list of words reads best as words

from collections.abc import Callable

import names
from draw import Draw
from person_record import person
from record_fields import Record, Value, assemble
from sentence_parts import lead

INVOICE_LEADS = [
    "Invoice {number} for {customer}: {money}, dated {date}.",
    "Invoice {number} of {date} to {customer} over {money}.",
    "{customer} was billed {money} on {date} (invoice {number}).",
    "On {date} we sent invoice {number} to {customer}. The total is {money}.",
    "Invoice number: {number}\nCustomer: {customer}\nDate: {date}\nTotal: {money}",
    "Please find attached invoice {number} for {customer}. Amount due: {money}. Date: {date}.",
    "{customer} owes {money} for invoice {number}, issued on {date}.",
    "INVOICE {number}\nBilled to: {customer}\nIssued: {date}\nAmount: {money}",
    "Dear {customer}, your invoice {number} from {date} amounts to {money}.",
    "We received {money} from {customer} for invoice {number} dated {date}.",
    "The invoice {number}, issued {date}, asks {customer} to pay {money}.",
    "Bill no. {number} ({date}): {customer} pays {money}.",
]


def invoice(draw: Draw) -> Record:
    day, iso = names.date(draw)
    due, due_iso = names.date(draw)
    total, paid = names.amount(draw), draw.chance(0.5)
    text = names.amount_text(draw, total)
    if draw.chance(0.5):
        currency = draw.pick(list(names.CURRENCIES))
        money = draw.pick(
            [
                f"{names.CURRENCIES[currency]}{text}",
                f"{names.CURRENCIES[currency]}{text}",
                f"{text} {currency}",
                f"{currency} {text}",
            ]
        )
    else:
        currency = draw.pick(names.CURRENCY_CODES)
        money = draw.pick([f"{text} {currency}", f"{currency} {text}"])
    number = (
        draw.pick(["INV-", "INV", "2024-", "#", "A-", "R"]) + str(draw.number(10, 99999))
        if draw.chance(0.6)
        else names.code(draw)
    )
    customer = names.company(draw) if draw.chance(0.65) else names.person(draw)
    record = Record(
        "invoice",
        values={
            "number": number,
            "customer": customer,
            "total": total,
            "currency": currency,
            "date": day,
            "due": due,
            "paid": paid,
        },
        iso={"date": iso, "due": due_iso},
    )
    clauses = {
        "due": draw.pick([f"Due on {due}.", f"Payable by {due}.", f"Due date: {due}.", f"Please pay until {due}."]),
        "paid": draw.pick(["It has been paid.", "Status: paid."])
        if paid
        else draw.pick(["It has not been paid.", "Status: unpaid.", "It is still open."]),
    }
    assemble(
        draw,
        record,
        clauses,
        lead(draw, "invoice", INVOICE_LEADS).format(number=number, customer=customer, money=money, date=day),
        draw.pick([0, 0, 1, 2]),
    )
    return record


EVENT_LEADS = [
    "The {title} takes place on {date} at {time} in {place}.",
    "{title}: {date}, {time}, {place}.",
    "Join us for the {title} at {place} on {date} at {time}.",
    "On {date} at {time} the {title} starts in {place}.",
    "You are invited to the {title} on {date}, {time}, at {place}.",
    "Event: {title}\nDate: {date}\nTime: {time}\nPlace: {place}",
    "The {title} will be held in {place} on {date}. Doors open at {time}.",
    "Don't miss the {title} in {place}! It starts at {time} on {date}.",
    "{place} hosts the {title} on {date} from {time}.",
    "Save the date: {date}, {time}. The {title} comes to {place}.",
    "Let us meet for the {title} on {date} at {time} in {place}.",
    "Reminder: {title}, {date} at {time}, {place}.",
]

EVENT_TYPES = [
    "Summit",
    "Festival",
    "Workshop",
    "Conference",
    "Concert",
    "Meetup",
    "Fair",
    "Party",
    "Lecture",
    "Marathon",
    "Dinner",
    "Exhibition",
]

EVENT_WORDS = "Jazz Book Food Python Music Film Spring Summer Winter Science Team Wine".split()
STREET_WORDS = "Main Oak Park High Church Mill Lake Station".split()
PLACES = ["Hall", "Park", "Library", "Museum", "Theatre", "Center", "Hotel", "Garden", "School", "Café"]


def event(draw: Draw) -> Record:
    day, iso = names.date(draw) if draw.chance(0.6) else (draw.pick(names.DAYS), "")
    title = (
        f"{names.proper(draw)} {draw.pick(EVENT_TYPES)}"
        if draw.chance(0.7)
        else f"{draw.pick(EVENT_WORDS)} {draw.pick(EVENT_TYPES)}"
    )
    place = draw.pick(
        [
            names.city(draw),
            f"{names.proper(draw)} {draw.pick(PLACES)}",
            f"Room {draw.number(1, 400)}",
            f"{names.proper(draw)} {draw.pick(PLACES)}",
        ]
    )
    values: dict[str, Value] = {
        "title": title,
        "date": day,
        "time": names.time_of_day(draw),
        "place": place,
        "host": names.person(draw),
        "guests": draw.number(2, 900),
    }
    record = Record("event", values=dict(values), iso={"date": iso} if iso else {})
    clauses = {
        "host": draw.pick(
            [f"Hosted by {values['host']}.", f"The host is {values['host']}.", f"{values['host']} will host it."]
        ),
        "guests": draw.pick(
            [
                f"{values['guests']} guests are expected.",
                f"There are {values['guests']} seats.",
                f"We expect {values['guests']} people.",
            ]
        ),
    }
    assemble(draw, record, clauses, lead(draw, "event", EVENT_LEADS).format(**values), draw.pick([0, 0, 1, 2]))
    return record


ADDRESS_LEADS = [
    "{number} {street}, {zip} {city}, {country}",
    "{street} {number}, {zip} {city}, {country}",
    "{number} {street}, {city}, {zip}, {country}",
    "I live at {number} {street} in {city}, {country}. The zip code is {zip}.",
    "Please send it to {number} {street}, {city} {zip}, {country}.",
    "Our office is at {street} {number}, {zip} {city} ({country}).",
    "Ship to: {number} {street}, {zip} {city}, {country}.",
    "The shop moved to {number} {street}, {zip} {city}, {country}.",
    "Street: {street}\nNumber: {number}\nZip: {zip}\nCity: {city}\nCountry: {country}",
    "You find us in {city}, {country}: {street} {number}, postal code {zip}.",
    "Deliver the parcel to {street} {number} in {zip} {city}, {country}.",
    "My new address is {number} {street}, {zip} {city}, {country}.",
]


def address(draw: Draw) -> Record:
    from countries import COUNTRIES

    street = (
        f"{names.proper(draw)} {draw.pick(names.STREET_TYPES)}"
        if draw.chance(0.75)
        else f"{names.proper(draw)}straße"
        if draw.chance(0.3)
        else f"{draw.pick(STREET_WORDS)} {draw.pick(names.STREET_TYPES)}"
    )
    values: dict[str, Value] = {
        "street": street,
        "number": draw.number(1, draw.pick([30, 300, 2000])),
        "zip": f"{draw.number(1000, 99999)}" if draw.chance(0.9) else f"0{draw.number(1000, 9999)}",
        "city": names.city(draw),
        "country": draw.pick(COUNTRIES).name,
    }
    return Record("address", lead(draw, "address", ADDRESS_LEADS).format(**values), values)


PRODUCT_LEADS = [
    "The {name} by {brand} costs {price}.",
    "{brand} sells the {name} for {price}.",
    "{name} from {brand}, {price}.",
    "Buy the {name} now for only {price}. Brand: {brand}.",
    "Product: {name}\nBrand: {brand}\nPrice: {price}",
    "For {price} you get the {name} made by {brand}.",
    "The new {name} ({brand}) is on sale at {price}.",
]


def product(draw: Draw) -> Record:
    price, stock, quantity = names.amount(draw), draw.chance(0.5), draw.number(1, 500)
    name, brand, color = f"{names.proper(draw)} {draw.pick(names.ITEMS)}", names.proper(draw), draw.pick(names.COLORS)
    record = Record(
        "product",
        values={"name": name, "price": price, "color": color, "in_stock": stock, "quantity": quantity, "brand": brand},
    )
    clauses = {
        "color": draw.pick([f"It is {color}.", f"Color: {color}.", f"It comes in {color}."]),
        "in_stock": draw.pick(["It is in stock.", "Available now."])
        if stock
        else draw.pick(["It is sold out.", "It is out of stock."]),
        "quantity": draw.pick(
            [f"We have {quantity} of them.", f"Quantity: {quantity}.", f"{quantity} pieces are left."]
        ),
    }
    money = draw.pick(["${}", "€{}", "{} EUR", "{} dollars", "{} euros", "£{}"]).format(names.amount_text(draw, price))
    assemble(
        draw,
        record,
        clauses,
        draw.phrase(PRODUCT_LEADS).format(name=name, brand=brand, price=money),
        draw.pick([0, 1, 2, 3]),
    )
    return record


def made_up(draw: Draw) -> Record:
    """A thing with fields nobody has heard of: what must be learned is to look the key up."""
    values: dict[str, Value] = {}
    told = []
    for _ in range(draw.number(2, 5)):
        key = (
            names.word(draw, 1, 2)
            if draw.chance(0.6)
            else draw.pick("weight height speed level score color owner shape code rank model origin size".split())
        )
        value: Value = draw.pick(
            [
                draw.number(0, 9999),
                names.proper(draw),
                names.word(draw),
                draw.pick(names.COLORS),
                names.code(draw),
                draw.number(0, 99),
            ]
        )
        if key in values:
            continue
        values[key] = value
        told.append(
            draw.phrase(
                [
                    "Its {k} is {v}.",
                    "The {k} is {v}.",
                    "{k}: {v}.",
                    "It has the {k} {v}.",
                    "{K} = {v}.",
                    "We set the {k} to {v}.",
                    "For {k} it says {v}.",
                ]
            ).format(k=key, v=value, K=key.capitalize())
        )
    thing = draw.pick(["device", "robot", "animal", "planet", "ship", "file", "machine", "plant", "car"])
    told.insert(
        0,
        draw.phrase(
            [
                f"This is {names.with_article(thing)}.",
                f"We found {names.with_article(thing)}.",
                f"Here is the {thing}.",
                f"Look at the {thing}.",
                f"A new {thing} arrived.",
                f"Consider this {thing}.",
            ]
        ),
    )
    return Record(thing, " ".join(told), values)


MAKERS: dict[str, Callable[[Draw], Record]] = {
    "person": person,
    "invoice": invoice,
    "event": event,
    "address": address,
    "product": product,
    "made_up": made_up,
}


def record(draw: Draw) -> Record:
    kind = draw.rng.choices(list(MAKERS), (38, 18, 16, 10, 8, 10))[0]
    return MAKERS[kind](draw)
