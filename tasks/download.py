"""Stage ``download``: demand of one source, checked and repaired, in the project's own format.

What is fetched is kept beside the store of stages: another selection of squares needs no network.
"""

import json

from ddnn.demand import load_demand, write_demand
from tasks.home import ddnn_home
from tasks.stage import Stage
from tasks.transfer_progress import TransferProgress


def run(stage: Stage) -> None:
    """Write demand.parquet, demand.json and quality.json (what was repaired, warnings).

    Raises:
        DemandError: The demand cannot be used as it is.
    """
    download = stage.params.download
    with TransferProgress() as progress:
        demand, report = load_demand(download, ddnn_home() / "milano", progress)
    write_demand(demand, stage.out)
    quality = report.to_json(demand, download.gaps)
    text = json.dumps(quality, sort_keys=True, indent=2, allow_nan=False, ensure_ascii=False)
    (stage.out / "quality.json").write_text(text + "\n", encoding="utf-8")
