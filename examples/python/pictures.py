"""pictures: pixels, a loss curve and a grid of digits -> PNG files, with nothing but the standard library."""
import struct
import zlib

WHITE, BLACK, BLUE, GREEN, RED = (255, 255, 255), (0, 0, 0), (31, 119, 180), (44, 160, 44), (214, 39, 40)


class Picture:
    def __init__(self, width, height, color=WHITE):
        self.width, self.height = width, height
        self.pixels = bytearray(bytes(color) * (width * height))

    def dot(self, x, y, color):
        if 0 <= x < self.width and 0 <= y < self.height:
            at = 3 * (y * self.width + x)
            self.pixels[at:at + 3] = bytes(color)

    def line(self, x0, y0, x1, y1, color):
        steps = max(abs(x1 - x0), abs(y1 - y0), 1)
        for i in range(steps + 1):
            self.dot(x0 + (x1 - x0) * i // steps, y0 + (y1 - y0) * i // steps, color)

    def frame(self, x0, y0, x1, y1, color):
        for corner in ((x0, y0, x1, y0), (x0, y1, x1, y1), (x0, y0, x0, y1), (x1, y0, x1, y1)):
            self.line(*corner, color)

    def save(self, path):
        rows = b"".join(b"\0" + self.pixels[y * self.width * 3:(y + 1) * self.width * 3] for y in range(self.height))

        def chunk(kind, data):
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

        header = struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0)
        with open(path, "wb") as file:
            file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


def save_curve(path, losses):
    """Losses, each and as a running mean, from left to right; the frame is 0 to the largest."""
    picture, width, height = Picture(640, 360), 600, 320
    picture.frame(20, 20, 20 + width, 20 + height, BLACK)
    top, mean, last = max(losses) or 1.0, losses[0], None
    for i, loss in enumerate(losses):
        mean = 0.98 * mean + 0.02 * loss
        x = 20 + width * i // max(1, len(losses) - 1)
        picture.dot(x, 20 + height - int(height * loss / top), (190, 210, 230))
        here = (x, 20 + height - int(height * mean / top))
        picture.line(*(last or here), *here, BLUE)
        last = here
    picture.save(path)


def save_digits(path, digits, are_right, columns=10):
    """28x28 digits as lists of 0..255, in a green frame where the answer was right, else in a red one."""
    rows = -(-len(digits) // columns)
    picture = Picture(columns * 36, rows * 36)
    for i, (digit, is_right) in enumerate(zip(digits, are_right)):
        x0, y0 = i % columns * 36 + 4, i // columns * 36 + 4
        for y, row in enumerate(digit):
            for x, value in enumerate(row):
                picture.dot(x0 + x, y0 + y, (255 - value,) * 3)
        picture.frame(x0 - 2, y0 - 2, x0 + 29, y0 + 29, GREEN if is_right else RED)
    picture.save(path)
