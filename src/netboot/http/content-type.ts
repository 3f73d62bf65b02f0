/** By extension. UEFI HTTP boot tells programs from disk images by these types (UEFI 2.10 §24.7.3.2). */
const TYPES: ReadonlyMap<string, string> = new Map([
  ["efi", "application/efi"],
  ["iso", "application/vnd.efi-iso"],
  ["img", "application/vnd.efi-img"],
  ["ipxe", "text/plain; charset=utf-8"],
  ["txt", "text/plain; charset=utf-8"],
  ["cfg", "text/plain; charset=utf-8"],
  ["html", "text/html; charset=utf-8"],
  ["json", "application/json"],
]);

export function contentType(path: string): string {
  const extension = /\.([^./]+)$/.exec(path)?.[1]?.toLowerCase() ?? "";
  return TYPES.get(extension) ?? "application/octet-stream";
}
