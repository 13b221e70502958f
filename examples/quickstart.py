"""A program in fifteen lines: two typed values, one of them chosen, on the embedded model."""

import palmette as pm


@pm.function
def review(s, text):
    s += pm.user(f"Review: {text}\nIs the sentiment positive or negative?")
    with s.assistant():
        s += pm.select("sentiment", ["positive", "negative"])
    s += pm.user("What is the capital of France?")
    with s.assistant():
        s += pm.gen("capital", max_tokens=16, temperature=0)


state = review.run(text="The soup was cold and the waiter was rude.")
print("sentiment:", state["sentiment"], state.get_meta_info("sentiment")["probabilities"])
print("capital:  ", state["capital"])
