"""Paints a person (`identity.py`) in a setting (`setting.py`), and knows the exact box and the five points of the face.

The canvas is 128 units wide whatever the size in pixels; the face's own coordinates have their origin in the middle of the head.
"""

import math

import numpy as np
import skia

from brush import CANVAS, INK, canvas_of, curve, fill, ink, line, mix, oval, polygon, rect, ring, rounded, shade, shape, vertical
from identity import BEARDS, GLASSES, STYLES, identity
from setting import COLORS, caption, setting

CENTER = (64.0, 62.0)
BACKDROPS = [(150, 176, 200), (212, 160, 150), (156, 190, 160), (206, 190, 150), (176, 164, 200)]


def paint_scene(canvas, s):
    rng = np.random.default_rng([11, s.detail])
    if s.scene == "beach":
        canvas.drawRect(rect(0, 0, 128, 66), vertical((92, 176, 244), (196, 230, 252), 0, 66))
        canvas.drawCircle(18 if rng.random() < 0.5 else 110, 18, 10, fill((255, 236, 140)))
        canvas.drawRect(rect(0, 64, 128, 90), vertical((26, 126, 188), (60, 172, 210), 64, 90))
        canvas.drawRect(rect(0, 88, 128, 128), vertical((248, 226, 170), (232, 200, 136), 88, 128))
    elif s.scene == "snow":
        canvas.drawRect(rect(0, 0, 128, 90), vertical((176, 198, 226), (224, 234, 246), 0, 90))
        shift, flakes = float(rng.uniform(-6, 6)), np.random.default_rng(5)
        canvas.drawPath(polygon([(-20 + shift, 90), (22 + shift, 42), (64 + shift, 90)]), fill((150, 170, 204)))
        canvas.drawPath(polygon([(60 + shift, 90), (104 + shift, 36), (150 + shift, 90)]), fill((150, 170, 204)))
        canvas.drawPath(polygon([(13 + shift, 52), (22 + shift, 42), (31 + shift, 52)]), fill((250, 252, 255)))
        canvas.drawPath(polygon([(94 + shift, 48), (104 + shift, 36), (114 + shift, 48)]), fill((250, 252, 255)))
        canvas.drawRect(rect(0, 86, 128, 128), vertical((250, 252, 255), (226, 236, 248), 86, 128))
        for _ in range(9):
            canvas.drawCircle(float(flakes.uniform(4, 124)) + shift, float(flakes.uniform(4, 80)), 2.1, fill((255, 255, 255)))
    elif s.scene == "forest":
        canvas.drawRect(rect(0, 0, 128, 128), vertical((196, 226, 176), (150, 196, 130), 0, 96))
        shift = float(rng.uniform(-5, 5))
        for x, top, color in ((34, 14, (74, 132, 78)), (96, 10, (74, 132, 78)), (6, 2, (42, 98, 58)), (64, 0, (58, 116, 68)), (122, 0, (42, 98, 58))):
            x += shift
            canvas.drawRect(rect(x - 3, 84, x + 3, 102), fill((96, 66, 44)))
            for k in range(3):
                y = top + 26 * k
                canvas.drawPath(polygon([(x - 12 - 5 * k, y + 36), (x, y), (x + 12 + 5 * k, y + 36)]), fill(color))
        canvas.drawRect(rect(0, 98, 128, 128), vertical((72, 112, 56), (54, 90, 46), 98, 128))
    elif s.scene == "city":
        canvas.drawRect(rect(0, 0, 128, 128), vertical((18, 20, 56), (62, 44, 104), 0, 110))
        canvas.drawCircle(16 if rng.random() < 0.5 else 112, 16, 8, fill((250, 244, 210)))
        shift, lights = float(rng.uniform(-4, 4)), np.random.default_rng(6)
        for x, w, top in ((-8, 24, 52), (17, 20, 34), (38, 22, 58), (61, 20, 40), (82, 22, 30), (105, 28, 50)):
            x += shift
            canvas.drawRect(rect(x, top, x + w, 128), fill((20, 22, 44)))
            for wy in range(top + 6, 124, 14):
                for wx in np.arange(x + 3, x + w - 6, 9):
                    if lights.random() < 0.75:
                        canvas.drawRect(rect(wx, wy, wx + 5.5, wy + 8), fill((250, 214, 110)))
    else:
        color = BACKDROPS[int(rng.integers(len(BACKDROPS)))]
        canvas.drawRect(rect(0, 0, 128, 128), vertical(mix(color, (255, 255, 255), 0.25), shade(color, 0.86), 0, 128))


