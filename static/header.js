// The size of an image, from the header of its file. The server does not rely on it.

/** Bytes that are read at a time. */
const BLOCK = 65_536;
/** The most segments of a JPEG or entries of a TIFF that are read. */
const MOST = 4096;

/** The width and height of the image in a file, or null where they are not found. */
export async function sizeOf(file) {
  try {
    const read = async (from, length) => new DataView(await file.slice(from, from + length).arrayBuffer());
    const head = await read(0, BLOCK);
    const text = String.fromCharCode(...new Uint8Array(head.buffer, 0, Math.min(16, head.byteLength)));
    const found = KINDS.find(([starts]) => starts.test(text));
    const size = found && (await found[1](head, read));
    return size && size[0] > 0 && size[1] > 0 ? { width: size[0], height: size[1] } : null;
  } catch {
    // The file is shorter than its header says.
    return null;
  }
}

/** The first bytes of each format, and the function that finds its size. */
const KINDS = [
  [/^\x89PNG\r\n\x1a\n/, (head) => [head.getUint32(16), head.getUint32(20)]],
  [/^GIF8/, (head) => [head.getUint16(6, true), head.getUint16(8, true)]],
  [/^BM/, bmp],
  [/^RIFF.{4}WEBP/s, webp],
  [/^\xff\xd8\xff/, jpeg],
  [/^II[*+]\0/, (head, read) => tiff(read, true)],
  [/^MM\0[*+]/, (head, read) => tiff(read, false)],
];

/** The first header of OS/2 has 12 bytes, and sides of 16 bits. */
function bmp(head) {
  if (head.getUint32(14, true) === 12) return [head.getUint16(18, true), head.getUint16(20, true)];
  return [head.getInt32(18, true), Math.abs(head.getInt32(22, true))];
}

/** RFC 9649: a canvas of its own, or the frame of one of the two codecs. */
function webp(head) {
  const kind = String.fromCharCode(...new Uint8Array(head.buffer, 12, 4));
  const three = (at) => head.getUint16(at, true) + 0x10000 * head.getUint8(at + 2);
  if (kind === "VP8X") return [three(24) + 1, three(27) + 1];
  if (kind === "VP8 ") return [head.getUint16(26, true) & 0x3fff, head.getUint16(28, true) & 0x3fff];
  if (kind !== "VP8L") return null;
  const packed = head.getUint32(21, true);
  return [(packed & 0x3fff) + 1, ((packed >> 14) & 0x3fff) + 1];
}

/** ITU-T T.81, annex B: segments, until the one of the frame. */
async function jpeg(head, read) {
  let at = 2;
  for (let segment = 0; segment < MOST; segment += 1) {
    const view = await read(at, 9);
    const marker = view.getUint8(1);
    const frame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (frame) return [view.getUint16(7), view.getUint16(5)];
    at += marker === 0xff ? 1 : 2 + view.getUint16(2);
  }
  return null;
}

/** TIFF 6.0, section 2, and BigTIFF: the entries 256 and 257 of the first directory. */
async function tiff(read, little) {
  const head = await read(0, 16);
  const big = head.getUint16(2, little) === 43;
  const directory = big ? Number(head.getBigUint64(8, little)) : head.getUint32(4, little);
  const [counted, entry, value] = big ? [8, 20, 12] : [2, 12, 8];
  const counts = await read(directory, counted);
  const entries = big ? Number(counts.getBigUint64(0, little)) : counts.getUint16(0, little);
  const view = await read(directory + counted, entry * Math.min(entries, MOST));
  const sides = [0, 0];
  for (let at = 0; at + entry <= view.byteLength; at += entry) {
    const side = view.getUint16(at, little) - 256;
    if (side !== 0 && side !== 1) continue;
    const short = view.getUint16(at + 2, little) === 3;
    sides[side] = short ? view.getUint16(at + value, little) : view.getUint32(at + value, little);
  }
  return sides;
}
