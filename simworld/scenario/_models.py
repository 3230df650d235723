"""What a scenario file may say: one model per block, field names as in the YAML."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, model_validator

from simworld.scenario._closed import CLOSED
from simworld.scenario._people import PersonBlock
from simworld_analysis.grammar import parse_claim, parse_expectation

NAME = r"^[A-Za-z0-9_\-]{1,80}$"
WORD = r"^[A-Za-z][A-Za-z0-9_]{0,79}$"
KIND = r"^\S+$"
DOTTED = r"^[^\s.]+(\.[^\s.]+)*$"
STAND_IN = "stand-in/in-context"
STAND_INS = frozenset({STAND_IN, "stand-in/reciprocal"})
MODEL = r"^[^\s@]+$"
ADDRESS = r"^https?://[^@\s]+$"
VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
COLUMN = r"^[A-Za-z][A-Za-z0-9_]*\.(obs|act|mind)\.[A-Za-z0-9_]+$"

ACCEPTED = {
    NAME: "letters, digits, _ and - (at most 80)",
    WORD: "letters, digits and _, a letter first (at most 80)",
    KIND: "a short name or module:Class",
    DOTTED: "a dotted key such as world.rate",
    MODEL: "stand-in/in-context, or stand-in/reciprocal, or a model as litellm names it, such as openai/gpt-4o-mini",
    ADDRESS: "an address such as http://127.0.0.1:8000/v1, without a name or a password in it",
    VARIABLE: "the name of an environment variable",
    COLUMN: "a column of a role, such as worker.obs.income",
}
"""What each pattern means, for messages."""

Name: TypeAlias = Annotated[str, Field(pattern=NAME)]
Word: TypeAlias = Annotated[str, Field(pattern=WORD)]
Kind: TypeAlias = Annotated[str, Field(pattern=KIND)]
Dotted: TypeAlias = Annotated[str, Field(pattern=DOTTED)]


def _known_stand_in(name: str) -> str:
    if name.startswith("stand-in/") and name not in STAND_INS:
        raise ValueError(f"found {name!r}; accepted: {ACCEPTED[MODEL]}")
    return name


ModelName: TypeAlias = Annotated[str, Field(pattern=MODEL), AfterValidator(_known_stand_in)]
Column: TypeAlias = Annotated[str, Field(pattern=COLUMN)]
Price: TypeAlias = Annotated[float, Field(ge=0)]
Value: TypeAlias = JsonValue

_OPEN = ConfigDict(frozen=True, extra="allow", strict=True, use_attribute_docstrings=True)


class WorldBlock(BaseModel):
    """The world and its parameters; every key but ``kind`` is a parameter of the kind."""

    model_config = _OPEN

    kind: Kind
    """Which world: a registered short name, or module:Class."""


class GroupBlock(BaseModel):
    """Members of a role that share a kind of mind; other keys are parameters of the kind."""

    model_config = _OPEN

    kind: Kind
    """Which mind: a registered short name, one of a registered family as in axelrod:TitForTat, or module:Class."""
    count: Annotated[int, Field(ge=0, le=100_000_000)] = 1
    """How many members."""


class EveryBlock(BaseModel):
    """Record only some decisions of a role."""

    model_config = CLOSED

    every: Annotated[int, Field(ge=1)]
    """Record every k-th decision of each member."""


Bounds: TypeAlias = Annotated[list[int | float], Field(min_length=2, max_length=2)]


class SampleBlock(BaseModel):
    """Points that are drawn from ranges."""

    model_config = CLOSED

    method: Literal["random", "latin", "sobol"]
    """random, latin (a Latin hypercube), or sobol (for sensitivity indices: points x (2 + ranges) are run)."""
    points: Annotated[int, Field(ge=1, le=10_000)]
    """How many are drawn; a power of two for sobol."""
    over: Annotated[dict[Dotted, Bounds], Field(min_length=1)]
    """Lowest and highest value by dotted key; between two whole numbers whole numbers are drawn."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of the draws: the same seed, the same points."""


class SweepBlock(BaseModel):
    """Which parameters to vary."""

    model_config = CLOSED

    grid: dict[Dotted, Annotated[list[Value], Field(min_length=1)]] = {}
    """Lists of values by dotted key; all combinations are run, the last key varying fastest."""
    points: list[Annotated[dict[Dotted, Value], Field(min_length=1)]] = []
    """Values by dotted key, point by point; each is run, with every combination of the grid."""
    sample: SampleBlock | None = None
    """Points that are drawn, instead of listed."""
    design: SampleBlock | None = None
    """How the listed points were drawn: a run notes it beside them."""