def paint_body(canvas, p, s):
    color = COLORS[s.clothes]
    x = 64 + s.dx * 0.7
    shape(canvas, curve((x - 56, 130), (x - 54, 112, x - 36, 106, x - 14, 103), (x + 14, 103), (x + 36, 106, x + 54, 112, x + 56, 130), closed=True), fill(color), s)
    canvas.drawPath(curve((x - 17, 102.5), (x - 12, 116, x + 12, 116, x + 17, 102.5)), line(shade(color, 0.7), 4))


def paint_neck(canvas, p, s):
    shape(canvas, curve((-11, 22), (-11, 44), (-9, 53, 9, 53, 11, 44), (11, 22), closed=True), fill(shade(p.skin, 0.8)), s)


def head_path(p, grow=0.0):
    w, top, chin = p.width + grow, -35.0 - grow, 37.0 + grow
    jaw = w * (0.42 + 0.42 * p.jaw)
    return curve((-w, -4), (-w, -24, -w * 0.62, top, 0, top), (w * 0.62, top, w, -24, w, -4), (w, 17, jaw + 4, chin, 0, chin), (-jaw - 4, chin, -w, 17, -w, -4), closed=True)


def paint_hair_back(canvas, p, s):
    style, w, paint = STYLES[p.style], p.width, fill(shade(p.hair, 0.82))
    if style == "bob":
        canvas.drawRoundRect(rect(-w - 7, -41, w + 7, 30), 24, 24, paint)
        ink(canvas, rounded(rect(-w - 7, -41, w + 7, 30), 24), s)
    elif style == "long":
        shape(canvas, curve((-w - 6, -8), (-w - 6, -58, w + 6, -58, w + 6, -8), (w + 7, 20, w + 10, 40, w + 9, 52), (-w - 9, 52), (-w - 10, 40, -w - 7, 20, -w - 6, -8), closed=True), paint, s)
    elif style == "curly":
        if s.style == "comic":
            for k in range(11):
                angle = math.pi * (-0.14 + 1.28 * k / 10)
                canvas.drawCircle(-math.cos(angle) * (w + 3), -12 - math.sin(angle) * 24, 13, fill(INK))
        for k in range(11):
            angle = math.pi * (-0.14 + 1.28 * k / 10)
            canvas.drawCircle(-math.cos(angle) * (w + 3), -12 - math.sin(angle) * 24, 11.5, paint)
    elif style == "bun" and s.hat == "none":
        canvas.drawCircle(0, -44, 10, paint)
        ink(canvas, ring(0, -44, 10), s)


def paint_ears(canvas, p, s):
    for side in (-1, 1):
        canvas.drawOval(rect(side * p.width - 5, -5, side * p.width + 5, 10), fill(shade(p.skin, 0.9)))
        ink(canvas, oval(rect(side * p.width - 5, -5, side * p.width + 5, 10)), s)


def paint_hair_front(canvas, p, s):
    style, w, paint = STYLES[p.style], p.width, fill(p.hair)
    if style == "bald":
        return
    canvas.save()
    canvas.clipPath(head_path(p, 3.0), doAntiAlias=True)
    if style in ("short", "spiky"):
        shape(canvas, curve((-w - 6, 2), (-w + 2, -14), (-w + 5, -21, w - 5, -21, w - 2, -14), (w + 6, 2), (w + 8, -50), (-w - 8, -50), closed=True), paint, s)
    elif style == "parted":
        shape(canvas, curve((-w - 6, 6), (-w + 2, -10), (-w + 6, -20, -8, -20, -10, -30), (4, -16, w - 6, -18, w - 2, -6), (w + 6, 6), (w + 8, -50), (-w - 8, -50), closed=True), paint, s)
    elif style == "bob":
        shape(canvas, curve((-w - 6, 20), (-w + 3, 18), (-w + 3, -14), (-w + 8, -17, w - 8, -17, w - 3, -14), (w - 3, 18), (w + 6, 20), (w + 8, -50), (-w - 8, -50), closed=True), paint, s)
    elif style == "long":
        shape(canvas, curve((-w - 6, 24), (-w + 2, 20), (-w + 3, -8, -6, -14, 0, -29), (6, -14, w - 3, -8, w - 2, 20), (w + 6, 24), (w + 8, -50), (-w - 8, -50), closed=True), paint, s)
    elif style == "bun":
        shape(canvas, curve((-w - 6, 0), (-w + 2, -10), (-w + 6, -26, w - 6, -26, w - 2, -10), (w + 6, 0), (w + 8, -50), (-w - 8, -50), closed=True), paint, s)
    elif style == "curly":
        for x, y in ((-1.0, -13), (-0.72, -22), (-0.28, -27), (0.28, -27), (0.72, -22), (1.0, -13)):
            canvas.drawCircle(x * w, y, 9.5, paint)
    canvas.restore()
    if style == "spiky" and s.hat == "none":
        points = [(-w - 2, -12)]
        for k in range(6):
            x = -w + 2 * w * (k + 0.5) / 6
            points += [(x, -50 + 0.012 * x * x), (-w + 2 * w * (k + 1) / 6, -31 + 0.028 * (x + w / 6) ** 2)]
        points[-1] = (w + 2, -12)
        shape(canvas, polygon(points + [(0, -20)]), paint, s)


