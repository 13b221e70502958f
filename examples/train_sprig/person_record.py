"""People to be extracted, and the sentences that introduce them."""

import names
from draw import Draw
from record_fields import Record, Value, assemble
from sentence_parts import composed

PERSON_LEADS = [
    ("{name} is {age} years old and lives in {city}.", "name age city"),
    ("{name}, {age}, lives in {city}.", "name age city"),
    ("{name} is a {age}-year-old {job} from {city}.", "name age job city"),
    ("{name} ({age}) works as {ajob} in {city}.", "name age job city"),
    ("{name} lives in {city} and is {age} years old.", "name age city"),
    ("My name is {name}. I am {age} years old and I live in {city}.", "name age city"),
    ("I'm {name}, {age}, {ajob} from {city}.", "name age job city"),
    ("{name} works as {ajob} in {city}.", "name job city"),
    ("Meet {name}, {ajob} of {age} who lives in {city}.", "name age job city"),
    ("At {age}, {name} is {ajob} in {city}.", "name age job city"),
    ("{name} is {ajob}.", "name job"),
    ("{name} is {age}.", "name age"),
    ("{name} is {age} years old.", "name age"),
    ("In {city} lives {ajob} called {name}.", "name job city"),
    ("{name} is {age} years old, works as {ajob} and lives in {city}.", "name age job city"),
    ("Name: {name}\nAge: {age}\nCity: {city}\nJob: {job}", "name age city job"),
    ("The {job} {name} from {city} turned {age} this year.", "name age city job"),
    ("{name} lives in {city}.", "name city"),
    ("Hi, I am {name} from {city}. I work as {ajob} and I am {age}.", "name age city job"),
    ("{name}, {ajob}, moved to {city} last year at the age of {age}.", "name age city job"),
    ("Yesterday I met {name}, who is {age} and works as {ajob} in {city}.", "name age city job"),
    ("{age}-year-old {name} is {ajob} living in {city}.", "name age city job"),
    ("There is {ajob} in {city} whose name is {name} and whose age is {age}.", "name age city job"),
    ("{city} is the home of {name}, {age}, who works as {ajob}.", "name age city job"),
    ("{name}, who is {age} years old, works as {ajob} in {city}.", "name age city job"),
    ("{name} was born in {city} and is now {age} years old.", "name age city"),
    ("The new neighbour is {name}, {ajob}. The family comes from {city}.", "name job city"),
    ("It was {name}, {age}, who moved to {city} last spring.", "name age city"),
    ("{ajob}, {age} years old, living in {city}: that is {name}.", "name age city job"),
    ("Our {job} is called {name}, is {age} and lives in {city}.", "name age city job"),
    ("My friend {name} is {age} and lives in {city}.", "name age city"),
    ("{name} works in {city} as {ajob} and turns {age} today.", "name age city job"),
    ("Dear team, please welcome {name} from {city}, our new {job}.", "name city job"),
    ("{name} / {age} / {city} / {job}", "name age city job"),
    ("Ask {name}, the {job} in {city}, now {age} years old.", "name age city job"),
    ("{name} of {city}, aged {age}, earns a living as {ajob}.", "name age city job"),
]


def person(draw: Draw) -> Record:
    name, hobbies = names.person(draw), draw.some(names.HOBBIES, draw.number(1, 3))
    job, married = names.job(draw), draw.chance(0.5)
    values: dict[str, Value] = {
        "name": name,
        "age": draw.number(18, 95) if draw.chance(0.85) else draw.number(1, 110),
        "city": names.city(draw),
        "job": job,
        "hobbies": hobbies,
        "email": names.email(draw, name),
        "phone": names.phone(draw),
        "married": married,
        "employer": names.company(draw),
    }
    if draw.heldout or draw.chance(0.4):
        lead, told = draw.phrase(PERSON_LEADS)
    else:
        fields = draw.shuffled(["name", *draw.some(["age", "city", "job"], draw.pick([1, 2, 2, 3, 3]))])
        lead, told = composed(draw, "person", fields), " ".join(fields)
    record = Record(
        "person",
        values={
            k: v
            for k, v in values.items()
            if k in told.split() or k in ("hobbies", "email", "phone", "married", "employer")
        },
    )
    she = draw.pick(["She", "He", "They"])
    s = "" if she == "They" else "s"
    if lead.startswith(("I'", "My", "Hi")):
        she, s = "I", ""
    has, is_ = ("have", "am") if she == "I" else (("have", "are") if she == "They" else ("has", "is"))
    liked = names.join_and(hobbies)
    clauses = {
        "hobbies": draw.phrase(
            [
                f"{she} like{s} {liked}.",
                f"{she} enjoy{s} {liked}.",
                f"Hobbies: {', '.join(hobbies)}.",
                f"{she} love{s} {liked}.",
                f"In the evening {she if she == 'I' else she.lower()} like{s} {liked}.",
                f"{she} {is_} fond of {liked}.",
            ]
        ),
        "email": draw.pick(
            [f"Email: {values['email']}.", f"Write to {values['email']}.", f"The email address is {values['email']}."]
        ),
        "phone": draw.pick(
            [f"Phone: {values['phone']}.", f"Call {values['phone']}.", f"The phone number is {values['phone']}."]
        ),
        "married": draw.pick([f"{she} {is_} married.", f"{she} {has} a spouse."])
        if married
        else draw.pick([f"{she} {is_} not married.", f"{she} {is_} single."]),
        "employer": draw.pick(
            [
                f"{she} work{s} at {values['employer']}.",
                f"{she} work{s} for {values['employer']}.",
                f"Employer: {values['employer']}.",
            ]
        ),
    }
    assemble(
        draw,
        record,
        clauses,
        lead.format(name=name, age=values["age"], city=values["city"], job=job, ajob=names.with_article(job)),
        draw.pick([0, 0, 0, 1, 1, 2, 3]),
    )
    return record
