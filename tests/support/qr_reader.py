"""Read QR codes with OpenCV, which shares no code with the library that draws them."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import cv2
import numpy

_SVG = "{http://www.w3.org/2000/svg}"
_PIXELS = 4
"""For each module."""

_reader = cv2.QRCodeDetectorAruco()


def read_svg(svg: bytes) -> str:
    """Return the text of a drawn code. Its dark modules are one path of horizontal strokes."""
    drawing = ElementTree.fromstring(svg)
    modules = int(drawing.get("viewBox", "").split()[2])
    picture = numpy.full((modules, modules), 255, numpy.uint8)
    path = next(each.get("d", "") for each in drawing.iter(f"{_SVG}path") if each.get("stroke") == "#000")
    x = y = 0.0
    for command, numbers in re.findall(r"([Mmh])([^Mmh]+)", path):
        values = [float(number) for number in re.findall(r"-?[\d.]+", numbers)]
        if command == "h":
            picture[int(y), int(x) : int(x + values[0])] = 0
            x += values[0]
        else:
            x, y = values if command == "M" else (x + values[0], y + values[1])
    return _read(numpy.kron(picture, numpy.ones((_PIXELS, _PIXELS), numpy.uint8)))


def read_png(png: bytes) -> str:
    """Return the text of the code in a screenshot."""
    return _read(cv2.imdecode(numpy.frombuffer(png, numpy.uint8), cv2.IMREAD_GRAYSCALE))


def _read(picture: numpy.ndarray) -> str:
    return _reader.detectAndDecode(picture)[0]
