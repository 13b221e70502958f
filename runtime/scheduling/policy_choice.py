"""Which policy a name stands for."""

from ..config import SchedulerOptions
from .depth_first import DepthFirst
from .fair_prefix_match import FairPrefixMatch
from .keyed_policies import FirstComeFirstServed, HighestPriority
from .longest_prefix_match import LongestPrefixMatch
from .policy import Policy


def make_policy(options: SchedulerOptions) -> Policy:
    """The policy that the options name, without rows."""
    match options.policy:
        case "fair-lpm":
            return FairPrefixMatch(options.oldest_every, options.quantum)
        case "fcfs":
            return FirstComeFirstServed()
        case "lpm":
            return LongestPrefixMatch()
        case "dfs":
            return DepthFirst()
        case "priority":
            return HighestPriority()
