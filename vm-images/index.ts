/**
 * The guests that sanlab can boot: what each is, how its disk comes to be, and how its progress looks from outside.
 *
 * A guest is a folder with a `guest.yaml`: knowledge of a guest is data there, never code elsewhere. `prepareGuest`
 * makes its disk once and keeps it in the cache; callers serve it read-only, through a copy-on-write overlay.
 * `harness/scenario` and `src/cli` use this; it knows nothing of QEMU, targets or verdicts.
 */
export { listGuests, loadGuest } from "./guests.ts";
export { prepareLio, type LioFiles } from "./lio/prepare.ts";
export { prepareGuest, type PrepareOptions, type PreparedGuest } from "./prepare.ts";
export { checkDisk } from "./check-disk.ts";
export type { Firmware, GuestManifest, GuestMarkers, GuestSource, RecipeSource } from "./manifest.ts";
