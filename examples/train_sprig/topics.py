"""Sentences with a known topic or a known intent, and things that belong to a known category."""
# ruff: noqa: SIM905 - a list of words reads best as words

import names
from draw import Draw

TOPICS: dict[str, tuple[str, list[str]]] = {
    "sports": (
        (
            "team coach goal match player tennis football stadium league tournament striker referee "
            "marathon medal championship goalkeeper"
        ),
        [
            "The {w} {v} the crowd on {d}.",
            "{n} scored twice in the {w}.",
            "After the {w}, {n} was proud of the team.",
            "{n} won the {w} by three points.",
            "The {w} in {c} ended in a draw.",
            "Fans cheered for the {w} in {c}.",
            "{n} trained hard for the {w}.",
        ],
    ),
    "politics": (
        (
            "election president parliament minister vote government law senator campaign treaty mayor "
            "party reform cabinet coalition"
        ),
        [
            "The {w} in {c} was discussed on {d}.",
            "{n} spoke about the new {w}.",
            "Voters in {c} want a new {w}.",
            "The {w} announced new taxes.",
            "{n} lost the vote on the {w}.",
            "The {w} signed the bill on {d}.",
            "Critics say the {w} will fail.",
        ],
    ),
    "technology": (
        (
            "computer software chip robot smartphone app laptop algorithm server internet processor "
            "startup website database browser"
        ),
        [
            "The new {w} by {o} is faster.",
            "{n} wrote code for the {w}.",
            "{o} released a {w} on {d}.",
            "The {w} got an update with new features.",
            "Engineers in {c} built a {w}.",
            "The {w} crashed because of a bug.",
            "Users can now download the {w}.",
        ],
    ),
    "food": (
        "soup pasta cheese recipe bread restaurant chef salad dessert cake sauce pizza kitchen dinner rice",
        [
            "The {w} needs more salt.",
            "{n} cooked a delicious {w}.",
            "Add the {w} and stir for ten minutes.",
            "The {w} in {c} tastes wonderful.",
            "Bake the {w} in the oven.",
            "We ate {w} for lunch.",
            "{n} loves fresh {w} with garlic.",
        ],
    ),
    "health": (
        "doctor hospital vaccine patient medicine virus nurse sleep diet disease surgery headache flu pharmacy therapy",
        [
            "The {w} helped the patients in {c}.",
            "{n} talked to a nurse about the {w}.",
            "A new study looks at the {w}.",
            "The {w} lowers the risk of heart problems.",
            "{n} feels ill and needs a {w}.",
            "Doctors in {c} warn about the {w}.",
            "Drink water and rest after the {w}.",
        ],
    ),
    "travel": (
        "hotel flight beach airport tourist suitcase passport cruise island train vacation guide tour hostel luggage",
        [
            "The {w} in {c} was booked for two weeks.",
            "{n} packed for the {w}.",
            "Visitors to {c} love the {w}.",
            "The {w} to {c} leaves on {d}.",
            "{n} spent the holidays near the {w}.",
            "Our {w} took us to {c}.",
            "Tourists took photos of the {w}.",
        ],
    ),
    "music": (
        "guitar song album concert piano singer band violin melody orchestra drummer choir jazz festival tune",
        [
            "The {w} filled the hall in {c}.",
            "{n} played the {w} on stage.",
            "The new {w} by {n} is out.",
            "The audience sang along to the {w}.",
            "{n} practised the {w} every day.",
            "A {w} with a slow rhythm.",
            "The {w} topped the charts.",
        ],
    ),
    "business": (
        (
            "profit market company shares investor bank merger sales stock revenue bankruptcy contract "
            "budget loan shareholder"
        ),
        [
            "The {w} of {o} rose by {k} percent.",
            "{o} told shareholders about the {w}.",
            "The {w} fell on {d}.",
            "{n} runs a {w} in {c}.",
            "{o} bought a rival after the {w}.",
            "Investors worry about the {w}.",
            "The {w} was worth {k} million euros.",
        ],
    ),
    "science": (
        (
            "planet atom experiment physicist telescope molecule gravity fossil laboratory galaxy "
            "chemistry theory bacteria genome particle"
        ),
        [
            "Researchers in {c} studied the {w}.",
            "{n} discovered a new {w}.",
            "The {w} was measured with great care.",
            "A paper about the {w} was published.",
            "Scientists explain the {w}.",
            "The {w} is millions of years old.",
            "An experiment confirmed the {w}.",
        ],
    ),
    "weather": (
        "rain storm snow sunshine temperature wind fog thunder forecast hail cloud drought frost heat hurricane",
        [
            "The {w} will reach {c} on {d}.",
            "Expect {w} in the afternoon.",
            "There was {w} all day in {c}.",
            "The {w} will last until {d}.",
            "Tomorrow brings {w} and {k} degrees.",
            "{w} is expected in the north.",
            "Take an umbrella because of the {w}.",
        ],
    ),
}
INTENTS: dict[str, list[str]] = {
    "greeting": ["Hello there!", "Good morning!", "Hi, how are you?", "Hey!", "Hello {n}!", "Good evening to you."],
    "goodbye": [
        "Bye!",
        "See you tomorrow.",
        "Goodbye {n}.",
        "I have to go now.",
        "Have a nice day, bye!",
        "See you later!",
    ],
    "refund": [
        "I want my money back.",
        "Please refund order {o}.",
        "Can I get a refund for the {i}?",
        "The {i} is broken, I want a refund.",
        "Give me my money back for {o}.",
        "How do I get a refund?",
    ],
    "cancel_order": [
        "Please cancel my order {o}.",
        "I want to cancel the {i} I ordered.",
        "Cancel order {o}.",
        "I no longer need the {i}, cancel it.",
        "Can you cancel my order?",
        "Stop my order {o}, I changed my mind.",
    ],
    "track_order": [
        "Where is my order {o}?",
        "When will my {i} arrive?",
        "Track order {o}.",
        "Has my {i} been shipped?",
        "I am still waiting for my package {o}.",
        "What is the delivery status of {o}?",
    ],
    "book_table": [
        "I would like a table for {k} people.",
        "Book a table for {d}.",
        "Can we reserve a table at {t}?",
        "A table for {k} on {d}, please.",
        "Reserve a table for {n}.",
        "Do you have a free table on {d}?",
    ],
    "reset_password": [
        "I forgot my password.",
        "How do I reset my password?",
        "My password does not work.",
        "I cannot log in to my account.",
        "Please send me a new password.",
        "Reset my password, please.",
    ],
    "opening_hours": [
        "When do you open?",
        "Are you open on {d}?",
        "What are your opening hours?",
        "Until when is the shop open?",
        "At what time do you close on {d}?",
        "When does the store in {c} open?",
    ],
    "complaint": [
        "The {i} arrived broken.",
        "Your service is terrible.",
        "I am very unhappy with the {i}.",
        "This is unacceptable, the {i} is damaged.",
        "I want to complain about {n}.",
        "Nobody answers my calls!",
    ],
    "change_address": [
        "I moved to {c}.",
        "Please change my address to {c}.",
        "My new address is in {c}.",
        "Update my address, I moved.",
        "I live in {c} now, please update my data.",
        "How can I change my address?",
    ],
    "thanks": [
        "Thank you!",
        "Thanks a lot, {n}.",
        "Many thanks for your help.",
        "Thank you for the {i}.",
        "I am very grateful.",
        "Thanks!",
    ],
    "play_music": [
        "Play a song by {n}.",
        "Put on some jazz.",
        "I want to hear music.",
        "Play the next song.",
        "Turn on the radio.",
        "Play my favourite album.",
    ],
    "weather": [
        "Will it rain on {d}?",
        "What is the weather in {c}?",
        "Is it cold in {c}?",
        "Do I need an umbrella?",
        "How warm will it be on {d}?",
        "Weather in {c}?",
    ],
}
CATEGORIES: dict[str, list[str]] = {
    "animal": (
        "dog cat horse cow lion tiger elephant mouse rabbit wolf bear fox sheep goat monkey snake frog eagle "
        "shark whale duck owl"
    ).split(),
    "fruit": "apple banana orange pear grape cherry mango peach plum lemon kiwi melon strawberry pineapple".split(),
    "vegetable": "carrot potato onion cabbage spinach broccoli pea cucumber pumpkin leek garlic celery".split(),
    "color": "red blue green yellow orange purple pink brown black white grey".split(),
    "vehicle": "car bus train bicycle truck ship airplane tram motorcycle helicopter boat taxi".split(),
    "tool": "hammer saw drill screwdriver wrench pliers shovel rake axe ladder".split(),
    "drink": "water tea coffee milk juice lemonade beer wine cocoa".split(),
    "instrument": "piano guitar violin drum flute trumpet harp cello saxophone".split(),
    "clothing": "shirt trousers jacket hat sock shoe dress coat scarf glove sweater".split(),
    "furniture": "table chair bed sofa desk shelf wardrobe stool bench".split(),
    "job": "teacher doctor nurse baker pilot farmer lawyer plumber painter carpenter".split(),
    "sport": "football tennis basketball swimming hockey golf boxing rowing volleyball rugby".split(),
    "country": "France Germany Spain Italy Japan China India Brazil Canada Egypt Kenya Peru".split(),
    "city": "Paris London Berlin Madrid Rome Tokyo Vienna Oslo Lisbon Cairo Prague".split(),
    "body part": "hand foot head arm leg nose ear eye knee shoulder".split(),
    "planet": "Mercury Venus Mars Jupiter Saturn Uranus Neptune Earth".split(),
    "month": names.MONTHS,
    "day": names.DAYS,
}
PLURAL_OF = {
    "city": "cities",
    "country": "countries",
    "clothing": "clothes",
    "body part": "body parts",
    "day": "days of the week",
}


def plural(category: str) -> str:
    return PLURAL_OF.get(category, category + "s")


def topic_text(draw: Draw, topic: str) -> str:
    words, templates = TOPICS[topic]
    parts = []
    for _ in range(draw.pick([1, 1, 2, 2, 3])):
        text = draw.phrase(templates).format(
            w=draw.pick(words.split()),
            n=names.person(draw),
            c=names.city(draw),
            d=draw.pick(names.DAYS),
            o=names.company(draw),
            k=draw.number(2, 90),
            v="thrilled",
        )
        parts.append(text[0].upper() + text[1:])
    return " ".join(dict.fromkeys(parts))


def intent_text(draw: Draw, intent: str) -> str:
    text = draw.phrase(INTENTS[intent]).format(
        n=names.first_name(draw),
        o=names.code(draw),
        i=draw.pick(names.ITEMS),
        k=draw.number(2, 12),
        d=draw.pick(names.DAYS),
        t=names.time_of_day(draw),
        c=names.city(draw),
    )
    if draw.chance(0.25) and intent not in ("greeting", "thanks", "goodbye"):
        text = draw.pick(["Hello. ", "Hi, ", "Good morning. ", "Excuse me. "]) + text
    return text
