"""The typed settings: what params.yaml may say, with units and ranges.

Declarations only. Code that computes never lives here, so that a new setting for one stage does
not make the others run again (the values that a stage uses are part of its key).
"""

from ddnn.params.demand import DownloadParams, GapParams, SelectParams
from ddnn.params.experiments import SitesParams, WorthParams
from ddnn.params.loading import Params, change_params, load_params, parse_params
from ddnn.params.ranges import Overrides, PerVnf, Share
from ddnn.params.system import (
    BootstrapParams,
    GateFeature,
    GridParams,
    LabelParams,
    OffloaderParams,
    PenaltyParams,
    SettingParams,
    SurrogateParams,
    TrainParams,
)

__all__ = [
    "BootstrapParams",
    "DownloadParams",
    "GapParams",
    "GateFeature",
    "GridParams",
    "LabelParams",
    "OffloaderParams",
    "Overrides",
    "Params",
    "PenaltyParams",
    "PerVnf",
    "SelectParams",
    "SettingParams",
    "Share",
    "SitesParams",
    "SurrogateParams",
    "TrainParams",
    "WorthParams",
    "change_params",
    "load_params",
    "parse_params",
]
