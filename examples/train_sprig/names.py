"""Values that fill the sentences: made-up and common names, places, dates, times, amounts, codes."""
# ruff: noqa: SIM905 - a list of words reads best as words

from draw import Draw, is_heldout

ONSETS = (
    "b br c ch cl cr d dr f fl fr g gl gr h j k kl kr l m n p pl pr qu r s sc sh sl sp st t th tr v w y z "
    "b d f g h k l m n p r s t v "
).split(" ")
VOWELS = "a e i o u a e i o u ai ea ee ia ie io oa oo ou y".split()
CODAS = "    l m n r s t x d k nd ng rn st ll ss ck lt rd th".split(" ")

FIRST_NAMES = (
    "Ada Alan Alice Amara Amir Ana Anders Anna Antoine Aisha Ben Bianca Boris Bruno Carla Carlos Carmen Chen Clara "
    "Claire Daniel David Diana Diego Elena Eli Elif Emma Eric Erika Eva Farid Fatima Felix Fiona Florian Frank Gabriel "
    "Georg Grace Hana Hannah Hans Hassan Helen Henry Hugo Ibrahim Ines Ingrid Irene Isabel Ivan Jack Jacob James Jan "
    "Jane Javier John Jonas Jose José Julia Karim Karl Kate Kenji Kofi Lara Laura Lea Leila Leo Lena "
    "Liam Lily Linda Lucas "
    "Lucia Lucy Luis Luka Maja Marco Maria Marie Mark Marta Martin Mary Max Maya Mei Mia Michael Miguel Mina Mohamed "
    "Nadia Nina Noah Nora Olga Oliver Omar Oscar Paul Pedro Peter Priya Rachel Raj Rita Robert Rosa Ruth Sam Samir "
    "Sandra Sara Sarah Sofia Sophie Stefan Susan Tariq Theo Thomas Tim Tom Uma Vera Victor Wei Yara Yusuf Yuki Zoe "
    "Zoë André Björn Jürgen Søren Łukasz Chloé Begoña Bob Charlie Dave Eve Lovelace Noor"
).split()
CITIES = (
    "Paris London Berlin Madrid Rome Lisbon Vienna Prague Oslo Dublin Tokyo Osaka Seoul Beijing Delhi Mumbai Cairo "
    "Lagos Nairobi Lima Bogotá Toronto Chicago Boston Denver Seattle Austin Sydney Perth Zürich Geneva Lyon Porto "
    "Munich Hamburg Kraków Athens Istanbul Dubai Hanoi Boston Milan Naples Sevilla Bergen Helsinki Riga Tunis Accra"
).split()
CITIES += ["New York", "San Francisco", "Buenos Aires", "Cape Town", "Mexico City", "São Paulo", "Los Angeles"]
JOBS = (
    "teacher nurse doctor baker pilot painter lawyer farmer carpenter plumber chef waiter engineer architect gardener "
    "librarian mechanic musician photographer dentist electrician journalist translator tailor firefighter designer "
    "programmer biologist chemist accountant cashier driver sailor writer singer dancer actor programmer scientist "
    "student professor manager mathematician physicist historian barista judge potter"
).split()
JOBS += ["software engineer", "data analyst", "bus driver", "police officer", "flight attendant", "shop assistant"]
HOBBIES = (
    "chess tennis swimming hiking painting reading cooking football knitting cycling yoga fishing dancing gardening "
    "photography skiing sailing singing running climbing pottery baking surfing"
).split()
MONTHS = ("January February March April May June July August September October November December").split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
COLORS = "red blue green yellow orange purple pink brown black white grey silver golden turquoise".split()
STREET_TYPES = ["Street", "Road", "Avenue", "Lane", "Boulevard", "Way", "Drive", "Square"]
COMPANY_TYPES = [
    "Ltd",
    "Inc",
    "GmbH",
    "Corp",
    "LLC",
    "& Sons",
    "Group",
    "Foods",
    "Systems",
    "Logistics",
    "Labs",
    "Books",
]
CURRENCIES = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥"}
CURRENCY_CODES = ["EUR", "USD", "GBP", "JPY", "CHF", "CAD", "AUD", "SEK", "INR", "BRL", "MXN", "PLN"]
ITEMS = (
    "apple melon chair lamp notebook pen bicycle phone laptop camera bag jacket hat cup bottle book guitar table "
    "umbrella clock mirror basket pillow blanket candle ticket sandwich cake pizza keyboard monitor helmet tent"
).split()


