"""GuardPlan: what leads to checks, and the way through a pickle."""

import pickle

from guard_plans import plan_of

from palmette.grammar.guards.guard_plan import Check, GuardNode, GuardPlan
from palmette.grammar.json_schema.document import SchemaDocument


def test_checks_are_found_through_cycles() -> None:
    root, inner = GuardNode(), GuardNode()
    root.properties["a"], inner.rest, root.properties["b"] = inner, root, None
    assert not root.has_any
    inner.additional = GuardNode(unique_keys=True)
    assert root.has_any


def test_a_pickle_keeps_the_graph_however_long_its_chains() -> None:
    schema = {"properties": {"a": {"items": {"uniqueItems": True}, "prefixItems": [{"minLength": 2}]}}}
    plan = plan_of(schema, asserts_format=False)
    plan.root.additional = plan.root
    plan.root.patterns.append(("^a", None))
    plan.root.key_checks.append(Check(plan.document.root, ""))
    tail = plan.root
    for _ in range(5_000):
        tail.rest = GuardNode()
        tail = tail.rest
    tail.unique_keys = True
    copy = pickle.loads(pickle.dumps(plan))
    assert isinstance(copy, GuardPlan)
    assert copy.root.additional is copy.root
    assert copy.root.patterns == [("^a", None)]
    assert copy.root.key_checks == [Check(copy.document.root, "")]
    assert not copy.asserts_format
    inner = copy.root.properties["a"]
    assert inner is not None
    assert [check.keyword for check in inner.checks] == []
    [first] = inner.prefix
    assert first is not None
    assert first.checks == [Check(copy.document.root.child("properties", "a", "prefixItems", 0), "minLength")]
    num_nodes, node = 0, copy.root
    while node.rest is not None:
        num_nodes, node = num_nodes + 1, node.rest
    assert num_nodes == 5_000
    assert node.unique_keys


def test_a_plan_without_checks_has_none() -> None:
    assert not GuardPlan(SchemaDocument("true"), GuardNode()).root.has_any
