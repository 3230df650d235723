"""Where members are: grids, planes, networks and letters agree with what one finds by hand."""

from __future__ import annotations

import pickle

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simworld.errors import ContractError
from simworld.kernel import Field
from simworld.places import Grid, Mailbox, Network, Plane


@given(st.integers(1, 6), st.integers(1, 6), st.booleans(), st.integers(1, 2), st.booleans())
def test_cells_around_are_those_at_that_distance(width, height, torus, radius, diagonal):
    grid = Grid(width, height, torus)
    cells = np.arange(grid.size)
    around = grid.around(cells, radius, diagonal)
    for cell in cells.tolist():
        x, y = cell % width, cell // width
        wanted = []
        for dy in range(-radius, radius + 1):
            for dx in range(-radius, radius + 1):
                near = max(abs(dx), abs(dy)) if diagonal else abs(dx) + abs(dy)
                if 0 < near <= radius:
                    inside = 0 <= x + dx < width and 0 <= y + dy < height
                    wanted.append((y + dy) % height * width + (x + dx) % width if torus or inside else -1)
        assert around[cell].tolist() == wanted


def test_who_would_leave_the_grid_stays_and_on_a_torus_comes_back():
    at = np.array([0, 5])
    assert Grid(3, 2).moved(at, -1, 0).tolist() == [0, 4]
    assert Grid(3, 2, torus=True).moved(at, [-1, 1], [0, 1]).tolist() == [2, 0]
    assert Grid(3, 2).counts(at).tolist() == [1, 0, 0, 0, 0, 1]
    assert Grid(3, 2).empty(at).tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("torus", [False, True])
def test_neighbours_on_a_plane_are_those_that_are_near(torus):
    plane = Plane(10.0, 4.0, torus)
    positions = np.random.Generator(np.random.Philox(3)).uniform(0, 1, (40, 2)) * [10.0, 4.0]
    distance = np.linalg.norm(plane.way(positions[:, None], positions[None]), axis=2)
    pairs = plane.pairs(positions, 1.5)
    wanted = [(i, j) for i in range(40) for j in range(i + 1, 40) if distance[i, j] <= 1.5]
    assert [tuple(pair) for pair in pairs.tolist()] == wanted
    np.fill_diagonal(distance, np.inf)
    assert plane.nearest(positions, 3).tolist() == np.argsort(distance, axis=1)[:, :3].tolist()
    alone = plane.nearest(positions[:2], 3)
    assert alone.tolist() == [[1, -1, -1], [0, -1, -1]]
    assert plane.nearest(np.zeros((3, 2)), 1)[:, 0].tolist() != [0, 1, 2]
    moved = plane.within(np.array([[11.0, -1.0]]))
    assert moved.tolist() == ([[1.0, 3.0]] if torus else [[10.0, 0.0]])


def test_a_network_knows_what_its_graph_knows():
    graph = nx.karate_club_graph()
    network = pickle.loads(pickle.dumps(Network.of(graph)))
    assert len(network) == 34
    assert network.degrees.tolist() == [degree for _, degree in graph.degree]
    values = np.arange(34.0)
    for node in graph:
        others = sorted(graph.neighbors(node))
        assert network.neighbours(node).tolist() == others
        assert network.sums(values)[node] == sum(others)
        assert network.means(values)[node] == pytest.approx(np.mean(others))
    assert len(network.links) == 2 * graph.number_of_edges()
    lonely = Network.of(nx.empty_graph(2))
    assert np.isnan(lonely.means(np.ones(2))).all()


@pytest.mark.parametrize("kind", ["ring", "small_world", "scale_free", "random"])
def test_networks_are_made_alike_from_the_same_seed(kind):
    one, other = (Network.made(kind, 30, 4, seed=5) for _ in range(2))
    assert one.ends.tolist() == other.ends.tolist()
    if kind == "ring":
        assert set(one.degrees.tolist()) == {4}


def test_letters_wait_until_they_are_taken():
    box = Mailbox((Field("offer"), Field("words", "str")))
    box.post(np.array([0, 1]), np.array([2, 0]), offer=np.array([1.5, 2.5]), words=np.array(["a", "b"], dtype=object))
    box.post(np.array([3]), np.array([2]), offer=np.array([9.0]), words=np.array(["c"], dtype=object))
    assert len(box) == 3
    assert box.waiting(np.array([0, 1, 2])).tolist() == [1, 0, 2]
    taken = pickle.loads(pickle.dumps(box)).take(np.array([1, 2]))
    assert taken["sender"].tolist() == [0, 3]
    assert taken["words"].tolist() == ["a", "c"]
    box.take(np.array([2]))
    assert len(box) == 1
    assert box.take(np.array([0]))["offer"].tolist() == [2.5]
    assert len(box.take(np.array([0]))["to"]) == 0
    with pytest.raises(ContractError, match="declared"):
        box.post(np.array([0]), np.array([1]), offer=np.array([1.0]))
    with pytest.raises(ContractError, match="2 entries for 1 letters"):
        box.post(np.array([0]), np.array([1]), offer=np.ones(2), words=np.array(["a"], dtype=object))