def word(draw: Draw, low: int = 2, high: int = 3) -> str:
    """A made-up lower-case word of `low` to `high` syllables that belongs to the drawing side."""
    while True:
        made = ""
        for _ in range(draw.number(low, high)):
            made += draw.pick(ONSETS) + draw.pick(VOWELS) + (draw.pick(CODAS) if draw.chance(0.6) else "")
        if 3 <= len(made) <= 12 and is_heldout(made) == draw.heldout:
            return made


def proper(draw: Draw, low: int = 1, high: int = 3) -> str:
    return word(draw, low, high).capitalize()


def first_name(draw: Draw) -> str:
    return draw.pick(FIRST_NAMES) if draw.chance(0.35) else proper(draw, 1, 2)


def person(draw: Draw) -> str:
    """A first name, mostly with a made-up family name."""
    first = first_name(draw)
    if draw.chance(0.3):
        return first
    family = proper(draw, 1, 3)
    if draw.chance(0.06):
        family = draw.pick(["O'", "Mc", "de ", "van ", "von "]) + family
    if draw.chance(0.04):
        family += "-" + proper(draw, 1, 2)
    return f"{first} {family}"


def city(draw: Draw) -> str:
    if draw.chance(0.35):
        return draw.pick(CITIES)
    made = proper(draw, 1, 3)
    return draw.pick(["New ", "Port ", "San ", "Saint "]) + made if draw.chance(0.08) else made


def job(draw: Draw) -> str:
    base = draw.pick(JOBS)
    return draw.pick(["junior ", "senior ", "chief ", "retired ", "marine "]) + base if draw.chance(0.1) else base


def company(draw: Draw) -> str:
    if draw.chance(0.1):
        return f"{proper(draw)} & {proper(draw)}"
    return f"{proper(draw)} {draw.pick(COMPANY_TYPES)}" if draw.chance(0.75) else proper(draw)


def date(draw: Draw) -> tuple[str, str]:
    """A date as people write it, and in ISO form."""
    year, month, day = draw.number(1950, 2035), draw.number(1, 12), draw.number(1, 28)
    name, iso = MONTHS[month - 1], f"{year}-{month:02d}-{day:02d}"
    form = draw.number(0, 9)
    if form < 4:
        return iso, iso
    if form < 6:
        return f"{name} {day}, {year}", iso
    if form < 8:
        return f"{day} {name} {year}", iso
    return f"{day:02d}/{month:02d}/{year}", iso


def time_of_day(draw: Draw) -> str:
    hour, minute = draw.number(0, 23), draw.pick([0, 0, 15, 30, 45, draw.number(0, 59)])
    if draw.chance(0.6):
        return f"{hour:02d}:{minute:02d}"
    suffix = draw.pick(["am", "pm", " am", " pm", " p.m.", " a.m."])
    return f"{hour % 12 + 1}{suffix}" if draw.chance(0.6) else f"{hour % 12 + 1}:{minute:02d}{suffix}"


def amount(draw: Draw) -> int | float:
    """A price: a whole number, or cents that do not end in zero (so that JSON repeats the text)."""
    whole = draw.number(1, draw.pick([99, 999, 9999]))
    if draw.chance(0.5):
        return whole
    return float(f"{whole}.{draw.number(0, 9)}{draw.number(1, 9)}")


def amount_text(draw: Draw, value: int | float) -> str:
    if value >= 1000 and draw.chance(0.12):
        return f"{value:,}"
    return f"{value:.2f}" if isinstance(value, float) or draw.chance(0.1) else str(value)


def code(draw: Draw) -> str:
    letters = "".join(draw.pick("ABCDEFGHJKLMNPRSTUVWXYZ") for _ in range(draw.number(1, 4)))
    digits = "".join(str(draw.number(0, 9)) for _ in range(draw.number(2, 6)))
    return letters + draw.pick(["-", "", "-", "/", "_"]) + digits


def email(draw: Draw, name: str | None = None) -> str:
    local = name.split()[0].lower() if name and name.isascii() and draw.chance(0.6) else word(draw)
    return f"{local}@{word(draw)}.{draw.pick(['com', 'org', 'net', 'example', 'io'])}"


def phone(draw: Draw) -> str:
    digits = [str(draw.number(0, 9)) for _ in range(draw.pick([7, 9, 10]))]
    return (
        draw.pick(["", "+", "0"]) + "".join(digits)
        if draw.chance(0.5)
        else f"{''.join(digits[:3])}-{''.join(digits[3:])}"
    )


def with_article(noun: str) -> str:
    return f"{'an' if noun[0].lower() in 'aeiou' else 'a'} {noun}"


def join_and(items: list[str]) -> str:
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]
