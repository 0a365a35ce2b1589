from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

CANCEL_OUTCOME_FINISHED: CancelOutcome
CANCEL_OUTCOME_NOTED: CancelOutcome
CANCEL_OUTCOME_STOPPING: CancelOutcome
CANCEL_OUTCOME_UNSPECIFIED: CancelOutcome
CFG_GRADIENT_BOTH: CfgGradient
CFG_GRADIENT_CONDITIONAL: CfgGradient
CFG_GRADIENT_UNSPECIFIED: CfgGradient
CHROMA_SAMPLING_FULL: ChromaSampling
CHROMA_SAMPLING_HALF: ChromaSampling
CHROMA_SAMPLING_UNSPECIFIED: ChromaSampling
DESCRIPTOR: _descriptor.FileDescriptor
FLOW_PIECEWISE: Flow
FLOW_RECTIFIED: Flow
FLOW_UNSPECIFIED: Flow
GAIN_PRESET_DERIVED: GainPreset
GAIN_PRESET_PUBLISHED: GainPreset
GAIN_PRESET_UNSPECIFIED: GainPreset
IMAGE_FORMAT_JPEG: ImageFormat
IMAGE_FORMAT_PNG: ImageFormat
IMAGE_FORMAT_UNSPECIFIED: ImageFormat
SUBJECT_CUSTOM: Subject
SUBJECT_LIVE_SUBJECT: Subject
SUBJECT_OBJECT: Subject
SUBJECT_PERSON: Subject
SUBJECT_UNSPECIFIED: Subject
WORKER_STATE_DRAINING: WorkerState
WORKER_STATE_READY: WorkerState
WORKER_STATE_STARTING: WorkerState
WORKER_STATE_UNSPECIFIED: WorkerState

class Accepted(_message.Message):
    __slots__ = ["attempt", "first_iteration", "iterations", "model_id", "seed", "worker_id"]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    FIRST_ITERATION_FIELD_NUMBER: _ClassVar[int]
    ITERATIONS_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    attempt: int
    first_iteration: int
    iterations: int
    model_id: str
    seed: int
    worker_id: str
    def __init__(self, worker_id: _Optional[str] = ..., attempt: _Optional[int] = ..., first_iteration: _Optional[int] = ..., iterations: _Optional[int] = ..., model_id: _Optional[str] = ..., seed: _Optional[int] = ...) -> None: ...

class CancelReply(_message.Message):
    __slots__ = ["iteration", "job_id", "outcome", "worker_id"]
    ITERATION_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    iteration: int
    job_id: str
    outcome: CancelOutcome
    worker_id: str
    def __init__(self, job_id: _Optional[str] = ..., outcome: _Optional[_Union[CancelOutcome, str]] = ..., worker_id: _Optional[str] = ..., iteration: _Optional[int] = ...) -> None: ...

class CancelRequest(_message.Message):
    __slots__ = ["job_id", "reason"]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    reason: str
    def __init__(self, job_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class DescribeReply(_message.Message):
    __slots__ = ["device", "jobs", "jobs_failed", "jobs_succeeded", "lanes", "maximum_request_bytes", "models", "slots", "state", "subjects", "uptime_seconds", "version", "worker_id"]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    JOBS_FAILED_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    JOBS_SUCCEEDED_FIELD_NUMBER: _ClassVar[int]
    LANES_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_REQUEST_BYTES_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    SUBJECTS_FIELD_NUMBER: _ClassVar[int]
    UPTIME_SECONDS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    device: str
    jobs: _containers.RepeatedCompositeFieldContainer[RunningJob]
    jobs_failed: int
    jobs_succeeded: int
    lanes: _containers.RepeatedCompositeFieldContainer[ServedLane]
    maximum_request_bytes: int
    models: _containers.RepeatedCompositeFieldContainer[ModelDescription]
    slots: int
    state: WorkerState
    subjects: _containers.RepeatedScalarFieldContainer[Subject]
    uptime_seconds: float
    version: str
    worker_id: str
    def __init__(self, worker_id: _Optional[str] = ..., version: _Optional[str] = ..., state: _Optional[_Union[WorkerState, str]] = ..., device: _Optional[str] = ..., slots: _Optional[int] = ..., jobs: _Optional[_Iterable[_Union[RunningJob, _Mapping]]] = ..., models: _Optional[_Iterable[_Union[ModelDescription, _Mapping]]] = ..., subjects: _Optional[_Iterable[_Union[Subject, str]]] = ..., uptime_seconds: _Optional[float] = ..., jobs_succeeded: _Optional[int] = ..., jobs_failed: _Optional[int] = ..., maximum_request_bytes: _Optional[int] = ..., lanes: _Optional[_Iterable[_Union[ServedLane, _Mapping]]] = ...) -> None: ...

class DescribeRequest(_message.Message):
    __slots__ = ["worker_id"]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    def __init__(self, worker_id: _Optional[str] = ...) -> None: ...

class ErrorInfo(_message.Message):
    __slots__ = ["domain", "reason"]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    domain: str
    reason: str
    def __init__(self, reason: _Optional[str] = ..., domain: _Optional[str] = ...) -> None: ...

class FieldViolation(_message.Message):
    __slots__ = ["allowed", "field", "problem"]
    ALLOWED_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    allowed: str
    field: str
    problem: str
    def __init__(self, field: _Optional[str] = ..., problem: _Optional[str] = ..., allowed: _Optional[str] = ...) -> None: ...

class Gain(_message.Message):
    __slots__ = ["constant", "preset", "schedule"]
    CONSTANT_FIELD_NUMBER: _ClassVar[int]
    PRESET_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    constant: float
    preset: GainPreset
    schedule: GainSchedule
    def __init__(self, preset: _Optional[_Union[GainPreset, str]] = ..., constant: _Optional[float] = ..., schedule: _Optional[_Union[GainSchedule, _Mapping]] = ...) -> None: ...

class GainSchedule(_message.Message):
    __slots__ = ["values"]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, values: _Optional[_Iterable[float]] = ...) -> None: ...

