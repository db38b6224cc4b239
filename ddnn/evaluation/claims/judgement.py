"""All claims at once."""

from ddnn.evaluation.claims import allocations, costs, gates, resources, rules
from ddnn.evaluation.claims.claim import Claim
from ddnn.evaluation.claims.sample import Bench
from ddnn.evaluation.measured import Measured
from ddnn.params import BootstrapParams


def judge(measured: Measured, bootstrap: BootstrapParams) -> list[Claim]:
    """Judge the paper's claims by one demand's runs.

    Whether the demand is the paper's is not asked here: ``Claim.demand`` names it.

    Args:
        measured: The runs; what is missing leaves its claims unjudged.
        bootstrap: Draws of the two-level bootstrap, and the level of the intervals.

    Returns:
        The claims, by id from 1 to 24.
    """
    bench = Bench(measured, bootstrap)
    judged = [
        *costs.claims(bench),
        *rules.claims(bench),
        *gates.claims(bench, bootstrap),
        *allocations.claims(bench),
        *resources.claims(bench),
    ]
    return sorted(judged, key=lambda claim: claim.id)
