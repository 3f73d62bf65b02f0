import { UsageError } from "#core";

/** Reads HOST:PORT, with brackets around an IPv6 address. @throws UsageError BAD_ADDRESS, which shows `usualPort` */
export function parseListen(
  text: string,
  usualPort: number,
): { readonly host: string; readonly port: number } {
  const found = /^(?:\[([0-9a-fA-F:.%a-z]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const port = Number(found?.[3]);
  if (found === null || port > 65_535)
    throw new UsageError(
      "BAD_ADDRESS",
      `${JSON.stringify(text)} is no HOST:PORT; write 127.0.0.1:${usualPort} or [::1]:${usualPort}`,
    );
  return { host: found[1] ?? found[2] ?? "", port };
}
