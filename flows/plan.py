"""What a run would do: which stages are in the store, which would run, and for about how long."""

from ddnn.params import Params
from tasks.registry import STAGES
from tasks.runner import Workshop, durations, find_stages


def plan_table(params: Params) -> str:
    """Give a line for each stage and the estimate, from this machine's last runs."""
    workshop = Workshop.open()
    known = durations(workshop.store)
    found = find_stages([spec.name for spec in STAGES], params, workshop)
    lines: list[str] = []
    seconds, unknown = 0.0, 0
    for spec in STAGES:
        if spec.name in found:
            lines.append(f"  {spec.name:<14}finished, in the store")
            continue
        last = known.get(spec.name)
        seconds += last or 0.0
        unknown += last is None
        guess = f"about {last:.0f} s, as last time" if last is not None else "never run here yet"
        lines.append(f"  {spec.name:<14}would run ({guess})")
    ends = f"About {seconds:.0f} s" if seconds else "Nothing measured"
    if unknown:
        ends += f", and {unknown} stages whose time is not known yet"
    if len(found) == len(STAGES):
        ends = "Nothing to run"
    return "\n".join([*lines, ends + "."])
