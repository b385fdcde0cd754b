# SPDX-License-Identifier: BSD-3-Clause
"""report_svg.py - the plots of bench/report: lines over linear or logarithmic axes, and bars. Plain SVG."""

import math
from html import escape

WIDTH, HEIGHT = 780, 400
LEFT, RIGHT, TOP, BOTTOM = 72, 226, 48, 58

# Told apart also by who cannot see red and green (Okabe and Ito), and by the marker.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f")
MARKERS = ("circle", "square", "triangle", "diamond")
STYLE = """\
text { font-family: "Helvetica Neue", Helvetica, Arial, "DejaVu Sans", sans-serif; font-size: 12px; fill: #333 }
.title { font-size: 15px; font-weight: bold; fill: #111 }
.axis { stroke: #333; stroke-width: 1 }
.grid { stroke: #d8d8d8; stroke-width: 1 }
.minor { stroke: #efefef; stroke-width: 1 }
.level { stroke: #999; stroke-width: 1; stroke-dasharray: 2 3 }
.note { fill: #777; font-size: 11px; stroke: #fff; stroke-width: 3px; paint-order: stroke }"""


def number(value):
    """A short number for an axis or a bar: 0.5, 20, 1k, 1.5M."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.3g}{unit}"
    return f"{value:.3g}"


class Axis:
    """Values to pixels. `low` and `high` are values at the ends; ticks are (value, label or None)."""

    def __init__(self, values, start, end, log, ticks=None):
        self.log, self.start, self.end = log, start, end
        if ticks:
            self.ticks = [(value, number(value)) for value in ticks]
            pad = 0.25 * (max(ticks) - min(ticks)) or 1
            self.low, self.high = min(ticks) - pad, max(ticks) + pad
        elif log:
            self._log_ticks(min(values), max(values))
        else:
            self._linear_ticks(max(values))

    def _log_ticks(self, low, high):
        """Whole decades if there are three or more, else 1, 2, 5."""
        steps = [m * 10.0**e for e in range(-4, 13) for m in (1, 2, 5)]
        self.low = max(step for step in steps if step <= low)
        self.high = min(step for step in steps if step >= max(high, self.low * 1.01))
        decades = math.log10(self.high / self.low)
        self.ticks = []
        for e in range(-4, 13):
            for m in range(1, 10):
                value = m * 10.0**e
                if self.low * 0.999 <= value <= self.high * 1.001:
                    named = m == 1 or (decades < 3 and m in (2, 5))
                    self.ticks.append((value, number(value) if named else None))

    def _linear_ticks(self, high):
        raw = high / 5 or 1
        power = 10 ** math.floor(math.log10(raw))
        step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw)
        count = math.ceil(high / step)
        self.low, self.high = 0, count * step
        self.ticks = [(i * step, number(i * step)) for i in range(count + 1)]

    def at(self, value):
        if self.log:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def tag(name, text=None, **attributes):
    words = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"' for key, value in attributes.items())
    return f"<{name}{words}/>" if text is None else f"<{name}{words}>{escape(text)}</{name}>"


def line(x1, y1, x2, y2, **attributes):
    return tag("line", x1=f"{x1:.1f}", y1=f"{y1:.1f}", x2=f"{x2:.1f}", y2=f"{y2:.1f}", **attributes)


def text(x, y, words, **attributes):
    return tag("text", words, x=f"{x:.1f}", y=f"{y:.1f}", **attributes)


def marker(shape, x, y, colour):
    if shape == "circle":
        return tag("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=4, fill=colour)
    corners = {
        "square": ((-3.5, -3.5), (3.5, -3.5), (3.5, 3.5), (-3.5, 3.5)),
        "triangle": ((0, -4.5), (4.5, 3.5), (-4.5, 3.5)),
        "diamond": ((0, -5), (5, 0), (0, 5), (-5, 0)),
    }[shape]
    return tag("polygon", points=" ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners), fill=colour)


def document(title, height, body):
    head = [
        "<!-- SPDX-License-Identifier: BSD-3-Clause -->",
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">',
        tag("title", title),
        f"<style>{STYLE}</style>",
        tag("rect", width=WIDTH, height=height, fill="#fff"),
        text(LEFT, 26, title, class_="title"),
    ]
    return "\n".join(head + body + ["</svg>", ""])


def frame(x, y, xlabel, ylabel):
    """Grid, ticks and names of both axes."""
    body = []
    for value, label in x.ticks:
        at = x.at(value)
        body.append(line(at, y.start, at, y.end, class_="grid" if label else "minor"))
        if label:
            body.append(text(at, y.start + 18, label, text_anchor="middle"))
    for value, label in y.ticks:
        at = y.at(value)
        body.append(line(x.start, at, x.end, at, class_="grid" if label else "minor"))
        if label:
            body.append(text(x.start - 8, at + 4, label, text_anchor="end"))
    middle = (y.start + y.end) / 2
    return body + [
        line(x.start, y.start, x.end, y.start, class_="axis"),
        line(x.start, y.start, x.start, y.end, class_="axis"),
        text((x.start + x.end) / 2, HEIGHT - 14, xlabel, text_anchor="middle"),
        text(18, middle, ylabel, text_anchor="middle", transform=f"rotate(-90 18 {middle:.1f})"),
    ]


def style_of(i, dashed):
    """Colour, marker and dashes of the i-th series."""
    attributes = {"stroke": COLOURS[i % len(COLOURS)], "stroke_width": 2.5 if i == 0 else 1.8, "fill": "none"}
    if dashed:
        attributes["stroke_dasharray"] = "6 4"
    return MARKERS[i % len(MARKERS)], attributes


def legend(entries):
    """In the order of the lines' right ends, so that the eye finds them."""
    body, x, y = [], WIDTH - RIGHT + 16, TOP + 12
    for label, shape, attributes in entries:
        body.append(line(x, y - 4, x + 26, y - 4, **attributes))
        body.append(marker(shape, x + 13, y - 4, attributes["stroke"]))
        body.append(text(x + 34, y, label))
        y += 21
    return body


