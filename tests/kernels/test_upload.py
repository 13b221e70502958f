"""What is sent arrives as it was, in one piece; on a CPU nothing is copied."""

import pytest
import torch

from palmette.kernels.upload import upload, upload_into, upload_joined, upload_stacked

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
PARTS = (torch.arange(3), torch.arange(0), torch.arange(5) + 10)


def test_parts_arrive() -> None:
    assert torch.equal(upload(PARTS[0], DEVICE).cpu(), PARTS[0])
    for sent, part in zip(upload_joined(PARTS, DEVICE), PARTS, strict=True):
        assert torch.equal(sent.cpu(), part)
    rows = [torch.full((4,), number, dtype=torch.int32) for number in range(3)]
    assert torch.equal(upload_stacked(rows, DEVICE).cpu(), torch.stack(rows))
    target = torch.full((8,), -1, device=DEVICE)
    upload_into(target, PARTS)
    assert target.tolist() == [0, 1, 2, 10, 11, 12, 13, 14]


def test_on_a_cpu_it_is_the_same_tensor() -> None:
    cpu = torch.device("cpu")
    assert upload(PARTS[0], cpu) is PARTS[0]
    assert all(sent is part for sent, part in zip(upload_joined(PARTS, cpu), PARTS, strict=True))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device")
def test_the_host_does_not_wait_and_may_reuse_its_memory() -> None:
    source = torch.arange(1 << 16)
    target = torch.zeros(1 << 16, dtype=torch.int64, device=DEVICE)
    upload_into(target, (source,))  # pinned memory is made at first use
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for step in range(50):
            source.fill_(step)
            upload_into(target, (source,))
            sent = upload(source, DEVICE)
            source.fill_(-1)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert (target == 49).all()
    assert (sent == 49).all()
