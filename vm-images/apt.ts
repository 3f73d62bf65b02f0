import { randomUUID } from "node:crypto";
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { errorMessage, LabError, type Report } from "#core";
import { runTool } from "./host-tool.ts";

export interface AptOptions {
  readonly cache: string;
  readonly signal?: AbortSignal | undefined;
  readonly report?: Report | undefined;
}

const systemLists = "/var/lib/apt/lists";

/**
 * This machine's apt, used without root: it reads the system's sources, keys and package lists, and where those lists
 * are missing or stale it fetches lists of its own into the cache.
 */
export class Apt {
  readonly #options: AptOptions;
  readonly #lists: string;

  constructor(options: AptOptions, lists: string = systemLists) {
    this.#options = options;
    this.#lists = lists;
  }

  /** The apt with the newer package lists: the system's own, or those that an earlier `refreshed` left in the cache. */
  static async newest(options: AptOptions): Promise<Apt> {
    const own = ownLists(options.cache);
    const [system, cached] = await Promise.all([newestFile(systemLists), newestFile(own)]);
    return new Apt(options, cached > system ? own : systemLists);
  }

  /** Changes whenever apt could answer otherwise: new lists, new sources, new preferences. */
  async state(): Promise<string> {
    const places = [this.#lists, "/etc/apt", "/etc/apt/sources.list.d", "/etc/apt/preferences.d"];
    const times = await Promise.all(places.map((place) => newestFile(place)));
    return `${this.#lists} ${times.join(" ")}`;
  }

  cache(args: readonly string[]): Promise<string> {
    return runTool("apt-cache", [...this.#settings(), ...args], { signal: this.#options.signal });
  }

  get(args: readonly string[], cwd: string): Promise<string> {
    return runTool("apt-get", [...this.#settings(), ...args], {
      signal: this.#options.signal,
      cwd,
      writes: cwd,
    });
  }

  /**
   * An apt with package lists fetched now.
   *
   * @throws LabError `APT_UNREACHABLE` where no package source answers.
   */
  async refreshed(): Promise<Apt> {
    const { cache, report } = this.#options;
    const lists = ownLists(cache);
    const fresh = `${lists}.${randomUUID()}`;
    report?.("guest-packages", { step: "update" });
    await mkdir(path.join(fresh, "partial"), { recursive: true });
    try {
      await new Apt(this.#options, fresh).get(["update", "-qq"], cache).catch((error: unknown) => {
        this.#options.signal?.throwIfAborted();
        throw unreachable(error);
      });
      await rm(lists, { recursive: true, force: true });
      // A second sanlab may have put its own, just as fresh lists there meanwhile.
      await rename(fresh, lists).catch(() => undefined);
    } finally {
      await rm(fresh, { recursive: true, force: true });
    }
    return new Apt(this.#options, lists);
  }

  #settings(): readonly string[] {
    const settings = [
      ...(this.#lists === systemLists ? [] : [`Dir::State::Lists=${this.#lists}`]),
      `Dir::Cache=${path.join(this.#options.cache, "apt", "cache")}`,
      "APT::Sandbox::User=",
      "Acquire::Retries=1",
      "Acquire::Retries::Delay=false",
      "Acquire::http::Timeout=20",
      "Acquire::https::Timeout=20",
    ];
    return settings.flatMap((setting) => ["-o", setting]);
  }
}

export function unreachable(cause: unknown): LabError {
  return new LabError(
    "APT_UNREACHABLE",
    `apt cannot fetch the guest's Debian packages (${errorMessage(cause)}): check the network and /etc/apt/sources.list, then run 'sudo apt-get update'`,
    { cause },
  );
}

function ownLists(cache: string): string {
  return path.join(cache, "apt", "lists");
}

/** The time in milliseconds at which something in the folder changed last, 0 where there is nothing. */
async function newestFile(folder: string): Promise<number> {
  const names = await readdir(folder).catch(() => []);
  const times = await Promise.all(
    [".", ...names].map((name) =>
      stat(path.join(folder, name)).then(
        (found) => found.mtimeMs,
        () => 0,
      ),
    ),
  );
  return names.length === 0 ? 0 : Math.max(...times);
}