def lines(title, xlabel, ylabel, series, levels=(), xlog=False, ylog=False, xticks=None):
    """
    series: (label, [(x, y)...], style, dashed): equal style is equal colour. levels: (label, y), drawn
    across. None if there is nothing to draw.
    """
    series = [s for s in series if s[1]]
    if not series:
        return None
    ys = [y for s in series for _, y in s[1]] + [y for _, y in levels]
    x = Axis([x for s in series for x, _ in s[1]], LEFT, WIDTH - RIGHT, xlog, xticks)
    y = Axis(ys, HEIGHT - BOTTOM, TOP, ylog)
    body = frame(x, y, xlabel, ylabel)
    for label, value in levels:
        at = y.at(value)
        body.append(line(x.start, at, x.end, at, class_="level"))
        body.append(text(x.end - 4, at - 4, label, class_="note", text_anchor="end"))
    entries = []
    for label, points, style, dashed in series:
        shape, attributes = style_of(style, dashed)
        pixels = [(x.at(px), y.at(py)) for px, py in sorted(points)]
        body.append(tag("polyline", points=" ".join(f"{px:.1f},{py:.1f}" for px, py in pixels), **attributes))
        body.extend(marker(shape, px, py, attributes["stroke"]) for px, py in pixels)
        entries.append((pixels[-1][1], label, shape, attributes))
    entries.sort(key=lambda entry: entry[0])
    return document(title, HEIGHT, body + legend([entry[1:] for entry in entries]))


def bars(title, xlabel, values):
    """values: (label, value, words at its end)."""
    if not values:
        return None
    height = TOP + 34 * len(values) + BOTTOM
    left, bottom = 230, height - BOTTOM
    x = Axis([value for _, value, _ in values], left, WIDTH - 120, False)
    body = []
    for value, label in x.ticks:
        body.append(line(x.at(value), bottom, x.at(value), TOP, class_="grid"))
        body.append(text(x.at(value), bottom + 18, label, text_anchor="middle"))
    for i, (label, value, words) in enumerate(values):
        y = TOP + 34 * i + 6
        body.append(tag("rect", x=left, y=y, width=f"{x.at(value) - left:.1f}", height=22, fill=COLOURS[0]))
        body.append(text(left - 8, y + 15, label, text_anchor="end"))
        body.append(text(x.at(value) + 6, y + 15, words))
    body.append(line(left, bottom, left, TOP, class_="axis"))
    body.append(text((left + WIDTH - 120) / 2, height - 14, xlabel, text_anchor="middle"))
    return document(title, height, body)
