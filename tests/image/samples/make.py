#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Makes the picture files beside it. Needs Pillow; the tests only need the files.
import io, os, random, struct, zlib
from PIL import Image

os.chdir(os.path.dirname(os.path.abspath(__file__)))
RED, BLUE = (220, 40, 30), (20, 60, 200)


def two(width=16, height=8):
    picture = Image.new('RGB', (width, height), RED)
    picture.paste(BLUE, (width // 2, 0, width, height))
    return picture


def chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def png(width, height, depth, colour, rows, extra=b''):
    head = struct.pack('>IIBBBBB', width, height, depth, colour, 0, 0, 0)
    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', head) + extra +
            chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b''))


# A matrix profile (ICC v2) of sRGB's primaries, adapted to D50, with the tone curve of gamma 1.
def linear_profile():
    def s15(*values):
        return b''.join(struct.pack('>i', round(v * 65536)) for v in values)

    def xyz(*v):
        return b'XYZ \0\0\0\0' + s15(*v)

    curve = b'curv\0\0\0\0' + struct.pack('>I', 0) + b'\0\0\0\0'
    text = b'desc\0\0\0\0' + struct.pack('>I', 7) + b'linear\0' + b'\0' * 81
    tags = [(b'desc', text), (b'cprt', b'text\0\0\0\0none\0\0\0\0'), (b'wtpt', xyz(.9642, 1, .8249)),
            (b'rXYZ', xyz(.4361, .2225, .0139)), (b'gXYZ', xyz(.3851, .7169, .0971)),
            (b'bXYZ', xyz(.1431, .0606, .7141)), (b'rTRC', curve), (b'gTRC', curve),
            (b'bTRC', curve)]
    table, body, at = struct.pack('>I', len(tags)), b'', 128 + 4 + 12 * len(tags)
    for name, data in tags:
        data += b'\0' * (-len(data) % 4)
        table += name + struct.pack('>II', at + len(body), len(data))
        body += data
    size = at + len(body)
    head = struct.pack('>I4sI4s4s4s', size, b'\0\0\0\0', 0x02100000, b'mntr', b'RGB ', b'XYZ ')
    head += struct.pack('>6H', 2026, 1, 1, 0, 0, 0) + b'acsp' + b'\0' * 28 + s15(.9642, 1, .8249)
    return head.ljust(128, b'\0') + table + body


two().save('two.jpg', quality=95, subsampling=0)
two().quantize(4).save('two.gif')
two().save('two.webp', quality=95)
two().save('two.tif')
two().save('bmp', format='BMP')
os.rename('bmp', 'two.bmp.txt')
exif = Image.Exif()
exif[0x0112] = 6  # turn clockwise
two().save('upright.jpg', quality=95, subsampling=0, exif=exif)
Image.new('CMYK', (8, 8), (255, 0, 0, 0)).save('cmyk.jpg', quality=95)
frames = [Image.new('RGB', (8, 8), c).quantize(2) for c in (RED, BLUE)]
frames[0].save('frames.gif', save_all=True, append_images=frames[1:], duration=100, loop=0)
row = b'\0' + struct.pack('>HH', 0x8000, 0x4000) * 4
open('grey16-alpha.png', 'wb').write(png(4, 4, 16, 4, row * 4))
icc = b'linear\0\0' + zlib.compress(linear_profile())
open('linear.png', 'wb').write(png(4, 4, 8, 2, (b'\0' + b'\x80' * 12) * 4, chunk(b'iCCP', icc)))
random.seed(1)
noise = Image.frombytes('RGB', (32, 32), bytes(random.randrange(256) for _ in range(3072)))
noise.save('noise.png')
noise.save('noise.jpg', quality=90)
