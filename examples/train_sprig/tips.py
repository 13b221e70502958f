"""Tips on everyday matters, listed and then expanded one by one."""

from draw import Draw
from lists import number_lines
from sample import Sample, chat, turn

TIPS: dict[str, list[tuple[str, str]]] = {
    "staying healthy": [
        (
            "Drink enough water.",
            "Water keeps the body fresh, so carry a bottle with you and drink a glass with every meal.",
        ),
        ("Sleep eight hours.", "Go to bed at the same time every night and keep the bedroom dark and quiet."),
        ("Eat vegetables.", "Put something green on every plate and try a new vegetable each week."),
        ("Walk every day.", "A walk of thirty minutes is good for the heart and clears the head."),
        ("Take breaks.", "Stand up once an hour, stretch your back and look out of the window."),
        ("Wash your hands.", "Clean hands keep many illnesses away, so use soap before every meal."),
    ],
    "learning a language": [
        ("Practise every day.", "Ten minutes a day are better than one long evening a week."),
        ("Read simple books.", "Choose books for children first, because short sentences are easy to follow."),
        ("Talk to people.", "Find someone who speaks the language and talk about your day."),
        ("Learn new words.", "Write five new words on cards and repeat them in the morning."),
        ("Listen to music.", "Songs help you remember words and show how they sound."),
        ("Do not fear mistakes.", "Every mistake shows what to learn next, so keep on talking."),
    ],
    "saving money": [
        ("Make a budget.", "Write down what you earn and what you spend each month."),
        ("Cook at home.", "A meal at home costs less than a meal in a restaurant, and it is often healthier."),
        ("Compare prices.", "Look at two or three shops before you buy something big."),
        ("Buy less.", "Wait a day before you buy, and you will often find that you do not need it."),
        ("Use public transport.", "Buses and trains are cheaper than a car of your own."),
        ("Repair things.", "A small repair can keep a machine running for years."),
    ],
    "studying": [
        ("Make a plan.", "Decide in the morning what you want to learn and when."),
        ("Take notes.", "Write the main ideas in your own words, then read them again."),
        ("Find a quiet place.", "Turn off the phone and sit where nobody disturbs you."),
        ("Ask questions.", "When something is unclear, ask a teacher or a friend."),
        ("Repeat often.", "Look at your notes after a day, a week and a month."),
        ("Sleep well.", "A rested mind remembers more."),
    ],
    "cooking": [
        ("Read the recipe first.", "Know all the steps before you turn on the stove."),
        ("Use fresh food.", "Fresh vegetables and herbs make even a simple dish taste good."),
        ("Taste often.", "Try the food while you cook and add salt little by little."),
        ("Keep knives sharp.", "A sharp knife is safer and faster than a dull one."),
        ("Start simple.", "Begin with soups and pasta and learn harder dishes later."),
        ("Clean as you go.", "Wash the bowls while the food cooks."),
    ],
    "travelling": [
        ("Pack light.", "A small bag is easy to carry and saves time at the airport."),
        ("Book early.", "Trains and hotels are cheaper some months ahead."),
        ("Learn a few words.", "Hello and thank you in the local language open many doors."),
        ("Try the local food.", "Eat where the people of the town eat."),
        ("Keep copies of papers.", "A photo of your passport helps when the bag is lost."),
        ("Plan free time.", "Leave an afternoon open and walk where you like."),
    ],
}


def tips(draw: Draw) -> Sample:
    topic = draw.pick(list(TIPS))
    count = draw.number(2, 5)
    chosen = draw.some(TIPS[topic], count)
    form = draw.pick(["numbered", "numbered", "dashed"])
    user = draw.phrase(
        [
            f"Give me {count} tips for {topic}.",
            f"What are {count} tips for {topic}?",
            f"List {count} tips for {topic}.",
            f"I need {count} tips for {topic}.",
            f"{count} tips for {topic}, please.",
            f"Name {count} short tips for {topic}.",
            f"Can you give me {count} tips for {topic}?",
        ]
    )
    if form == "dashed":
        user += " Use dashes."
    messages = [turn("user", user), turn("assistant", number_lines([tip for tip, _ in chosen], form))]
    if draw.chance(0.5):
        i = draw.number(1, count)
        messages += [
            turn(
                "user",
                draw.phrase(
                    [
                        f"Tell me more about tip {i}.",
                        f"Explain tip {i}.",
                        f"Expand tip {i}.",
                        f"Expand tip {i} into a paragraph.",
                        f"Say more about number {i}.",
                        f"What do you mean by tip {i}?",
                    ]
                ),
            ),
            turn("assistant", f"{chosen[i - 1][0]} {chosen[i - 1][1]}"),
        ]
        return chat("tips", messages)
    if draw.chance(0.4):
        tip, more = draw.pick(TIPS[topic])
        return chat(
            "tips",
            [
                turn(
                    "user",
                    draw.phrase(
                        [
                            f"Expand this tip for {topic} into a paragraph: {tip}",
                            f"Explain this tip: {tip}",
                            f"Write a sentence about this tip: {tip}",
                            f"Tip: {tip}\nExplain it.",
                        ]
                    ),
                ),
                turn("assistant", f"{tip} {more}"),
            ],
        )
    return chat("tips", messages, match="count")
