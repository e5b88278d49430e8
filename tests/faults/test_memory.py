"""Memory that runs out while calibration runs: one line that names the stage, the last good artifact whole."""

import pytest

from tests.faults.campaign import Campaign, contents, good, in_one_line

ARGUMENTS = ["+recipe=yolo_nas_s_int8", "input.size=320", "calibration.num_images=4", "proof.num_images=1", "proof.num_scenes=0",
         "proof.mean_score_error=1", "proof.mean_box_error=1000", "proof.max_map_drop=100", "progress.format=json"]  # fmt: skip
BOUNDED = """
import resource
from exporter.common import progress
say = progress.event
def event(event, **values):
    say(event, **values)
    if event == "stage" and (values["name"], values["state"]) == ("quantize (int8)", "running"):
        pages = int(open("/proc/self/statm").read().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * 4096 + {room} * 2**20,) * 2)
progress.event = event
"""


@pytest.mark.slow
def test_in_calibration(place, tmp_path):
    arguments = [*ARGUMENTS, f"store.path={tmp_path / 'store'}"]
    out, work = f"output_dir={tmp_path / 'work' / 'out'}", tmp_path / "work"
    good(place.server.run([*arguments, out]))
    before = contents(work / "out")
    campaign, codes = Campaign("RLIMIT_AS from calibration on"), {}
    for room in (1, 16, 64, 128, 192, 256, 320, 384, 448, 512, 4096):
        # Other images, so that nothing of it is in the store.
        changed = [f"calibration.seed={room}"]
        answer = place.server.run([*arguments, *changed, out], python=BOUNDED.format(room=room))
        codes[room] = answer["code"]
        if answer["code"] == 0:
            good(place.server.run([*arguments, out]))
        elif answer["code"] == 1:
            line = in_one_line(answer, (1,))
            assert "memory" in line or "alloc" in line, line
        else:  # C++ that gets none where it cannot say so aborts, or falls: as after kill -9, all is as it was
            assert answer["code"] in (-6, -11), answer
        campaign.look(work / "out", before)
        if answer["code"] not in (-6, -11):
            assert [path.name for path in work.iterdir()] == ["out"]
    good(place.server.run([*arguments, out]))
    assert contents(work / "out") == before and [path.name for path in work.iterdir()] == ["out"]
    print(f"\nexit codes by MiB: {codes}")
    campaign.report()
    assert {0, 1} <= set(codes.values())
