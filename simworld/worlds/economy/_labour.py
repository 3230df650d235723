"""Labour supply under a tax schedule, and the accounts of a year.

A worker of skill v who works l hours a week earns z = v l a year, and chooses l in [0, cap] for the greatest

    u = z - T(z) + R - c l^(1 + 1/e)

where R is the equal rebate, taken as given. Utility is quasi-linear in money: there is no income effect, so hours do
not depend on R, and where they are interior the elasticity of income to the net-of-tax rate is exactly e (Karten et
al. 2025, arXiv 2507.15815, whose release has c = 0.0005 and e = 0.4).

Everything about a worker is precomputed once in terms of *potential income*, the income Z0 = v l0 that he would choose
at zero tax without a cap: on a bracket with rate t the interior choice is Z0 (1 - t)^e, its labour cost is
Z0 (1 - t)^(1 + e) / (1 + 1/e), and the cost of any income z is Z0^(-1/e) z^(1 + 1/e) / (1 + 1/e).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from simworld.errors import ContractError
from simworld.worlds.economy._schedule import FloatArray, Schedule, federal
from simworld.worlds.economy._skills import FULL_TIME_HOURS, MEDIAN_SKILL

PUBLISHED_COST = 0.0005
"""Labour cost constant of the published release; with e = 0.4 it pins nearly every worker at the cap."""

_LARGEST_HALF_STEPS = 16
"""Powers of 0.5, 1, 1.5, ... up to half this many are computed with products and one square root."""


def labour_cost(calibration: str | float, elasticity: float) -> float:
    """Constant c of the labour cost c l^(1 + 1/e), in USD/year, from the name of a calibration or a positive number.

    ``median40`` is the constant with which the median worker under the US schedule of 2024 chooses exactly 40 hours,
    whatever the elasticity e; ``published`` is the release's 0.0005, which was fitted to hourly wages (Karten et al.
    2025) and is taken as it is for every e.

    Raises:
        ValueError: for an unknown calibration, a number that is not positive, or such an elasticity.
    """
    _require_positive("elasticity", elasticity)
    if calibration == "median40":
        # Marginal value of an hour = marginal cost of the 40th: v (1 - t) = c (1 + 1/e) 40^(1/e).
        rate = float(federal(2024).marginal(MEDIAN_SKILL * FULL_TIME_HOURS))
        marginal_power = (1.0 + 1.0 / elasticity) * FULL_TIME_HOURS ** (1.0 / elasticity)
        return float(MEDIAN_SKILL * (1.0 - rate) / marginal_power)
    if calibration == "published":
        return PUBLISHED_COST
    if isinstance(calibration, str):
        message = f"labour cost {calibration!r}; accepted are median40, published or a positive number"
        raise ValueError(message)  # noqa: TRY004  a wrong name, not a wrong type
    _require_positive("labour cost", calibration)
    return float(calibration)


@dataclass(frozen=True, eq=False)
class Workforce:
    """Workers with fixed skills and one labour cost: what each does under any schedule.

    Raises:
        ValueError: for skills that are not a list of finite numbers from 0, or a cost, elasticity or cap that is not
            positive.
    """

    skills: FloatArray
    """Annual income per weekly hour, USD, shape (N,), read-only."""
    cost: float
    """Constant c of the labour cost c l^(1 + 1/e), USD/year: see ``labour_cost``."""
    elasticity: float = 0.4
    """Elasticity e of interior income to the net-of-tax rate."""
    cap: float = 100.0
    """Most hours a week."""
    _order: npt.NDArray[np.intp] = field(init=False, repr=False)
    _skill: FloatArray = field(init=False, repr=False)
    _hours0: FloatArray = field(init=False, repr=False)
    _income0: FloatArray = field(init=False, repr=False)
    _hours_per_dollar: FloatArray = field(init=False, repr=False)
    _cost_of_power: FloatArray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Precompute, in the order of skill, every constant of a worker that needs a power or a division."""
        skills = np.array(self.skills, dtype=np.float64)
        if skills.ndim != 1 or not np.all((skills >= 0.0) & (skills < np.inf)):
            raise ValueError("skills: a list of finite numbers from 0, in USD/year per weekly hour, is accepted")
        for name in ("cost", "elasticity", "cap"):
            _require_positive(name, getattr(self, name))
        order = np.argsort(skills, kind="stable")
        skill = skills[order]
        hours0 = (skill / (self.cost * self._power)) ** self.elasticity
        with np.errstate(divide="ignore", over="ignore"):  # a worker without skill: infinite cost of any income
            hours_per_dollar = 1.0 / skill
            cost_of_power = self.cost * hours_per_dollar**self._power
        values = {
            "skills": skills,
            "_order": order,
            "_skill": skill,
            "_hours0": hours0,
            "_income0": skill * hours0,
            "_hours_per_dollar": hours_per_dollar,
            "_cost_of_power": cost_of_power,
        }
        for name, array in values.items():
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return self.skills.size

    @property
    def _power(self) -> float:
        """Exponent 1 + 1/e of hours in the labour cost."""
        return 1.0 + 1.0 / self.elasticity

    def best_response(self, schedule: Schedule) -> FloatArray:
        """Hours a week that each worker chooses under a schedule, shape (N,): the global optimum, in closed form.

        No power is taken per worker: workers are kept in the order of skill, where each kind of choice (interior of a
        bracket, a kink, the cap) is open to one contiguous run of them. Between equally good choices a worker takes
        the fewest hours.
        """
        hours = self._convex(schedule) if schedule.is_convex else self._general(schedule)
        out = np.empty_like(hours)
        out[self._order] = np.minimum(hours, self.cap, out=hours)
        return out

    def utility(self, hours: npt.ArrayLike, net_income: npt.ArrayLike) -> FloatArray:
        """Net income (USD/year, tax and rebate included) minus the labour cost of the hours; shapes broadcast."""
        labour = power(np.asarray(hours, dtype=np.float64), self._power)
        labour *= self.cost
        return np.asarray(net_income, dtype=np.float64) - labour

    def _convex(self, schedule: Schedule) -> FloatArray:
        """Best responses, in the order of skill, where rates never fall: one optimum each, before the cap."""
        hours = np.zeros_like(self._hours0)
        keeps = [keep for keep in self._keeps(schedule) if keep > 0.0]
        edges = [*schedule.edges.tolist(), np.inf]
        # Bracket after bracket: from which potential income on workers are inside it, and from which on at its upper
        # edge, because the next dollar is worth too little there and the one below is not.
        limits = [edges[j + end] / keep for j, keep in enumerate(keeps) for end in (0, 1)]
        starts = [*self._income0.searchsorted(limits).tolist(), hours.size]
        for j, keep in enumerate(keeps):
            inside, edge, after = starts[2 * j : 2 * j + 3]
            np.multiply(self._hours0[inside:edge], keep, out=hours[inside:edge])
            if edge < after:
                np.multiply(self._hours_per_dollar[edge:after], edges[j + 1], out=hours[edge:after])
        return hours

    def _general(self, schedule: Schedule) -> FloatArray:
        """Best responses, in the order of skill, by comparing each worker's optimum in every bracket.

        Utility is concave within a bracket, so that a worker has one candidate there: its interior, the cap, or its
        upper edge if that is a convex kink. The lower edge is the candidate of the bracket before, or zero hours.
        """
        hours, best = np.zeros_like(self._hours0), np.zeros_like(self._hours0)
        keeps = [*self._keeps(schedule), 0.0]
        edges = [*schedule.edges.tolist(), np.inf]
        rates, dues = [*schedule.rates.tolist(), 0.0], [*schedule.tax_at_edges.tolist(), np.inf]
        cost_at_cap = self.cost * self.cap**self._power
        for j, keep in enumerate(keeps[:-1]):
            if keep == 0.0:
                continue
            low, high, kept = edges[j], edges[j + 1], 1.0 - rates[j]
            given = rates[j] * low - dues[j]  # net income in this bracket is kept * z + given
            inside, beyond = self._income0.searchsorted((low / keep, high / keep)).tolist()
            reach, pass_ = self._skill.searchsorted((low / self.cap, high / self.cap)).tolist()
            capped = int(self._hours0.searchsorted(self.cap / keep))
            # Bracket by bracket from below and only for more utility: that is the fewest hours among equals.
            run = slice(inside, max(inside, min(beyond, capped)))
            utility = self._income0[run] * (keep * kept / (1.0 + self.elasticity)) + given
            _take(utility, self._hours0[run] * keep, hours[run], best[run])
            run = slice(max(reach, capped), max(reach, capped, pass_))
            utility = self._skill[run] * (self.cap * kept) + (given - cost_at_cap)
            _take(utility, self.cap, hours[run], best[run])
            if rates[j + 1] > rates[j]:
                after = (
                    hours.size if keeps[j + 1] == 0.0 else int(self._income0.searchsorted(high / keeps[j + 1], "right"))
                )
                run = slice(max(beyond, pass_), max(beyond, pass_, after))
                utility = (kept * high + given) - self._cost_of_power[run] * high**self._power
                _take(utility, self._hours_per_dollar[run] * high, hours[run], best[run])
        return hours

    def _keeps(self, schedule: Schedule) -> list[float]:
        """Share of potential hours that is worked inside each bracket: (1 - rate)^e, one power per bracket."""
        keeps: list[float] = ((1.0 - schedule.rates) ** self.elasticity).tolist()
        return keeps


