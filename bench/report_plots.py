# SPDX-License-Identifier: BSD-3-Clause
"""report_plots.py - the plots of bench/report, drawn by gnuplot: lines over linear or logarithmic axes, and bars."""

import shutil
import subprocess

# Told apart also by who cannot see red and green (Okabe and Ito), and by the marker.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f")
MARKERS = (7, 5, 9, 13, 11, 15)
HEAD = """\
set terminal svg size {width},{height} noenhanced background rgb "white" font "Helvetica,12"
set title {title} font "Helvetica-Bold,15"
set xlabel {xlabel}
set grid xtics ytics lc rgb "#d8d8d8"
set border 3
set tics nomirror out
"""


class NoGnuplot(Exception):
    """It is not installed."""


def number(value):
    """A short number for a bar: 0.5, 20, 1k, 1.5M."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.3g}{unit}"
    return f"{value:.3g}"


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def head(title, xlabel, width, height):
    return HEAD.format(title=quoted(title), xlabel=quoted(xlabel), width=width, height=height)


def draw(script):
    """What gnuplot makes of a script, as text."""
    if not shutil.which("gnuplot"):
        raise NoGnuplot("gnuplot is not installed: scripts/deps")
    run = subprocess.run(["gnuplot"], input=script, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if run.returncode or "</svg>" not in run.stdout:
        raise RuntimeError(f"gnuplot: {run.stderr}\n{script}")
    first, rest = run.stdout.split("\n", 1)
    return f"{first}\n<!-- SPDX-License-Identifier: BSD-3-Clause -->\n{rest}"


def data(name, rows):
    return f"{name} << EOD\n" + "\n".join(" ".join(map(str, row)) for row in rows) + "\nEOD\n"


def lines(title, xlabel, ylabel, series, levels=(), xlog=False, ylog=False, xticks=None):
    """
    series: (label, [(x, y)...], style, dashed): equal style is equal colour. levels: (label, y), drawn
    across. None if there is nothing to draw.
    """
    series = [s for s in series if s[1]]
    if not series:
        return None
    # As the lines' right ends are, so that the eye finds them.
    series.sort(key=lambda s: -max(s[1])[1])
    script = head(title, xlabel, 860, 420) + f"set ylabel {quoted(ylabel)}\nset key outside right top Left reverse\n"
    script += "".join(f"set logscale {axis}\nset format {axis} '%.0s%c'\n" for axis, log in (("x", xlog), ("y", ylog)) if log)
    if xticks:
        script += f"set xrange [{min(xticks) - 0.25}:{max(xticks) + 0.25}]\nset xtics ({', '.join(map(str, xticks))})\n"
    plots = []
    for i, (label, points, style, dashed) in enumerate(series):
        script += data(f"$series{i}", sorted(points))
        plots.append(f"$series{i} with linespoints title {quoted(label)} lw {2.5 if style == 0 else 1.6} "
                     f"dt {2 if dashed else 1} pt {MARKERS[style % len(MARKERS)]} ps 0.6 "
                     f"lc rgb '{COLOURS[style % len(COLOURS)]}'")
    plots += [f"{value} with lines title {quoted(label)} dt 3 lc rgb '#999999'" for label, value in levels]
    return draw(script + "plot " + ", \\\n  ".join(plots) + "\n")


def bars(title, xlabel, values):
    """values: (label, value, words at its end)."""
    if not values:
        return None
    script = head(title, xlabel, 860, 100 + 28 * len(values))
    script += "unset key\nset style fill solid\nset format x '%.0s%c'\n"
    script += f"set xrange [0:{1.25 * max(value for _, value, _ in values)}]\nset yrange [{len(values) - 0.4}:-0.6]\n"
    script += "set datafile separator tab\n"
    script += "$bars << EOD\n" + "\n".join(f"{label}\t{value}\t{words}" for label, value, words in values) + "\nEOD\n"
    return draw(script + f"plot $bars using 2:0:(0):2:($0-0.35):($0+0.35):ytic(1) with boxxyerror lc rgb '{COLOURS[0]}', \\\n"
                "  $bars using 2:0:3 with labels left offset 1,0\n")


def groups(title, xlabel, ylabel, names, series, ylog=False):
    """Bars in groups: names of the groups, and (label, [a value or None for each group])."""
    series = [s for s in series if any(s[1])]
    if not series:
        return None
    script = head(title, xlabel, 860, 420) + f"set ylabel {quoted(ylabel)}\nset key outside right top Left reverse\n"
    script += "set style data histogram\nset style histogram clustered gap 1.5\nset style fill solid\n"
    script += "set logscale y\nset format y '%.0s%c'\nset yrange [1:]\n" if ylog else "set yrange [0:]\n"
    script += data("$groups", [[f'"{name}"', *("?" if s[1][i] is None else s[1][i] for s in series)]
                               for i, name in enumerate(names)])
    script += "set datafile missing '?'\n"
    plots = [f"$groups using {i + 2}:xtic(1) title {quoted(label)} lc rgb '{COLOURS[i % len(COLOURS)]}'"
             for i, (label, _) in enumerate(series)]
    return draw(script + "plot " + ", \\\n  ".join(plots) + "\n")
