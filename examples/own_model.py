"""A model of your own: any Hugging Face folder with a llama, mistral, qwen2 or qwen3 model in safetensors."""

import sys
from pathlib import Path

import palmette as pm


@pm.function
def complete(s, prompt):
    s += prompt + pm.gen("text", max_tokens=12, temperature=0)


def main() -> None:
    if len(sys.argv) > 1:
        folder = Path(sys.argv[1])
    else:
        folder = Path(pm.__file__).parent / "runtime" / "models" / "bud"  # sprig's small draft model, as an example
    with pm.Engine(folder, page_size=8, max_total_tokens=4096) as engine:
        print(complete.run("The capital of France is", backend=engine).text())


if __name__ == "__main__":
    main()