class ModelDescription(_message.Message):
    __slots__ = ["cfg_scale", "flow", "hash", "height", "id", "iterations", "steps", "width"]
    CFG_SCALE_FIELD_NUMBER: _ClassVar[int]
    FLOW_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    ITERATIONS_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    cfg_scale: float
    flow: Flow
    hash: str
    height: int
    id: str
    iterations: int
    steps: int
    width: int
    def __init__(self, id: _Optional[str] = ..., hash: _Optional[str] = ..., flow: _Optional[_Union[Flow, str]] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., steps: _Optional[int] = ..., iterations: _Optional[int] = ..., cfg_scale: _Optional[float] = ...) -> None: ...

class Output(_message.Message):
    __slots__ = ["chroma", "format", "quality"]
    CHROMA_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    chroma: ChromaSampling
    format: ImageFormat
    quality: int
    def __init__(self, format: _Optional[_Union[ImageFormat, str]] = ..., quality: _Optional[int] = ..., chroma: _Optional[_Union[ChromaSampling, str]] = ...) -> None: ...

class PersonalizeEvent(_message.Message):
    __slots__ = ["accepted", "final", "job_id", "progress", "result", "sequence"]
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    FINAL_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    accepted: Accepted
    final: bool
    job_id: str
    progress: Progress
    result: Result
    sequence: int
    def __init__(self, job_id: _Optional[str] = ..., sequence: _Optional[int] = ..., final: bool = ..., accepted: _Optional[_Union[Accepted, _Mapping]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., result: _Optional[_Union[Result, _Mapping]] = ...) -> None: ...

class PersonalizeRequest(_message.Message):
    __slots__ = ["cfg_gradient", "cfg_scale", "flow", "gain", "gradient_depth", "height", "iterations", "jacobian_depth", "model_id", "negative_prompt", "output", "plateau_patience", "plateau_tolerance", "preview_interval", "progress_interval", "prompt", "rate", "references", "resume", "resume_key", "seed", "steps", "stop_at_similarity", "width"]
    CFG_GRADIENT_FIELD_NUMBER: _ClassVar[int]
    CFG_SCALE_FIELD_NUMBER: _ClassVar[int]
    FLOW_FIELD_NUMBER: _ClassVar[int]
    GAIN_FIELD_NUMBER: _ClassVar[int]
    GRADIENT_DEPTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    ITERATIONS_FIELD_NUMBER: _ClassVar[int]
    JACOBIAN_DEPTH_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    NEGATIVE_PROMPT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    PLATEAU_PATIENCE_FIELD_NUMBER: _ClassVar[int]
    PLATEAU_TOLERANCE_FIELD_NUMBER: _ClassVar[int]
    PREVIEW_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    RATE_FIELD_NUMBER: _ClassVar[int]
    REFERENCES_FIELD_NUMBER: _ClassVar[int]
    RESUME_FIELD_NUMBER: _ClassVar[int]
    RESUME_KEY_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    STOP_AT_SIMILARITY_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    cfg_gradient: CfgGradient
    cfg_scale: float
    flow: Flow
    gain: Gain
    gradient_depth: int
    height: int
    iterations: int
    jacobian_depth: int
    model_id: str
    negative_prompt: str
    output: Output
    plateau_patience: int
    plateau_tolerance: float
    preview_interval: int
    progress_interval: int
    prompt: str
    rate: float
    references: _containers.RepeatedCompositeFieldContainer[Reference]
    resume: ResumeState
    resume_key: str
    seed: int
    steps: int
    stop_at_similarity: float
    width: int
    def __init__(self, references: _Optional[_Iterable[_Union[Reference, _Mapping]]] = ..., prompt: _Optional[str] = ..., negative_prompt: _Optional[str] = ..., model_id: _Optional[str] = ..., seed: _Optional[int] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., steps: _Optional[int] = ..., iterations: _Optional[int] = ..., rate: _Optional[float] = ..., gain: _Optional[_Union[Gain, _Mapping]] = ..., cfg_scale: _Optional[float] = ..., flow: _Optional[_Union[Flow, str]] = ..., stop_at_similarity: _Optional[float] = ..., output: _Optional[_Union[Output, _Mapping]] = ..., progress_interval: _Optional[int] = ..., preview_interval: _Optional[int] = ..., resume: _Optional[_Union[ResumeState, _Mapping]] = ..., resume_key: _Optional[str] = ..., gradient_depth: _Optional[int] = ..., jacobian_depth: _Optional[int] = ..., cfg_gradient: _Optional[_Union[CfgGradient, str]] = ..., plateau_patience: _Optional[int] = ..., plateau_tolerance: _Optional[float] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ["iteration", "iterations", "loss", "preview", "similarity"]
    ITERATIONS_FIELD_NUMBER: _ClassVar[int]
    ITERATION_FIELD_NUMBER: _ClassVar[int]
    LOSS_FIELD_NUMBER: _ClassVar[int]
    PREVIEW_FIELD_NUMBER: _ClassVar[int]
    SIMILARITY_FIELD_NUMBER: _ClassVar[int]
    iteration: int
    iterations: int
    loss: float
    preview: bytes
    similarity: float
    def __init__(self, iteration: _Optional[int] = ..., iterations: _Optional[int] = ..., loss: _Optional[float] = ..., similarity: _Optional[float] = ..., preview: _Optional[bytes] = ...) -> None: ...

class Reference(_message.Message):
    __slots__ = ["image", "key", "label", "subject"]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    image: bytes
    key: str
    label: str
    subject: Subject
    def __init__(self, image: _Optional[bytes] = ..., key: _Optional[str] = ..., subject: _Optional[_Union[Subject, str]] = ..., label: _Optional[str] = ...) -> None: ...

class ResourceInfo(_message.Message):
    __slots__ = ["name", "type"]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: str
    def __init__(self, type: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class Result(_message.Message):
    __slots__ = ["attempt", "format", "height", "image", "image_key", "losses", "model_hash", "model_id", "seed", "similarity", "status", "timings", "width", "worker_id"]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    IMAGE_KEY_FIELD_NUMBER: _ClassVar[int]
    LOSSES_FIELD_NUMBER: _ClassVar[int]
    MODEL_HASH_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    SIMILARITY_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    attempt: int
    format: ImageFormat
    height: int
    image: bytes
    image_key: str
    losses: _containers.RepeatedScalarFieldContainer[float]
    model_hash: str
    model_id: str
    seed: int
    similarity: Similarity
    status: Status
    timings: _containers.RepeatedCompositeFieldContainer[Timing]
    width: int
    worker_id: str
    def __init__(self, status: _Optional[_Union[Status, _Mapping]] = ..., image: _Optional[bytes] = ..., image_key: _Optional[str] = ..., format: _Optional[_Union[ImageFormat, str]] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., similarity: _Optional[_Union[Similarity, _Mapping]] = ..., losses: _Optional[_Iterable[float]] = ..., seed: _Optional[int] = ..., timings: _Optional[_Iterable[_Union[Timing, _Mapping]]] = ..., model_id: _Optional[str] = ..., model_hash: _Optional[str] = ..., worker_id: _Optional[str] = ..., attempt: _Optional[int] = ...) -> None: ...

class ResumeState(_message.Message):
    __slots__ = ["anchors", "interruptions", "losses", "model_hash", "next_iteration", "next_sequence", "offsets", "seed", "similarities", "timings"]
    ANCHORS_FIELD_NUMBER: _ClassVar[int]
    INTERRUPTIONS_FIELD_NUMBER: _ClassVar[int]
    LOSSES_FIELD_NUMBER: _ClassVar[int]
    MODEL_HASH_FIELD_NUMBER: _ClassVar[int]
    NEXT_ITERATION_FIELD_NUMBER: _ClassVar[int]
    NEXT_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    OFFSETS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    SIMILARITIES_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    anchors: _containers.RepeatedCompositeFieldContainer[Tensor]
    interruptions: int
    losses: _containers.RepeatedScalarFieldContainer[float]
    model_hash: str
    next_iteration: int
    next_sequence: int
    offsets: _containers.RepeatedCompositeFieldContainer[Tensor]
    seed: int
    similarities: _containers.RepeatedScalarFieldContainer[float]
    timings: _containers.RepeatedCompositeFieldContainer[Timing]
    def __init__(self, next_iteration: _Optional[int] = ..., offsets: _Optional[_Iterable[_Union[Tensor, _Mapping]]] = ..., anchors: _Optional[_Iterable[_Union[Tensor, _Mapping]]] = ..., losses: _Optional[_Iterable[float]] = ..., similarities: _Optional[_Iterable[float]] = ..., seed: _Optional[int] = ..., model_hash: _Optional[str] = ..., timings: _Optional[_Iterable[_Union[Timing, _Mapping]]] = ..., next_sequence: _Optional[int] = ..., interruptions: _Optional[int] = ...) -> None: ...

class RetryInfo(_message.Message):
    __slots__ = ["delay_ms"]
    DELAY_MS_FIELD_NUMBER: _ClassVar[int]
    delay_ms: int
    def __init__(self, delay_ms: _Optional[int] = ...) -> None: ...

class RunningJob(_message.Message):
    __slots__ = ["iteration", "iterations", "job_id", "seconds"]
    ITERATIONS_FIELD_NUMBER: _ClassVar[int]
    ITERATION_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    iteration: int
    iterations: int
    job_id: str
    seconds: float
    def __init__(self, job_id: _Optional[str] = ..., iteration: _Optional[int] = ..., iterations: _Optional[int] = ..., seconds: _Optional[float] = ...) -> None: ...

class ServedLane(_message.Message):
    __slots__ = ["name", "shards", "weight"]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SHARDS_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    name: str
    shards: int
    weight: int
    def __init__(self, name: _Optional[str] = ..., weight: _Optional[int] = ..., shards: _Optional[int] = ...) -> None: ...

class Similarity(_message.Message):
    __slots__ = ["after", "before"]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    after: float
    before: float
    def __init__(self, before: _Optional[float] = ..., after: _Optional[float] = ...) -> None: ...

class Status(_message.Message):
    __slots__ = ["code", "details", "message", "retryable"]
    CODE_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    code: int
    details: _containers.RepeatedCompositeFieldContainer[StatusDetail]
    message: str
    retryable: bool
    def __init__(self, code: _Optional[int] = ..., message: _Optional[str] = ..., details: _Optional[_Iterable[_Union[StatusDetail, _Mapping]]] = ..., retryable: bool = ...) -> None: ...

class StatusDetail(_message.Message):
    __slots__ = ["error_info", "field_violation", "resource_info", "retry_info"]
    ERROR_INFO_FIELD_NUMBER: _ClassVar[int]
    FIELD_VIOLATION_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_INFO_FIELD_NUMBER: _ClassVar[int]
    RETRY_INFO_FIELD_NUMBER: _ClassVar[int]
    error_info: ErrorInfo
    field_violation: FieldViolation
    resource_info: ResourceInfo
    retry_info: RetryInfo
    def __init__(self, field_violation: _Optional[_Union[FieldViolation, _Mapping]] = ..., error_info: _Optional[_Union[ErrorInfo, _Mapping]] = ..., resource_info: _Optional[_Union[ResourceInfo, _Mapping]] = ..., retry_info: _Optional[_Union[RetryInfo, _Mapping]] = ...) -> None: ...

class Tensor(_message.Message):
    __slots__ = ["data", "shape"]
    DATA_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    shape: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, shape: _Optional[_Iterable[int]] = ..., data: _Optional[bytes] = ...) -> None: ...

class Timing(_message.Message):
    __slots__ = ["count", "phase", "seconds"]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    count: int
    phase: str
    seconds: float
    def __init__(self, phase: _Optional[str] = ..., seconds: _Optional[float] = ..., count: _Optional[int] = ...) -> None: ...

class Subject(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class GainPreset(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class Flow(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class CfgGradient(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class ImageFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class ChromaSampling(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class CancelOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class WorkerState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
