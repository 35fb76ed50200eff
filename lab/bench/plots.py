# SPDX-License-Identifier: GPL-2.0-only
"""The pictures of docs/performance.md, as SVG that is the same whenever it is drawn of the same."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from . import page
from .figures import Compute, Series, call, copy, ratio, touch

_COLOURS = {"block": "#1b6ca8", "page": "#7fb2d9", "original": "#b23a48", "bar": "#d98e73",
            "populate": "#888888", "anonymous": "#9a8c98", "thp": "#c9ada7",
            "mapped": "#888888", "memfd": "#9a8c98"}
_MARKS = ("o", "s", "^", "D")


class Axes(Protocol):
    """What is used here of matplotlib's axes, which have no types. A style is what sets a look."""
    def bar(self, place: float, height: float, width: float,  # pylint: disable=disallowed-name  # its word
            **style: str | None) -> object: ...
    def plot(self, places: Sequence[float], heights: Sequence[float], **style: str | float) -> object: ...
    def axhline(self, height: float, **style: str | float) -> object: ...
    def legend(self, **style: str | float) -> object: ...
    def set_title(self, text: str) -> object: ...
    def set_xlabel(self, text: str) -> object: ...
    def set_ylabel(self, text: str) -> object: ...
    def set_xscale(self, scale: str, **style: float) -> object: ...
    def set_yscale(self, scale: str) -> object: ...
    def set_ylim(self, bottom: float, top: float) -> object: ...
    def set_xticks(self, ticks: Sequence[float], labels: Sequence[str], **style: str | float) -> object: ...


class Picture(Protocol):
    """And of its figures."""
    def tight_layout(self) -> object: ...
    # `format` is matplotlib's name of it.
    def savefig(self, path: Path, *, format: str,  # pylint: disable=redefined-builtin
                metadata: Mapping[str, str | None]) -> object: ...


class Pyplot(Protocol):
    """And of pyplot."""
    def subplots(self, rows: int, columns: int, *, figsize: tuple[float, float],
                 sharey: bool = False) -> tuple[Picture, Sequence[Axes]]: ...
    def close(self, picture: Picture) -> object: ...


def digest(all_series: Mapping[str, Series]) -> str:
    """Returns a digest of the figures that are drawn; each picture carries it."""
    text = "".join(f"{flavour}\n{page.as_text(series)}" for flavour, series in all_series.items())
    return hashlib.sha256(text.encode()).hexdigest()


def _pyplot() -> Pyplot:
    import matplotlib  # pylint: disable=import-outside-toplevel  # only drawing needs it
    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "nvlink2", "svg.fonttype": "none", "font.size": 9,
                                "axes.spines.top": False, "axes.spines.right": False})
    from matplotlib import pyplot  # pylint: disable=import-outside-toplevel
    drawing: Pyplot = pyplot
    return drawing


def _median(series: Series, compute: Compute) -> float:
    return series.figure(compute).median


def _touch(pyplot: Pyplot, all_series: Mapping[str, Series]) -> Picture:
    """First touch, a panel for each kernel, a pair of bars for each kind of memory."""
    figure, axes = pyplot.subplots(1, len(all_series), figsize=(11, 3.6), sharey=True)
    for axis, (flavour, series) in zip(axes, all_series.items()):
        for place, kind in enumerate(page.KINDS):
            for shift, access in ((-0.2, "load"), (0.2, "store")):
                value = _median(series, touch(kind, "sequential", access))
                axis.bar(place + shift, value, 0.36, color=_COLOURS[kind],
                         hatch="//" if access == "store" else None, edgecolor="white")
        axis.set_yscale("log")
        axis.set_title(flavour)
        axis.set_xticks(range(len(page.KINDS)), ["ours", "ours, page", "2018", "BAR", "anon.",
                                                 "THP"], rotation=60, ha="right")
    axes[0].set_ylabel("instructions per MiB first touched\n(plain: load, hatched: store)")
    return figure


def _copies(pyplot: Pyplot, all_series: Mapping[str, Series]) -> Picture:
    """pread and pwrite against the copy that is mapped all the time."""
    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.2), sharey=True)
    for axis, direction in zip(axes, ("read", "write")):
        for mark, (flavour, series) in zip(_MARKS, all_series.items()):
            axis.plot(page.SIZES, [
                _median(series, ratio(copy("ours", direction, size), copy("mapped", direction, size)))
                for size in page.SIZES],
                      marker=mark, markersize=4, linewidth=1, label=flavour)
        axis.set_xscale("log", base=2)
        axis.set_xticks(page.SIZES, ["4 K", "16 K", "64 K", "256 K", "1 M", "", "4 M", "16 M"])
        axis.axhline(1, color="#888888", linewidth=0.7)
        axis.set_xlabel("bytes in one call")
        axis.set_title(f"p{direction}")
    axes[0].set_ylabel("instructions, to the copy\nof memory mapped all the time")
    axes[1].legend(frameon=False)
    return figure


def _growth(pyplot: Pyplot, all_series: Mapping[str, Series]) -> Picture:
    """Draws the costs that grow with the window, and those that do not."""
    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.2))
    sizes = (64, 128, 256, 512, 1024)
    for mark, (flavour, series) in zip(_MARKS, all_series.items()):
        axes[0].plot(sizes, [_median(series, touch("block", "sequential", "store", mib)) for mib in sizes],
                     marker=mark, markersize=4, linewidth=1, label=flavour)
    for mark, name in zip(_MARKS, ("open", "close", "mmap", "region_info")):
        series = next(iter(all_series.values()))
        axes[1].plot(list(page.WINDOWS), [_median(series, call(name, mib)) for mib in page.WINDOWS],
                     marker=mark, markersize=4, linewidth=1, label=name)
    for axis, ticks in zip(axes, (sizes, page.WINDOWS)):
        axis.set_xscale("log", base=2)
        axis.set_xticks(list(ticks), [str(tick) for tick in ticks])
    axes[0].legend(frameon=False)
    axes[0].set_ylim(0, 5500)
    axes[0].set_xlabel("MiB touched")
    axes[0].set_ylabel("instructions per MiB, first store")
    axes[1].set_yscale("log")
    axes[1].set_ylim(2e2, 1e6)
    axes[1].legend(frameon=False, ncols=2, loc="lower center")
    axes[1].set_xlabel(f"MiB of the window ({next(iter(all_series))})")
    axes[1].set_ylabel("instructions of a call")
    return figure


PICTURES = {"touch": _touch, "copies": _copies, "growth": _growth}


def draw(all_series: Mapping[str, Series], folder: Path = page.KEPT) -> list[Path]:
    """Draws every picture into a folder; the paths."""
    pyplot = _pyplot()
    paths = []
    for name, make in PICTURES.items():
        figure = make(pyplot, all_series)
        figure.tight_layout()
        path = folder / f"{name}.svg"
        figure.savefig(path, format="svg", metadata={
            "Date": None, "Creator": None, "Description": f"figures {digest(all_series)}"})
        pyplot.close(figure)
        paths.append(path)
    return paths
