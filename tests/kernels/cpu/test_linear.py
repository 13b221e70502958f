"""The packed product against torch in float64, on each instruction set; rows apart from each other to the last bit."""

from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from instruction_sets import SUPPORTED, each_instruction_set, library_for
from torch import Tensor

from palmette.kernels.cpu.instruction_set import InstructionSet
from palmette.kernels.cpu.linear import CpuLinear, can_pack, quantize_int8
from palmette.kernels.linear import linear_of
from palmette.kernels.torch_linear import TorchLinear

FORMS = [
    (torch.float32, torch.float32),
    (torch.bfloat16, torch.float32),
    (torch.bfloat16, torch.bfloat16),
    (torch.int8, torch.float32),
    (torch.int8, torch.bfloat16),
]
# Sums in float32; a result in bfloat16 is rounded to 8 bits; inputs of int8 products are rounded to 15 bits a block.
TOLERANCE = {torch.float32: 3e-6, torch.bfloat16: 5e-3}
INT8_TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 5e-3}


def make(
    instruction_set: InstructionSet,
    in_size: int,
    out_size: int,
    dtype: torch.dtype,
    has_bias: bool = False,
    seed: int = 0,
) -> tuple[CpuLinear, Tensor, Tensor | None]:
    """The product, its weights as float64 and its bias."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn((out_size, in_size), generator=generator)
    bias = torch.randn(out_size, generator=generator) if has_bias else None
    library = library_for(instruction_set)
    if dtype == torch.int8:
        values, scales = quantize_int8(weight)
        return CpuLinear(library, values, bias, scales), values.double() * scales.double()[:, None], bias
    kept = weight.to(dtype)
    return CpuLinear(library, kept, bias), kept.double(), bias


def check(actual: Tensor, expected: Tensor, x: Tensor, weight: Tensor, tolerance: float) -> None:
    """Errors against the sum of the absolute products, which is what rounding goes by."""
    bound = (x.double().abs() @ weight.abs().T).clamp(min=1e-9) + expected.abs()
    assert ((actual.double() - expected).abs() / bound).max() < tolerance


@each_instruction_set
@pytest.mark.parametrize(("weight_dtype", "dtype"), FORMS)
def test_it_is_the_product(instruction_set: InstructionSet, weight_dtype: torch.dtype, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(1)
    tolerance = (INT8_TOLERANCE if weight_dtype == torch.int8 else TOLERANCE)[dtype]
    for in_size, out_size, has_bias in ((2, 1, True), (24, 40, True), (258, 97, False), (770, 33, True)):
        linear, weight, bias = make(instruction_set, in_size, out_size, weight_dtype, has_bias)
        for num_rows in (1, 2, 3, 4, 7, 8, 12, 13, 27):
            x = torch.randn((num_rows, in_size), generator=generator).to(dtype)
            residual = torch.randn((num_rows, out_size), generator=generator).to(dtype)
            expected = x.double() @ weight.T + (0 if bias is None else bias.double())
            actual = linear.forward(x)
            assert actual.dtype == dtype
            check(actual, expected, x, weight, tolerance)
            check(linear.add_to(residual, x), expected + residual.double(), x, weight, tolerance)
            wide = linear.forward(x, torch.float32)
            assert wide.dtype == torch.float32
            check(wide, expected, x, weight, tolerance)


@pytest.mark.skipif(not SUPPORTED, reason="no C compiler")
@settings(max_examples=60, deadline=None)
@given(
    form=st.sampled_from(FORMS),
    instruction_set=st.sampled_from(SUPPORTED or tuple(InstructionSet)),
    in_size=st.sampled_from([2, 6, 64, 256, 300, 514]),
    out_size=st.integers(1, 200),
    num_rows=st.integers(1, 40),
    num_threads=st.sampled_from([1, 2]),
    data=st.data(),
)
def test_a_row_is_the_same_in_any_company(
    form: tuple[torch.dtype, torch.dtype],
    instruction_set: InstructionSet,
    in_size: int,
    out_size: int,
    num_rows: int,
    num_threads: int,
    data: st.DataObject,
) -> None:
    linear, _, _ = make(instruction_set, in_size, out_size, form[0], has_bias=True)
    generator = torch.Generator().manual_seed(num_rows)
    x = torch.randn((num_rows, in_size), generator=generator).to(form[1])
    first = data.draw(st.integers(0, num_rows - 1))
    last = data.draw(st.integers(first, num_rows - 1))
    before = torch.get_num_threads()
    torch.set_num_threads(num_threads)
    try:
        together = linear.forward(x)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(linear.forward(x[first : last + 1]), together[first : last + 1])


def test_threads_part_a_large_product() -> None:
    if not SUPPORTED:
        pytest.skip("no C compiler")
    linear, weight, _ = make(SUPPORTED[0], 512, 1024, torch.float32)
    x = torch.randn((40, 512), generator=torch.Generator().manual_seed(0))
    before = torch.get_num_threads()
    results = []
    for num_threads in (1, 2, 3):
        torch.set_num_threads(num_threads)
        results.append(linear.forward(x))
    torch.set_num_threads(before)
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])
    check(results[0], x.double() @ weight.T, x, weight, 3e-6)


@pytest.mark.skipif(not SUPPORTED, reason="no C compiler")
def test_int8_products_are_the_same_on_every_processor() -> None:
    x = torch.randn((5, 700), generator=torch.Generator().manual_seed(3))
    results = [make(each, 700, 50, torch.int8, has_bias=True)[0].forward(x) for each in SUPPORTED]
    assert all(torch.equal(result, results[0]) for result in results)


@each_instruction_set
def test_rows_need_not_lie_together(instruction_set: InstructionSet) -> None:
    linear, _, _ = make(instruction_set, 16, 8, torch.float32)
    wide = torch.randn((5, 40), generator=torch.Generator().manual_seed(0))
    assert torch.equal(linear.forward(wide[:, 8:24]), linear.forward(wide[:, 8:24].contiguous()))


@each_instruction_set
@pytest.mark.parametrize("weight_dtype", [torch.float32, torch.bfloat16, torch.int8])
def test_what_is_not_a_number_stays_in_its_row(instruction_set: InstructionSet, weight_dtype: torch.dtype) -> None:
    linear, _, _ = make(instruction_set, 300, 20, weight_dtype)
    x = torch.randn((4, 300), generator=torch.Generator().manual_seed(0))
    x[1, 7] = torch.nan
    x[2, 290] = torch.inf
    out = linear.forward(x)
    assert out[[0, 3]].isfinite().all()
    assert not out[[1, 2]].isfinite().any()


def test_quantized_weights_are_near() -> None:
    weight = torch.randn((5000, 12), generator=torch.Generator().manual_seed(0))
    weight[3] = 0
    values, scales = quantize_int8(weight)
    assert values[3].eq(0).all()
    assert values[:3].abs().amax(dim=1).eq(127).all()
    assert ((values * scales[:, None] - weight).abs() <= scales[:, None] * 0.5001).all()


def test_wrong_arguments_are_refused() -> None:
    if not SUPPORTED:
        pytest.skip("no C compiler")
    linear, _, _ = make(SUPPORTED[0], 16, 8, torch.float32)
    with pytest.raises(AssertionError, match=r"expected \[num_tokens, 16\], got \[2, 15\]"):
        linear.forward(torch.zeros(2, 15))
    with pytest.raises(AssertionError, match=r"expected float32 or bfloat16, got torch\.float16"):
        linear.forward(torch.zeros((2, 16), dtype=torch.float16))
    with pytest.raises(AssertionError, match="expected rows in one piece"):
        linear.forward(torch.zeros(16, 2).t())
    with pytest.raises(AssertionError, match=r"residual: expected \[2, 8\], got \[2, 7\]"):
        linear.add_to(torch.zeros(2, 7), torch.zeros(2, 16))
    with pytest.raises(AssertionError, match="expected an even number of inputs, got 3"):
        CpuLinear(library_for(SUPPORTED[0]), torch.zeros((4, 3), dtype=torch.bfloat16), None)
    assert can_pack(torch.zeros(4, 3))


class TestPort:
    """Which product serves, and with weights of what type."""

    CPU = torch.device("cpu")

    @pytest.fixture(autouse=True)
    def best_kernels(self, monkeypatch: pytest.MonkeyPatch) -> None:
        if not SUPPORTED:
            pytest.skip("no C compiler")
        monkeypatch.setenv("PALMETTE_CPU_KERNELS", SUPPORTED[0].value)

    def test_weights_keep_the_type_of_the_checkpoint(self) -> None:
        small, large = torch.ones((2, 4), dtype=torch.bfloat16), torch.ones(2, 4)
        kept = linear_of([small, small], None, torch.float32, self.CPU)
        assert isinstance(kept, CpuLinear)
        assert kept.weight.dtype == torch.bfloat16
        mixed = linear_of([small, large], None, torch.float32, self.CPU)
        assert mixed.weight.dtype == torch.float32
        assert linear_of([large], None, torch.bfloat16, self.CPU).weight.dtype == torch.bfloat16
        assert linear_of([large], None, torch.float32, self.CPU, "int8").weight.dtype == torch.int8

    def test_torch_serves_the_rest(self, monkeypatch: pytest.MonkeyPatch) -> None:
        odd = torch.randn(4, 3).bfloat16()
        assert isinstance(linear_of([odd], None, torch.float32, self.CPU), TorchLinear)
        assert isinstance(linear_of([torch.ones(2, 4)], None, torch.float16, self.CPU), TorchLinear)
        monkeypatch.setenv("PALMETTE_CPU_KERNELS", "off")
        assert isinstance(linear_of([torch.ones(2, 4)], None, torch.float32, self.CPU), TorchLinear)

    # Inputs of int8 products are rounded to 15 bits a block, torch's are not.
    @pytest.mark.parametrize(("quantization", "tolerance"), [(None, 1e-5), ("int8", 1e-3)])
    def test_torch_says_the_same(
        self, monkeypatch: pytest.MonkeyPatch, quantization: Literal["int8"] | None, tolerance: float
    ) -> None:
        generator = torch.Generator().manual_seed(0)
        parts = [torch.randn((size, 24), generator=generator) for size in (5, 3)]
        bias = torch.randn(8, generator=generator)
        x, residual = torch.randn((6, 24), generator=generator), torch.randn((6, 8), generator=generator)
        ours = linear_of(parts, bias, torch.float32, self.CPU, quantization)
        monkeypatch.setenv("PALMETTE_CPU_KERNELS", "off")
        theirs = linear_of(parts, bias, torch.float32, self.CPU, quantization)
        for num_rows in (1, 6):
            part = x[:num_rows]
            torch.testing.assert_close(ours.forward(part), theirs.forward(part), rtol=tolerance, atol=tolerance)
            torch.testing.assert_close(
                ours.add_to(residual[:num_rows], part),
                theirs.add_to(residual[:num_rows], part),
                rtol=tolerance,
                atol=tolerance,
            )
