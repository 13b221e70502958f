"""Two agents debate, a third judges: each speaker has a branch of its own, hears the other, and repeats nothing.

sprig has no opinions and cannot argue, so each remark is held to one sentence of a form that it knows from reviews:
the speaker chooses what to talk about, among what nobody has mentioned yet, and in which words of its persona. The
judge, a select, weighs the words alone.
"""

import palmette as pm

SUBJECTS = ["room", "bed", "food", "breakfast", "staff", "view", "pool", "price"]
PERSONAS = {
    "the fan": ("I love this place.", "good|nice|great|lovely|friendly|tasty|comfortable|charming|perfect"),
    "the critic": ("I hate this place.", "bad|poor|boring|rude|dirty|noisy|cold|awful|terrible|overpriced"),
}


@pm.function
def debate(s, place, num_rounds):
    s += f"Two guests talk about the {place}.\n"
    speakers = s.fork(len(PERSONAS))
    for speaker, (opening, _) in zip(speakers, PERSONAS.values(), strict=True):
        speaker += f"{opening}\n"
    remarks, left = [], list(SUBJECTS)
    for turn in range(num_rounds * len(PERSONAS)):
        number = turn % len(PERSONAS)
        name, (_, words) = list(PERSONAS.items())[number]
        form = f"The ({'|'.join(left)}) was ({words})( and ({words}))?\\."
        speaker, listener = speakers[number], speakers[1 - number]
        speaker += "I say: " + pm.gen(f"remark_{turn}", regex=form, temperature=0.9, max_tokens=40) + "\n"
        remark = str(speaker[f"remark_{turn}"])
        listener += f"The other guest says: {remark}\n"
        left = [subject for subject in left if f"The {subject} " not in remark]
        remarks.append((name, remark))
    speakers.join()
    return remarks


@pm.function
def judge(s, remarks):
    said = " ".join(remark for _, remark in remarks)
    s += pm.user(f"Classify the sentiment of this review as positive, negative: {said}")
    s += pm.assistant(pm.select("sentiment", ["positive", "negative"]))


def main() -> None:
    for place, seed in (("hotel by the sea", 1), ("hotel at the station", 5)):
        print(f"about the {place}:")
        remarks = debate.run(place, num_rounds=3, seed=seed).ret_value
        for name, remark in remarks:
            print(f"  {name + ':':12} {remark}")
        verdict = judge.run(remarks)
        winner = "the fan" if verdict["sentiment"] == "positive" else "the critic"
        certainty = max(verdict.get_meta_info("sentiment")["probabilities"])
        print(f"  the judge:   {winner} wins, with probability {certainty:.2f}")


if __name__ == "__main__":
    main()