@dataclass(frozen=True, eq=False)
class Settlement:
    """The accounts of one year: what everybody earned, paid and kept."""

    income: FloatArray
    """Pre-tax income, USD/year, shape (N,)."""
    tax: FloatArray
    """Tax paid, USD/year, shape (N,)."""
    rebate: float
    """What everybody gets back, USD/year: the mean tax."""
    net: FloatArray
    """Income after tax and rebate, USD/year, shape (N,)."""


def settle(schedule: Schedule, skills: FloatArray, hours: npt.ArrayLike) -> Settlement:
    """Income, tax, equal rebate and net income of workers from their skills (USD/year per hour) and weekly hours.

    The whole revenue is paid back as an equal lump sum, so net incomes add up to incomes: see ``check_balance``.
    """
    income = skills * np.asarray(hours, dtype=np.float64)
    tax = schedule.tax(income)
    rebate = float(tax.mean()) if tax.size else 0.0
    net = income - tax
    net += rebate
    return Settlement(income, tax, rebate, net)


def check_balance(settlement: Settlement) -> None:
    """Check that nothing was created or lost: net incomes add up to incomes, to one part in a million.

    Raises:
        ContractError: if they do not, with both sums; also if one of them is not a number.
    """
    earned, kept = float(settlement.income.sum()), float(settlement.net.sum())
    if not abs(kept - earned) <= max(1e-6 * earned, 1e-9):
        raise ContractError(f"the budget does not balance: net incomes add up to {kept!r}, incomes to {earned!r}")


def _take(utility: FloatArray, choice: FloatArray | float, hours: FloatArray, best: FloatArray) -> None:
    """Where the utility beats the best so far, take it and its hours; the last two are written in place."""
    if utility.size:
        better = utility > best
        np.copyto(best, utility, where=better)
        np.copyto(hours, choice, where=better)


def power(x: FloatArray, exponent: float) -> FloatArray:
    """Positive power of x >= 0, elementwise: by products and a square root if it is a small half-integer.

    Those are exactly rounded on every machine, which a general power is not; and they are several times faster.
    """
    doubled = 2.0 * exponent
    if doubled != int(doubled) or doubled > _LARGEST_HALF_STEPS:
        return x**exponent
    whole, half = divmod(int(doubled), 2)
    out = np.sqrt(x) if half else np.ones_like(x)
    for _ in range(whole):
        out *= x
    return out


def _require_positive(name: str, value: float) -> None:
    """Raise ValueError unless the value is a finite number above 0."""
    if not 0.0 < value < np.inf:
        raise ValueError(f"{name} {value!r}: a positive number is accepted")
