import type { BlockDevice } from "#block";
import type { Report } from "#core";
import { Session } from "#initiator";
import { NbdDevice, isNbdUrl, openImage } from "#nbd";
import type { IscsiOptions } from "./iscsi-options.ts";
import { sessionOptions } from "./iscsi-session.ts";
import type { TraceFile } from "./iscsi-trace.ts";

export interface OpenDeviceOptions {
  readonly iscsi: IscsiOptions;
  readonly readOnly?: boolean;
  /** Ends opening, and nothing after it. */
  readonly signal: AbortSignal;
  readonly trace?: TraceFile | undefined;
  /** Told what an iSCSI session goes through: `initiator` with `step`, the session's own word for it. */
  readonly report?: Report;
}

/** Whether a text names a disk elsewhere, rather than a file. */
export const isUrl = (text: string): boolean => isNbdUrl(text) || text.startsWith("iscsi:");

/** Opens what a command line names: an iSCSI URL, an NBD URL, or an image file of any format. `resources` keeps it. */
export async function openDevice(
  text: string,
  options: OpenDeviceOptions,
  resources: AsyncDisposableStack,
): Promise<BlockDevice> {
  const { readOnly = false, signal } = options;
  if (isNbdUrl(text)) return resources.use(await NbdDevice.connect(text, { readOnly, signal }));
  if (isUrl(text)) return await openDisk(text, options, resources);
  return resources.use(await openImage(text, { readOnly, signal }));
}

async function openDisk(
  text: string,
  { iscsi, signal, trace, report }: OpenDeviceOptions,
  resources: AsyncDisposableStack,
): Promise<BlockDevice> {
  const { url, login } = await sessionOptions(text, iscsi, signal, trace);
  const session = resources.use(
    await Session.login({
      ...login,
      ...(report && { report: (step, data) => report("initiator", { step, ...data }) }),
    }),
  );
  return await session.disk(iscsi.lun ?? url.lun, { signal });
}