class FaultsBlock(BaseModel):
    """A limit on decisions that were not the mind's own."""

    model_config = CLOSED

    most: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of decisions with a fault above which the run ends ``partial``, from 0 to 1."""


class ModelBlock(BaseModel):
    """A model that minds ask, and how it is sampled."""

    model_config = CLOSED

    model: ModelName
    """stand-in/in-context, stand-in/reciprocal, or a model as litellm names it: provider/name."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    """Sampling temperature; the provider's own default if it is left out."""
    max_tokens: Annotated[int, Field(ge=1)] = 500
    """Most tokens of an answer."""
    base_url: Annotated[str, Field(pattern=ADDRESS)] | None = None
    """Address of an OpenAI-compatible server, up to and with /v1."""
    api_key_env: Annotated[str, Field(pattern=VARIABLE)] | None = None
    """Environment variable that holds the key; keys themselves never stand in a scenario."""
    json_form: Annotated[Literal["schema", "object", "none"], Field(alias="json")] = "schema"
    """How the answer's form is enforced: by its JSON schema, as any JSON object, or by the prompt alone."""
    client: Literal["auto", "lean", "litellm"] = "auto"
    """Who speaks to the server; auto: lean where there is a base_url, else litellm."""
    usd_per_million_input: Price | None = None
    """Price of a million prompt tokens, where litellm does not know it."""
    usd_per_million_output: Price | None = None
    """Price of a million answer tokens, where litellm does not know it."""


class BudgetBlock(BaseModel):
    """Hard limits; the run ends cleanly where they do not allow another ask, and resumes with larger ones."""

    model_config = CLOSED

    usd: Price | None = None
    """Money for models, as far as prices are known."""
    tokens: Annotated[int, Field(ge=0)] | None = None
    """Tokens of prompts and answers together."""
    asks: Annotated[int, Field(ge=0)] | None = None
    """Questions to models."""
    minutes: Annotated[float, Field(gt=0)] | None = None
    """Wall time."""


class AskingBlock(BaseModel):
    """How models are asked: what cannot change an answer."""

    model_config = CLOSED

    limit: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Most calls under way at once."""
    timeout: Annotated[float, Field(gt=0)] = 60.0
    """Seconds that one call may take."""
    retries: Annotated[int, Field(ge=0, le=100)] = 4
    """Further attempts after a call that failed for a reason that may pass."""


def _expected(text: str) -> str:
    parse_expectation(text)
    return text


class ClaimBlock(BaseModel):
    """A statement that the run must bear out, and how it is tested."""

    model_config = CLOSED

    name: Name
    """Name of the claim."""
    says: str = ""
    """The statement as a sentence."""
    source: str = ""
    """Who says so."""
    measure: Word
    """A measure that the world emits, or one of the analysis."""
    at: Literal["last", "first", "mean", "min", "max", "sum"] | None = None
    """How the samples of an episode become one number; by default the mean of a flow, such as payoffs round by round,
    and else the last one."""
    of: dict[Word, Value] = {}
    """Options of a measure of the analysis, such as role and action."""
    correlated_with: Word | None = None
    """Another measure: what is claimed is the correlation of the two over the episodes of the arm, or of all arms."""
    compare: dict[str, str] | None = None
    """An arm and the one that it is compared with: the first minus the second."""
    arm: str | None = None
    """One arm; the whole run if it is left out."""
    relative_to: str | None = None
    """An arm by whose value, with the same seed, each value is divided."""
    paired_by: Literal["seed"] = "seed"
    """How the episodes of two arms are paired: by their seed, which arms share."""
    expect: Annotated[str, AfterValidator(_expected)]
    """greater, less, within [a, b], above a, below a, or order [arm, arm, ...] from low to high."""
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """How often an interval may miss, over all claims of the run together."""
    because: str = ""
    """Name of a claim that shows why this one fails: its control."""
    cases: Literal["sample", "all"] = "sample"
    """Whether the episodes are a sample of what might be, or all the cases that the claim is about, such as a published
    test set: its number is then judged as it is, without an interval."""

    @model_validator(mode="after")
    def _makes_sense(self) -> ClaimBlock:
        parse_claim(self.as_data())
        return self

    def as_data(self) -> dict[str, object]:
        """What is written, as plain data."""
        return self.model_dump(mode="json", exclude_defaults=True)


class InterventionBlock(BaseModel):
    """A change in the middle of an episode, before anything else that is due at its tick."""

    model_config = CLOSED

    at: Annotated[int, Field(ge=0)]
    """The tick."""
    set: dict[Dotted, Value] = {}
    """Values by dotted key: parameters of the world that may change, and minds, which take over their seats."""
    without: dict[Word, Literal["all"] | list[Annotated[int, Field(ge=0)]]] = {}
    """Who leaves, by role: numbers of members, or all."""


class ProbeBlock(BaseModel):
    """A comparison of what is with what would be: the society is branched, and changed, and both are followed."""

    model_config = CLOSED

    of: Column
    """What is compared between them, for all members of the role: an observation, such as pedestrian.obs.position."""
    every: Annotated[int, Field(ge=1)] | None = None
    """Ticks from one branch to the next; one branch, at the beginning, if it is left out."""
    ticks: Annotated[int, Field(ge=1)] | None = None
    """For how long each is followed; to the end if it is left out."""
    set: dict[Dotted, Value] = {}
    """What is changed in the branch, as in an intervention."""
    without: dict[Word, Literal["all"] | list[Annotated[int, Field(ge=0)]]] = {}
    """Who leaves in the branch, by role: numbers of members, or all."""
    reward: dict[Word, float] = {}
    """What a branch that is over pays every member of a role, for each unit of the distance: the episode is then no
    longer the same without the probe."""
    chance: Literal["same", "other"] = "same"
    """Whether the branch shares all chance, or what comes is drawn anew: that measures the noise."""


class TrainBlock(BaseModel):
    """Which seats learn, and how; ``simworld train`` trains policies for them."""

    model_config = CLOSED

    learners: Annotated[list[Dotted], Field(min_length=1)]
    """Roles, or groups of a role as in player.0, whose seats learn; their minds in the scenario are not used."""
    sees: list[Word] = []
    """Observation fields that learners see; all of them if it is left out."""
    algo: Kind = "PPO"
    """Which algorithm of RLlib, or a learner of simworld's or of your own (module:Class)."""
    steps: Annotated[int, Field(ge=1)] = 50_000
    """Decisions of learners in one training."""
    seeds: Annotated[int, Field(ge=1, le=1000)] = 5
    """How many trainings, each from another seed."""
    policies: Literal["shared", "separate"] = "shared"
    """One network for all learners of a role, or one for each."""
    hidden: list[Annotated[int, Field(ge=1, le=4096)]] = [64, 64]
    """Units of each hidden layer."""
    activation: Literal["tanh", "relu"] = "tanh"
    """Of the hidden layers."""
    environments: Annotated[int, Field(ge=1, le=64)] = 4
    """Episodes that go side by side while samples are taken."""
    workers: Annotated[int, Field(ge=0, le=256)] = 0
    """Further processes of the Ray cluster that take samples for each training; 0: the training itself does."""
    evaluate_every: Annotated[int, Field(ge=1)] = 2
    """Iterations between evaluations on the scenario's own seeds, which no training sees."""
    arm: str = ""
    """In which arm; the first if it is left out."""
    settings: dict[str, Value] = {}
    """Whatever else RLlib's ``training()`` takes, such as lr or gamma; or the parameters of the learner."""


