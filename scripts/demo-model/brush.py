"""What pictures are painted with: a canvas over an array of bytes, paints, paths. Colours are (red, green, blue) from 0 to 255."""

import numpy as np
import skia

CANVAS = 128.0
INK = (24, 20, 28)


def shade(color, factor):
    return tuple(int(min(255, max(0, c * factor))) for c in color)


def mix(a, b, amount):
    return tuple(int(x + (y - x) * amount) for x, y in zip(a, b))


def ink(canvas, path, s, width=2.6):
    """The outline of a comic: dark, over the edge of a filled path."""
    if s.style == "comic":
        canvas.drawPath(path, line(INK, width))


def shape(canvas, path, paint, s):
    """A filled path, with its outline in a comic."""
    canvas.drawPath(path, paint)
    ink(canvas, path, s)


def fill(color, alpha=255):
    return skia.Paint(AntiAlias=True, Color=skia.Color(*color, alpha))


def line(color, width, alpha=255):
    return skia.Paint(AntiAlias=True, Color=skia.Color(*color, alpha), Style=skia.Paint.kStroke_Style, StrokeWidth=width,
                      StrokeCap=skia.Paint.kRound_Cap, StrokeJoin=skia.Paint.kRound_Join)


def vertical(top, bottom, y0, y1):
    return skia.Paint(AntiAlias=True, Shader=skia.GradientShader.MakeLinear([skia.Point(0, y0), skia.Point(0, y1)], [skia.Color(*top), skia.Color(*bottom)]))


def polygon(points):
    path = skia.PathBuilder()
    path.moveTo(*points[0])
    for point in points[1:]:
        path.lineTo(*point)
    path.close()
    return path.detach()


def curve(start, *pieces, closed=False):
    """A path of cubic (six numbers), quadratic (four) and straight (two) pieces."""
    path = skia.PathBuilder()
    path.moveTo(*start)
    for piece in pieces:
        {6: path.cubicTo, 4: path.quadTo, 2: path.lineTo}[len(piece)](*piece)
    if closed:
        path.close()
    return path.detach()


def ring(x, y, radius):
    return oval(rect(x - radius, y - radius, x + radius, y + radius))


def oval(bounds):
    path = skia.PathBuilder()
    path.addOval(bounds)
    return path.detach()


def rounded(bounds, radius):
    path = skia.PathBuilder()
    path.addRRect(skia.RRect.MakeRectXY(bounds, radius, radius))
    return path.detach()


def rect(x0, y0, x1, y1):
    return skia.Rect.MakeLTRB(x0, y0, x1, y1)


def canvas_of(size, view):
    """A picture to paint on, its canvas, and the surface that must live as long. `view` (2x3) maps canvas units to pixels; without it the canvas fills the picture."""
    pixels = np.zeros((size, size, 4), np.uint8)
    surface = skia.Surface(pixels, colorType=skia.kRGBA_8888_ColorType)
    canvas = surface.getCanvas()
    if view is None:
        canvas.scale(size / CANVAS, size / CANVAS)
    else:
        v = np.asarray(view, float)
        canvas.concat(skia.Matrix.MakeAll(v[0, 0], v[0, 1], v[0, 2], v[1, 0], v[1, 1], v[1, 2], 0, 0, 1))
        canvas.clipRect(rect(0, 0, CANVAS, CANVAS))
    return pixels, canvas, surface
