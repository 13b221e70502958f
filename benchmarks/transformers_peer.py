"""TransformersPeer: the same workloads through transformers' `generate`, in each way a user of it could take."""

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
import transformers
from answer import Answer
from programs.program_workload import ProgramWorkload
from torch import Tensor
from transformers_calls import TransformersCalls, Way
from workloads import Shape, Workload

Run = Callable[[Any, int], list[Answer]]
"""A workload, of either kind, and its number of tokens."""


class TransformersPeer:
    """The model in float32 on the CPU with scaled-dot-product attention, and the tokenizer of the same folder."""

    name = "transformers"

    def __init__(self, model_path: Path) -> None:
        transformers.utils.logging.disable_progress_bar()
        self._tokenizer = transformers.AutoTokenizer.from_pretrained(model_path, padding_side="left")
        model = transformers.AutoModelForCausalLM.from_pretrained(
            model_path, dtype=torch.float32, attn_implementation="sdpa"
        )
        self._model = model.eval()
        self._eos_token_ids: tuple[int, ...] = tuple(_as_list(model.generation_config.eos_token_id))
        # Where every answer has a fixed length, nothing ends it; the extraction gives `generate` its ends itself.
        model.generation_config.eos_token_id = None

    def ways(self, workload: Workload | ProgramWorkload) -> dict[str, Run]:
        """The ways to do this workload that a user of `generate` has, by name."""
        ways: dict[str, Run] = {}
        if isinstance(workload, ProgramWorkload):
            chosen = (Way.BATCHED, Way.ONE_BY_ONE) if workload.can_batch else (Way.ONE_BY_ONE,)
            return {way.value: partial(self.run_program, way) for way in chosen}
        if len(workload.endings) > 1:
            ways["one padded batch"] = self.run_batched
        ways["one by one"] = self.run_one_by_one
        return ways

    def ways_by_hand(self, workload: Workload | ProgramWorkload) -> dict[str, Run]:
        """Ways that take code of one's own around `generate`; reported beside, as a stronger baseline."""
        if isinstance(workload, ProgramWorkload):
            return {Way.CACHE_BY_HAND.value: partial(self.run_program, Way.CACHE_BY_HAND)}
        shares_prefix = workload.shape in (Shape.PROGRAMS, Shape.FORK)
        return {"prefix cache by hand": self.run_reusing_prefix} if shares_prefix else {}

    @torch.inference_mode()
    def run_program(self, way: Way, workload: ProgramWorkload, num_tokens: int) -> list[Answer]:
        """A program, its calls made in this way."""
        calls = TransformersCalls(self._model, self._tokenizer, way)
        workload.with_transformers(calls, num_tokens)
        return calls.answers

    @torch.inference_mode()
    def run_batched(self, workload: Workload, num_tokens: int) -> list[Answer]:
        """All prompts in one call, padded on the left, with their attention mask."""
        return self._generate(workload, self._prompts(workload), num_tokens)

    @torch.inference_mode()
    def run_one_by_one(self, workload: Workload, num_tokens: int) -> list[Answer]:
        """One call a prompt."""
        return [
            answer for prompt in self._prompts(workload) for answer in self._generate(workload, [prompt], num_tokens)
        ]

    @torch.inference_mode()
    def run_reusing_prefix(self, workload: Workload, num_tokens: int) -> list[Answer]:
        """The tokens that all prompts begin with are computed once; the padding stands between them and the rest."""
        prompts = self._prompts(workload)
        prefix_len = _common_len(prompts)
        prefix, rests = prompts[0][:prefix_len], [prompt[prefix_len:] for prompt in prompts]
        cache = transformers.DynamicCache(config=self._model.config)
        self._model(torch.tensor([prefix]), past_key_values=cache, use_cache=True, logits_to_keep=1)
        cache.batch_repeat_interleave(len(prompts))
        padded = self._pad(rests)
        shape = (len(prompts), prefix_len)
        input_ids = torch.cat((torch.tensor([prefix]).expand(shape), padded["input_ids"]), 1)
        attention_mask = torch.cat((torch.ones(shape, dtype=torch.int64), padded["attention_mask"]), 1)
        return self._continue(workload, input_ids, attention_mask, num_tokens, past_key_values=cache)

    def _prompts(self, workload: Workload) -> list[list[int]]:
        """Tokenising is part of the work, as it is for palmette."""
        if workload.shape is not Shape.EXTRACTION:
            return [self._tokenizer(prompt)["input_ids"] for prompt in workload.prompts]
        return [
            self._tokenizer.apply_chat_template(
                [{"role": "user", "content": prompt}], add_generation_prompt=True, return_dict=True
            )["input_ids"]
            for prompt in workload.prompts
        ]

    def _pad(self, prompts: Sequence[list[int]]) -> dict[str, Tensor]:
        padded = self._tokenizer.pad({"input_ids": list(prompts)}, return_tensors="pt")
        return {"input_ids": padded["input_ids"], "attention_mask": padded["attention_mask"]}

    def _generate(self, workload: Workload, prompts: Sequence[list[int]], num_tokens: int) -> list[Answer]:
        padded = self._pad(prompts)
        return self._continue(workload, padded["input_ids"], padded["attention_mask"], num_tokens)

    def _continue(
        self,
        workload: Workload,
        input_ids: Tensor,  # [num_rows, num_tokens] int64
        attention_mask: Tensor,  # [num_rows, num_tokens] int64
        num_tokens: int,
        **options: object,
    ) -> list[Answer]:
        if workload.schema is not None:
            options["logits_processor"] = [self._constraint(workload.schema)]
            options["eos_token_id"] = list(self._eos_token_ids)
        output = self._model.generate(
            input_ids=input_ids,
            attention_mask=attention_mask,
            max_new_tokens=num_tokens,
            do_sample=False,
            pad_token_id=self._tokenizer.pad_token_id,
            **options,
        )
        rows: list[list[int]] = output[:, input_ids.shape[1] :].tolist()
        ends = frozenset(self._eos_token_ids) if workload.schema is not None else frozenset[int]()
        return [_answer(row, ends) for row in rows]

    def _constraint(self, schema: str) -> object:
        """xgrammar's own processor for `generate`; it is made anew for each call, its grammar only once."""
        from xgrammar.contrib.hf import LogitsProcessor

        return LogitsProcessor(self._compiler(schema))

    @cached_property
    def _compiler(self) -> Callable[[str], object]:
        import xgrammar

        info = xgrammar.TokenizerInfo.from_huggingface(
            self._tokenizer, vocab_size=self._model.config.vocab_size, stop_token_ids=list(self._eos_token_ids)
        )
        compiler = xgrammar.GrammarCompiler(info)  # keeps what it has compiled

        def compile_schema(schema: str) -> object:
            # palmette's layout: one space after commas and colons, and no other white space.
            return compiler.compile_json_schema(schema, any_whitespace=False, separators=(", ", ": "))

        return compile_schema

    def close(self) -> None:
        """Let go of the model."""
        del self._model


def _answer(row: list[int], ends: frozenset[int]) -> Answer:
    kept = next((index for index, token_id in enumerate(row) if token_id in ends), len(row))
    return Answer(kept, tuple(row[:kept]))


def _common_len(prompts: Sequence[list[int]]) -> int:
    """Tokens that all prompts begin with, but never the whole of one."""
    shortest = min(len(prompt) for prompt in prompts) - 1
    return next(
        (index for index in range(shortest) if len({prompt[index] for prompt in prompts}) > 1),
        shortest,
    )


def _as_list(value: int | list[int] | None) -> list[int]:
    if value is None:
        return []
    return [value] if isinstance(value, int) else list(value)