class Core(BaseModel):
    """What determines an episode besides its seed; arms and sweeps may set these keys."""

    model_config = CLOSED

    world: WorldBlock
    """The world and its parameters."""
    roles: dict[Word, GroupBlock | list[GroupBlock]] = {}
    """Who fills which role: one group, or a list of groups. A world may have roles that nobody needs to fill."""
    horizon: Annotated[int, Field(ge=1)]
    """Length of an episode in ticks."""
    record: dict[Word, Literal["every", "none"] | EveryBlock] = {}
    """Which decisions of a role are recorded: every, none, or {every: k}; every if it is left out."""
    models: dict[Word, ModelName | ModelBlock] = {}
    """Models that minds ask, by the names that they use; ``default`` is the stand-in if it is left out."""
    people: dict[Word, PersonBlock] = {}
    """People whom minds ask, by the names that they use."""
    interventions: list[InterventionBlock] = []
    """Changes in the middle of an episode."""
    probes: dict[Word, ProbeBlock] = {}
    """Comparisons with what would be, by the name of the measure: the mean distance, over members and ticks."""


class ScenarioFile(Core):
    """A simworld scenario: a world, who fills its roles, and which variants are run."""

    model_config = CLOSED

    name: Name | None = None
    """Name of the scenario; the file's stem if it is left out."""
    description: str = ""
    """One line that says what the scenario is about."""
    seed: Annotated[int, Field(ge=0)] = 0
    """First seed; arms share seeds."""
    episodes: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """How many episodes each cell has, with seeds from ``seed`` on."""
    arms: dict[Name, dict[Dotted, Value]] = {}
    """Named variants: values by dotted key, set before a sweep is."""
    sweep: SweepBlock = SweepBlock()
    """Parameters to vary; every combination is run in every arm."""
    measures: list[Word] = []
    """What the summary shows; all measures of the world are in the tables."""
    watch: list[Column] = []
    """What the live dashboard shows besides: vectors as bars, numbers as a histogram, texts as the latest ones."""
    budget: BudgetBlock = BudgetBlock()
    """Hard limits of what the run may cost."""
    asking: AskingBlock = AskingBlock()
    """How models are asked."""
    faults: FaultsBlock = FaultsBlock()
    """How many faults a run may have."""
    claims: list[ClaimBlock] = []
    """Statements that the run must bear out."""
    train: TrainBlock | None = None
    """Which seats ``simworld train`` trains policies for, and how."""

    @model_validator(mode="after")
    def _seeds_fit(self) -> ScenarioFile:
        if self.seed + self.episodes > 2**63:
            raise ValueError("seed + episodes goes beyond 64 bits; accepted: a smaller seed")
        return self