def paint_beard(canvas, p, s):
    color = shade(p.hair, 0.92)
    if BEARDS[p.beard] == "full beard":
        canvas.save()
        canvas.clipPath(head_path(p, 1.2), doAntiAlias=True)
        w = p.width
        canvas.drawPath(curve((-w - 4, 2), (-w + 4, 4), (-w + 8, 16, -9, 14, 0, 14.5), (9, 14, w - 8, 16, w - 4, 4), (w + 4, 2), (w + 4, 44), (-w - 4, 44), closed=True), fill(color))
        canvas.restore()
    elif BEARDS[p.beard] == "moustache":
        m = p.mouth + 2.5
        canvas.drawPath(curve((s.yaw * 2.5, 14.4), (s.yaw * 2.5 + m * 0.7, 13, s.yaw * 2.5 + m, 19.5), (s.yaw * 2.5, 21, s.yaw * 2.5 - m, 19.5), (s.yaw * 2.5 - m * 0.7, 13, s.yaw * 2.5, 14.4), closed=True), fill(color))


def paint_face(canvas, p, s):
    shift, surprised = s.yaw * 2.5, s.expression == "surprised"
    outline = shade(p.skin, 0.55)
    if p.blush:
        for side in (-1, 1):
            canvas.drawOval(rect(shift + side * (p.width - 10) - 5.5, 7, shift + side * (p.width - 10) + 5.5, 15), fill((232, 88, 84), int(255 * p.blush)))
    paint_beard(canvas, p, s)
    for side in (-1, 1):
        x, y, rx, ry = shift + side * p.spacing, -2.0, 7.4 * p.eye, (6.8 if surprised else 5.3) * p.eye
        canvas.drawOval(rect(x - rx, y - ry, x + rx, y + ry), fill((255, 255, 255)))
        canvas.drawCircle(x + s.yaw * 0.8, y, 4.9 * p.eye, fill(p.iris))
        canvas.drawCircle(x + s.yaw * 0.8, y, 2.3 * p.eye, fill((20, 18, 20)))
        canvas.drawCircle(x + s.yaw * 0.8 + 1.5, y - 1.6, 1.2, fill((255, 255, 255)))
        canvas.drawOval(rect(x - rx, y - ry, x + rx, y + ry), line(outline, 1.3))
        lift = -3.0 if surprised else 0.0
        brow = curve((x - 7.5, -11.4 + lift + side * p.tilt * 24 * 0.5), (x, -15.2 + lift, x + 7.5, -11.4 + lift - side * p.tilt * 24 * 0.5))
        canvas.drawPath(brow, line(shade(p.hair, 0.75) if STYLES[p.style] != "bald" else shade(p.hair, 0.7), p.brow + 0.6))
    nose = shift * 1.5
    canvas.drawPath(curve((nose - p.nose, 9), (nose - p.nose * 0.9, 13.5, nose + p.nose * 0.9, 13.5, nose + p.nose, 9)), line(shade(p.skin, 0.62), 2.2))
    paint_mouth(canvas, p, s, shift)
    if p.glasses:
        frame = line((34, 32, 40), 2.0)
        for side in (-1, 1):
            x = shift + side * p.spacing
            if GLASSES[p.glasses] == "round glasses":
                canvas.drawCircle(x, -1.5, 9.6, frame)
            else:
                canvas.drawRect(rect(x - 9.4, -8.6, x + 9.4, 6.0), frame)
            canvas.drawLine(x + side * 9.5, -3, side * (p.width + 1), -4, frame)
        canvas.drawLine(shift - p.spacing + 9.4, -3, shift + p.spacing - 9.4, -3, frame)


def paint_mouth(canvas, p, s, shift):
    m, y = p.mouth, 22.5
    if s.expression == "smiling":
        smile = curve((shift - m - 1.5, y - 2), (shift, y, shift + m + 1.5, y - 2), (shift + m * 0.8, y + 10.5, shift - m * 0.8, y + 10.5, shift - m - 1.5, y - 2), closed=True)
        canvas.drawPath(smile, fill((255, 250, 244)))
        canvas.drawPath(smile, line(p.lips, 2.4))
    elif s.expression == "surprised":
        canvas.drawOval(rect(shift - 5.6, y - 5, shift + 5.6, y + 8), fill((76, 24, 30)))
        canvas.drawOval(rect(shift - 5.6, y - 5, shift + 5.6, y + 8), line(p.lips, 2.4))
    else:
        canvas.drawPath(curve((shift - m, y), (shift, y + 0.8, shift + m, y)), line(p.lips, 3.4))


