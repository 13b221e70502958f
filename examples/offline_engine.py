"""The engine without the language: prompts in, texts out, in the shape of SGLang's offline engine."""

import palmette as pm


def main() -> None:
    with pm.Engine() as engine:  # sprig; or pm.Engine("path/to/a/hugging-face-folder", dtype="bfloat16")
        prompts = ["The capital of Italy is", "The opposite of hot is"]
        params = {"temperature": 0, "max_new_tokens": 8, "stop": "."}
        for prompt, output in zip(prompts, engine.generate(prompts, params), strict=True):
            print(prompt + output["text"], output["meta_info"]["finish_reason"])

        constrained = engine.generate(
            "A date:", {"regex": r"[0-9]{4}-[0-9]{2}-[0-9]{2}", "max_new_tokens": 16, "seed": 1}
        )
        print(constrained["text"])

        for chunk in engine.generate("Once upon a time", {"max_new_tokens": 16, "seed": 2}, stream=True):
            print(chunk["text"].replace("\n", " "))
        print(engine.stats())


if __name__ == "__main__":
    main()
