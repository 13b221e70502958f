"""anyOf, oneOf and conditions as rules: every way of choosing one case of each, with what stands beside them."""

from itertools import product

from ..errors import ConstraintTooLarge
from ..guards.guard_plan import GuardNode
from ..rules.expression import Expression, either
from .disjoint import DisjointProof
from .document import Node
from .facts import Conjunct, Group, SchemaFacts
from .goals import Goal, Goals
from .guard_builder import Choice, Option, add_check
from .synthetic import synthetic

MAX_BRANCHES = 1_000
MAX_CONDITION_WAYS = 64


class BranchRules:
    """Makes the rules of goals with groups, and notes their choices for the guards."""

    def __init__(self, goals: Goals) -> None:
        self._goals = goals
        self._proof = DisjointProof(goals.gather, is_tight=goals.is_tight)

    def rule(self, goal: Goal, facts: SchemaFacts, guard: GuardNode) -> Expression:
        """The values of every way; each is a goal of its own."""
        groups = self._enforced_groups(facts, guard)
        base = tuple([Conjunct(node, is_bare=True) for node in facts.own])
        demanded: list[Conjunct] = []
        for group in groups:
            if group.is_exclusive:
                node = self._tell_apart(group, base, goal, guard)
                demanded += [] if node is None else [Conjunct(node)]
            elif group.is_loose:
                add_check(guard, group.check)
        ways = []
        for branches in product(*(group.branches for group in groups)):
            chosen = [Conjunct(node) for branch in branches for node in branch]
            conjuncts = tuple(dict.fromkeys((*base, *chosen, *demanded)))
            way = Goal(conjuncts, goal.depth, facts.types & goal.only_types)
            if way != goal:  # a branch that leads back to its own anyOf adds nothing
                ways.append(way)
        options = [Option(self._goals.guard_for(way), self._types(way)) for way in ways]
        self._goals.builder.add_choice(Choice(guard, facts.own, groups, options))
        return either(self._goals.rule_for(way) for way in ways)

    def _enforced_groups(self, facts: SchemaFacts, guard: GuardNode) -> list[Group]:
        """The groups to branch over; conditions that would make too many ways are left to the guard."""
        kept: list[Group] = []
        num_ways = 1
        for group in sorted(facts.groups, key=lambda group: group.is_condition):
            more = num_ways * len(group.branches)
            if group.is_condition and more > MAX_CONDITION_WAYS:
                add_check(guard, group.check)
                continue
            kept.append(group)
            num_ways = more
        if num_ways > MAX_BRANCHES:
            raise ConstraintTooLarge(
                "combined branches of anyOf and oneOf", MAX_BRANCHES, f"{num_ways}, at #{facts.pointer}"
            )
        return kept

    def _tell_apart(self, group: Group, base: tuple[Conjunct, ...], goal: Goal, guard: GuardNode) -> Node | None:
        """Guard the group unless no document made for one branch is valid for another.

        Returns what must hold besides: read tightly, that a property which tells the branches apart is there.
        """
        goals = self._goals
        node: Node | None = None
        others = [goals.gather(tuple(map(Conjunct, branch))) for branch in group.branches]
        name = self._proof.discriminator(others)
        if name is not None and (goals.is_tight or all(name in other.required for other in others)):
            node = synthetic(group.node, f"told-apart:{name}", {"required": [name]})
        extra = () if node is None else (Conjunct(node),)
        made = [goals.gather((*base, *map(Conjunct, branch), *extra)) for branch in group.branches]
        for made_index, one in enumerate(made):
            for other_index, other in enumerate(others):
                if made_index != other_index and not self._proof.never_valid(one, other, goal.only_types):
                    add_check(guard, group.check)
                    return None
        return node

    def _types(self, goal: Goal) -> frozenset[str]:
        facts = self._goals.gather(goal.conjuncts)
        types = facts.types & goal.only_types
        is_narrowed = self._goals.is_tight and facts.mentioned_types and facts.values is None and not facts.groups
        return types & facts.mentioned_types if is_narrowed else types
