"""Questions about countries: capital, continent, currency, language."""

from countries import COUNTRIES, WELL_KNOWN, Country
from draw import Draw

_THE = {
    "Bahamas",
    "Central African Republic",
    "Comoros",
    "Czech Republic",
    "Dominican Republic",
    "DR Congo",
    "Gambia",
    "Maldives",
    "Marshall Islands",
    "Netherlands",
    "Philippines",
    "Republic of the Congo",
    "Seychelles",
    "Solomon Islands",
    "United Arab Emirates",
    "United Kingdom",
    "United States",
}

CAPITAL = [
    "What is the capital of {x}?",
    "Which city is the capital of {x}?",
    "What's the capital of {x}?",
    "Tell me the capital of {x}.",
    "capital of {x}?",
    "Can you tell me the capital city of {x}?",
    "Name the capital of {x}.",
    "{X}: what is its capital?",
    "I forgot the capital of {x}. What is it?",
    "Do you know the capital of {x}?",
    "What is the capital city of {x}?",
    "Please name {x}'s capital.",
]

CONTINENT = [
    "Which continent is {x} in?",
    "On which continent is {x}?",
    "What continent is {x} part of?",
    "Where is {x}?",
    "In what continent is {x} located?",
    "Name the continent of {x}.",
    "{X} is on which continent?",
]

CURRENCY = [
    "What is the currency of {x}?",
    "Which currency is used in {x}?",
    "What money do people use in {x}?",
    "Name the currency of {x}.",
    "What's the currency in {x}?",
    "How do people pay in {x}?",
]

LANGUAGE = [
    "What language is spoken in {x}?",
    "Which language do people speak in {x}?",
    "Name the language of {x}.",
    "What do they speak in {x}?",
    "What is the main language of {x}?",
    "What's the language of {x}?",
]

WHOSE = [
    "{c} is the capital of which country?",
    "Which country has {c} as its capital?",
    "What country is {c} the capital of?",
    "In which country is {c}?",
    "{c} is in which country?",
    "Name the country whose capital is {c}.",
]


def with_the(name: str) -> str:
    return f"the {name}" if name in _THE else name


def any_country(draw: Draw) -> Country:
    return draw.pick(WELL_KNOWN) if draw.chance(0.35) else draw.pick(COUNTRIES)


def country_fact(draw: Draw) -> tuple[str, str, str]:
    """A question, its bare answer, its answer as a sentence."""
    country = any_country(draw)
    x = with_the(country.name)
    kind = draw.rng.choices(("capital", "continent", "currency", "language", "whose"), (50, 15, 15, 10, 10))[0]
    names = {"x": x, "X": x[0].upper() + x[1:], "c": country.capital}
    if kind == "capital":
        return draw.phrase(CAPITAL).format(**names), country.capital, f"The capital of {x} is {country.capital}."
    if kind == "continent":
        return draw.phrase(CONTINENT).format(**names), country.continent, f"{names['X']} is in {country.continent}."
    if kind == "currency":
        return (
            draw.phrase(CURRENCY).format(**names),
            country.currency,
            f"The currency of {x} is the {country.currency}.",
        )
    if kind == "language":
        return draw.phrase(LANGUAGE).format(**names), country.language, f"In {x}, people speak {country.language}."
    return draw.phrase(WHOSE).format(**names), country.name, f"{country.capital} is the capital of {x}."
