"""The pieces that a program in Python is put together from; `python.py` says when each is taken."""

HEAD = '''\
"""Runs a detector in {engine}: python THIS_FILE IMAGE…

An IMAGE is {takes}.
Needs numpy and {package} only. Written by `exporter snippet` for one artifact, from its manifest.
"""

{imports}import sys

import numpy as np
{engine_import}

MODEL = {model!r}
NAMES = {names!r}
OUTPUTS = {outputs!r}
{sizes}{session}

'''

READ_IMAGE = r'''
def read(path):
    """uint8 [height, width, 3] RGB. Any other file: what np.asarray(PIL.Image.open(path).convert("RGB")) gives."""
    if path.endswith(".npy"):
        return np.load(path)
    with open(path, "rb") as file:
        data = file.read()
    header = re.match(rb"P6(?:\s+#.*)*\s+(\d+)\s+(\d+)\s+255\s", data)
    if not header:
        sys.exit(f"{path}: give a binary PPM (P6) or a .npy file")
    return np.frombuffer(data[header.end() :], np.uint8).reshape(int(header[2]), int(header[1]), 3)

'''

READ_ARRAY = """
def read(path):
    return np.load(path)

"""

RESIZE = '''
def axis(old, new):
    """For each of `new` pixels the two of `old` that it lies between, and their weights, of 2048 together."""
    at = ((np.arange(new) + 0.5) * (old / new) - 0.5).astype(np.float32)
    low = np.floor(at)
    weight = np.rint((at - low) * 2048).astype(np.int32)
    low = low.astype(int)
    return low.clip(0, old - 1), (low + 1).clip(0, old - 1), 2048 - weight, weight


def resize(raw, height, width):
    """Bilinear, byte for byte as OpenCV's INTER_LINEAR."""
    x0, x1, u0, u1 = axis(raw.shape[1], width)
    y0, y1, v0, v1 = axis(raw.shape[0], height)
    rows = raw[:, x0] * u0[:, None] + raw[:, x1] * u1[:, None] >> 4
    sums = (rows[y0] * v0[:, None, None] >> 16) + (rows[y1] * v1[:, None, None] >> 16)
    return (sums + 2 >> 2).astype(np.uint8)

'''

FIT = '''
def place(raw):
    """The input, and where the image lies in it: its left, top, left, top, and its scales."""
    height, width = raw.shape[:2]
    r = min((HEIGHT - {margin}) / height, (WIDTH - {margin}) / width)
    new_height, new_width = max(1, round(height * r)), max(1, round(width * r))
    top, left = {corner}
    image = np.full((HEIGHT, WIDTH, 3), {grey}, np.uint8)
    image[top : top + new_height, left : left + new_width] = resize(raw, new_height, new_width)
    return image, [left, top] * 2, [new_width / width, new_height / height] * 2

'''

STRETCH = '''
def place(raw):
    """The input, and where the image lies in it: its left, top, left, top, and its scales."""
    height, width = raw.shape[:2]
    return resize(raw, HEIGHT, WIDTH), [0] * 4, [WIDTH / width, HEIGHT / height] * 2

'''

AS_IT_IS = '''
def place(raw):
    """The input, and where the image lies in it: all over it, as it is."""
    return raw, [0] * 4, [1] * 4

'''

RUN = '''
def run(images):
    """{takes} → the outputs by name."""
{encode}    return {outputs}

'''

BATCH = '''
def rows(outputs, i):
    """Of image i: boxes [n, 4], scores [n], classes [n], best first."""
    n = outputs["num_predictions"][i, 0]
    return outputs["pred_boxes"][i, :n], outputs["pred_scores"][i, :n], outputs["pred_classes"][i, :n]

'''

FLAT = '''
def rows(outputs, i):
    """Of image i: boxes [n, 4], scores [n], classes [n], best first."""
    table = outputs["flat_predictions"]
    own = table[table[:, 0] == i]
    return own[:, 1:5], own[:, 5], own[:, 6].astype(int)

'''

SIX = '''
def rows(outputs, i):
    """Of image i: boxes [n, 4], scores [n], classes [n], best first."""
    table = outputs["output"][i]
    used = table[table[:, 4] > 0]
    return used[:, :4], used[:, 4], used[:, 5].astype(int)

'''

WITHOUT_NMS = '''
def rows(outputs, i):
    """Of image i every box of the network [n, 4], its best score [n] and class [n], best first.

    There is no NMS in the artifact: many of them are of one object, and most are of none."""
    boxes, scores = outputs["pred_boxes"][i], outputs["pred_scores"][i]
    order = np.argsort(-scores.max(axis=1), kind="stable")
    return boxes[order], scores.max(axis=1)[order], scores.argmax(axis=1)[order]

'''

ONE_BY_ONE = '''
def detect(raw_images):
    """{takes} → of each its detections, best first:
    (name, score, [x1, y1, x2, y2] in {pixels})."""
    found = []
    for raw in raw_images:
        image, corner, scale = place(raw)
        boxes, scores, classes = rows(run({images}), 0)
{back}        found.append([(NAMES[c], float(s), box.tolist()) for c, s, box in zip(classes, scores, boxes)])
    return found

'''

IN_GROUPS = '''
def detect(raw_images):
    """{takes} → of each its detections, best first:
    (name, score, [x1, y1, x2, y2] in {pixels})."""
    found = []
    for start in range(0, len(raw_images), {step}):
        group = raw_images[start : start + {step}]
        placed = [place(raw) for raw in group]
        outputs = run({images})
        for i, (raw, (_, corner, scale)) in enumerate(zip(group, placed)):
            boxes, scores, classes = rows(outputs, i)
{back}            found.append([(NAMES[c], float(s), box.tolist()) for c, s, box in zip(classes, scores, boxes)])
    return found

'''

MAIN = """
if __name__ == "__main__":
    for path, found in zip(sys.argv[1:], detect([read(path) for path in sys.argv[1:]])):
        print(path)
        for name, score, box in found{shown}:
            print(f"  {{name}} {{score:.4f}}", *(f"{{side:.1f}}" for side in box))
"""

USER_FORMAT = """
if __name__ == "__main__":
    for path in sys.argv[1:]:
        image, corner, scale = place(read(path))
        print(path)
        # What these are, the manifest or their author says. Pixels of the input → the image's: (x - corner) / scale.
        for name, value in run({images}).items():
            print(f"  {{name}} {{list(value.shape)}}")
"""
