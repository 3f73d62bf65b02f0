import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { MemoryDevice, type BlockDevice } from "#block";
import { serveNbd, type NbdServer, type NbdServerOptions } from "#nbd";

export const miB = 1024 * 1024;

export interface Event {
  readonly kind: string;
  readonly [key: string]: unknown;
}

export interface Serving {
  readonly server: NbdServer;
  readonly device: MemoryDevice;
  readonly socket: string;
  readonly url: string;
  readonly events: readonly Event[];
}

/** Runs `work` with a new folder that is gone afterwards. */
export async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), "sanlab-nbd-test-"));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Serves a memory disk of 8 MiB as the export "disk", and whatever `options` add. */
export function serving(
  work: (serving: Serving) => Promise<void>,
  options: Partial<NbdServerOptions> & { readonly device?: MemoryDevice } = {},
): Promise<void> {
  return inFolder(async (folder) => {
    const { device = new MemoryDevice(8 * miB), ...rest } = options;
    const socket = path.join(folder, "nbd.sock");
    const events: Event[] = [];
    await using server = await serveNbd({
      listen: { path: socket },
      exports: [{ name: "disk", device, description: "a test's disk" }],
      report: (kind, data) => events.push({ kind, ...data }),
      ...rest,
    });
    await work({ server, device, socket, url: server.url("disk"), events });
  });
}

export async function contentOf(device: BlockDevice): Promise<Buffer> {
  const bytes = Buffer.alloc(device.size);
  await device.read(0, bytes);
  return bytes;
}
