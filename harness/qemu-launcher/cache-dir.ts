import { homedir } from "node:os";
import path from "node:path";

/** Where sanlab keeps what it can make again: `SANLAB_CACHE`, else the user's cache folder. */
export function cacheDir(): string {
  const { SANLAB_CACHE: own, XDG_CACHE_HOME: xdg } = process.env;
  if (own !== undefined && own !== "") return path.resolve(own);
  return path.join(
    xdg !== undefined && path.isAbsolute(xdg) ? xdg : path.join(homedir(), ".cache"),
    "sanlab",
  );
}
