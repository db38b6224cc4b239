"""What the paper leaves open or gets wrong, and what this project does about it."""

OPEN_POINTS: tuple[tuple[str, str], ...] = (
    (
        "Eq. (3) is flat below the demand and slopes down above it: descent on it can end in "
        "permanent violation.",
        "Training descends on a named surrogate with a ramp of its own width and a small pull "
        "upwards; everything reported is the hard eq. (3).",
    ),
    (
        "A VNF's cost is capped at c_u, so that at a low c_u giving up a volatile VNF can pay.",
        "Violation rate and mean overprovision stand beside every cost.",
    ),
    (
        "The unit of the cost is not said; a b* of about 100 at c_u = 20 means five violations.",
        "The cost is a sum over VNFs, each scaled to [0, 1] on the training days.",
    ),
    (
        "Which days set the scale, the correlations and the grid is not said.",
        "Training days only; demand of the test days may exceed 1.",
    ),
    (
        "Eq. (12) calls q a correlation and uses it as a distance; the embedding that it finds is "
        "free up to rotation, reflection and scale.",
        "q is the shape-based distance, 1 - max NCC; embedding and grid are brought to one box, "
        "the seed is fixed, and a random placement can be chosen instead.",
    ),
    (
        "A percentile of the benefits with a strict < can miss L >= L0.",
        "The ceil(L0 K)-th order statistic with <=; ties go the same way.",
    ),
    (
        "With b* < 0 Algorithm 1 does not solve problem (11): whatever the edge does better "
        "belongs there.",
        "max(b*, 0) labels the gates; the paper's literal b* can be chosen, and the literal Oracle "
        "is the one that is drawn.",
    ),
    (
        "At b = b* the labels say hard, the Oracle of Table II stays local.",
        "A benefit equal to b* is easy, for both.",
    ),
    (
        "A threshold of 1/2 on a gate's probability does not give the L0 that it was trained for.",
        "Thresholds are set on calibration days; the L that was reached is reported, and rules are "
        "compared at equal reached L. The threshold of 1/2 is reported beside.",
    ),
    (
        "Labels from training days carry the exits' overfit.",
        "Gates learn from validation days, on which no weight of the exits was fitted.",
    ),
    (
        "Dropout's rate and places are not given, nor which variance eq. (10) is.",
        "Dropout follows z and each hidden layer of F1, and is on in the B passes; the variance "
        "divides by B - 1.",
    ),
    (
        "The paper moves u over the test set and reads the curve off there.",
        "A threshold never sees a test day; only the Oracle does.",
    ),
    (
        "Split, optimiser, learning rate, epochs, batch and early stopping are not given.",
        "They are declared in params.yaml. The last five days are the test days; every N judges "
        "the same 720 slots (the paper has 714, which a setting gives).",
    ),
    (
        "One training, no intervals.",
        "Several seeds for each setting; intervals draw seeds and whole days, paired.",
    ),
    (
        "z is said to scale better than D; at N = 6 and 49 VNFs it is 9408 numbers, D is 294.",
        "Bytes of z, of D and of the newest slot alone are reported for every decision.",
    ),
    (
        "The motive is latency in milliseconds, but a slot lasts ten minutes.",
        "The round trip is the paper's, and no claim is made that it matters at this slot length.",
    ),
    (
        "Table IV leaves out the time of the gate and of the B extra passes.",
        "The time is reported with and without the rule's own work.",
    ),
    (
        "Table III does not belong to the 7 x 7 volume of the text; AlexNet's operations are twice "
        "those of one image.",
        "The preset table3 on a volume of 8 x 8 x 24 gives its parameters and MACs; what is "
        "trained are the layers of the text.",
    ),
    (
        "The text contradicts itself: 3 % against 2 % at L = 40 %, 60 % within 5 % against "
        "Fig. 4, and Fig. 3b called 3a where its w is given.",
        "The number nearest to the figure is judged; both statements of claim 21 are.",
    ),
)
"""Pairs: what is open or wrong, and the choice made."""
