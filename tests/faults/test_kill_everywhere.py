"""kill -9 at every call that changes the disk, with both ways to swap: what is there is one whole artifact, and the next
build cleans up by itself."""

import shutil

import pytest

from tests.faults.campaign import OTHER, Campaign, contents, good


@pytest.mark.slow
@pytest.mark.parametrize("exchange", [None, "ENOSYS"], ids=["exchange", "renames"])
def test_at_every_call_where_builds_go(place, exchange):
    fault = {"below": str(place.out.parent), "exchange": exchange, "removals": True}
    count = len(good(place.server.run([*place.arguments, OTHER], fault))["seen"])
    place.build()
    campaign = Campaign(f"kill -9 at every call, {'renames' if exchange else 'exchange'}")
    for at in range(1, count + 1):
        answer = place.server.run([*place.arguments, OTHER], {**fault, "at": at, "error": "KILL"})
        assert answer["code"] == -9, answer
        if exchange is None or place.out.exists():  # by renames there is a moment without any: the next build mends it
            campaign.look(place.out, place.before, place.after)
        else:
            good(place.server.run(["store", "ls", "--path", place.store]))
            place.build()
            campaign.look(place.out, place.before)
        place.build()
        assert contents(place.out) == place.before
    campaign.report()


@pytest.mark.slow
def test_at_every_call_in_the_store(place, tmp_path):
    arguments = [*place.arguments, "postprocessing.nms.nms_threshold=0.62"]
    good(place.server.run([*arguments, "store.path=none"]))
    expected = contents(place.out)
    place.build()
    entries = set(place.store.glob("results/*/*"))
    campaign, at, seen = Campaign("kill -9 at every fourth call in the store"), 0, 10**6
    while at < seen:
        at += 4
        answer = place.server.run(arguments, {"below": str(place.store), "at": at, "error": "KILL"})
        if answer["code"] == 0:
            break
        assert answer["code"] == -9, answer
        good(place.server.run(arguments))
        campaign.look(place.out, expected)
        good(place.server.run(["store", "gc", "--path", place.store]))
        assert not list(place.store.glob("making/*")) and not list(place.store.glob("locks/*"))

        for folder in set(place.store.glob("results/*/*")) - entries:
            shutil.rmtree(folder)
        place.build()
    assert campaign.injected > 5
    campaign.report()


@pytest.mark.slow
@pytest.mark.parametrize("error", ["ENOSYS", "EINVAL", "EOPNOTSUPP", "EPERM"])
def test_without_renameat2(place, error):
    good(place.server.run([*place.arguments, OTHER], {"below": str(place.out.parent), "exchange": error}))
    assert contents(place.out) == place.after
    place.build()
    assert [path.name for path in place.out.parent.iterdir()] == ["out"]
