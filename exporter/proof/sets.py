"""Of two sets of boxes, whose orders mean nothing: which row of the one stands for which of the other."""

from collections.abc import Callable

import numpy as np


def assigned(best: np.ndarray, rows: int, cost: Callable[[int], np.ndarray]) -> np.ndarray:
    """[N] int: for each wanted row one of so many `rows`, each once. The wanted rows choose in the order of their best
    scores `best` [N], each what is free and has the least `cost` [rows]."""
    free, places = np.ones(rows, bool), np.zeros(len(best), int)
    for wanted in np.argsort(-best, kind="stable"):
        places[wanted] = np.where(free, cost(wanted), np.inf).argmin()
        free[places[wanted]] = False
    return places
