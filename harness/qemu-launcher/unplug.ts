import { QmpError, type Qmp } from "./qmp.ts";
import type { Wait } from "./waiting.ts";

/** A guest that listens answers within 0.2 s. */
const askAgainMs = 1000;

/**
 * Unplugs a device and waits until it is gone. The request goes to the guest's operating system, which loses it when it
 * comes too early in its boot, so it is repeated until QEMU reports DEVICE_DELETED. Throws QmpError when QEMU says that
 * the device can never be unplugged, TimeoutError when the guest does not let it go.
 */
export async function unplug(qmp: Qmp, id: string, wait: Wait = {}): Promise<void> {
  const deleted = qmp.until("DEVICE_DELETED", { ...wait, accept: (event) => event.data["device"] === id });
  const refused = Promise.withResolvers<never>();
  let asked = 0;
  const ask = () => {
    const again = asked++ > 0;
    return qmp.execute("device_del", { id }).catch((error: unknown) => {
      // A device that is gone by the second request has been let go: the event is on its way.
      if (!isUnderWay(error) && !(again && isGone(error))) refused.reject(error);
    });
  };
  void ask();
  const again = setInterval(() => void ask(), askAgainMs);
  try {
    await Promise.race([deleted, refused.promise]);
  } finally {
    clearInterval(again);
    deleted.catch(() => {});
  }
}

/** QEMU's answer to a repeated request while the first still waits for the guest. */
function isUnderWay(error: unknown): boolean {
  return error instanceof QmpError && error.message.includes("already in the process of unplug");
}

function isGone(error: unknown): boolean {
  return error instanceof QmpError && error.errorClass === "DeviceNotFound";
}
