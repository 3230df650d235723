"""The world: people on foot and robots, discs in a plane with walls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Le

from simworld.kernel import Array, Members, Moment, Payload, Turn, World
from simworld.worlds.plaza._bodies import alike, capped, contacts, driven, length, time_to_contact, turned
from simworld.worlds.plaza._rewards import Rewards
from simworld.worlds.plaza._roles import MANNERS, Body, pedestrian_role, robot_role
from simworld.worlds.plaza._scenes import TRIES, FloatArray, IntArray, Scene, SceneName, Ways, crowdnav, settled
from simworld.worlds.plaza._tally import MEASURES, TIMED_OUT, UNDER_WAY, Tally

Manner = Literal["regular", "impassive", "surprised", "scared", "curious", "threatening"]


@dataclass
class Plaza(World):
    """People on foot and robots in a plane: they decide how to move, all at once, tick by tick.

    Bodies are discs. Nothing pushes: where two overlap, they touch, and a robot that touches somebody is counted.
    As in CrowdNav a robot's tick is judged by the segment along which a person moves as seen from the robot, with the
    person's velocity of before and the robot's of now; time that is up comes before contact, contact before arrival.
    """

    scene: SceneName = "circle"
    """circle and square (CrowdNav's crossings), corridor, doorway, intersection, perpendicular (a stream that the robot
    crosses), or open (people come and go at the edges of a square)."""
    size: Annotated[float, Gt(0)] = 4.0
    """Radius of the circle, or half the side of the square or the length of the corridor, in metres."""
    width: Annotated[float, Gt(0)] = 3.0
    """Width of a corridor, a door, an arm of a crossing or a stream, in metres."""
    dt: Annotated[float, Gt(0)] = 0.25
    """Length of a tick, in seconds."""
    places: Literal["drawn", "crowdnav"] = "drawn"
    """Where people start: drawn by address, or number for number those of CrowdNav's test cases (the circle alone; case
    i has seed 1000 + i)."""
    gap: Annotated[float, Ge(0)] = 0.8
    """Least distance between two starts, or two goals, in metres."""
    speed: Annotated[float, Gt(0)] = 1.0
    """How fast people like to walk, in m/s: the mean."""
    speed_spread: Annotated[float, Ge(0)] = 0.0
    """Its standard deviation between people; speeds are kept between 0.6 and 1.4 times the mean."""
    radius: Annotated[float, Gt(0)] = 0.3
    """Of people and robots, in metres."""
    visible: bool = True
    """Whether anybody can see the robots."""
    reacting: Annotated[float, Ge(0), Le(1)] = 1.0
    """Share of people who react to robots (the dose)."""
    manners: dict[Manner, Annotated[float, Ge(0)]] = field(default_factory=lambda: {"regular": 1.0})
    """Weights of the ways in which people take robots: regular, impassive, surprised, scared, curious, threatening."""
    on_arrival: Literal["stay", "leave", "return"] = "stay"
    """What people do who have arrived: stay there, leave the plaza, or turn back."""
    arrivals: Annotated[float, Ge(0)] = 0.0
    """How many people come per second, as a Poisson process, until all seats are taken; 0: all are there at first."""
    body: Body = "holonomic"
    """How robots move."""
    robot_speed: Annotated[float, Gt(0)] = 1.0
    """Greatest speed of robots, in m/s."""
    robot_turn: Annotated[float, Gt(0)] = 1.0
    """How fast a unicycle turns at most, in rad/s."""
    near: Annotated[int, Gt(0)] = 5
    """How many people a robot sees one by one."""
    within: Annotated[float, Gt(0)] = 0.3
    """So near to the goal, in metres, is arrived."""
    time_limit: Annotated[float, Gt(0)] | None = None
    """A robot's time is up in the first tick that begins so late, in seconds; by default never."""
    collisions: Literal["end", "count"] = "end"
    """Whether a robot that touched somebody is taken out, or only counted."""
    rewards: Rewards = field(default_factory=Rewards)
    """What robots earn."""
    discount: Annotated[float, Gt(0), Le(1)] = 0.9
    """Of the measure ``value``, per second and m/s."""

    tick_unit: ClassVar[str] = "s"
    changeable = ("visible",)
    measures = MEASURES

    def __post_init__(self) -> None:
        """Look at the scene.

        Raises:
            ValueError: CrowdNav's places in another scene, or manners that weigh nothing.
        """
        self._scene = Scene(self.scene, self.size, self.width)
        self._walls = self.backdrop = self._scene.walls
        self.tick_length = self.dt
        self.roles = (
            pedestrian_role(len(self._walls)),
            robot_role(self.body, self.robot_speed, self.robot_turn, self.near, len(self._walls)),
        )
        if self.places == "crowdnav" and (self.scene != "circle" or self.arrivals):
            raise ValueError("places: crowdnav; accepted: with scene circle and without arrivals")
        if not sum(self.manners.values()) > 0.0:
            raise ValueError("manners: they weigh nothing; accepted: at least one weight above 0")

    def check(self, seats: Mapping[str, int]) -> None:
        """Raise ValueError if so many robots have no room where they start."""
        robots, most = seats.get("robot", 0), self._scene.most_robots(self.radius)
        if robots > most:
            name = "width" if self.scene in {"corridor", "intersection"} else "size"
            accepted = f"at most {most} with {name} {getattr(self, name):g}, or a greater {name}"
            raise ValueError(f"{self.scene}: found {robots} robots of radius {self.radius:g}; accepted: {accepted}")

    # -- the beginning ---------------------------------------------------------------------------------------------

    def reset(self, turn: Turn) -> None:
        """Place everybody, and wake those who are there."""
        people, robots = turn.seats("pedestrian"), turn.seats("robot")
        self._speed = self._drawn_speeds(turn, people)
        self._reacts = turn.draw("reacts", people) < self.reacting
        self._manner = self._drawn_manners(turn, people)
        way = self._scene.robots(robots)
        self._robot_goal, self._robot_velocity = way.goal.copy(), np.zeros((robots, 2))
        self._robot_position, self._robot_here = way.start.copy(), np.zeros(robots, dtype=np.bool_)
        self._decided = np.zeros(robots, dtype=np.bool_)
        ahead = way.goal - way.start
        self._heading = np.arctan2(ahead[:, 1], ahead[:, 0])
        self._tally = Tally(way.start.copy(), way.goal.copy(), np.full(robots, self.robot_speed), self.dt)
        self._way = self._placed(turn, people, way)
        self._goal = self._way.goal.copy()
        self._position, self._velocity = self._way.start.copy(), np.zeros((people, 2))
        self._now: dict[str, Array] = {}
        """What everybody sees, until something changes."""
        self._here, self._next = np.zeros(people, dtype=np.bool_), 0
        self._robots_in(turn, way)
        if self.arrivals and people:
            self._announce(turn, people)
        else:
            self._people_in(turn, people)

    def _drawn_speeds(self, turn: Turn, people: int) -> FloatArray:
        if not self.speed_spread:
            return np.full(people, self.speed)
        drawn = self.speed + self.speed_spread * turn.draw("speed", people, "normal")
        return np.clip(drawn, 0.6 * self.speed, 1.4 * self.speed)

    def _drawn_manners(self, turn: Turn, people: int) -> IntArray:
        weights = np.array([self.manners.get(name, 0.0) for name in MANNERS])  # type: ignore[call-overload]
        edges = np.cumsum(weights) / weights.sum()
        found = np.searchsorted(edges, turn.draw("manner", people), side="right")
        return np.minimum(found, len(MANNERS) - 1).astype(np.int64)

    def _placed(self, turn: Turn, people: int, robots: Ways) -> Ways:
        """Starts and goals of all who may ever come: of a person the same, whoever is left out."""
        if self.places == "crowdnav":
            return crowdnav(turn.seed, people, self.size, robots, self.gap)
        if self.arrivals:
            return self._scene.people(turn.draw("place", people, width=(4,)), self._speed)
        drawn = turn.draw("place", people, width=(TRIES, 4))
        tries = self._scene.people(drawn, np.broadcast_to(self._speed[:, None], drawn.shape[:2]))
        return settled(tries, robots, self.gap)

    def _announce(self, turn: Turn, people: int) -> None:
        """Let people come one after the other: events, by the tick in which they come."""
        when = np.cumsum(turn.draw("arrival", people, "exponential")) / (self.arrivals * self.dt)
        ticks, counts = np.unique(np.floor(when).astype(np.int64), return_counts=True)
        for tick, count in zip(ticks.tolist(), counts.tolist(), strict=True):
            turn.call(tick, "arrive", count)

    def on_event(self, name: str, payload: Payload, turn: Turn) -> None:  # noqa: ARG002
        """People arrive."""
        assert isinstance(payload, int)
        self._people_in(turn, payload)

    def _people_in(self, turn: Turn, count: int) -> None:
        self._now = {}
        who = np.arange(self._next, self._next + count)
        self._next += count
        manners = np.array([MANNERS[m] for m in self._manner[who]], dtype=object)
        here = turn.join("pedestrian", count, speed=self._speed[who], reacts=self._reacts[who], manner=manners)
        self._here[here] = True
        turn.wake("pedestrian", here, turn.tick)

    def _robots_in(self, turn: Turn, way: Ways) -> None:
        here = turn.join("robot", len(way.start))
        self._now = {}
        self._robot_here[here] = True
        self._tally.seated[here] = True
        turn.wake("robot", here, turn.tick)

    # -- what is seen ----------------------------------------------------------------------------------------------

    def observe(self, role: str, members: Members) -> Mapping[str, Array]:
        """Where everybody is, and how it moved."""
        shared = self._now or self._all_there()
        if role == "pedestrian":
            if not self.visible:
                shared = shared | {"robots": np.full_like(shared["robots"], np.nan)}
            return {
                "position": self._position[members],
                "velocity": self._velocity[members],
                "goal": self._goal[members],
                "aim": self._scene.aims(self._position[members], self._goal[members], self.radius),
                "speed": self._speed[members],
                "radius": alike(self.radius, len(members)),
                "reacts": self._reacts[members],
                "manner": self._manner[members],
                **shared,
            }
        position, goal = self._robot_position[members], self._robot_goal[members]
        aim = self._scene.aims(position, goal, self.radius)
        return {
            "position": position,
            "velocity": self._robot_velocity[members],
            "heading": self._heading[members],
            "goal": goal,
            "aim": aim,
            "offset": self._seen_from(members, (aim - position)[:, None])[:, 0],
            "speed": alike(self.robot_speed, len(members)),
            "radius": alike(self.radius, len(members)),
            "near": self._nearest(members, shared["people"]),
            **shared,
        }

    def _all_there(self) -> dict[str, Array]:
        """What is the same for everybody, put together once for all who look at the same state."""
        self._now = {
            "people": self._bodies(self._position, self._velocity, self._here),
            "robots": self._bodies(self._robot_position, self._robot_velocity, self._robot_here),
            "walls": self._walls.copy(),
            "dt": np.array(self.dt),
        }
        return self._now

    def _bodies(self, position: FloatArray, velocity: FloatArray, here: Array) -> FloatArray:
        """Rows of x, y, vx, vy, radius; nan for those who are not there."""
        bodies = np.empty((len(position), 5))
        bodies[:, :2], bodies[:, 2:4], bodies[:, 4] = position, velocity, self.radius
        bodies[~here] = np.nan
        return bodies

    def _seen_from(self, robots: Members, vectors: FloatArray) -> FloatArray:
        """Vectors of shape (n, k, 2) as these robots see them: a unicycle along its heading, others as they are."""
        if self.body == "holonomic":
            return vectors
        heading = self._heading[robots]
        return turned(vectors, np.stack([np.cos(heading), np.sin(heading)], axis=1))

    def _nearest(self, robots: Members, people: FloatArray) -> FloatArray:
        """The nearest people of each of these robots, seen from there, shape (n, near, 5)."""
        position, velocity = self._robot_position[robots], self._robot_velocity[robots]
        found = alike(np.nan, len(position), self.near, 5)
        count = min(self.near, len(people))
        if count:
            away = length(people[None, :, :2] - position[:, None])
            order = np.argsort(away, axis=1, kind="stable")[:, :count]  # nan comes last
            bodies = people[order]
            found[:, :count, :2] = self._seen_from(robots, bodies[..., :2] - position[:, None])
            found[:, :count, 2:4] = self._seen_from(robots, bodies[..., 2:4] - velocity[:, None])
            found[:, :count, 4] = bodies[..., 4]
        return found

    # -- what happens ----------------------------------------------------------------------------------------------

    def step(self, moment: Moment, turn: Turn) -> None:
        """Everybody moves; robots are judged; who has arrived stays, leaves or turns back."""
        self._now = {}
        people, robots = turn.members("pedestrian"), turn.members("robot")
        velocity = self._wanted(moment, people)
        if len(robots):
            self._drive(moment, robots, people, turn)
        self._position[people] += velocity * self.dt
        self._velocity[people] = velocity
        if len(robots):
            self._count(robots, people)
            self._delay(people)
            turn.emit(**self._numbers())
            robots = self._robots_out(robots, turn)
            if not len(robots):
                turn.end(truncated=bool((self._tally.state == TIMED_OUT).any()))
                return
        people = self._people_out(people, turn)
        turn.wake("pedestrian", people, turn.tick + 1)
        turn.wake("robot", robots, turn.tick + 1)

    def _wanted(self, moment: Moment, people: Members) -> FloatArray:
        """The velocities of these people; who has not decided stands."""
        acts = moment.acts.get("pedestrian")
        if acts is not None and len(acts) == len(people):
            return acts["velocity"]
        velocity = np.zeros((len(people), 2))
        if acts is not None:
            velocity[np.searchsorted(people, acts.members)] = acts["velocity"]
        return velocity

    def _drive(self, moment: Moment, robots: Members, people: Members, turn: Turn) -> None:
        """Move the robots, and judge how: people are still where they were."""
        before = self._robot_position[robots]
        velocity = self._steer(moment, robots)
        after = before + velocity * self.dt
        walked = self._position[people], self._velocity[people]
        touched, nearest = contacts(before, velocity, walked, self._walls, self.radius, self.dt)
        late = self.time_limit is not None and turn.tick * self.dt > self.time_limit - 1e-9
        if late:
            touched[:] = False
        hit = touched[:, 0] | touched[:, 1] | touched[:, 2]
        to_go = length(self._robot_goal[robots] - after)
        out = hit & (self.collisions == "end")
        arrived = ~out & (to_go < self.within) & (not late)
        self._tally.judged(robots, touched, arrived, late, self.collisions == "end")
        self._tally.least[robots] = np.minimum(self._tally.least[robots], nearest)
        closer = length(self._robot_goal[robots] - before) - to_go
        gap = np.where(hit | arrived | late, np.inf, nearest)
        amounts = self.rewards.amounts(arrived, hit, gap, closer, self.dt)
        self._tally.rewarded(robots, amounts, self.discount)
        # Who still waits for the answer to its first question has decided nothing that could be rewarded.
        turn.reward("robot", robots[self._decided[robots]], amounts[self._decided[robots]])
        self._robot_position[robots], self._robot_velocity[robots] = after, velocity

    def _steer(self, moment: Moment, robots: Members) -> FloatArray:
        """The velocities of these robots over the tick, and their new headings; who has not decided stands."""
        velocity, (who, moves) = np.zeros((len(robots), 2)), self._moves(moment, robots)
        if not len(who):
            return velocity
        place = np.searchsorted(robots, who)
        if self.body == "unicycle":
            way, heading = driven(self._heading[who], moves["forward"], moves["turn"], self.dt)
            velocity[place] = way / self.dt
            self._heading[who] = heading
            return velocity
        velocity[place] = capped(moves["velocity"], alike(self.robot_speed, len(who)))
        moving = length(velocity) > 0.0
        self._heading[robots[moving]] = np.arctan2(velocity[moving, 1], velocity[moving, 0])
        return velocity

    def _moves(self, moment: Moment, robots: Members) -> tuple[Members, Mapping[str, Array]]:  # noqa: ARG002
        """Which of these robots move, and how."""
        acts = moment.acts.get("robot")
        if acts is None:
            return np.zeros(0, dtype=np.int64), {}
        self._decided[acts.members] = True
        return acts.members, acts.done

    def _numbers(self) -> dict[str, float]:
        """All measures, as they stand."""
        return self._tally.numbers()

    def _count(self, robots: Members, people: Members) -> None:
        """Tell the tally how these robots moved, and how near people are now."""
        gap, soonest = alike(np.inf, len(robots)), alike(np.inf, len(robots))
        if len(people):
            way = self._position[people] - self._robot_position[robots][:, None]
            gap = length(way).min(axis=1) - 2.0 * self.radius
            closing = self._velocity[people] - self._robot_velocity[robots][:, None]
            soonest = time_to_contact(way, closing, np.array(2.0 * self.radius)).min(axis=1)
        self._tally.moved(robots, self._robot_velocity[robots], gap, soonest)

    def _delay(self, people: Members) -> None:
        """Tell the tally how these people got on."""
        velocity, goal = self._velocity[people], self._goal[people]
        before = self._position[people] - velocity * self.dt
        way = self._scene.aims(before, goal, self.radius) - before
        self._tally.walked(velocity, way, length(goal - before), self._speed[people], self._next)

    # -- who goes --------------------------------------------------------------------------------------------------

    def _robots_out(self, robots: Members, turn: Turn) -> Members:
        """Those who go on; the others leave, unless the episode ends with them."""
        done = self._tally.state[robots] != UNDER_WAY
        left: Members = robots[~done]
        if len(left) and len(left) < len(robots):
            turn.leave("robot", robots[done])
            self._robot_here[robots[done]] = False
        return left

    def _people_out(self, people: Members, turn: Turn) -> Members:
        """Those who stay, once those who have arrived have left or turned back."""
        if self.on_arrival == "stay" or not len(people):
            return people
        done = length(self._goal[people] - self._position[people]) < self.within
        if not np.count_nonzero(done):
            return people
        arrived = people[done]
        if self.on_arrival == "return":
            ends = (self._way.start[arrived], self._way.goal[arrived])
            back = (self._goal[arrived] == ends[1]).all(axis=1)[:, None]
            self._goal[arrived] = np.where(back, *ends)
            return people
        turn.leave("pedestrian", arrived)
        self._here[arrived] = False
        return people[~done]

    def taken_out(self, role: str, members: Members, turn: Turn) -> None:  # noqa: ARG002
        """They are not there any more; robots that were taken out are not judged."""
        self._now = {}
        if role == "robot":
            self._robot_here[members] = False
            self._tally.seated[members] = False
        else:
            self._here[members] = False
