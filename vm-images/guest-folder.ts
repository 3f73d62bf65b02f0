import { existsSync } from "node:fs";
import path from "node:path";

/** Where the guests' folders are: beside this file, or beside `dist/` when the compiled form runs. */
export const guestFolder = existsSync(path.join(import.meta.dirname, "debian-mini", "guest.yaml"))
  ? import.meta.dirname
  : path.resolve(import.meta.dirname, "../../vm-images");
