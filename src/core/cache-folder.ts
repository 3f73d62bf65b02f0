import { homedir } from "node:os";
import path from "node:path";

/** Where sanlab keeps what it can make again: `$SANLAB_CACHE`, else `$XDG_CACHE_HOME/sanlab`, else `~/.cache/sanlab`. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  const { SANLAB_CACHE: own, XDG_CACHE_HOME: user = "" } = env;
  if (own) return path.resolve(own);
  return path.join(path.isAbsolute(user) ? user : path.join(homedir(), ".cache"), "sanlab");
}
