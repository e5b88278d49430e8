"""A program in Python for one artifact: numpy and what runs it only.

It is put together from pieces, each taken where the manifest asks for it. What comes from the manifest stands in it as
literals: no name in it can become code.
"""

from dataclasses import replace

from exporter.deploy.snippet import python_boxes
from exporter.deploy.snippet import python_pieces as pieces
from exporter.deploy.snippet.facts import Facts
from exporter.deploy.snippet.python_engines import Engine, own, triton

IMAGES = "uint8 [height, width, 3] RGB images of any size"
GROUP = 8  # images a run, where any number goes
ROWS = {"batch": pieces.BATCH, "flat": pieces.FLAT, "deepstream": pieces.SIX, "none": pieces.WITHOUT_NMS}


def program(facts: Facts) -> str:
    """The whole of it, for the engine that the artifact is for."""
    return _program(facts, own(facts))


def client(facts: Facts) -> str:
    """The same for a server: of a free batch it asks for one image at a time, and the server puts images together."""
    return _program(replace(facts, batch=facts.batch or 1), triton(facts))


def _program(facts: Facts, engine: Engine) -> str:
    parts = [
        _head(facts, engine),
        pieces.READ_ARRAY if facts.takes_arrays else pieces.READ_IMAGE,
        _place(facts),
        engine.helper,
        _run(facts, engine),
    ]
    if facts.format == "own":
        images = "image" if facts.takes_raw_image else f"np.stack([image] * {facts.batch or 1})"
        return "".join([*parts, pieces.USER_FORMAT.format(images=images)])
    rows = python_boxes.rows(facts) if facts.outside else ROWS[facts.format]
    return "".join([*parts, rows, _detect(facts)])


def _array(facts: Facts) -> str:
    return f"{facts.dtype} [3, {facts.height}, {facts.width}] as the network was trained"


def _head(facts: Facts, engine: Engine) -> str:
    image = "a binary .ppm, or a .npy of uint8 [height, width, 3] RGB"
    if not facts.takes_arrays and facts.geometry is None and not facts.takes_raw_image:
        image += f", {facts.height} × {facts.width}"
    return pieces.HEAD.format(
        engine=engine.name,
        package=engine.package,
        engine_import=engine.imports,
        session=engine.session,
        outputs=list(facts.outputs),
        takes=f"a .npy of {_array(facts)}" if facts.takes_arrays else image,
        imports="" if facts.takes_arrays else "import re\n",
        model=facts.model,
        names=list(facts.class_names),
        sizes=f"HEIGHT, WIDTH = {facts.height}, {facts.width}\n" if facts.geometry else "",
    )


def _place(facts: Facts) -> str:
    if facts.geometry is None:
        return pieces.AS_IT_IS
    if facts.geometry.padding is None:
        return pieces.RESIZE + pieces.STRETCH
    margin, padding = facts.geometry.resize.margin, facts.geometry.padding
    corner = "(HEIGHT - new_height) // 2, (WIDTH - new_width) // 2" if padding.placement == "center" else "0, 0"
    return pieces.RESIZE + pieces.FIT.format(margin=margin, grey=padding.value, corner=corner)


def _run(facts: Facts, engine: Engine) -> str:
    steps = []
    if not facts.takes_arrays:
        if facts.bgr:
            steps.append("images = images[..., ::-1]  # BGR")
        if facts.layout == "nchw":
            steps.append("images = images.transpose(0, 3, 1, 2)")
    if n := facts.normalization:
        mean, std = (f"np.array({list(values)}, np.float32).reshape(1, 3, 1, 1)" for values in (n.mean, n.std))
        steps.append(f"images = (images[:, {list(n.order)}].astype(np.float32) - {mean}) / {std}")
    steps.append(f"images = np.ascontiguousarray(images, np.{facts.dtype})")
    takes = "uint8 [height, width, 3] RGB" if facts.takes_raw_image else "uint8 [B, height, width, 3] RGB"
    return pieces.RUN.format(
        takes=f"[B, {_array(facts)[len(facts.dtype) + 2 :]}" if facts.takes_arrays else takes,
        encode="".join(f"    {step}\n" for step in steps),
        outputs=engine.run,
    )


def _detect(facts: Facts) -> str:
    images = "np.stack([image for image, _, _ in placed])"
    if facts.batch == 1:
        images = "image" if facts.takes_raw_image else "image[None]"
    elif facts.batch:  # filled up with the last image
        images = f"np.stack([placed[min(i, len(group) - 1)][0] for i in range({facts.batch})])"
    indent = 8 if facts.batch == 1 else 12
    back = "boxes = ((boxes - corner) / scale).clip(0, [*raw.shape[1::-1]] * 2)\n"
    piece = pieces.ONE_BY_ONE if facts.batch == 1 else pieces.IN_GROUPS
    detect = piece.format(
        takes="Arrays, each " + _array(facts) if facts.takes_arrays else IMAGES,
        pixels="its own pixels" if facts.in_image and not facts.takes_arrays else "pixels of the input",
        step=facts.batch or GROUP,
        images=images,
        back=" " * indent + back if facts.geometry and not facts.takes_arrays else "",
    )
    return detect + pieces.MAIN.format(shown="[:5]" if facts.format == "none" else "")
