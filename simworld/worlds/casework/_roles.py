"""What members of a team and experts see and do."""

from __future__ import annotations

from dataclasses import dataclass

from simworld.kernel import Field, Role

_STAY = "an answer of its own that stands costs nothing"


@dataclass(frozen=True)
class Form:
    """How cases and answers look."""

    size: int
    """Members of a team."""
    rounds: int
    """Rounds of decisions."""
    topics: int
    """How many topics there are."""
    classes: int
    """How many classes an answer is one of; 0: answers are texts."""
    features: int
    """How many numbers are seen of a case; 0: a text is."""
    number: int | None = None
    """Which stage it is, if it is the same in all episodes."""

    @property
    def texts(self) -> bool:
        """Whether answers are texts."""
        return not self.classes

    def answer(self, name: str, meaning: str, shape: tuple[int, ...] = ()) -> Field:
        """A field that holds answers."""
        if self.texts:
            return Field(name, "str", shape, meaning=f"{meaning}; empty for none")
        return Field(name, "int64", shape, low=-1, high=self.classes - 1, meaning=f"{meaning}; -1 for none")

    def case(self) -> tuple[Field, ...]:
        """What is seen of a case."""
        seen = Field("features", shape=(self.features,), meaning="the case")
        return (
            Field("team", "int64", low=0, meaning="number of the team"),
            Field("case", "int64", low=0, meaning="number of the team's case, from 0 on"),
            Field("round", "int64", low=0, high=self.rounds, meaning="0: everybody answers alone; then decisions"),
            Field("topic", "int64", low=0, high=self.topics - 1, meaning="what the case is about"),
            Field("question", "str", meaning="the case") if self.texts else seen,
            self.answer("answers", "what each of the team answered in the round before, by place", (self.size,)),
            Field("confidences", shape=(self.size,), low=0.0, high=1.0, missing=True, meaning="how sure each was"),
        )


def member_role(form: Form) -> Role:
    """The role of those who work on cases in teams."""
    moves = f"0 to {form.size - 1}: take over the answer of the member at that place; {_STAY}"
    return Role(
        "member",
        obs=(
            *form.case(),
            Field("place", "int64", low=0, high=form.size - 1, meaning="where in its team it sits"),
            form.answer("answer", "its own answer so far"),
            Field("confidence", low=0.0, high=1.0, missing=True, meaning="how sure it was of it"),
            Field("same", "bool", meaning="its answer is the same as a round before"),
            Field(
                "support",
                "int64",
                (form.size,),
                low=0,
                high=form.size,
                meaning="how many of the team hold the answer that each holds, by place; 0 without one",
            ),
            Field("isolated", "bool", meaning="it is alone with its answer, and others have one"),
            Field("distinct", "int64", low=0, high=form.size, meaning="how many different answers there are"),
            Field("margin", "int64", low=0, high=form.size, meaning="by how many the answer of most leads the next"),
            Field("told", "bool", meaning="the team's expert has answered this case, and its answer is shared"),
            form.answer("reply", "what the expert told it when it last asked, be it on the case before"),
            Field("load", "int64", low=0, meaning="requests before the team's expert"),
            Field("moves", "bool", (form.size + 2,), masks="move", meaning="what may be done now"),
            *_setting(form),
        ),
        act=(
            Field(
                "move",
                "int64",
                low=0,
                high=form.size + 1,
                meaning=f"{moves}; {form.size}: answer anew; {form.size + 1}: ask the expert",
            ),
            form.answer("answer", "its new answer, if it answers anew"),
            Field("confidence", low=0.0, high=1.0, default=float("nan"), meaning="how sure it is of its new answer"),
        ),
        traits=(
            Field("team", "int64", meaning="number of the team"),
            Field("place", "int64", meaning="where in its team it sits"),
        ),
    )


def expert_role(form: Form) -> Role:
    """The role of those whom teams ask."""
    return Role(
        "expert",
        obs=(
            *form.case(),
            Field("request", "int64", low=-1, meaning="number of the seat for which it is asked; -1: it is not"),
            Field("calls", "int64", low=0, meaning="how many requests it has answered"),
            Field("load", "int64", low=0, meaning="requests before it, this one included"),
        ),
        act=(
            form.answer("answer", "its answer; without one it refuses"),
            Field("confidence", low=0.0, high=1.0, default=float("nan"), meaning="how sure it is"),
            Field(
                "takes",
                unit="tick",
                low=0.0,
                high=1e9,
                default=float("nan"),
                meaning="until its answer is there; nan: as long as the world says",
            ),
            Field(
                "knows",
                low=0.0,
                high=1.0,
                default=float("nan"),
                meaning="for simulated experts, who look at no case: 1, the right answer stands for its own; 0, a wrong"
                " one does, its own if that is wrong; nan: its own stands",
            ),
        ),
    )


def _setting(form: Form) -> tuple[Field, ...]:
    """What is the same for everybody, all the time."""
    costs = (
        Field("cost_create", shared=True, recorded=False, meaning="what it costs to answer anew"),
        Field("cost_defer", shared=True, recorded=False, meaning="what it costs to ask the expert"),
    )
    if form.texts:
        return costs
    return (
        *costs,
        Field(
            *("stage", "int64"),
            low=form.number,
            high=form.number,
            shared=True,
            recorded=False,
            meaning="which stage it is: see training_set",
        ),
        Field("known", "int64", shared=True, recorded=False, meaning="topics that its training set covers"),
        Field("noise", shared=True, recorded=False, meaning="standard deviation of the blur of what is seen"),
    )
