import { UsageError } from "#core";

/** QEMU's key codes for one press, held down together. */
export type KeyPress = readonly string[];

/**
 * Turns text into key presses on a US keyboard. A special key or a combination stands in angle brackets, in QEMU's
 * names: `<ret>`, `<f12>`, `<ctrl-alt-delete>`; `<less>` is the less-than sign itself. Throws UsageError KEYS.
 */
export function parseKeys(keys: string): KeyPress[] {
  return [...keys.matchAll(/<([a-z0-9_-]+)>|([^])/gu)].map(([, special, char]) =>
    special === undefined ? keyOf(char ?? "") : combination(special),
  );
}

function combination(special: string): KeyPress {
  if (special === "less") return ["shift", "comma"];
  return special.split("-");
}

function keyOf(char: string): KeyPress {
  if (/[a-z0-9]/.test(char)) return [char];
  if (/[A-Z]/.test(char)) return ["shift", char.toLowerCase()];
  const plainKey = plain[char];
  if (plainKey !== undefined) return [plainKey];
  const shiftedKey = shifted[char];
  if (shiftedKey !== undefined) return ["shift", shiftedKey];
  throw new UsageError("KEYS", `no key of a US keyboard types ${JSON.stringify(char)}`);
}

const plain: Readonly<Record<string, string>> = {
  " ": "spc",
  "\n": "ret",
  "\t": "tab",
  "-": "minus",
  "=": "equal",
  "[": "bracket_left",
  "]": "bracket_right",
  "\\": "backslash",
  ";": "semicolon",
  "'": "apostrophe",
  "`": "grave_accent",
  ",": "comma",
  ".": "dot",
  "/": "slash",
};

const shifted: Readonly<Record<string, string>> = {
  "!": "1",
  "@": "2",
  "#": "3",
  $: "4",
  "%": "5",
  "^": "6",
  "&": "7",
  "*": "8",
  "(": "9",
  ")": "0",
  _: "minus",
  "+": "equal",
  "{": "bracket_left",
  "}": "bracket_right",
  "|": "backslash",
  ":": "semicolon",
  '"': "apostrophe",
  "~": "grave_accent",
  ">": "dot",
  "?": "slash",
};
