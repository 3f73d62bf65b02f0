type Scalar = string | number | boolean | undefined;

/**
 * One QEMU option argument, `head,key=value,…`. Commas in values are doubled as QEMU demands, booleans become on/off,
 * an undefined value leaves its key out, a list repeats the key.
 */
export function option(head: string, values: Readonly<Record<string, Scalar | readonly string[]>>): string {
  const parts = Object.entries(values).flatMap(([key, value]) =>
    (typeof value === "object" ? value : [value])
      .filter((one) => one !== undefined)
      .map((one) => `${key}=${quote(one)}`),
  );
  return [...(head === "" ? [] : [quote(head)]), ...parts].join(",");
}

function quote(value: string | number | boolean): string {
  if (typeof value === "boolean") return value ? "on" : "off";
  return String(value).replaceAll(",", ",,");
}
