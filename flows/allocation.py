"""What `ddnn allocate` does: from a user's demand file to a file of allocations."""

from dataclasses import dataclass
from pathlib import Path

from ddnn.demand import load_matrix
from ddnn.demand.repair import Repairs
from ddnn.runtime.allocate import allocate, fit_demand
from ddnn.runtime.models import load_model
from ddnn.runtime.table import check_place, check_series, time_format, write_table


@dataclass(frozen=True)
class AllocationSummary:
    """What was allocated, for the user's eyes."""

    rows: int
    """One for each slot with a full window, and the slot after the file's end."""
    local_share: float
    """L that was reached, of all rows."""
    rule: str
    l0: float
    """L0 that the threshold was calibrated for."""
    threshold: float
    """A decision stayed local where the rule's score was at most this."""
    model: str
    """Id of the model: the head of its manifest's sha256."""
    series: int
    repairs: Repairs
    """What was missing in the file."""
    warnings: tuple[str, ...]
    """What else the file's owner should know, one line each."""

    def __str__(self) -> str:
        """Say it in a few lines."""
        lines = [
            f"{self.rows} slots, {self.series} series, {self.local_share:.1%} decided at the edge",
            f"rule {self.rule}, L0 {self.l0:g}, threshold {self.threshold:.4g}, model {self.model}",
        ]
        slots, cells = self.repairs.missing_slots, self.repairs.empty_cells
        if slots or cells:
            lines.append(f"repaired in the demand: {slots} missing slots, {cells} empty cells")
        lines.extend(f"warning: {warning}" for warning in self.warnings)
        return "\n".join(lines)


def allocate_file(
    demand: Path, out: Path, model: Path, rule: str | None = None, l0: float | None = None
) -> AllocationSummary:
    """Allocate for each slot of a demand file with a full window, and the slot after its end.

    Args:
        demand: CSV or Parquet of the series that the model was trained on, in any order.
        out: The table to write, .csv or .parquet; replaced only when the new one is whole.
        model: Folder of an exported model; every byte is verified first.
        rule: Offloading rule; None: the model's own.
        l0: Wanted share of local decisions; None: the model's own.

    Raises:
        ParamsError: ``out`` cannot be written, or ``l0`` is outside [0, 1].
        ArtefactError: The model is damaged, or no exported model.
        DemandError: The demand file cannot be used.
        ModelError: Other series or slots than the model's, or a rule or L0 that it does not have.
    """
    check_place(out, demand)
    bundle = load_model(model)
    check_series(bundle.facts.series)
    chosen = bundle.decider(rule, l0)
    facts = bundle.facts
    found, report = load_matrix(
        demand, gaps=facts.gaps, name=str(demand), unit=facts.unit, timezone=facts.timezone
    )
    allocation = allocate(bundle, fit_demand(bundle, found), chosen)
    write_table(allocation, out, time_format(demand, found.start, found.slot_seconds))
    return AllocationSummary(
        rows=len(allocation.times),
        local_share=float(allocation.local.mean()),
        rule=chosen.rule.name,
        l0=chosen.l0,
        threshold=chosen.threshold,
        model=bundle.model,
        series=len(allocation.series),
        repairs=report.repairs,
        warnings=report.warnings,
    )
