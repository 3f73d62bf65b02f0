/** What a stranger sent as text, fit for a terminal: control characters become escapes. */
export function escapeText(text: string): string {
  return text.replaceAll(
    // oxlint-disable-next-line no-control-regex -- they are what it is about
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    (character) => {
      const code = character.codePointAt(0) ?? 0;
      return code < 0x100
        ? `\\x${code.toString(16).padStart(2, "0")}`
        : `\\u${code.toString(16).padStart(4, "0")}`;
    },
  );
}
