"""Networks by name: what their weights may be and what is refused."""

import functools
import http.server
import threading

import pytest
import torch

from exporter.common.errors import RequestError
from exporter.common.paths import CONF
from exporter.config.check import check
from exporter.config.compose import compose
from exporter.model.architectures import ARCHITECTURES
from exporter.model.download import DIGESTS, Downloaded
from exporter.model.weights import random_state


def load(*overrides):
    return check(compose(["model=yolo_nas_s", *overrides])).model.load()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A fine-tuned network of three classes, as a training loop saves it."""
    path = tmp_path_factory.mktemp("weights") / "yolo_nas_s_coco.pth"
    state = random_state(ARCHITECTURES["yolo_nas_s"].create(3), 1)
    names = {"class_names": ["cat", "dog", "cow"]}
    torch.save({"ema_net": {f"module.{k}": v for k, v in state.items()}, "processing_params": names, "epoch": 3}, path)
    return path


def test_classes_and_their_names_come_from_the_checkpoint(checkpoint):
    loaded = load(f"model.weights={checkpoint}")
    assert loaded.class_names == ("cat", "dog", "cow")
    assert loaded.weights.file == "yolo_nas_s_coco.pth"
    with torch.no_grad():
        _, scores = loaded.network(torch.zeros(1, 3, 64, 64))
    assert scores.shape[2] == 3


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["model.num_classes=80"], "has 3 classes: set model.num_classes=3"),
        (["model.class_names=[a,b]"], "2 names for 3 classes"),
    ],
)
def test_a_contradiction_says_what_to_set(checkpoint, overrides, said):
    with pytest.raises(RequestError, match=said):
        load(f"model.weights={checkpoint}", *overrides)


def test_another_architecture_is_refused(checkpoint):
    with pytest.raises(RequestError, match="yolo_nas_m"):
        check(compose(["model=yolo_nas_m", f"model.weights={checkpoint}"])).model.load()


def test_random_weights_say_so():
    loaded = load("model.weights=random", "model.num_classes=5")
    assert loaded.num_classes == 5
    assert "detects nothing" in loaded.weights.source and loaded.weights.kind == "random"


def test_the_demo_exists_for_some_networks_only():
    with pytest.raises(RequestError, match=r"only for .*yolo_nas_s"):
        check(compose(["model=yolo_nas_m", "model.weights=demo"]))


def test_published_weights_need_their_licence_accepted():
    with pytest.raises(RequestError, match=r"non-commercial.*model\.accept_license=true"):
        check(compose(["model=yolo_nas_s", "model.weights=coco"]))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_what_accepting_a_licence_does_is_said_of_each_network(name):
    (line,) = [line for line in (CONF / "model" / f"{name}.yaml").read_text().splitlines() if "accept_license" in line]
    restricted = ARCHITECTURES[name].restricted
    assert ("true says that you accept" in line, "no effect" in line) == (restricted, not restricted)


def test_of_a_free_licence_nobody_is_asked():
    assert check(compose(["model=ppyoloe_s", "model.weights=coco"])).model.weights == "coco"


def test_published_weights_are_fetched_once(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            super().do_GET()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=checkpoint.parent))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/{{file}}"
    overrides = ["model.weights=coco", "model.accept_license=true", f"model.coco_url='{url}'"]
    try:
        first, second = load(*overrides), load(*overrides)
    finally:
        server.shutdown()
    assert asked == ["/yolo_nas_s_coco.pth"]
    assert first.weights == second.weights and first.weights.kind == "url"
    assert "non-commercial" in (first.weights.licence or "")
    assert (
        first.weights.source == f"{url.replace('{file}', 'yolo_nas_s_coco.pth')}: other weights than the published ones"
    )


def test_the_known_addresses_are_taken_without_one_of_the_users(checkpoint, monkeypatch):
    asked = []

    def fetch_published(name):
        asked.append(name)
        return Downloaded(checkpoint, "https://some.host/x", DIGESTS[name])

    monkeypatch.setattr("exporter.model.download.fetch_published", fetch_published)
    weights = load("model.weights=coco", "model.accept_license=true").weights
    assert asked == ["yolo_nas_s"] and weights.source == "published COCO weights, https://some.host/x"
    assert weights.kind == "published"
