"""Report: comparisons as a table to read and as JSON to keep."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from comparison import Comparison, Figures
from programs.program_workload import Aim, ProgramWorkload
from rich.table import Table


def table_of(comparisons: Sequence[Comparison]) -> Table:
    """One block a workload: palmette, then every way of transformers with palmette's ratios over it.

    Ratios above 1 are in palmette's favour.
    """
    table = Table(title="palmette and transformers generate, the same weights, float32, greedy", title_justify="left")
    table.add_column("workload / contestant")
    for name in ("tokens/s", "ratio", "CPU ratio", "first token", "ratio", "peak memory", "ratio", "same tokens"):
        table.add_column(name, justify="right")
    for comparison in comparisons:
        target = comparison.workload.target_ratio
        aim = "" if target is None else f"aim {target:g}x"
        table.add_row(f"[bold]{comparison.workload.title}", "", aim)
        table.add_row(*_figures_cells("palmette", comparison.palmette))
        for variant in comparison.variants:
            table.add_row(*_peer_cells(f"palmette, {variant.name}", comparison.palmette, variant))
        best = comparison.best_peer
        for peer in comparison.peers:
            name = f"transformers, {peer.name}"
            table.add_row(*_peer_cells(name, comparison.palmette, peer), style="bold" if peer is best else None)
        for peer in comparison.peers_by_hand:
            table.add_row(*_peer_cells(f"(transformers, {peer.name})", comparison.palmette, peer), style="dim")
        table.add_section()
    return table


def summary_lines(comparisons: Iterable[Comparison]) -> list[str]:
    """One sentence a workload: the ratio over transformers' best way, and its target."""
    lines = []
    for each in comparisons:
        ratio, target = each.palmette.tokens_per_s / each.best_peer.tokens_per_s, each.workload.target_ratio
        verdict = "" if target is None else f" (aim {target:g}x: {'reached' if ratio >= target else 'missed'})"
        lines.append(f"{each.workload.title}: {ratio:.2f}x{verdict}, {_tokens(each.best_peer.agreement)}")
        lines += [_aim_line(each, aim) for aim in _aims_of(each)]
    return lines


def to_json(comparisons: Iterable[Comparison], environment: dict[str, str | int], options: dict[str, Any]) -> Any:
    """Plain values: every round of every contestant, with the medians' ratios."""
    return {
        "environment": environment,
        "options": options,
        "workloads": [
            {
                "name": each.workload.name,
                "title": each.workload.title,
                "target_ratio": each.workload.target_ratio,
                "best_peer": each.best_peer.name,
                "ratio": each.palmette.tokens_per_s / each.best_peer.tokens_per_s,
                "cpu_ratio": each.palmette.tokens_per_cpu_s / each.best_peer.tokens_per_cpu_s,
                "palmette": _plain(each.palmette),
                "peers": [_plain(peer) for peer in each.peers],
                "peers_by_hand": [_plain(peer) for peer in each.peers_by_hand],
                "variants": [_plain(variant) for variant in each.variants],
                "aims": [{**asdict(aim), "time_ratio": each.time_ratio(aim)} for aim in _aims_of(each)],
            }
            for each in comparisons
        ],
    }


def _plain(figures: Figures) -> dict[str, Any]:
    return {**asdict(figures), "tokens_per_s": figures.tokens_per_s, "tokens_per_cpu_s": figures.tokens_per_cpu_s}


def _figures_cells(name: str, figures: Figures) -> list[str]:
    memory = "" if figures.memory is None else f"{figures.memory.peak_mb:,.0f} MB"
    first = f"{1000 * figures.first.median_wall_s:,.1f} ms"
    return [f"  {name}", f"{figures.tokens_per_s:,.0f}", "", "", first, "", memory, "", ""]


def _peer_cells(name: str, ours: Figures, peer: Figures) -> list[str]:
    cells = _figures_cells(name, peer)
    cells[2] = f"{ours.tokens_per_s / peer.tokens_per_s:.2f}x"
    cells[3] = f"{ours.tokens_per_cpu_s / peer.tokens_per_cpu_s:.2f}x"
    cells[5] = f"{peer.first.median_wall_s / ours.first.median_wall_s:.2f}x"
    if peer.memory is not None and ours.memory is not None:
        cells[7] = f"{peer.memory.peak_mb / ours.memory.peak_mb:.2f}x"
    if peer.agreement is not None:
        cells[8] = "all" if peer.agreement == 1 else f"{peer.agreement:.1%}"
    return cells


def _aims_of(comparison: Comparison) -> tuple[Aim, ...]:
    return comparison.workload.aims if isinstance(comparison.workload, ProgramWorkload) else ()


def _aim_line(comparison: Comparison, aim: Aim) -> str:
    ratio = comparison.time_ratio(aim)
    reached = "reached" if ratio <= aim.at_most else "missed"
    return f"  {aim.way}: {ratio:.2f}x the time of {aim.bound} (aim at most {aim.at_most:g}x: {reached})"


def _tokens(share: float | None) -> str:
    assert share is not None, "every way of transformers writes palmette's tokens"
    return "tokens identical" if share == 1 else f"{share:.1%} of the tokens identical"
