# SPDX-License-Identifier: GPL-2.0-only
"""The pictures of docs/performance.md, as SVG that is the same whenever it is drawn of the same."""

import hashlib

from . import page

_COLOURS = {"block": "#1b6ca8", "page": "#7fb2d9", "original": "#b23a48", "bar": "#d98e73",
            "populate": "#888888", "anonymous": "#9a8c98", "thp": "#c9ada7",
            "mapped": "#888888", "memfd": "#9a8c98"}
_MARKS = ("o", "s", "^", "D")


def digest(all_series):
    """Returns a digest of the figures that are drawn; each picture carries it."""
    text = "".join(f"{flavour}\n{page.as_text(series)}" for flavour, series in all_series.items())
    return hashlib.sha256(text.encode()).hexdigest()


def _pyplot():
    import matplotlib  # pylint: disable=import-outside-toplevel  # only drawing needs it
    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "nvlink2", "svg.fonttype": "none", "font.size": 9,
                                "axes.spines.top": False, "axes.spines.right": False})
    from matplotlib import pyplot  # pylint: disable=import-outside-toplevel
    return pyplot


def _median(series, compute):
    return series.figure(compute).median


def _touch(pyplot, all_series):
    """First touch, a panel for each kernel, a pair of bars for each kind of memory."""
    figure, axes = pyplot.subplots(1, len(all_series), figsize=(11, 3.6), sharey=True)
    for axis, (flavour, series) in zip(axes, all_series.items()):
        for place, kind in enumerate(page.KINDS):
            for shift, access in ((-0.2, "load"), (0.2, "store")):
                value = _median(series, lambda boot, k=kind, a=access: boot.touch(k, "sequential", a))
                axis.bar(place + shift, value, 0.36, color=_COLOURS[kind],
                         hatch="//" if access == "store" else None, edgecolor="white")
        axis.set_yscale("log")
        axis.set_title(flavour)
        axis.set_xticks(range(len(page.KINDS)), ["ours", "ours, page", "2018", "BAR", "anon.",
                                                 "THP"], rotation=60, ha="right")
    axes[0].set_ylabel("instructions per MiB first touched\n(plain: load, hatched: store)")
    return figure


def _copies(pyplot, all_series):
    """pread and pwrite against the copy that is mapped all the time."""
    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.2), sharey=True)
    for axis, direction in zip(axes, ("read", "write")):
        for mark, (flavour, series) in zip(_MARKS, all_series.items()):
            axis.plot(page.SIZES, [
                _median(series, lambda boot, d=direction, s=size: boot.copy("ours", d, s)
                        / boot.copy("mapped", d, s)) for size in page.SIZES],
                      marker=mark, markersize=4, linewidth=1, label=flavour)
        axis.set_xscale("log", base=2)
        axis.set_xticks(page.SIZES, ["4 K", "16 K", "64 K", "256 K", "1 M", "", "4 M", "16 M"])
        axis.axhline(1, color="#888888", linewidth=0.7)
        axis.set_xlabel("bytes in one call")
        axis.set_title(f"p{direction}")
    axes[0].set_ylabel("instructions, to the copy\nof memory mapped all the time")
    axes[1].legend(frameon=False)
    return figure


def _growth(pyplot, all_series):
    """Draws the costs that grow with the window, and those that do not."""
    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.2))
    sizes = (64, 128, 256, 512, 1024)
    for mark, (flavour, series) in zip(_MARKS, all_series.items()):
        axes[0].plot(sizes, [_median(series, lambda boot, m=mib: boot.touch(
            "block", "sequential", "store", m)) for mib in sizes],
                     marker=mark, markersize=4, linewidth=1, label=flavour)
    for mark, name in zip(_MARKS, ("open", "close", "mmap", "region_info")):
        series = next(iter(all_series.values()))
        axes[1].plot(list(page.WINDOWS), [_median(series, lambda boot, n=name, m=mib: boot.call(n, m))
                                          for mib in page.WINDOWS],
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


def draw(all_series, folder=page.KEPT):
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
