from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Exit(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXIT_UNSPECIFIED: _ClassVar[Exit]
    EXIT_LOCAL: _ClassVar[Exit]
    EXIT_REMOTE: _ClassVar[Exit]
    EXIT_FALLBACK: _ClassVar[Exit]
    EXIT_COLD: _ClassVar[Exit]
EXIT_UNSPECIFIED: Exit
EXIT_LOCAL: Exit
EXIT_REMOTE: Exit
EXIT_FALLBACK: Exit
EXIT_COLD: Exit

class DemandVector(_message.Message):
    __slots__ = ("time", "demand")
    TIME_FIELD_NUMBER: _ClassVar[int]
    DEMAND_FIELD_NUMBER: _ClassVar[int]
    time: int
    demand: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, time: _Optional[int] = ..., demand: _Optional[_Iterable[float]] = ...) -> None: ...

class Decision(_message.Message):
    __slots__ = ("time", "allocation", "exit", "reason", "model", "score", "threshold", "shadow", "repeated", "milliseconds", "price", "unknown")
    TIME_FIELD_NUMBER: _ClassVar[int]
    ALLOCATION_FIELD_NUMBER: _ClassVar[int]
    EXIT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    SHADOW_FIELD_NUMBER: _ClassVar[int]
    REPEATED_FIELD_NUMBER: _ClassVar[int]
    MILLISECONDS_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    time: int
    allocation: _containers.RepeatedScalarFieldContainer[float]
    exit: Exit
    reason: str
    model: str
    score: float
    threshold: float
    shadow: bool
    repeated: bool
    milliseconds: float
    price: float
    unknown: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, time: _Optional[int] = ..., allocation: _Optional[_Iterable[float]] = ..., exit: _Optional[_Union[Exit, str]] = ..., reason: _Optional[str] = ..., model: _Optional[str] = ..., score: _Optional[float] = ..., threshold: _Optional[float] = ..., shadow: _Optional[bool] = ..., repeated: _Optional[bool] = ..., milliseconds: _Optional[float] = ..., price: _Optional[float] = ..., unknown: _Optional[_Iterable[str]] = ...) -> None: ...

class StatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class EdgeStatus(_message.Message):
    __slots__ = ("model", "newest", "slots", "needed", "series", "slot_seconds", "unit", "wanted")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    NEWEST_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    NEEDED_FIELD_NUMBER: _ClassVar[int]
    SERIES_FIELD_NUMBER: _ClassVar[int]
    SLOT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    WANTED_FIELD_NUMBER: _ClassVar[int]
    model: str
    newest: int
    slots: int
    needed: int
    series: _containers.RepeatedScalarFieldContainer[str]
    slot_seconds: int
    unit: str
    wanted: int
    def __init__(self, model: _Optional[str] = ..., newest: _Optional[int] = ..., slots: _Optional[int] = ..., needed: _Optional[int] = ..., series: _Optional[_Iterable[str]] = ..., slot_seconds: _Optional[int] = ..., unit: _Optional[str] = ..., wanted: _Optional[int] = ...) -> None: ...

class Offload(_message.Message):
    __slots__ = ("edge", "model", "slot", "latent", "quantised", "demand", "rows")
    EDGE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    LATENT_FIELD_NUMBER: _ClassVar[int]
    QUANTISED_FIELD_NUMBER: _ClassVar[int]
    DEMAND_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    edge: str
    model: str
    slot: int
    latent: bytes
    quantised: Quantised
    demand: bytes
    rows: Rows
    def __init__(self, edge: _Optional[str] = ..., model: _Optional[str] = ..., slot: _Optional[int] = ..., latent: _Optional[bytes] = ..., quantised: _Optional[_Union[Quantised, _Mapping]] = ..., demand: _Optional[bytes] = ..., rows: _Optional[_Union[Rows, _Mapping]] = ...) -> None: ...

class Quantised(_message.Message):
    __slots__ = ("scales", "levels")
    SCALES_FIELD_NUMBER: _ClassVar[int]
    LEVELS_FIELD_NUMBER: _ClassVar[int]
    scales: bytes
    levels: bytes
    def __init__(self, scales: _Optional[bytes] = ..., levels: _Optional[bytes] = ...) -> None: ...

class Rows(_message.Message):
    __slots__ = ("session", "rows")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    session: int
    rows: bytes
    def __init__(self, session: _Optional[int] = ..., rows: _Optional[bytes] = ...) -> None: ...

class Allocation(_message.Message):
    __slots__ = ("model", "slot", "allocation")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    ALLOCATION_FIELD_NUMBER: _ClassVar[int]
    model: str
    slot: int
    allocation: bytes
    def __init__(self, model: _Optional[str] = ..., slot: _Optional[int] = ..., allocation: _Optional[bytes] = ...) -> None: ...

class DescribeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Models(_message.Message):
    __slots__ = ("current", "served")
    CURRENT_FIELD_NUMBER: _ClassVar[int]
    SERVED_FIELD_NUMBER: _ClassVar[int]
    current: str
    served: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, current: _Optional[str] = ..., served: _Optional[_Iterable[str]] = ...) -> None: ...

class FileRequest(_message.Message):
    __slots__ = ("model", "name")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    model: str
    name: str
    def __init__(self, model: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class FileChunk(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...
