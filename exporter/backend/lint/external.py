"""Weights that lie beside the file: found in its own folder or not at all."""

from pathlib import Path

import onnx

from exporter.common.files import is_file


def located(tensor: onnx.TensorProto, folder: Path | None) -> tuple[Path | None, str | None]:
    """The file that holds an external tensor's bytes, or why it is not read. Nothing outside `folder` is looked at."""
    told = {entry.key: entry.value for entry in tensor.external_data}
    location = told.get("location", "")
    if not location or folder is None:
        return None, f"its numbers lie in {location}, not in the model" if location else "its place is not stated"
    root = folder.resolve()
    path = (root / location).resolve()
    if Path(location).is_absolute() or not path.is_relative_to(root):
        return None, f"its numbers are said to lie in {location}, outside the model's folder: that is not read"
    if not is_file(path):
        return None, f"{location} is missing"
    try:
        offset, length = int(told.get("offset", 0)), int(told.get("length", 0))
    except ValueError:
        return None, f"offset or length in {location} is no number"
    whole = offset >= 0 and length >= 0 and offset + length <= path.stat().st_size
    return (path, None) if whole else (None, f"{location} ends before byte {offset + length}")
