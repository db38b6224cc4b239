"""The paper's 24 claims, judged by what was measured; every verdict follows from numbers."""

from ddnn.evaluation.claims.claim import Claim, Part, Verdict
from ddnn.evaluation.claims.expected import EXPECTED, Expected
from ddnn.evaluation.claims.judgement import judge
from ddnn.evaluation.claims.open_points import OPEN_POINTS

__all__ = ["EXPECTED", "OPEN_POINTS", "Claim", "Expected", "Part", "Verdict", "judge"]
