"""A disk that is full or broken at every call in a sweep's folder: an ending in one line, nothing half, and the same
sweep again goes well."""

import json

import pytest

from tests.faults.campaign import OTHER, SMALL, Campaign, contents, good


@pytest.mark.slow
@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
def test_every_second_call(place, tmp_path, error):
    folder = tmp_path / "sweep"
    arguments = ["-m", *SMALL, f"{OTHER},300", f"store.path={place.store}", f"hydra.sweep.dir={folder}"]
    fault = {"below": str(tmp_path), "error": error, "lasting": error == "ENOSPC"}
    seen = good(place.server.run(arguments, fault))["seen"]
    runs = [run["folder"] for run in json.loads((folder / "summary.json").read_text())["runs"]]
    whole = {run: contents(folder / run) for run in runs}
    campaign, codes = Campaign(f"sweep, {error}"), []
    for at in range(1, len(seen) + 1, 2):
        answer = place.server.run(arguments, {**fault, "at": at})
        codes.append(answer["code"])
        assert answer["code"] in (0, 1, 2) and "Traceback" not in answer["err"], answer["err"]
        assert answer["code"] == 0 or answer["err"].splitlines()[-1].startswith("exporter: "), answer["err"]
        for run in runs:  # the last sweep's artifacts stay, or new ones, which are the same, are in their place
            campaign.look(folder / run, whole[run])
        good(place.server.run(arguments))
        assert json.loads((folder / "summary.json").read_text())["complete"]
        assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []
    print(f"\nexit codes: {sorted(set(codes))}")
    campaign.report()
