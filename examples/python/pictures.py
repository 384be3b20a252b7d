"""pictures: pixels, a loss curve and a grid of digits -> PNG files, with nothing but the standard library."""
import struct
import zlib

WHITE, BLACK, BLUE, GREEN, RED = (255, 255, 255), (0, 0, 0), (31, 119, 180), (44, 160, 44), (214, 39, 40)

# Characters of 3 x 5 dots: a row is three bits.
FONT = {"0": "75557", "1": "26227", "2": "71747", "3": "71717", "4": "55711", "5": "74717", "6": "74757", "7": "71122",
        "8": "75757", "9": "75717", ".": "00002", "l": "62227", "o": "00757", "s": "03426", "t": "27223", "e": "07547", "p": "06564",
        " ": "00000"}


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

    def text(self, x, y, characters, color=BLACK, scale=2):
        """Characters of FONT, the first one's upper left corner at x, y; 4 * scale dots each."""
        for i, character in enumerate(characters):
            for row, bits in enumerate(FONT[character]):
                for column in range(3):
                    if int(bits) >> (2 - column) & 1:
                        for k in range(scale * scale):
                            self.dot(x + (4 * i + column) * scale + k % scale, y + row * scale + k // scale, color)

    def save(self, path):
        rows = b"".join(b"\0" + self.pixels[y * self.width * 3:(y + 1) * self.width * 3] for y in range(self.height))

        def chunk(kind, data):
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

        header = struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0)
        with open(path, "wb") as file:
            file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


def save_curve(path, losses):
    """Losses by step, each as a dot, and their running mean as a line."""
    picture, left, width, height = Picture(680, 380), 60, 600, 320
    share = min(1, max(0.02, 5 / len(losses)))
    top, mean, last = max(losses) or 1.0, losses[0], None
    for tick in range(5):
        x, y = left + width * tick // 4, 20 + height - height * tick // 4
        picture.line(left - 5, y, left + width, y, (225, 225, 225))
        picture.text(8, y - 5, f"{top * tick / 4:.2f}")
        picture.line(x, 20 + height, x, 25 + height, BLACK)
        step = str((len(losses) - 1) * tick // 4)
        picture.text(x - 4 * len(step), 30 + height, step)
    picture.frame(left, 20, left + width, 20 + height, BLACK)
    picture.text(left, 6, "loss")
    picture.text(left + width - 32, 48 + height, "step")
    for i, loss in enumerate(losses):
        mean += share * (loss - mean)
        x = left + width * i // max(1, len(losses) - 1)
        picture.dot(x, 20 + height - int(height * loss / top), (130, 170, 210))
        here = (x, 20 + height - int(height * mean / top))
        picture.line(*(last or here), *here, BLUE)
        last = here
    picture.save(path)


def save_digits(path, digits, answers, labels, columns=10):
    """28x28 digits as lists of 0..255 with the answer below each: green where it is the label, else red."""
    rows = -(-len(digits) // columns)
    picture = Picture(columns * 36, rows * 50)
    for i, (digit, answer, label) in enumerate(zip(digits, answers, labels)):
        x0, y0 = i % columns * 36 + 4, i // columns * 50 + 4
        for y, row in enumerate(digit):
            for x, value in enumerate(row):
                picture.dot(x0 + x, y0 + y, (255 - value,) * 3)
        color = GREEN if answer == label else RED
        picture.frame(x0 - 2, y0 - 2, x0 + 29, y0 + 29, color)
        picture.text(x0 + 11, y0 + 33, str(answer), color)
    picture.save(path)
