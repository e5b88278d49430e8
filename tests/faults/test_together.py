"""The same recipe built several times at the same instant, to one place and to several, from nothing and from a store
that is there: whoever looks finds one whole artifact, whoever is refused is told so."""

import pytest

from tests.faults.campaign import OTHER, Campaign, contents, in_one_line


def to_one_place(place, campaign, *more):
    answers = place.server.run([*place.arguments, OTHER, *more], copies=3)
    for answer in answers:
        if answer["code"]:
            assert "another build is writing there" in in_one_line(answer, (2,))
    assert any(answer["code"] == 0 for answer in answers)
    campaign.look(place.out, place.after)
    assert [path.name for path in place.out.parent.iterdir()] == ["out"]
    place.build()
    return sum(answer["code"] == 0 for answer in answers)


@pytest.mark.slow
def test_to_one_place_many_times(place, tmp_path):
    campaign = Campaign("three builds at once to one place, a store that is there and none")
    done = [to_one_place(place, campaign) for _ in range(10)]
    done += [
        to_one_place(place, campaign, f"store.path={tmp_path / 'new'}"),
        to_one_place(place, campaign, "store.path=none"),
    ]
    campaign.report()
    print(f"builds done of each three: {done}")


@pytest.mark.slow
def test_to_places_of_their_own(place, tmp_path):
    """From nothing, in one store: each process is told its own place by its number."""
    python = """
import os
from exporter import cli
main = cli.main
cli.main = lambda words: main([*words, f"output_dir={words[-1].partition('=')[2]}-{os.getpid()}"])
"""
    arguments = [*place.arguments[:-1], OTHER, f"store.path={tmp_path / 'store'}", f"output_dir={tmp_path / 'out'}"]
    answers = place.server.run(arguments, copies=4, python=python)
    assert [answer["code"] for answer in answers] == [0] * 4, answers
    folders = list(tmp_path.glob("out-*"))
    assert len(folders) == 4 and all(contents(folder) == place.after for folder in folders)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["store", *(folder.name for folder in folders)])
