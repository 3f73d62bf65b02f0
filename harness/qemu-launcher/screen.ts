import { open, readFile, rm } from "node:fs/promises";
import path from "node:path";
import type { GuestMemory } from "./guest-memory.ts";
import type { Qmp } from "./qmp.ts";
import type { Wait } from "./waiting.ts";

const columns = 80;
const rows = 25;
const textMemory = 0xb_8000;

/** Writes what the guest's display shows to a PNG file. */
export async function saveScreenshot(qmp: Qmp, file: string, wait: Wait = {}): Promise<void> {
  await qmp.execute("screendump", { filename: file, format: "png" }, wait);
}

/** A display's dots as they are: three bytes (red, green, blue) each, row by row. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly dots: Buffer;
}

/** What the guest's display shows. */
export async function readPicture(qmp: Qmp, runDir: string, wait: Wait = {}): Promise<Picture> {
  return withScreendump(qmp, runDir, wait, async (file) => {
    const bytes = await readFile(file);
    const [header = "", width, height] = portablePixmap.exec(bytes.toString("latin1", 0, 64)) ?? [];
    if (width === undefined || height === undefined) throw new Error("QEMU's screen dump is no pixmap");
    return { width: Number(width), height: Number(height), dots: bytes.subarray(header.length) };
  });
}

/**
 * The exact text of the VGA text screen, 25 lines without trailing blanks, or undefined when the display is not in
 * 80x25 text mode (UEFI's and every graphics mode). Reads the BIOS page at 0xB8000; a kernel console that scrolls by
 * moving the start address is seen unscrolled.
 */
export async function readScreenText(
  qmp: Qmp,
  memory: GuestMemory,
  runDir: string,
  wait: Wait = {},
): Promise<readonly string[] | undefined> {
  const cells = await memory.read(textMemory, columns * rows * 2, wait);
  if (!looksLikeText(cells) || !(await isTextMode(qmp, runDir, wait))) return undefined;
  return Array.from({ length: rows }, (_, row) =>
    Array.from({ length: columns }, (_unused, column) => glyphs[cells[(row * columns + column) * 2] ?? 0])
      .join("")
      .trimEnd(),
  );
}

/** A text screen gives each cell a colour; memory of a graphics mode is mostly zeros or 0xFF there. */
function looksLikeText(cells: Buffer): boolean {
  let coloured = 0;
  for (let at = 1; at < cells.length; at += 2) if (cells[at] !== 0 && cells[at] !== 0xff) coloured++;
  return coloured > (columns * rows) / 2;
}

/** VGA text modes of 80x25 cells have 400 lines of 720 or 640 dots; no graphics mode in use has. */
async function isTextMode(qmp: Qmp, runDir: string, wait: Wait): Promise<boolean> {
  return withScreendump(qmp, runDir, wait, async (file) => {
    const [, width, height] = portablePixmap.exec(await head(file)) ?? [];
    return height === "400" && (width === "720" || width === "640");
  });
}

/** The header of QEMU's screen dumps: binary dots of one byte a colour. */
const portablePixmap = /^P6\s+(\d+)\s+(\d+)\s+255\s/;

async function withScreendump<T>(
  qmp: Qmp,
  runDir: string,
  wait: Wait,
  look: (file: string) => Promise<T>,
): Promise<T> {
  const file = path.join(runDir, `.screen-${process.hrtime.bigint()}`);
  try {
    await qmp.execute("screendump", { filename: file }, wait);
    return await look(file);
  } finally {
    await rm(file, { force: true });
  }
}

async function head(file: string): Promise<string> {
  await using handle = await open(file, "r");
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(32), 0, 32, 0);
  return buffer.subarray(0, bytesRead).toString("latin1");
}

/** Code page 437, the character set of the VGA's own font. */
const glyphs: readonly string[] = Array.from(
  " ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼" +
    String.fromCharCode(...Array.from({ length: 95 }, (_, i) => 32 + i)) +
    "⌂ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■ ",
);