def paint_hat(canvas, p, s):
    if s.hat == "none":
        return
    color, w = COLORS[s.hat_color], p.width
    dome = curve((-w - 3.5, -18), (-w - 3, -48, -w * 0.55, -50, 0, -50), (w * 0.55, -50, w + 3, -48, w + 3.5, -18), (0, -25, -w - 3.5, -18), closed=True)
    shape(canvas, dome, fill(color), s)
    if s.hat == "cap":
        shape(canvas, curve((-w - 2, -19), (-w * 0.6, -29, w * 0.6, -29, w + 2, -19), (w + 5, -14, w - 4, -12, w - 8, -14), (w * 0.4, -20, -w * 0.4, -20, -w + 8, -14), (-w + 4, -12, -w - 5, -14, -w - 2, -19), closed=True), fill(shade(color, 0.62)), s)
    else:
        canvas.drawPath(curve((-w - 2.5, -18.5), (0, -26, w + 2.5, -18.5)), line(mix(color, (255, 255, 255), 0.5), 8))
        canvas.drawCircle(0, -51, 6.5, fill(mix(color, (255, 255, 255), 0.5)))
        ink(canvas, ring(0, -51, 6.5), s)


def face_matrix(s):
    """Face coordinates -> canvas."""
    angle = math.radians(s.angle)
    c, n = math.cos(angle) * s.scale, math.sin(angle) * s.scale
    return np.array([[c, -n, CENTER[0] + s.dx], [n, c, CENTER[1] + s.dy]], np.float64)


def geometry(p, s):
    """Box (x0 y0 x1 y1) and five points of the face on the canvas: eyes, nose, corners of the mouth."""
    shift = s.yaw * 2.5
    points = np.array([[shift - p.spacing, -2], [shift + p.spacing, -2], [shift * 1.5, 11], [shift - p.mouth, 22.5], [shift + p.mouth, 22.5]])
    corners = np.array([[-p.width, -35], [p.width, -35], [p.width, 37], [-p.width, 37]])
    m = face_matrix(s)
    points, corners = points @ m[:, :2].T + m[:, 2], corners @ m[:, :2].T + m[:, 2]
    center, half = corners.mean(0), np.array([p.width, 36.0]) * s.scale
    return np.concatenate([center - half, center + half]).astype(np.float32), points.astype(np.float32)


def draw_scene(s, size=64, view=None):
    """The scene without anybody in it."""
    pixels, canvas, surface = canvas_of(size, view)
    paint_scene(canvas, s)
    return pixels[..., :3].copy()


def draw(p, s, size=64, view=None):
    """Paints a portrait: (size, size, 3) bytes."""
    pixels, canvas, surface = canvas_of(size, view)
    paint_scene(canvas, s)
    m = face_matrix(s)
    face = skia.Matrix.MakeAll(m[0, 0], m[0, 1], m[0, 2], m[1, 0], m[1, 1], m[1, 2], 0, 0, 1)
    canvas.save()
    canvas.concat(face)
    paint_hair_back(canvas, p, s)
    paint_neck(canvas, p, s)
    canvas.restore()
    paint_body(canvas, p, s)
    canvas.save()
    canvas.concat(face)
    paint_ears(canvas, p, s)
    head = head_path(p)
    canvas.drawPath(head, fill(p.skin))
    canvas.drawPath(head, line(shade(p.skin, 0.68), 1.2))
    ink(canvas, head, s)
    paint_hair_front(canvas, p, s)
    paint_face(canvas, p, s)
    paint_hat(canvas, p, s)
    canvas.restore()
    return pixels[..., :3].copy()


def contact_sheet(rows, path, scale=1):
    """Rows of equally large pictures in one PNG."""
    from PIL import Image
    sheet = Image.fromarray(np.concatenate([np.concatenate(list(row), 1) for row in rows], 0))
    sheet.resize((sheet.width * scale, sheet.height * scale), Image.NEAREST).save(path)


if __name__ == "__main__":
    import sys
    import time
    start, rows = time.time(), []
    rng = np.random.default_rng(0)
    for person in range(8):
        rows.append([draw(identity(900000 + person), setting(rng), 128) for _ in range(8)])
    print(f"{(time.time() - start) / 64 * 1000:.2f} ms a picture")
    contact_sheet(rows, sys.argv[1] if len(sys.argv) > 1 else "portraits.png")
    for _ in range(5):
        print(caption(setting(rng), rng))
